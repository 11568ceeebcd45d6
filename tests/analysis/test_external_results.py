"""Results of other programs, from a table."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.evidence import ConfirmRow, Evidence, LevelDesign, TrialRow
from hpsearch.analysis.external_results import TableError, read_table
from hpsearch.metrics import ACCURACY, METRICS, MSE, R2
from hpsearch.records import Status
from hpsearch.report.export import confirm_csv, trials_csv
from hpsearch.report.page import compose, markdown
from tests.analysis.evidences import LR, clear, diverged

HEADER = "phase,level,trial,key,select,report,n,status,hp.lr,hp.net"


@pytest.fixture
def write(tmp_path):
    def written(*lines, header=HEADER):
        path = tmp_path / "results.csv"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
        return path

    return written


SMALL = (
    "explore,adam,1,,0.91,0.90,1000,,0.001,wide",
    "explore,adam,2,,0.93,0.92,1000,ok,0.1,deep",
    "explore,sgd,1,,,,1000,diverged,0.5,wide",
    "explore,sgd,2,,0.85,0.84,1000,stalled,0.02,",
    "confirm,adam,2,1,0.92,0.915,1000,,,",
    "confirm,sgd,2,1,,,1000,diverged,,",
)


def test_a_table_becomes_evidence(write):
    evidence = read_table(write(*SMALL))
    plan = evidence.design
    assert [level.name for level in plan.levels] == ["adam", "sgd"]
    assert (plan.metric, plan.trials, plan.confirm_seeds, plan.sampler) == (ACCURACY, 2, 1, "unknown")
    assert plan.rows == {"val": 1000, "report": 1000}
    assert plan.name == "results"
    assert [(row.level, row.k, row.status, row.val, row.report) for row in evidence.trials] == [
        ("adam", 1, "ok", 0.91, 0.90),
        ("adam", 2, "ok", 0.93, 0.92),
        ("sgd", 1, "diverged", 0.0, 0.0),
        ("sgd", 2, "stalled", 0.85, 0.84),
    ]
    assert dict(evidence.trials[1].values) == {"lr": 0.1, "net": "deep"}
    assert dict(evidence.trials[3].values) == {"lr": 0.02}
    assert [(row.level, row.key, row.trial, row.report) for row in evidence.confirm] == [
        ("adam", 1, 2, 0.915),
        ("sgd", 1, 2, 0.0),
    ]


def test_an_empty_trial_of_a_retraining_is_not_known_and_zero_is_the_trial_of_that_number(write):
    lines = [*SMALL[:4], "confirm,adam,,1,0.92,0.915,1000,,,", "confirm,adam,0,2,0.92,0.915,1000,,,"]
    assert [row.trial for row in read_table(write(*lines)).confirm] == [None, 0]


def test_options_are_handed_on(write):
    plan = read_table(write(*SMALL), delta=0.01, alpha=0.1, control="sgd", name="theirs").design
    assert (plan.delta, plan.alpha, plan.control, plan.name) == (0.01, 0.1, "sgd", "theirs")


def test_columns_may_stand_in_any_order_and_those_that_are_not_needed_may_be_missing(write):
    path = write("0.9,a,explore,0.8", "0.7,a,explore,0.6", header="select,level,phase,report")
    rows = read_table(path).trials
    assert [(row.k, row.val, row.report) for row in rows] == [(1, 0.9, 0.8), (2, 0.7, 0.6)]


def test_trials_without_a_number_take_the_free_ones(write):
    path = write(*(f"explore,{name},{k},0.9,0.9" for name, k in [("a", ""), ("a", 1), ("b", ""), ("a", "")]),
                 header="phase,level,trial,select,report")  # fmt: skip
    assert [(row.level, row.k) for row in read_table(path).trials] == [("a", 2), ("a", 1), ("b", 1), ("a", 3)]


def test_empty_lines_spaces_and_a_byte_order_mark_are_no_mistakes(tmp_path):
    path = tmp_path / "results.csv"
    path.write_bytes(b"\xef\xbb\xbfphase, level ,select,report\r\n\r\nexplore, a ,0.5 , 0.5\r\n,,,\r\n")
    assert [row.level for row in read_table(path).trials] == ["a"]


def drawn(values):
    return [f"explore,a,{k},,0.5,0.5,10,,{value},x" for k, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("values", "bounds"),
    [
        ([0.001, 0.02, 0.5], {"low": 0.001, "high": 0.5, "log": True}),
        ([0.1, 0.02, 0.5], {"low": 0.02, "high": 0.5, "log": False}),
        ([-1.0, 0.0, 500.0], {"low": -1.0, "high": 500.0, "log": False}),
        ([10, 200, 3000], {"low": 10, "high": 3000, "log": True}),
        ([16, 32, 16, 32], {"choices": [16, 32]}),
        (["tanh", "relu", "tanh"], {"choices": ["tanh", "relu"]}),
        (["1", "relu", "2"], {"choices": ["1", "relu", "2"]}),
        ([0.1, "", 0.3, 0.2], {"low": 0.1, "high": 0.3, "log": False}),
    ],
)
def test_the_space_is_inferred_from_what_was_drawn(write, values, bounds):
    (level,) = read_table(write(*drawn(values))).design.levels
    assert level.space["lr"] == bounds


@pytest.mark.parametrize(
    ("values", "typed"),
    [
        ([1, 2, 3], [1, 2, 3]),
        (["1", "2.5", "1e-3"], [1.0, 2.5, 1e-3]),
        (["1", "x"], ["1", "x"]),
        (["nan", "1"], ["nan", "1"]),
    ],
)
def test_drawn_values_are_numbers_where_all_of_them_are(write, values, typed):
    found = [row.values["lr"] for row in read_table(write(*drawn(values))).trials]
    assert found == typed
    assert list(map(type, found)) == list(map(type, typed))


def test_pairing_keys_may_be_any_text(write):
    lines = [f"confirm,{name},,{key},,0.5,10,,," for name in "ab" for key in ("3/split 1", "3/split 2")]
    rows = read_table(write(*lines)).confirm
    assert [(row.level, row.key) for row in rows] == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]


def test_keys_that_the_search_had_are_no_fresh_ones(write):
    lines = ["explore,a,1,7,0.5,0.5,10,,1,x", *(f"confirm,a,1,{key},,0.5,10,,," for key in (7, 8))]
    evidence = read_table(write(*lines))
    assert evidence.design.search_keys == (7,)
    assert [gate.action for gate in analyse(evidence).gates if gate.rule == "R06"] == ["refuse"]


def test_keys_may_be_counted_from_zero(write):
    lines = ["explore,a,0,,0.5,0.5,10,,1,x", *(f"confirm,a,0,{key},,0.5,10,,," for key in (0, 1))]
    assert [gate.action for gate in analyse(read_table(write(*lines))).gates if gate.rule == "R06"] == ["pass"]


FINITE = "must be a finite number unless status says why there is none"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("search,a,1,,0.5,0.5,10,,1,x", "phase: must be one of explore, confirm, got 'search'"),
        ("explore,,1,,0.5,0.5,10,,1,x", "level: must not be empty, got ''"),
        ("explore,a,one,,0.5,0.5,10,,1,x", "trial: must be a whole number >= 0, or empty, got 'one'"),
        ("confirm,a,1,,0.5,0.5,10,,1,x", "key: must be given for a retraining, got ''"),
        ("explore,a,1,,high,0.5,10,,1,x", "select: must be a number, or empty, got 'high'"),
        ("explore,a,1,,,0.5,10,,1,x", f"select: {FINITE}, got ''"),
        ("explore,a,1,,nan,0.5,10,ok,1,x", f"select: {FINITE}, got 'nan'"),
        ("confirm,a,1,1,0.5,inf,10,,1,x", f"report: {FINITE}, got 'inf'"),
        ("explore,a,1,,0.5,0.5,0,,1,x", "n: must be a whole number >= 1, or empty, got '0'"),
        ("explore,a,1,,0.5,0.5,10,failed,1,x", f"status: must be one of {', '.join(Status)}, got 'failed'"),
    ],
)
def test_a_mistake_is_named_with_file_line_column_rule_and_value(write, line, message):
    path = write(line)
    with pytest.raises(TableError) as caught:
        read_table(path)
    assert f"{path}: line 2, column {message}" in str(caught.value).split("\n")


def test_a_line_has_as_many_cells_as_the_header(write):
    with pytest.raises(TableError, match="line 2: must have 10 cells, as the header has, got 6"):
        read_table(write("explore,a,1,,0.5,0.5"))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("phase,level,selct,report", "line 1, column 'selct' is not a column: did you mean select?"),
        (
            "phase,level,report,val_loss",
            "line 1, column 'val_loss' is not a column: scores stand in report, those that",
        ),
        ("phase,level,report,report", "line 1, column report: must occur once, got 2 times"),
        ("phase,level,select", "line 1: must name the columns phase, level, report, got no report"),
    ],
)
def test_a_mistake_in_the_header_is_named(write, header, message):
    with pytest.raises(TableError, match=message):
        read_table(write("explore,a,0.5,0.5", header=header))


@pytest.mark.parametrize("metric", METRICS.values(), ids=str)
def test_no_score_lies_above_what_its_metric_can_reach(write, metric):
    highest = {"accuracy": "1", "macro_f1": "1", "r2": "1"}.get(metric.name, "0")
    assert read_table(write(f"confirm,a,1,1,,{highest},10,,,"), metric=metric).confirm
    with pytest.raises(TableError, match=f"line 2, column report: must be .* for {metric}.*, got 96.9"):
        read_table(write("confirm,a,1,1,,96.9,10,,,"), metric=metric)


PERCENT = "looks like percent: divide all scores by 100"
OTHER = "looks like a loss or an error: say which by report.metric, and write it negated"


@pytest.mark.parametrize(
    ("metric", "scores", "told"),
    [
        (
            "accuracy",
            (96.9, 97.1, 9.8),
            f"between 0 and 1 for accuracy, got 96.9 (and 2 more up to line 4), which {PERCENT}",
        ),
        (
            "macro_f1",
            (1.9, 0.4, 2.3),
            f"between 0 and 1 for macro_f1, got 1.9 (and 1 more up to line 4), which {OTHER}",
        ),
        ("accuracy", (0.9, 0.8, -0.3), f"between 0 and 1 for accuracy, got -0.3, which {OTHER}"),
        ("r2", (0.9, 1.25, 0.8), f"<= 1 for r2, got 1.25, which {OTHER}"),
        ("r2", (96.9, 97.1, 98), f"<= 1 for r2, got 96.9 (and 2 more up to line 4), which {PERCENT}"),
        ("loss", (0.3, 0.2), "comes negated: higher is better, got 0.3 (and 1 more up to line 3): write -0.3"),
    ],
)
def test_scores_that_cannot_be_are_told_once_with_what_they_look_like(write, metric, scores, told):
    path = write(*(f"confirm,a,1,{key},,{score},10,,," for key, score in enumerate(scores)))
    with pytest.raises(TableError) as caught:
        read_table(path, metric=METRICS[metric])
    (problem,) = caught.value.problems
    assert problem.startswith(f"{path}: line ")
    assert problem.endswith(told)


def test_the_score_of_a_training_that_diverged_may_be_anything(write):
    (row,) = read_table(write("confirm,a,1,1,,inf,10,diverged,,"), metric=MSE).confirm
    assert row.report == -math.inf


def retrained(*recipes):
    """Two levels with trials 1 to 3 that score 0.1, 0.2 and 0.3, and the trial that each has retrained."""
    search = [f"explore,{name},{k},,0.{k},0.{k},10,,,x" for name in "ab" for k in (1, 2, 3)]
    return [*search, *(f"confirm,{name},{recipe},1,,0.2,10,,," for name, recipe in zip("ab", recipes, strict=True))]


def test_where_each_level_retrained_its_lowest_trial_lower_is_better(write):
    with pytest.raises(
        TableError, match=r"line 8, column trial: must be .* lowest select in every level, got 1: losses"
    ):
        read_table(write(*retrained(1, 1)))


@pytest.mark.parametrize("recipes", [(3, 3), (1, 3), (2, 1), ("", "")])
def test_a_level_may_retrain_any_of_its_trials(write, recipes):
    assert len(read_table(write(*retrained(*recipes))).confirm) == 2


@pytest.mark.parametrize(
    ("metric", "scores", "room"), [("accuracy", (0.97, 0.98), 0.03), ("mse", (-2, -5), 5), ("r2", (-1, 0.5), 2)]
)
def test_delta_is_smaller_than_what_the_lowest_score_lacks(write, metric, scores, room):
    path = write(*(f"confirm,a,1,{key},,{score},10,,," for key, score in enumerate(scores)))
    assert read_table(path, metric=METRICS[metric], delta=0.99 * room).design.delta == 0.99 * room
    with pytest.raises(
        TableError, match=rf"report.delta must be < {room}, got {1.01 * room:g}: no score can be better"
    ):
        read_table(path, metric=METRICS[metric], delta=1.01 * room)


def test_nothing_that_is_said_of_foreign_results_is_an_override(write):
    """Momentum, which draws a momentum, is behind SGD; too few seeds are common with Adam."""
    tried = [f"{k},,0.{80 + k},0.8,100,,{0.01 * k}," for k in (1, 2, 3)]
    rows = [
        f"explore,{name},{one},{'0.5' if name == 'momentum' else ''}"
        for name in ["sgd", "momentum", "adam"]
        for one in tried
    ]
    rows += [
        f"confirm,{name},2,{key},,0.{top}{key},100,,,,"
        for name, top in (("sgd", 9), ("momentum", 7))
        for key in range(1, 9)
    ]
    evidence = read_table(write(*rows, "confirm,adam,2,1,,0.95,100,,,,", header=f"{HEADER},hp.momentum"))
    findings = analyse(evidence)
    assert {pair.refused for pair in findings.pairs} == {("R18",), ("R07",)}
    assert not [one.sentence for one in findings.answers if "Fix:" in one.sentence]


def options_told(text):
    """What looks like an override of a sweep, as `confirm.seeds=10`."""
    return re.findall(r"\b(?:confirm|search|training|evaluation|optimizer|final)\.[a-z_.]+=\S*", text)


SINGLE = ("confirm,sgd,,1,,0.882,10000,,,", "confirm,momentum,,1,,0.948,10000,,,")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (SINGLE, "momentum is ahead of sgd by 6.6 points, one run each: not tested."),
        (
            (SINGLE[0], SINGLE[1].replace(",1,", ",2,")),
            "momentum is ahead of sgd by 6.6 points, one run each: not tested.",
        ),
        (
            ("explore,a,,,0.8,0.882,,,,", "explore,b,,,0.9,0.948,,,,"),
            "b is ahead of a by 6.6 points, one trial each: not tested.",
        ),
    ],
)
def test_a_table_of_single_runs_shows_the_number_and_what_a_test_takes(write, lines, sentence):
    findings = analyse(read_table(write(*lines)))
    assert findings.headline.sentence == sentence
    assert findings.headline.settle == (
        "A test takes at least 6 fresh seeds of each option: add them to the table as rows of phase confirm, "
        "in which all options have the same keys."
    )
    assert options_told(markdown(compose(findings))) == []


def test_what_would_settle_a_pair_of_a_table_are_rows(write):
    noise = np.random.default_rng(1).normal(0, 0.005, (2, 10))
    rows = [
        f"confirm,{name},,{key},,{0.9 + ahead + noise[at, key]:.4f},1000,,,"
        for at, (name, ahead) in enumerate([("a", 0.0), ("b", 0.004)])
        for key in range(10)
    ]
    findings = analyse(read_table(write(*rows)))
    assert re.fullmatch(
        r"Settling a against b takes about \d+ seeds of each \(10 so far\): add them .*", findings.headline.settle
    )
    assert options_told(markdown(compose(findings))) == []


def test_r2_has_no_lowest_score(write):
    assert read_table(write("confirm,a,1,1,,-40.5,10,,,"), metric=R2).confirm[0].report == -40.5


def test_a_name_that_a_spreadsheet_would_compute_is_read_back_from_our_tables(write):
    assert read_table(write("confirm,'=cmd(),1,1,,0.9,10,,,")).design.levels[0].name == "=cmd()"


NAMES = ["=cmd()", "+1+cmd()", "-2*A1", "@sum", "\t=1", "\r=1", "a\r=1", "a\n=1", "a,b", "'=x", "''=x", "--", "="]


def named(evidence):
    """Levels of these names, each with a trial, which drew its name, and a retraining."""
    design = replace(evidence.design, levels=tuple(LevelDesign(name, {"level": name}, {}) for name in NAMES))
    trials = tuple(TrialRow(name, 1, "ok", 0.9, 0.9, {"net": name}) for name in NAMES)
    return Evidence(design, trials, tuple(ConfirmRow(name, 1, "ok", 0.9, 0.9, trial=1) for name in NAMES))


@pytest.mark.parametrize("exported", [trials_csv, confirm_csv])
def test_names_come_back_from_our_own_tables(write, tmp_path, exported):
    path = tmp_path / "exported.csv"
    path.write_text(exported(named(read_table(write(*SMALL)))), newline="", encoding="utf-8")
    assert [level.name for level in read_table(path).design.levels] == NAMES


def test_texts_that_were_drawn_come_back_from_our_own_tables(write, tmp_path):
    path = tmp_path / "exported.csv"
    path.write_text(trials_csv(named(read_table(write(*SMALL)))), newline="", encoding="utf-8")
    assert [row.values["net"] for row in read_table(path).trials] == NAMES


def test_losses_come_negated(write):
    lines = "explore,a,1,,-0.5,-0.6,10,,1,x", "explore,a,2,,,,10,diverged,1,x"
    assert [row.val for row in read_table(write(*lines), metric=MSE).trials] == [-0.5, -math.inf]
    with pytest.raises(TableError, match="column report: must be <= 0 for mse, which comes negated: higher is better"):
        read_table(write("explore,a,1,,-0.5,0.6,10,,1,x"), metric=MSE)


@pytest.mark.parametrize(("phase", "column"), [("explore", "trial"), ("confirm", "key")])
def test_nothing_occurs_twice(write, phase, column):
    with pytest.raises(
        TableError,
        match=f"line 3, column {column}: must occur once in the {phase} rows of a level, and stands in line 2",
    ):
        read_table(write(*[f"{phase},a,1,1,0.5,0.5,10,,1,x"] * 2))


def test_all_mistakes_are_told_at_once_up_to_ten(write):
    with pytest.raises(TableError) as caught:
        read_table(write(*["search,a,1,,0.5,0.5,10,,1,x"] * 12))
    assert len(caught.value.problems) == 10 + 1  # each phase is wrong, and each trial but the first is repeated
    assert caught.value.problems[-1].endswith("… and 13 more")


def test_a_table_needs_rows_and_text(write, tmp_path):
    with pytest.raises(TableError, match="must have a row for each training, got none"):
        read_table(write())
    with pytest.raises(TableError, match="cannot be read as comma-separated UTF-8"):
        read_table(tmp_path / "missing.csv")
    (tmp_path / "bytes.csv").write_bytes(b"phase,level\xff\n")
    with pytest.raises(TableError, match="cannot be read as comma-separated UTF-8"):
        read_table(tmp_path / "bytes.csv")


def test_a_control_must_be_a_level(write):
    with pytest.raises(TableError, match=r"report.control must be one of adam, sgd, got 'nadam': did you mean adam\?"):
        read_table(write(*SMALL), control="nadam")


def exported(evidence):
    """The two tables that a report writes, in one."""
    header = f"phase,level,trial,key,select,report,n,status,default,epochs,cost,calibrated_loss,hp.{LR}"
    explore = [
        f"explore,{row.level},{row.k},,{row.val!r},{row.report!r},400,{row.status},{row.default},5,,,{row.values[LR]!r}"
        for row in evidence.trials
    ]
    confirm = [
        f"confirm,{row.level},{row.trial},{row.key},{row.val!r},{row.report!r},400,{row.status},,,,0.25,"
        for row in evidence.confirm
    ]
    return header, [*explore, *confirm]


@pytest.mark.parametrize("evidence", [clear(), diverged(clear(), 3)], ids=["clear", "diverged"])
def test_results_that_were_written_out_and_read_again_say_the_same(write, evidence):
    bare = replace(evidence, confirm=tuple(replace(row, correct=None) for row in evidence.confirm))
    header, lines = exported(bare)
    here, there = analyse(bare), analyse(read_table(write(*lines, header=header), delta=0.01))
    assert there.contenders == here.contenders
    for mine, theirs in zip(here.pairs, there.pairs, strict=True):
        assert (theirs.n, theirs.state, theirs.claim) == (mine.n, mine.state, mine.claim)
        assert theirs.p == mine.p
        assert repr((theirs.diff, theirs.ci_sim)) == repr((mine.diff, mine.ci_sim))
    for name, one in here.explored.items():
        assert there.explored[name].n == one.n
        assert there.explored[name].curve.report.tolist() == one.curve.report.tolist()
        assert there.explored[name].shrinkage == one.shrinkage


def test_default_recipes_of_a_table_are_no_draws(write):
    header, lines = exported(clear())
    evidence = read_table(write(f"explore,adam,0,,0.5,0.5,400,ok,True,5,,,{0.1}", *lines, header=header))
    assert evidence.default("adam").k == 0
    assert len(evidence.draws("adam")) == 50


def test_a_table_of_foreign_results_is_analysed(write):
    findings = analyse(read_table(write(*SMALL)))
    codes = {gate.rule: gate.action for gate in findings.gates}
    assert codes["R02"] == "warn"
    assert findings.contenders == ("adam", "sgd")
    assert re.fullmatch(r"Applies to: results\.csv; spaces [0-9a-f]{8}; 2 trials each\.", findings.answers[-1].sentence)
