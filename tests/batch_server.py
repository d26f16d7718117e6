"""The Batch API of the scripted server: files, batches, and what goes wrong with them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from tests.scripted_server import Act, Fail, Refuse, Say, ScriptedServer, completion

_AS_IT_IS = object()


class BatchingServer(ScriptedServer):
    """Answers batches by the same script; `fate` says how the next batches end."""

    def __init__(self, script: Any, fates: Sequence[str] = ()) -> None:
        super().__init__(script)
        self.fates = list(fates)
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self.open_polls = 0
        """How many times a batch is said to be in progress before it ends."""
        self.refuse_creation = 0
        self.said_of_a_file: object = _AS_IT_IS
        self.said_in_lines: list[object] = []
        """What stands in the place of the next lines' responses."""
        self.extra = [
            ("POST", "/v1/files", self._upload),
            ("GET", "/v1/files/{id}/content", self._content),
            ("POST", "/v1/batches", self._create),
            ("GET", "/v1/batches", self._list),
            ("GET", "/v1/batches/{id}", self._get),
            ("POST", "/v1/batches/{id}/cancel", self._cancel),
        ]

    async def _upload(self, http: web.Request) -> web.Response:
        form = await http.post()
        assert form["purpose"] == "batch"
        upload = form["file"]
        assert isinstance(upload, web.FileField)
        name = f"file-{len(self.files) + 1}"
        self.files[name] = upload.file.read()
        return web.json_response({"id": name} if self.said_of_a_file is _AS_IT_IS else self.said_of_a_file)

    async def _create(self, http: web.Request) -> web.Response:
        if self.refuse_creation:
            self.refuse_creation -= 1
            return web.json_response({"error": {"code": "server_error"}}, status=500)
        wanted = await http.json()
        name = f"batch-{len(self.batches) + 1}"
        self.batches[name] = {
            "id": name,
            "status": "in_progress",
            "polls": self.open_polls,
            "input_file_id": wanted["input_file_id"],
            "metadata": wanted["metadata"],
            "fate": self.fates.pop(0) if self.fates else "completed",
        }
        return web.json_response(self.batches[name])

    async def _list(self, _: web.Request) -> web.Response:
        return web.json_response({"data": list(self.batches.values())})

    async def _get(self, http: web.Request) -> web.Response:
        batch = self.batches[http.match_info["id"]]
        if batch["status"] == "in_progress":
            if batch["polls"] > 0:
                batch["polls"] -= 1
            else:
                self._finish(batch)
        return web.json_response(batch)

    async def _cancel(self, http: web.Request) -> web.Response:
        batch = self.batches[http.match_info["id"]]
        batch["fate"] = "cancelled"
        self._finish(batch)
        return web.json_response({**batch, "status": "cancelling"})

    async def _content(self, http: web.Request) -> web.Response:
        return web.Response(body=self.files[http.match_info["id"]])

    def _finish(self, batch: dict[str, Any]) -> None:
        fate = batch["fate"]
        batch["status"] = {"partial": "expired", "errors": "completed"}.get(fate, fate)
        if fate == "failed":
            batch["errors"] = {"data": [{"code": "token_limit_exceeded", "message": "repeats what was sent"}]}
            return
        lines = [json.loads(line) for line in self.files[batch["input_file_id"]].splitlines()]
        answered = lines[: len(lines) // 2] if fate in {"partial", "cancelled", "errors"} else lines
        good: list[dict[str, Any]] = []
        bad: list[dict[str, Any]] = []
        for line in answered:
            act = self.next_act(line["body"])
            target = good if isinstance(act, Say) else bad
            result = _result(line["custom_id"], line["body"], act)
            if self.said_in_lines:
                result["response"] = self.said_in_lines.pop()
            target.append(result)
        if fate == "errors":
            bad += [_result(line["custom_id"], line["body"], Fail(500)) for line in lines[len(answered) :]]
        # Results come in any order.
        batch["output_file_id"] = self._file(list(reversed(good)))
        batch["error_file_id"] = self._file(bad) if bad else None
        batch["request_counts"] = {"total": len(lines), "completed": len(good), "failed": len(bad)}

    def _file(self, lines: Sequence[Mapping[str, Any]]) -> str:
        name = f"file-{len(self.files) + 1}"
        self.files[name] = "\n".join(json.dumps(line) for line in lines).encode()
        return name


def _result(custom_id: str, body: dict[str, Any], act: Act) -> dict[str, Any]:
    if isinstance(act, Say):
        return {"custom_id": custom_id, "response": {"status_code": 200, "body": completion(body, act)}, "error": None}
    status = act.status if isinstance(act, Fail | Refuse) else 500
    said = act.said if isinstance(act, Refuse) else {"error": {}}
    return {"custom_id": custom_id, "response": {"status_code": status, "body": said}, "error": None}
