"""The page of a comparison on several data sets."""

import json

from hpsearch.analysis.across_data_sets import across_data_sets
from hpsearch.report.across_data_sets import compose, write_across_data_sets
from hpsearch.report.page import markdown
from tests.analysis.test_across_data_sets import ALIKE, CLEAR, OTHER, findings

PAGES = {"mnist": "../c-mnist/report.html", "digits": "../c-digits/report.html"}


def across(first=CLEAR, second=OTHER):
    return across_data_sets(
        "c", {"mnist": findings(0, "momentum", **first), "digits": findings(1, "momentum", **second)}
    )


def test_the_page_shows_each_data_set_with_its_sentence_its_figure_and_its_own_page():
    report = compose(across(), PAGES)
    text = markdown(report)
    assert [section.title for section in report.sections] == ["Answer", "On mnist", "On digits", "Ranks over data sets"]
    assert [picture.stem for picture in report.pictures] == ["f00-standings-mnist", "f00-standings-digits"]
    for data, found in across().findings.items():
        assert found.headline.sentence.split("[")[0] in text
        assert PAGES[data] in text


def test_the_table_holds_means_with_their_verdicts_and_counts():
    table = compose(across(), PAGES).sections[0].blocks[1]
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert rows["momentum"][2:4] == ["control", "\N{EN DASH}"]
    assert rows["adam"][0].endswith(", better")
    assert rows["adam"][1].endswith(", worse")
    assert rows["adam"][2:4] == ["1 of 2", "1 of 2"]
    assert rows["sgd"][2:4] == ["0 of 2", "2 of 2"]


def test_few_data_sets_are_not_tested_by_ranks():
    assert "is tested from 10 data sets on" in markdown(compose(across(), PAGES))


def test_ten_data_sets_are_tested_and_alike_options_stay_together():
    ten = {f"d{seed}": findings(seed, "sgd", **ALIKE) for seed in range(10)}
    text = markdown(compose(across_data_sets("c", ten), dict.fromkeys(ten, "page")))
    assert "mean ranks are not shown to differ: Friedman's test" in text
    assert "| adam |" in text


def test_the_files_are_the_same_bytes_again_and_lose_figures_of_another_data_set(tmp_path):
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "f00-standings-xor.svg").write_text("old")
    files = write_across_data_sets(across(), tmp_path, PAGES)
    first = {path: path.read_bytes() for path in files}
    assert {path: path.read_bytes() for path in write_across_data_sets(across(), tmp_path, PAGES)} == first
    assert not (tmp_path / "figures" / "f00-standings-xor.svg").exists()
    numbers = json.loads((tmp_path / "report.json").read_text())
    assert numbers["options"][0].keys() >= {"level", "ahead", "behind", "rank"}
    assert numbers["nemenyi_difference"] is None
