"""Whether a quote asserts what evidence claims: a verbatim quote can still say the opposite of its claim.

"X" cut out of "no X" stands in the report word for word. What our own labeler reads at the quote's place is compared
with the claimed presence; where it reads nothing on that finding, a negation earlier in the clause is taken as a hint.
"""

from cxr.miner.language.grounding import leaves_out_negation
from cxr.miner.language.labeler import LabelEvidence, label_evidence
from cxr.miner.pack import pack
from cxr.schemas.text import Quote
from cxr.schemas.vocabulary import Presence


def contradiction(quote: Quote, finding: str, presence: Presence, report_text: str) -> str | None:
    """Return in what the quote contradicts the claim that the finding is present or absent; None if in nothing.

    An uncertain mention ("may represent") fits "present" and does not contradict "absent".
    """
    # 1 present, 0 absent, -1 uncertain.
    values = {mention.value for mention in read_within(quote, finding, report_text)}
    if presence is Presence.PRESENT:
        if values == {0}:
            return f"stands where {finding} is denied; quote the whole clause, from the negation on"
        if not values and leaves_out_negation(quote, report_text):
            return "leaves out a negation that stands before it in its sentence; quote from the negation on"
    elif values == {1}:
        return f"stands where {finding} is affirmed"
    return None


def read_within(quote: Quote, finding: str, report_text: str) -> list[LabelEvidence]:
    """Return the mentions of a finding that our own labeler reads at a quote's place; none where it has no label."""
    label = pack().label_called(finding)
    mentions = () if label is None else label_evidence(report_text)[label]
    return [each for each in mentions if each.quote.start < quote.end and quote.start < each.quote.end]
