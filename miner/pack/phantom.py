"""`phantom.toml`: a world of invented images and reports, small enough for a tiny model to learn."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cxr.miner.pack.tables import AskedLabel, Table, Word, Words, known
from cxr.schemas.vocabulary import Progression

Share = Annotated[float, Field(ge=0, le=1)]
Range = tuple[float, float]
Point = tuple[float, float]


class Beside(Table):
    """Where a finding lies that is on one side with another."""

    finding: Word
    zone: Word


class PhantomKind(Table):
    """One thing of several that a finding may be."""

    name: Word
    share: float = Field(gt=0)
    full: Word
    terse: Word


class PhantomFinding(Table):
    """What a phantom may show; words may have {size}, {side}, {zone} and {word}, and `there` {what} and {change}."""

    name: Word
    label: AskedLabel
    side: Literal["none", "first", "second", "either", "any"] = "none"
    """The first or the second side of the scene, either of the two by lot, or left or right by a lot of its own."""
    zones: Words = ()
    beside: tuple[Beside, ...] = ()
    kinds: tuple[PhantomKind, ...] = ()
    """What it may be; without kinds it has a degree."""
    words: Words = ()
    """How large it is called, which is the reader's choice and not the picture's."""
    full: str = ""
    """In the findings, with all that is seen; `terse` is its name alone."""
    terse: str = ""
    short: str = ""
    """The same in the impression; empty where the impression leaves it out."""
    short_terse: str = ""
    there: str = "{what}"
    absent: Words = ()

    @model_validator(mode="after")
    def _can_be_said(self) -> "PhantomFinding":
        said = [self.full, self.terse, self.short, self.short_terse]
        said += [words for kind in self.kinds for words in (kind.full, kind.terse)]
        try:
            for words in said:
                words.format(size="", side="", zone="", word="")
            self.there.format(what="", change="")
        except (KeyError, IndexError, ValueError) as error:
            raise ValueError(f"the words of {self.name} have a place that cannot be filled ({error})") from None
        return self


class Denial(Table):
    """One sentence that denies several findings, after the sentence on one of them."""

    after: Word
    of: Words
    text: Word
    verbs: Words


class Lengths(Table):
    """A measure by degree, as ranges to draw from."""

    none: Range = (0, 0)
    small: Range
    large: Range


class Ellipse(Table):
    """A filled ellipse; of a finding, its width goes with the degree."""

    shape: Literal["ellipse"]
    at: Point
    radii: Point
    grey: Share
    of: str | None = None
    size: Lengths | None = None
    scale: float = 1.0


class Pair(Table):
    """Two filled ellipses, left and right of the middle: the fields that other shapes lie in."""

    shape: Literal["pair"]
    off: float
    y: float
    radii: Point
    grey: Share


class Waves(Table):
    """A texture of the fields."""

    shape: Literal["waves"]
    strength: float
    bend: float
    number: float


class Bar(Table):
    """An upright bar in the middle, from the top down, which darkens nothing."""

    shape: Literal["bar"]
    of: str | None = None
    kind: str = ""
    half_width: float
    bottom: float
    grey: Share


class Rim(Table):
    """The outer part of a field, emptied, with a fine line at its border."""

    shape: Literal["rim"]
    of: Word
    size: Lengths
    outside: float
    reach: float
    grey: Share
    line: Share
    line_width: float


class Blob(Table):
    """A soft round density in a zone of a field."""

    shape: Literal["blob"]
    of: Word
    size: Lengths
    off: float
    y: dict[str, float]
    shift: float
    strength: float


class Level(Table):
    """The lower part of a field, filled, higher at the outside, as water stands in a glass."""

    shape: Literal["level"]
    of: Word
    size: Lengths
    bottom: float
    reach: float
    bend: float
    crest: float
    grey: Share


class Box(Table):
    """A box on a side, with a line from it to the middle."""

    shape: Literal["box"]
    of: Word
    kind: str = ""
    at: Point
    half: Point
    line_half_width: float
    line_length: float
    line_drop: float
    grey: Share


Shape = Annotated[Ellipse | Pair | Waves | Bar | Rim | Blob | Level | Box, Field(discriminator="shape")]


class Picture(Table):
    """What is drawn, from the back to the front; coordinates run from 0 to 1, down and to the right."""

    ground: Share
    shift: float
    noise: float
    shape: tuple[Shape, ...] = Field(min_length=1)


class Phantom(Table):
    """The table: findings in the order of the report, what is said of them, and how they look."""

    prevalence: Share
    terse: Share
    sizes: Annotated[Words, Field(min_length=2, max_length=2)]
    nothing: Word
    lots: Words
    finding: tuple[PhantomFinding, ...] = Field(min_length=1)
    denied: tuple[Denial, ...] = ()
    changed: dict[Progression, Words]
    picture: Picture

    @model_validator(mode="after")
    def _fits_together(self) -> "Phantom":
        findings = {finding.name: finding for finding in self.finding}
        if sorted(self.lots) != sorted(findings):
            raise ValueError(f"`lots` must name each finding once: {', '.join(findings)}; correct it")
        fields = False
        for number, shape in enumerate(self.picture.shape, start=1):
            if isinstance(shape, Waves | Rim | Level) and not fields:
                raise ValueError(f"shape {number} lies in fields that are not drawn yet; put a `pair` before it")
            fields = fields or isinstance(shape, Pair)
            of = None if isinstance(shape, Pair | Waves) else shape.of
            if of is not None:
                known(of, findings, "finding")
            if isinstance(shape, Blob) and set(shape.y) != set(findings[shape.of].zones):
                raise ValueError(f"shape {number} needs a height for each zone of {of}; give `y` one for each")
        for name in [each.finding for one in self.finding for each in one.beside]:
            known(name, findings, "finding")
        for name in [name for denial in self.denied for name in (denial.after, *denial.of)]:
            known(name, findings, "finding")
        if silent := [name for name, one in findings.items() if not (one.absent or self._denies(name))]:
            raise ValueError(f"nothing says that {silent[0]} is absent; give it `absent`, or name it in `denied`")
        return self

    def _denies(self, name: str) -> bool:
        return any(name in denial.of for denial in self.denied)
