"""What an ingest did to the store, in numbers and in a sentence."""

from dataclasses import dataclass, field


@dataclass
class IngestResult:
    """What `cxr ingest` did to the store; counts are studies, `progressions` rows."""

    corpus: str
    layout: str
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    labeled: int = 0
    relabeled: int = 0
    """Of those labeled, reports that had labels by an older version of our labeler."""
    progressions: int = 0
    removed_chains: int = 0
    wrote: bool = False
    notes: tuple[str, ...] = ()
    rejects: dict[str, int] = field(default_factory=dict)
    gaps: int = 0
    """Cells that do not read, whose rows were kept without them."""
    why: str = ""
    """Where nothing could be kept: the commonest reason, and a row that it befell."""

    @property
    def sentence(self) -> str:
        """The result in words."""
        if self.why:
            rejected = sum(self.rejects.values())
            return f"{self.corpus}: nothing could be kept, all {rejected:,} rows were rejected: {self.why}"
        if not (self.new or self.changed or self.labeled or self.progressions):
            there = f"all {self.unchanged:,} studies are" if self.unchanged else "everything is"
            return f"{self.corpus}: nothing to do, {there} in the store already"
        if self.progressions and not (self.new or self.unchanged):
            return f"{self.corpus} ({self.layout} layout): {self.progressions:,} progressions written"
        parts = [f"{self.new:,} new studies", f"{self.changed:,} changed", f"{self.unchanged:,} unchanged"]
        words = f"{self.corpus} ({self.layout} layout): {', '.join(parts)}, {self.labeled:,} reports labeled"
        if self.relabeled:
            words += f" ({self.relabeled:,} of them again, by a newer version of our labeler)"
        if self.progressions:
            words += f", {self.progressions:,} progressions written"
        if self.removed_chains:
            words += f"; {self.removed_chains:,} chains of changed reports or labels were removed, ask and mine again"
        return words
