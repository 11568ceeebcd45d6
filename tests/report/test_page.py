"""What every report says, in HTML and in Markdown, whatever was found and however hostile its names are."""

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.external_results import read_table
from hpsearch.report.blocks import DASH, MINUS
from hpsearch.report.figures import render as rendering
from hpsearch.report.page import compose, fence, markdown, markdown_code, markdown_text
from hpsearch.report.write import build
from tests.report.specimens import HOSTILE, MADE, every_specimen, one_level

pytestmark = pytest.mark.long

FORBIDDEN = (
    r"\bbest\b", r"\bwins?\b", r"\bwinners?\b", r"\boutperform\w*", r"\bsuperior\w*", r"state[ -]of[ -]the[ -]art",
    r"\bsignifican\w*", r"\bno difference\b", r"\btrend\w* towards?\b",
)  # fmt: skip
ANCHORS = [
    "answer", "budget", "tuning", "speed", "order", "mechanism", "confirm", "test", "explore", "design", "gates",
    "appendix",
]  # fmt: skip
SHOWN_NAMES = [
    "Adam <script>alert(1)</script>",
    'SGD "quoted" & $\\frac{1}{0}$ ${env:HOME} {{ 7*7 }} {% raw %}',
    "pipe | in `code` **bold** [link](javascript:alert(1)) --> ]]>",
    "line\\nbreak\\x00\\x1b[31m tab\\t emoji \N{GRINNING FACE} 中文 \\u202eright-to-left \\ud800",
    "</svg></style><img src=x onerror=alert(1)>",
]  # fmt: skip


class Page(HTMLParser):
    """What a browser would find in a page: tags with attributes, and the text of each element."""

    def __init__(self, text):
        super().__init__()
        self.source, self.tags, self.open, self.texts, self.bold = text, [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "path", "use", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)
            if "b" in self.open and "tbody" in self.open:
                self.bold.append(data)

    @property
    def anchors(self):
        return [attrs["id"] for tag, attrs in self.tags if tag == "section"]

    @property
    def text(self):
        return " ".join(" ".join(self.texts).split())


