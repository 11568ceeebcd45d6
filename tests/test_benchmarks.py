"""What benchmarks compute from what they measure."""

import subprocess
import sys
import time
from contextlib import nullcontext

import pytest

from benchmarks.growth import line_through, slopes
from benchmarks.peers.timing import CommandError, finish
from benchmarks.roofline import Shape
from benchmarks.tree_memory import Peaks


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
    with pytest.raises(CommandError, match="did not end within 1 s"):
        finish([sys.executable, "-c", code], tmp_path, {}, limit_s=1, watch=nullcontext)
    assert time.monotonic() - started < 30


def test_operations_of_a_step_leave_out_the_gradient_of_the_inputs():
    # forward 4*3 + 3*2 products, to the weights as many, to the hidden layer 3*2: 42 products of 2 operations, 5 rows
    assert Shape(5, (4, 3, 2)).flop == 2 * 5 * 42
