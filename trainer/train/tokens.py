"""Which tokens of a completion stand where in its text."""

from bisect import bisect_left
from collections.abc import Callable, Sequence


def tokens_within(
    spans: Sequence[tuple[int, int]], text: str, ids: Sequence[int], decode: Callable[[Sequence[int]], str]
) -> list[bool] | None:
    """Return for each token whether it writes a character of a span of the text; None where ids do not give the text.

    `decode` gives the text of ids. Beginnings of the completion are decoded, a few for each span, so that any
    tokenizer will do: a model need not write a text in the tokens that the tokenizer would cut it into, and a
    character may be written by several tokens, or several sentences by one.
    """
    whole = decode(ids)
    before = whole.find(text)
    if before < 0:
        return None
    marked = [False] * len(ids)
    for start, end in spans:
        first = bisect_left(range(len(ids)), x=True, key=lambda at: len(decode(ids[: at + 1])) > before + start)
        # A character that is written in part decodes to another one.
        after = bisect_left(
            range(len(ids)), x=True, key=lambda at: decode(ids[:at])[: before + end] == whole[: before + end]
        )
        marked[first:after] = [True] * (after - first)
    return marked