@pytest.fixture(scope="module")
def files():
    """All files of all specimens; pictures without their PNG, which takes time and holds no text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "png", lambda _: b"")
        return {name: build(found) for name, found in every_specimen().items()}


@pytest.fixture(scope="module")
def pages(files):
    return {name: Page(one["report.html"].decode()) for name, one in files.items()}


@pytest.fixture(scope="module")
def notes(files):
    return {name: one["report.md"].decode() for name, one in files.items()}


SPECIMENS = [made.__name__ for made in MADE]


def rendered(text):
    return Page(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))


@pytest.mark.parametrize("name", SPECIMENS)
def test_every_section_is_there_in_order(name, pages):
    there = {"test": name == "two_levels", "mechanism": name == "optimizers"}
    assert pages[name].anchors == [anchor for anchor in ANCHORS if there.get(anchor, True)]


@pytest.mark.parametrize("name", SPECIMENS)
def test_markdown_has_the_sections_of_the_page(name, pages, notes):
    headings = re.findall(r"^## (.+)", notes[name], flags=re.MULTILINE)
    titles = re.findall(r"<h2>(.+?)</h2>", pages[name].source)
    assert [rendered(heading).text for heading in headings] == [
        Page(title.partition(" <span")[0]).text for title in titles
    ]


@pytest.mark.parametrize("name", SPECIMENS)
def test_every_picture_or_the_reason_for_its_absence_is_there(name, pages):
    for number in ("F1.", "F3.", "F4.", "F5", "F6.", "F7.", "F8.", "F10.", "F11."):
        missing = number in ("F10.", "F11.") and name == "unconfirmed"
        assert number in pages[name].text or (missing and "Not shown: T1, T2, F9 and F10" in pages[name].text)


@pytest.mark.parametrize("name", SPECIMENS)
def test_no_word_claims_more_than_was_shown(name, pages, files):
    said = [pages[name].text, files[name]["report.md"].decode()]
    said += [data.decode() for path, data in files[name].items() if path.endswith(".svg")]
    for text in said:
        allowed = re.sub(r"P\\?\(level is best \\?\| k\\?\)|behind the best|its best", "", text)
        assert not [word for word in FORBIDDEN if re.search(word, allowed, flags=re.IGNORECASE)]


@pytest.mark.parametrize("name", SPECIMENS)
def test_a_page_needs_nothing_but_itself(name, pages, files):
    text = files[name]["report.html"].decode()
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text
    assert not re.findall(r"url\((?!#)", text)
    loading = {"script", "link", "img", "iframe", "object", "embed", "image", "base", "form"}
    assert not loading & {tag for tag, _ in pages[name].tags}
    assert not [attrs for _, attrs in pages[name].tags if "src" in attrs or any(key.startswith("on") for key in attrs)]


@pytest.mark.parametrize("name", SPECIMENS)
def test_every_reference_within_a_page_leads_to_one_place(name, pages):
    ids = [attrs["id"] for _, attrs in pages[name].tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    targets = [attrs.get("href") or attrs.get("xlink:href") for _, attrs in pages[name].tags]
    targets += [f"#{found}" for _, attrs in pages[name].tags for found in re.findall(r"url\(#(.*?)\)", str(attrs))]
    assert {target[1:] for target in targets if target} <= set(ids)


@pytest.mark.parametrize("name", SPECIMENS)
def test_every_picture_is_a_file_beside_the_markdown(name, files, notes):
    linked = set(re.findall(r"\((figures/[a-z0-9-]+\.(?:png|svg))\)", notes[name]))
    assert linked == {path for path in files[name] if path.startswith("figures/")}


@pytest.mark.parametrize("name", SPECIMENS)
def test_an_svg_is_xml_with_names_of_its_own_alone(name, files):
    for path, data in files[name].items():
        if path.endswith(".svg"):
            tags = {node.tag.rpartition("}")[2] for node in ET.fromstring(data).iter()}  # noqa: S314 - our own text
            assert tags <= {"svg", "style", "g", "path", "use", "defs", "clipPath", "rect", "text", "tspan"}


@pytest.mark.parametrize("name", SPECIMENS)
def test_what_the_search_found_is_said_as_found_in_the_search(name, notes):
    explored = notes[name].partition("\n## Explore")[2].partition("\n## ")[0]
    captions = re.findall(r"^([A-Z].*\.)\n\n\|", explored, flags=re.MULTILINE)
    said = [line[2:] for line in explored.splitlines() if line.startswith("- ")]
    assert captions
    assert all(sentence.startswith("In the search") for sentence in captions + said)
    assert "hypothesis-generating, not evidence" in explored


@pytest.mark.parametrize(("name", "bold"), [("two_levels", ["batch norm before"]), ("optimizers", []), ("refused", [])])
def test_only_a_sole_contender_is_bold(name, bold, pages):
    assert sorted(set(pages[name].bold)) == bold


def test_several_contenders_are_listed_by_the_alphabet(notes):
    first = re.findall(r"^\| (\w+) \| \d \| 0", notes["optimizers"].partition("T1. Levels")[2], flags=re.MULTILINE)
    assert first == ["adagrad", "momentum", "nesterov", "sgd"]


def test_what_a_gate_forbids_is_not_shown_but_the_gate_and_its_fix(pages, files):
    text = pages["refused"].text
    assert "Not shown: F1. Tuning curves; F2. P(level is best | k); F3. Repeated searches of k trials." in text
    assert "R02 the trials were drawn by tpe, which learns from earlier ones. Fix: search=random" in text
    assert "Not shown: F9. Paired differences." in text
    drawn = {path.partition("/")[2][:3] for path in files["refused"] if path.endswith(".svg")}
    assert not drawn & {"f01", "f02", "f03", "f06", "f07", "f09"}


def test_calibrated_losses_stand_where_levels_differ_in_their_loss_alone(notes):
    assert {name for name, text in notes.items() if re.search(r"T[12]b\.|log loss", text)} == {"hostile"}
    confirmed = notes["hostile"].partition("\n## Confirm")[2].partition("\n## ")[0]
    assert confirmed.index("T2. Pairs") < confirmed.index("T1b. Levels") < confirmed.index("T2b. Pairs")


def test_failures_come_before_what_holds(notes):
    table, _, folded = notes["two_levels"].partition("\n## Gates")[2].partition("22 rules hold")
    assert "| R14: the test set is opened once | warn |" in table
    assert "R01" not in table
    assert "| R01 |" in folded


def test_a_level_that_a_gate_keeps_out_of_a_figure_is_named_below_it(pages):
    assert "Not shown: zeros (R05: too few)." in pages["unconfirmed"].text


def test_a_report_about_nothing_has_no_section_that_is_empty():
    found = one_level()
    evidence = replace(found.evidence, trials=(), confirm=())
    nothing = replace(
        found, evidence=evidence, explored={}, confirmed={}, gates=(), answers=(), limits=(), contenders=()
    )
    page = Page(build(nothing)["report.html"].decode())
    assert page.anchors == [
        anchor for anchor in ANCHORS if anchor not in ("budget", "tuning", "speed", "mechanism", "test")
    ]
    assert "Not shown: T1, T2, F9 and F10. No recipe was retrained on fresh seeds" in page.text


def test_a_refused_pair_has_no_p_value_and_no_interval(notes):
    row = next(line for line in notes["refused"].splitlines() if line.startswith(f"| adam {MINUS} sgd"))
    assert row.count(DASH) == 7
    assert row.endswith("| refused: R07, R09 |")


def test_hostile_names_stand_as_text_in_the_page(pages):
    for name in SHOWN_NAMES:
        assert name in pages["hostile"].text
    assert [attrs for tag, attrs in pages["hostile"].tags if tag == "style"] == [{}]


def test_hostile_names_stand_as_text_in_markdown(notes):
    page = rendered(notes["hostile"])
    for name in SHOWN_NAMES:
        assert name in page.text
    sources = [attrs["src"] for tag, attrs in page.tags if tag == "img"]
    assert all(source.startswith("figures/") for source in sources)
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert all(link.startswith("figures/") for link in links)
    assert "script" not in {tag for tag, _ in page.tags}


def test_hostile_names_do_not_break_tables_of_markdown(notes):
    rows = [line for line in notes["hostile"].splitlines() if line.startswith("|")]
    widths = [len(re.findall(r"(?<!\\)\|", row)) for row in rows]
    heads = [at for at, row in enumerate(rows) if re.fullmatch(r"\|( -+:? \|)+", row)]
    assert len(heads) > 10
    for begin, end in zip(heads, [*heads[1:], len(rows) + 1], strict=True):
        assert len(set(widths[begin - 1 : end - 1])) == 1


def test_hostile_names_stand_as_text_in_figures(files):
    text = "".join(ET.fromstring(files["hostile"]["figures/f11-seeds.svg"]).itertext())  # noqa: S314 - our own text
    for name in (
        "Adam <script>alert(1)</script>",
        'SGD "quoted" & $\\frac{1}…',
        "</svg></style><img src=x onerror=alert(1)>",
    ):
        assert name[:20] in text


@pytest.mark.parametrize(
    "text", ["# a", "1. a", "- a", "+ a", "> a", "=== ", "a  b", *HOSTILE[:3], "~~a~~", "<b>", "&amp;"]
)
def test_markdown_shows_a_text_as_it_is(text):
    assert rendered(markdown_text(text)).text == " ".join(text.split())


@pytest.mark.parametrize("text", ["a", "`a`", "a``b", "``", "a|b"])
def test_markdown_shows_code_as_it_is(text):
    page = rendered(f"| x |\n| --- |\n| {markdown_code(text)} |")
    assert page.text.replace(" ", "") == f"x{text}"


def test_no_line_ends_a_block_of_code():
    assert fence(("a", "```", "````")) == "`````\na\n```\n````\n`````"


def test_ratios_of_times_to_the_target_are_shown_and_say_where_there_is_none(files):
    text = files["optimizers"]["report.md"].decode()
    assert "| sgd / momentum | 10 | 2.5 | \\[1.2, ∞\\] |" in text
    assert f"| sgd / nesterov | 10 | {DASH} | \\[0, ∞\\] |" in text


def test_of_foreign_results_a_page_says_nothing_of_what_no_table_tells(tmp_path, monkeypatch):
    monkeypatch.setattr(rendering, "png", lambda _: b"")
    table = tmp_path / "results.csv"
    scores = {(name, key): 900 + key * at % 11 for at, name in ((3, "a"), (5, "b")) for key in range(1, 9)}
    lines = [f"confirm,{name},{key},0.{score}" for (name, key), score in scores.items()]
    table.write_text("\n".join(["phase,level,key,report", *lines]) + "\n", encoding="utf-8")
    text = markdown(compose(analyse(read_table(table))))
    assert "Report of the table results" in text
    assert "*Applies to: results.csv.*" in text
    unknown = r"not known|unknown|epochs|[Ss]eed of the sweep|Fingerprint|0 trials each|\b0 test"
    assert not re.findall(unknown, text.partition("## Gates")[0])
    assert "| level | confirm, mean \\[95 %\\] | SD over seeds | seeds | failed in confirm |" in text
    assert "test set was not opened" not in text
