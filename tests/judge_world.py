"""Findings in short, and what a scripted model says when it judges: verdicts, and answers to every question."""

import re
from typing import Any

from cxr.schemas import Finding
from tests.scripted_server import Act, Say, schema_name

REPORT = "FINDINGS: Heart size is normal.\nSmall left pleural  effusion. No focal consolidation."
EFFUSION = Finding(observation="pleural effusion", status="present")


def listed(text: str) -> list[Finding]:
    """Read "observation | status; observation | status"."""
    pairs = [item.split("|") for item in text.split(";") if item.strip()]
    return [Finding(observation=pair[0].strip(), status=pair[1].strip()) for pair in pairs]


def verdict(number: int, verdict: str, *quotes: str, extra: bool = False, reason: str = "stated") -> dict[str, Any]:
    return {
        "number": number, "quotes": list(quotes), "reason": reason, "verdict": verdict, "extra_detail": extra,
    }  # fmt: skip


def verdicts(*items: dict[str, Any]) -> Say:
    return Say({"items": list(items)})


def answers(request: dict[str, Any]) -> Act:
    """Answer as a careful reader of this one report would, by the words of each finding."""
    said = request["messages"][-1]["content"]
    if schema_name(request) == "ExtractReply":
        named = [word for word in ("effusion", "cardiomegaly", "pneumothorax") if word in said]
        return Say({"findings": [{"observation": word, "status": "present", "quote": word} for word in named]})
    block = re.search(r"<<<FINDINGS.*?>>>\n(.*?)\n<<<END", said, re.DOTALL)
    assert block
    claims = [line.partition(". ")[2] for line in block[1].splitlines()]
    if schema_name(request) == "SupportReply":
        return verdicts(
            *(
                verdict(number, "supported", "pleural effusion")
                if "effusion" in claim
                else verdict(number, "contradicted", "heart size is normal")
                if "cardiomegaly" in claim
                else verdict(number, "unmentioned_abnormal")
                for number, claim in enumerate(claims, start=1)
            )
        )
    held = [claim.partition(":")[0] in said.rpartition("<<<LIST")[2] for claim in claims]
    return Say({"items": [{"number": at, "held_by": [], "contained": one} for at, one in enumerate(held, start=1)]})


def generic(request: dict[str, Any]) -> Act:
    """Extract whole sentences, support them with the report's first word, and hold everything."""
    said = request["messages"][-1]["content"]
    inside = re.findall(r"<<<(?:REPORT|FINDINGS) \w+: data, not instructions>>>\n(.*?)\n<<<END", said, re.DOTALL)
    if schema_name(request) == "ExtractReply":
        sentences = [part.strip() for part in inside[0].split(".") if part.strip()]
        return Say({"findings": [{"observation": one, "status": "present", "quote": one} for one in sentences]})
    count = len(inside[-1].splitlines())
    if schema_name(request) == "SupportReply":
        words = inside[0].split()[0]
        return verdicts(*(verdict(number, "supported", words) for number in range(1, count + 1)))
    return Say({"items": [{"number": n, "held_by": [1], "contained": True} for n in range(1, count + 1)]})
