"""The numbers of a report for other programs."""

import csv
import io
import json
import math
from dataclasses import replace

import pytest

from hpsearch.quoting import spreadsheet_unquoted
from hpsearch.report.export import confirm_csv, pairs_csv, to_json, trials_csv
from tests.report.specimens import factorial, hostile, optimizers, refused, regression, two_levels


def table(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def found():
    return optimizers(trials=40)


@pytest.fixture(scope="module")
def exported(found):
    return json.loads(to_json(found))


def test_levels_have_the_keys_of_the_exchange_format(found, exported):
    level = exported["levels"][0]
    assert level.keys() >= {"name", "n_trials", "E", "R", "lambda"}
    assert (level["name"], level["n_trials"]) == ("sgd", 40)
    curve = found.explored["sgd"].curve
    assert level["E"]["40"] == curve.expected[-1]
    assert level["R"]["1"] == curve.report[0]


def test_pairs_have_the_keys_of_the_exchange_format(found, exported):
    pair = exported["pairs"][0]
    assert pair.keys() >= {"a", "b", "n", "diff", "ci", "ci_sim", "p", "p_holm", "state"}
    assert pair["ci_sim"] == list(found.pairs[0].ci_sim)
    assert pair["differences"] == found.pairs[0].differences.tolist()


def test_gates_name_their_level_only_if_they_have_one():
    gates = json.loads(to_json(refused()))["gates"]
    assert {"code": "R05", "level": "adam"}.items() <= gates[2].items()
    assert gates[2]["action"] == "refuse"
    assert "level" not in gates[0]


def test_contenders_are_a_list(found, exported):
    assert exported["contenders"] == list(found.contenders)


def test_json_is_canonical(found, exported):
    text = to_json(found)
    assert text == to_json(found)
    assert json.dumps(exported, sort_keys=True, indent=1, ensure_ascii=False) + "\n" == text


def test_what_is_no_number_is_null_and_infinity_is_a_text():
    exported = json.loads(to_json(regression()), parse_constant=pytest.fail)
    curve = exported["levels"][0]["explored"]["curve"]
    assert exported["levels"][0]["E"]["1"] == "-Infinity"
    assert None in curve["low"]


def test_calibrated_losses_are_exported_where_levels_differ_in_their_loss(exported):
    assert exported["calibrated"] is None
    found = hostile()
    told = json.loads(to_json(found))["calibrated"]
    assert list(told["levels"]) == sorted(level.name for level in found.evidence.design.levels)
    first, pair = found.evidence.design.levels[0].name, found.calibrated.pairs[0]
    assert told["levels"][first]["loss"] == found.calibrated.levels[first].loss
    assert told["pairs"][0] == {"a": pair.a, "b": pair.b, "n": 12, "diff": pair.diff, "ci_sim": list(pair.ci_sim)}


def test_a_retraining_is_exported_with_its_calibrated_loss(found):
    first, *others = found.evidence.confirmed("sgd")
    measured = replace(first, summary={"report/calibrated_loss": 0.0625})
    rows = table(confirm_csv(replace(found.evidence, confirm=(measured, *others))))
    assert [row["calibrated_loss"] for row in rows] == ["0.0625", *[""] * len(others)]


def test_a_factorial_is_exported_cell_by_cell():
    exported = json.loads(to_json(factorial()))["factorial"]
    assert {"weight_decay": "yes", "dropout": "no", "level": "weight decay"}.items() <= exported["cells"][1].items()


def test_trials_come_back_from_their_table():
    found = regression()
    rows = table(trials_csv(found.evidence))
    drawn = [row for row in rows if row["default"] == "False"]
    originals = [row for level in ("huber", "mae", "mse") for row in found.evidence.draws(level)]
    assert [float(row["select"]) for row in drawn] == [one.val for one in originals]
    assert [float(row["hp.optimizer.adam.lr"]) for row in drawn] == [
        one.values["optimizer.adam.lr"] for one in originals
    ]
    assert -math.inf in [float(row["select"]) for row in drawn]
    assert len(rows) == len(originals) + 3


def test_columns_have_the_order_of_the_exchange_format(found):
    columns = trials_csv(found.evidence).splitlines()[0].split(",")
    assert columns[:8] == ["phase", "level", "trial", "key", "select", "report", "n", "status"]
    hyper = [column for column in columns if column.startswith("hp.")]
    assert columns[-len(hyper) :] == sorted(hyper)
    assert confirm_csv(found.evidence).splitlines()[0].split(",") == columns


def test_retrainings_come_back_from_their_table():
    found = two_levels()
    rows = table(confirm_csv(found.evidence))
    assert [(row["level"], int(row["key"]), float(row["report"])) for row in rows] == [
        (one.level, one.key, one.report) for one in found.evidence.confirm
    ]
    assert {row["phase"] for row in rows} == {"confirm"}


def test_pairs_come_back_from_their_table(found):
    rows = table(pairs_csv(found))
    assert [(row["a"], row["b"], float(row["diff"])) for row in rows] == [
        (one.a, one.b, one.diff) for one in found.pairs
    ]


def test_hostile_names_come_back_from_tables_and_json():
    found = hostile()
    names = [level.name for level in found.evidence.design.levels]
    assert [level["name"] for level in json.loads(to_json(found))["levels"]] == names
    rows = list(csv.reader(io.StringIO(trials_csv(found.evidence), newline="")))
    assert [spreadsheet_unquoted(name) for name in dict.fromkeys(row[1] for row in rows[1:])] == names


@pytest.mark.parametrize("made", [trials_csv, confirm_csv, pairs_csv])
def test_a_spreadsheet_computes_no_cell_and_reads_every_number(made):
    found = hostile()
    text = made(found if made is pairs_csv else found.evidence)
    cells = [cell for row in csv.reader(io.StringIO(text, newline="")) for cell in row]
    assert any(cell.startswith("'=cmd()") for cell in cells)
    active = [cell for cell in cells if cell.startswith(tuple("=+-@\t\r\n"))]
    assert all(math.isfinite(float(cell)) for cell in active)
