"""The closed word lists of the project: one enum per concept, used in code, columns, CLI and docs.

The labels of a corpus are no closed list: they are those of the pack.
"""

from enum import StrEnum


class Task(StrEnum):
    """The five kinds of diagnostic question (paper, section 2)."""

    BINARY = "binary"
    SINGLE = "single"
    MULTIPLE = "multiple"
    ANOMALY = "anomaly"
    TEMPORAL = "temporal"


class Presence(StrEnum):
    """What a finding asserts about its concept."""

    PRESENT = "present"
    ABSENT = "absent"


class Certainty(StrEnum):
    """Whether the writer commits to the presence or hedges ("may represent", "cannot be excluded")."""

    CERTAIN = "certain"
    UNCERTAIN = "uncertain"


class Side(StrEnum):
    """Laterality, from the patient's point of view as in a report."""

    LEFT = "left"
    RIGHT = "right"
    BILATERAL = "bilateral"
    MIDLINE = "midline"


class Severity(StrEnum):
    """A four-point scale; sizes map onto it (small = mild, large = severe)."""

    MINIMAL = "minimal"
    MILD = "mild"
    MODERATE = "moderate"
    SEVERE = "severe"


class Change(StrEnum):
    """Change since the prior examination, as a report states it."""

    NEW = "new"
    WORSENED = "worsened"
    UNCHANGED = "unchanged"
    IMPROVED = "improved"
    RESOLVED = "resolved"


class Progression(StrEnum):
    """The three answers of a temporal question (MS-CXR-T)."""

    WORSENING = "worsening"
    STABLE = "stable"
    IMPROVING = "improving"


class Verdict(StrEnum):
    """What a report says about a finding (the rubric's five labels)."""

    SUPPORTED = "supported"
    CONTRADICTED = "contradicted"
    UNMENTIONED_NORMAL = "unmentioned_normal"
    UNMENTIONED_ABNORMAL = "unmentioned_abnormal"
    NOT_ASSESSABLE = "not_assessable"


class ErrorAttribute(StrEnum):
    """In what a wrong finding is wrong; all but the first and the last grant that the thing is there."""

    CERTAINTY = "certainty"
    """The report calls possible what the finding denies."""
    CHANGE = "change"
    LOCATION = "location"
    """Another place; of a device, another place of its tip."""
    NUMBER = "number"
    QUALITY = "quality"
    """What the report describes otherwise: "free" against "loculated"."""
    SEVERITY = "severity"
    SIDE = "side"
    SIZE = "size"
    PRESENCE = "presence"
    """It is not there, or it is there and denied, or the report does not speak of it."""


class Significance(StrEnum):
    """How much it matters to a patient that a finding is told: how soon somebody has to know."""

    CRITICAL = "critical"
    """Within minutes."""
    URGENT = "urgent"
    """Within hours."""
    NOTABLE = "notable"
    """Within days."""
    ROUTINE = "routine"
    """Whenever the report is read."""


class EvidenceKind(StrEnum):
    """Where a piece of evidence comes from."""

    QUOTED = "quoted"
    """The report says it, and the quotes show where."""
    INFERRED_NORMAL = "inferred_normal"
    """The report is silent, which is read as normal: physicians do not omit abnormal findings (paper, section 2)."""


class Licence(StrEnum):
    """Who may see a corpus's text."""

    PUBLIC = "public"
    """Anyone, under the data set's own terms."""
    CREDENTIALED = "credentialed"
    """Signed data use agreement: loopback endpoints only, unless attested (formats.md section 0)."""


class FileStatus(StrEnum):
    """What is known about an image's file: `cxr ingest` tells present from absent, `cxr images check` the rest."""

    PRESENT = "present"
    ABSENT = "absent"
    TRUNCATED = "truncated"
    """It ends before its own structure does."""
    UNREADABLE = "unreadable"
    """Permission denied, or no image of a known format."""


class Stage(StrEnum):
    """The steps a row can be written or rejected in."""

    INGEST = "ingest"
    ASK = "ask"
    MINE = "mine"
    SCORE = "score"
    FILTER = "filter"
    JUDGE = "judge"
    LABEL = "label"
    RADRSCORE = "radrscore"
    REWARD = "reward"
    IMPORT = "import"
    EXPORT = "export"
    TRAIN = "train"
    EVALUATE = "evaluate"


class RejectReason(StrEnum):
    """Why an input row did not become an output row; a count of these should read like a report."""

    NO_FINDINGS_NOR_IMPRESSION = "no_findings_nor_impression"
    DUPLICATE_KEY = "duplicate_key"
    MISSING_KEY = "missing_key"
    BROKEN_XML = "broken_xml"
    NOT_UTF8 = "not_utf8"
    UNSAFE_PATH = "unsafe_path"
    WRONG_SPLIT = "wrong_split"
    UNKNOWN_STUDY = "unknown_study"
    UNREADABLE = "unreadable"
    """A file or folder that cannot be opened, or an archive member that is damaged."""
    BAD_VALUE = "bad_value"
    GAP = "gap"
    """No reject: a cell that does not read, whose row is kept without it; it goes to `gaps`."""
    NOT_JSON = "not_json"
    WRONG_FIELDS = "wrong_fields"
    NO_REPORT = "no_report"
    REPORT_NOT_UNDERSTOOD = "report_not_understood"
    """Too little of the report was read to take its silence on a finding for the finding's absence."""
    READING_DOUBTED = "reading_doubted"
    """Words for a finding stand undenied in the report, and none was read: its silence on others is not believed."""
    QUOTE_NOT_FOUND = "quote_not_found"
    QUOTE_IRRELEVANT = "quote_irrelevant"
    """A quote that names neither its finding, nor a sign of it, nor what is normal in its place."""
    STATEMENT_NOT_QUOTED = "statement_not_quoted"
    """A statement with a side, degree, number or size that stands in none of its quotes, or a wider denial."""
    EVIDENCE_CONTRADICTS_ANSWER = "evidence_contradicts_answer"
    EVIDENCE_INCOMPLETE = "evidence_incomplete"
    ANSWER_MISMATCH = "answer_mismatch"
    MENTIONS_REPORT = "mentions_report"
    MODEL_OUTPUT_INVALID = "model_output_invalid"
    MODEL_CALL_FAILED = "model_call_failed"
    POLICY_REFUSED = "policy_refused"
    UNKNOWN_CHAIN = "unknown_chain"
    UNKNOWN_SAMPLE = "unknown_sample"
    UNSUPPORTED_TASK = "unsupported_task"
    """A record of a benchmark that asks for something else than an answer, such as a whole report."""
    IMAGE_ABSENT = "image_absent"
    IMAGE_TRUNCATED = "image_truncated"
    IMAGE_UNREADABLE = "image_unreadable"
    IMAGE_SHAPE = "image_shape"
    """More than 200 times as long as wide, which Qwen's processors refuse."""
    IMAGE_CONSTANT = "image_constant"
    """Of one colour: decoded, but there is nothing to see."""


THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
"""Where servers and files keep a model's thoughts: vLLM and DeepSeek; OpenRouter, newer vLLM; Ollama, Anthropic."""
