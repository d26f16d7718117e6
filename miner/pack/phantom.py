"""`phantom.toml`: a world of invented images and reports, small enough for a tiny model to learn."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cxr.miner.pack.tables import Table, Word, Words, known
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
    """What a phantom may show; the places to fill in are {size}, {side}, {zone}, {word}, {what} and {change}."""

    name: Word
    label: Word
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


class Denial(Table):
    """One sentence that denies several findings, after the sentence on one of them."""

    after: Word
    of: Words
    text: Word
    verbs: Words


class Lengths(Table):
    """A measure by degree, as ranges to draw from."""

    none: Range | None = None
    small: Range
    large: Range


class Ellipse(Table):
    """A filled ellipse; of a finding its width goes with the degree."""

    shape: Literal["ellipse"]
    at: Point
    radii: Point
    grey: Share
    of: str | None = None
    width: Lengths | None = None
    scale: float = 1.0

    @model_validator(mode="after")
    def _is_measured(self) -> "Ellipse":
        if (self.of is None) is not (self.width is None) or (self.width is not None and self.width.none is None):
            raise ValueError("an ellipse of a finding needs `width` with none, small and large; add them")
        return self


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


class Column(Table):
    """A band down the middle, which darkens nothing."""

    shape: Literal["column"]
    half_width: float
    grey: Share


class Rim(Table):
    """The outer part of a field, emptied, with a fine line at its border."""

    shape: Literal["rim"]
    of: Word
    grey: Share
    line: Share
    line_width: float
    outside: float
    reach: float
    size: Lengths


class Blob(Table):
    """A soft round density in a zone of a field."""

    shape: Literal["blob"]
    of: Word
    off: float
    y: dict[str, float]
    shift: float
    strength: float
    size: Lengths


class Level(Table):
    """The lower part of a field, filled, higher at the outside."""

    shape: Literal["level"]
    of: Word
    grey: Share
    bottom: float
    reach: float
    bend: float
    crest: float
    size: Lengths


class Bar(Table):
    """An upright bar in the middle, from the top down."""

    shape: Literal["bar"]
    of: Word
    kind: Word
    grey: Share
    half_width: float
    bottom: float


class Box(Table):
    """A box on a side, with a line from it to the middle."""

    shape: Literal["box"]
    of: Word
    kind: Word
    grey: Share
    at: Point
    half: Point
    line_half_width: float
    line_length: float
    line_drop: float


Shape = Annotated[Ellipse | Pair | Waves | Column | Rim | Blob | Level | Bar | Box, Field(discriminator="shape")]


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
        names = [finding.name for finding in self.finding]
        if sorted(self.lots) != sorted(names):
            raise ValueError(f"`lots` must name each finding once: {', '.join(names)}; correct it")
        others = [beside.finding for finding in self.finding for beside in finding.beside]
        for denial in self.denied:
            others += [denial.after, *denial.of]
        for shape in self.picture.shape:
            of = getattr(shape, "of", None)
            others += [of] if of is not None else []
        for name in others:
            known(name, names, "finding")
        self._words_can_be_filled()
        self._shapes_have_their_place()
        return self

    def _words_can_be_filled(self) -> None:
        places = {"size": "", "side": "", "zone": "", "word": ""}
        for finding in self.finding:
            said = [finding.full, finding.terse, finding.short, finding.short_terse]
            said += [text for kind in finding.kinds for text in (kind.full, kind.terse)]
            try:
                for text in said:
                    text.format(**places)
                finding.there.format(what="", change="")
            except (KeyError, IndexError, ValueError) as error:
                raise ValueError(
                    f"the words of {finding.name} have a place that cannot be filled ({error}); use size, side, zone, "
                    "word, and what, change in `there`"
                ) from None
            silent = not any(finding.name in denial.of for denial in self.denied)
            if silent and not finding.absent:
                raise ValueError(
                    f"nothing says that {finding.name} is absent; give it `absent`, or name it in `denied`"
                )

    def _shapes_have_their_place(self) -> None:
        zones = {finding.name: finding.zones for finding in self.finding}
        fields = False
        for number, shape in enumerate(self.picture.shape, start=1):
            if isinstance(shape, Waves | Rim | Level) and not fields:
                raise ValueError(f"shape {number} lies in fields that are not drawn yet; put a `pair` before it")
            if isinstance(shape, Blob) and set(shape.y) != set(zones[shape.of]):
                raise ValueError(f"shape {number} needs a height for each zone of {shape.of}; give `y` one for each")
            fields = fields or isinstance(shape, Pair)
