"""What a page consists of, in the order in which it is read; HTML and Markdown show the same blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hpsearch.analysis.findings import Rule

DASH = "\N{EN DASH}"

MINUS = "\N{MINUS SIGN}"

TIMES = "\N{MULTIPLICATION SIGN}"

ALPHA = "\N{GREEK SMALL LETTER ALPHA}"


@dataclass(frozen=True, slots=True)
class Text:
    """A paragraph.

    Attributes:
        text: It.
        tone: `plain`, `note` for what is said aside, `warning`, or `lead` for what is read first.
    """

    kind: ClassVar[str] = "text"
    text: str
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Subtitle:
    """A heading inside of a section."""

    kind: ClassVar[str] = "subtitle"
    text: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence with its status: `claim`, `equivalent`, `inconclusive`, `refused` or `exploratory`."""

    status: str
    text: str

    @property
    def parts(self) -> tuple[str, str]:
        """What is said first, up to the end of a sentence, and the rest."""
        first, end, rest = self.text.partition(". ")
        return first + end[:1], rest


@dataclass(frozen=True, slots=True)
class Answers:
    """Sentences with their status; where one leads, what it says first is set in large letters."""

    kind: ClassVar[str] = "answers"
    items: tuple[Sentence, ...]
    lead: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """A bulleted list."""

    kind: ClassVar[str] = "listing"
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Commands:
    """Lines as they are typed."""

    kind: ClassVar[str] = "commands"
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: What it says.
        strong: Whether it is printed bold.
        code: Whether it is typed like this.
    """

    text: str
    strong: bool = False
    code: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A table; its first column names the rows.

    Attributes:
        columns: Their names.
        rows: As many cells each.
        caption: What it shows; empty if its section says it.
        numbers: Columns that are set to the right.
        wide: Columns that hold sentences.
        cards: Whether each row becomes a card where the page is narrow.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    numbers: frozenset[int] = frozenset()
    wide: frozenset[int] = frozenset()
    cards: bool = False


@dataclass(frozen=True, slots=True)
class RuleNote:
    """One gate that forbids something.

    Attributes:
        rule: Which.
        level: The level that it is about; empty for all.
        reason: What was found.
        fix: What would satisfy it; may be empty.
    """

    rule: Rule
    level: str
    reason: str
    fix: str


@dataclass(frozen=True, slots=True)
class Refused:
    """What stands in place of something that is not shown.

    Attributes:
        title: What is not shown, `F1. Tuning curves`.
        why: In a sentence, where no gate says it; otherwise empty.
        bans: The gates.
    """

    kind: ClassVar[str] = "refused"
    title: str
    why: str = ""
    bans: tuple[RuleNote, ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure with everything that its files and its place in the page need.

    Attributes:
        number: `F1`.
        stem: Of its file names: letters, digits, hyphens.
        title: What it is.
        caption: How it is read.
        svg: The `<svg>` element.
        png: The file's bytes.
    """

    kind: ClassVar[str] = "picture"
    number: str
    stem: str
    title: str
    caption: str
    svg: str
    png: bytes


@dataclass(frozen=True, slots=True)
class Gallery:
    """Figures beside each other where there is room."""

    kind: ClassVar[str] = "gallery"
    items: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Beside:
    """Blocks that stand side by side where there is room, the first one wider."""

    kind: ClassVar[str] = "beside"
    blocks: tuple["Block", ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Something that is read only when it is opened.

    Attributes:
        summary: Its headline.
        blocks: What it hides.
        printed: Whether it stands open on paper.
    """

    kind: ClassVar[str] = "fold"
    summary: str
    blocks: tuple["Block", ...]
    printed: bool = True


Block = Text | Subtitle | Answers | Listing | Commands | Table | Refused | Gallery | Beside | Fold


@dataclass(frozen=True, slots=True)
class Section:
    """A chapter of the report.

    Attributes:
        anchor: Its name in links within the page.
        title: Its heading.
        short: Its name in the table of contents.
        blocks: What it says.
        stamp: What kind of evidence it is, for a label beside its heading; empty if it is none.
        folded: Whether it is read only when it is opened.
        lead: Its answer in a sentence, which is read although it is folded; empty if it has none.
    """

    anchor: str
    title: str
    short: str
    blocks: tuple[Block, ...]
    stamp: str = ""
    folded: bool = False
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """A whole report, section by section."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    pictures: tuple[Picture, ...]


def cells(*texts: Cell | str) -> tuple[Cell, ...]:
    """A row of a table."""
    return tuple(text if isinstance(text, Cell) else Cell(text) for text in texts)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[Cell | str]],
    caption: str = "",
    *,
    numbers: Sequence[int] = (),
    wide: Sequence[int] = (),
) -> Table:
    """A table of texts."""
    return Table(tuple(columns), tuple(cells(*row) for row in rows), caption, frozenset(numbers), frozenset(wide))
