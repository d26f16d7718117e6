"""Whether anything comes of asking: few calls until something has, and an end where nothing does.

A server may answer every call, be paid for it, and yield nothing. So a run begins with a few questions in flight and
opens up with the first that ends well; it ends when so many paid calls have led to nothing, or when one question after
the other fails for the same reason. What was in flight is awaited: it is paid for.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator

from cxr.miner.kit.errors import EngineStopped, MiningReject
from cxr.miner.llm.asked import Asked
from cxr.miner.llm.settings import ServerSettings
from cxr.schemas.call import Call
from cxr.schemas.vocabulary import RejectReason

# Questions in flight until one has ended well; where few calls are left, the oldest of them goes first.
_AT_FIRST = 4
_MOST_REASONS = 4
# What the model or its server did wrong, whatever the question was; other reasons are the question's own.
_SERVERS_OWN = frozenset({RejectReason.MODEL_OUTPUT_INVALID, RejectReason.MODEL_CALL_FAILED})


class Course:
    """How the questions of one run end; used from the tasks of one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._most = settings.max_useless_calls
        self.reply_is_enough = True
        """Whether a reply that was taken is what is asked for, or only a step on the way to it."""
        self._opened = self._most is None
        self._paid = 0
        self._in_flight = 0
        self._begun: dict[str, None] = {}
        """Questions that have asked and not ended, before the run opened up; the oldest first."""
        self._waiting: Counter[str] = Counter()
        self._entered: set[str] = set()
        """Questions whose end will be told: only they can be waited for."""
        self._changed = asyncio.Event()
        self._unanswered = 0
        self._rows: dict[str, tuple[str, int]] = {}
        """For each step that is asked for alone: why the last ones failed, and how many in a row."""
        self._stop: EngineStopped | None = None
        """What has ended the asking: those that ask in other threads shall not go on."""
        self.failed: Counter[str] = Counter()
        """Why questions failed, and how many."""
        self._errors: Counter[str] = Counter()
        """What was wrong with calls that may have been paid, and how many."""

    # ---- before and after a call

    @contextlib.asynccontextmanager
    async def turn(self, question_id: str) -> AsyncIterator[None]:
        """Wait until a question may ask; raises EngineStopped where that has ended, for whatever reason."""
        held = False
        if self._stop is not None:
            raise EngineStopped(str(self._stop))
        if self._most is not None and not self._opened and question_id in self._entered:
            held = await self._admitted(question_id, self._most)
        try:
            yield
        finally:
            if held:
                self._in_flight -= 1
                self._change()

    async def _admitted(self, question_id: str, most: int) -> bool:
        """Wait for one of the first places; return whether one is held, which is not needed once the run is open."""
        self._waiting[question_id] += 1
        try:
            while not self._opened:
                if self._stop is not None:
                    raise EngineStopped(str(self._stop))
                if self._paid >= most and all(self._waiting[begun] for begun in self._begun):
                    raise self._nothing_comes()
                if question_id not in self._begun and len(self._begun) < _AT_FIRST:
                    self._begun[question_id] = None
                left = most - self._paid - self._in_flight
                oldest = next(iter(self._begun), None) == question_id
                if question_id in self._begun and (left > len(self._begun) or (left > 0 and oldest)):
                    self._in_flight += 1
                    return True
                await self._changed.wait()
            return False
        finally:
            self._waiting[question_id] -= 1

    def settled(self, call: Call) -> None:
        """Count a call that has ended; one whose cost nobody knows may have been paid."""
        free = call.error is not None and call.completion_tokens == 0
        self._paid += not free
        self._errors[call.error or ""] += not free

    # ---- calls that get no reply

    def replied(self) -> None:
        """Note that the server answers."""
        self._unanswered = 0

    def no_reply(self, asked: Asked, what: str, told: str) -> EngineStopped | MiningReject:
        """Return the reject of a question that got no reply, or what ends the run when this happens again and again.

        `what` is fit for a table; `told` has the server's words and what to do.
        """
        self._unanswered += 1
        if self._unanswered >= self._settings.max_failures_in_row:
            return self._ending(
                f"{self._settings.base_url} has failed {self._unanswered} questions in a row ({what}{told}); then run "
                "the same command again"
            )
        return MiningReject(
            RejectReason.MODEL_CALL_FAILED,
            f"the {asked.prompt.name} step of question {asked.question_id} got no reply ({what}{told})",
            f"no reply ({what})",
        )

    # ---- how questions end

    @contextlib.contextmanager
    def question(self, question_id: str, step: str) -> Iterator[None]:
        """Note how a step of a question ends for which one reply is enough; raises what `rejected` gives.

        Where it is not enough, whoever asks tells how the question ends.
        """
        self._entered.add(question_id)
        if not self.reply_is_enough:
            yield
            return
        try:
            yield
        except MiningReject as reject:
            if (stop := self.rejected(question_id, reject, step)) is not None:
                raise stop from None
            raise
        except BaseException:
            self.ended(question_id)
            raise
        self.made(question_id, step)

    @contextlib.contextmanager
    def reply_to(self, question_id: str) -> Iterator[Callable[[str], None]]:
        """Give what to call with the text of a reply that is kept as it comes: one that says nothing is useless."""
        self._entered.add(question_id)

        def note(text: str) -> None:
            if text.strip():
                self.open()
            else:
                self.failed["an empty reply"] += 1

        try:
            yield note
        finally:
            self.ended(question_id)

    def made(self, question_id: str, step: str = "") -> None:
        """Note a question, or a step of it, that ended well: the run opens up."""
        self._rows.pop(step, None)
        self.open()
        self.ended(question_id)

    def rejected(self, question_id: str, reject: MiningReject, step: str = "") -> EngineStopped | None:
        """Note a question that failed; return what ends the run where that has happened too often in a row.

        One step that always succeeds does not hide that another never does.
        """
        why = f"{reject.reason}: {reject.kind}" if reject.kind else str(reject.reason)
        self.failed[why] += 1
        self.ended(question_id)
        if reject.reason not in _SERVERS_OWN or reject.kind is None:
            self._rows.pop(step, None)
            return None
        last, number = self._rows.get(step, (why, 0))
        number = number + 1 if last == why else 1
        self._rows[step] = (why, number)
        if number < self._settings.max_failures_in_row:
            return None
        return self._ending(
            f"{self._settings.base_url} has failed {number} questions in a row for the same reason "
            f"({reject.kind}); see that the model is fit for this and the server takes the request options, then run "
            "the same command again"
        )

    def ended(self, question_id: str) -> None:
        """Let another question begin."""
        self._begun.pop(question_id, None)
        self._entered.discard(question_id)
        self._change()

    def open(self) -> None:
        """Let everybody ask."""
        self._opened = True
        self._change()

    def told(self) -> str | None:
        """Return why questions failed, the most frequent reason first; None where none did."""
        if not self.failed:
            return None
        reasons = self.failed.most_common(_MOST_REASONS)
        rest = self.failed.total() - sum(number for _, number in reasons)
        each = "; ".join(f"{number:,} {why}" for why, number in reasons)
        questions = "question" if self.failed.total() == 1 else "questions"
        return f"{self.failed.total():,} {questions} failed: {each}" + (f"; {rest:,} for other reasons" if rest else "")

    def _ending(self, sentence: str) -> EngineStopped:
        self._stop = EngineStopped(sentence)
        self._change()
        return self._stop

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _nothing_comes(self) -> EngineStopped:
        common = next(iter(dict(self._errors.most_common(1))), "no question has ended")
        why = self.told() or common
        return self._ending(
            f"{self._paid} calls to {self._settings.base_url} have been paid for and nothing has come of them ({why}); "
            "`cxr show QUESTION` shows what the model wrote. Take another model or other request options, or allow "
            "more such calls with max_useless_calls, and run the same command again"
        )
