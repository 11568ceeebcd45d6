"""What benchmarks compute from what they measure."""

import math
import subprocess
import sys
import time
from collections import Counter

import pytest

from benchmarks.bands import POPULATIONS, coverage
from benchmarks.figure import curves_of
from benchmarks.gpu import Part, require_trained, run_parts
from benchmarks.growth import line_through, slopes
from benchmarks.peers.timing import CommandError, TimeOverError, finish
from benchmarks.roofline import Shape
from benchmarks.tables import Case, table
from benchmarks.tree_memory import Peaks
from hpsearch.analysis.external_results import read_table


def test_slopes_are_taken_between_neighbouring_sizes():
    assert slopes({16: 10.0, 32: 14.0, 64: 30.0}) == [0.25, 0.5]


def test_a_line_through_points_of_a_line_explains_them():
    line = line_through([16, 32, 64], [5.0, 6.0, 8.0])
    assert (line.start_s, line.slope_s, line.r2) == pytest.approx((4.0, 0.0625, 1.0))
    assert line.worst == pytest.approx(0.0)


def test_a_line_tells_how_far_off_the_farthest_point_lies():
    # by hand: the line through (0, 1), (1, 4), (2, 1) is 2; residuals -1, 2, -1; the line explains nothing
    line = line_through([0, 1, 2], [1.0, 4.0, 1.0])
    assert (line.start_s, line.slope_s, line.r2, line.worst) == pytest.approx((2.0, 0.0, 0.0, 1.0))


def test_peaks_are_each_the_largest_of_all_samples():
    peaks = Peaks()
    for driver, others in [(5, []), (3, [4, 2]), (1, [6, 1])]:
        peaks.add(driver, others)
    assert (peaks.driver, peaks.worker, peaks.tree) == (5, 6, 9)


def test_memory_is_sampled_in_the_processes_under_a_command():
    child = "import time; x = bytearray(150 << 20); time.sleep(1.5)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    process, peaks = subprocess.Popen([sys.executable, "-c", code]), Peaks()
    with peaks.watch(process.pid):
        process.wait()
    assert peaks.worker > 150 << 20 > peaks.driver > 0
    assert peaks.tree > peaks.worker


def test_a_command_is_ended_with_all_it_started_when_its_time_is_over(tmp_path):
    started = time.monotonic()
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    with pytest.raises(TimeOverError, match="did not end within 1 s"):
        finish([sys.executable, "-c", code], tmp_path, {}, limit_s=1)
    assert time.monotonic() - started < 30


def test_operations_of_a_step_leave_out_the_gradient_of_the_inputs():
    # forward 4*3 + 3*2 products, to the weights as many, to the hidden layer 3*2: 42 products of 2 operations, 5 rows
    assert Shape(5, (4, 3, 2)).flop == 2 * 5 * 42


def test_parts_are_reported_as_they_went_and_nothing_is_begun_without_time():
    def slow(limit_s):
        raise TimeOverError(f"it did not end within {limit_s:.0f} s")

    def bad(_):
        raise CommandError("it ended with exit status 1")

    parts = [Part("good", 60, lambda _: None), Part("slow", 60, slow), Part("bad", 60, bad)]
    assert run_parts(parts, 600) == {
        "good": "measured in 0 s",
        "slow": "NOT MEASURED, but for what is printed above: it did not end within 60 s",
        "bad": "FAILED: it ended with exit status 1",
    }
    assert run_parts([Part("late", 60, bad)], 3) == {"late": "NOT MEASURED: no time was left"}


@pytest.mark.parametrize("statuses", [{"ok": 3}, {"ok": 3, "oom": 1}, {}])
def test_the_time_of_a_search_counts_only_if_all_trials_were_trained(statuses):
    with pytest.raises(CommandError, match="of 4 trials"):
        require_trained(Counter(statuses), 4)
    require_trained(Counter(ok=2, stalled=1, diverged=1), 4)


@pytest.mark.parametrize(("engines", "shown"), [(("fleet",), "fleet"), (("fleet", "captured"), "captured")])
def test_a_curve_shows_captured_fleets_where_there_are_any(engines, shown):
    rates = {"reference": "10.0", "fleet": "20.0", "captured": "40.0"}
    rows = [
        {"shape": "64-50-10", "engine": engine, "width": "4", "member_steps_per_s": rates[engine]}
        for engine in ("reference", *engines)
    ]
    (curve,) = curves_of(rows)
    assert (curve.name, curve.reference, curve.fleets) == ("64-50-10", 10.0, {4: float(rates[shown])})


@pytest.mark.parametrize(
    ("name", "k", "truth"),
    [
        ("around an optimum, 2 parameters", 10, 10 / 11),
        ("around an optimum, 4 parameters", 1, 1 / 3),
        ("normal, report correlated 0.7", 2, 0.7 / math.sqrt(math.pi)),
        ("exponential: no ceiling", 3, 1 + 1 / 2 + 1 / 3),
    ],
)
def test_a_population_has_the_expected_best_of_textbooks(name, k, truth):
    assert POPULATIONS[name].expected_report(k) == pytest.approx(truth, abs=2e-4)


def test_intervals_of_reports_are_simulated_beside_percentiles_which_cover_less():
    plain, ours = coverage(POPULATIONS["normal"], 50, (10,), searches=60)
    assert 0.7 < plain[0] < ours[0] <= 1


def test_a_table_holds_the_trials_and_seeds_of_each_option_and_can_be_read(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text(table(Case(options=3, trials=20)), encoding="utf-8")
    evidence = read_table(path)
    names = [level.name for level in evidence.design.levels]
    assert [(len(evidence.draws(name)), len(evidence.confirmed(name))) for name in names] == [(20, 10)] * 3
