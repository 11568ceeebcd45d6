import logging
import resource
import signal
import time

import optuna
import pytest
from optuna.trial import TrialState

from hpsearch.errors import BrokenFileError, StorageError
from hpsearch.store.optuna_journal import name_values, open_journal
from tests.store.store_drivers import start

SPACE = {"x": optuna.distributions.FloatDistribution(0, 1)}


def study_of(path):
    return optuna.create_study(storage=open_journal(path), study_name="s", load_if_exists=True)


def fill(path, trials):
    study = study_of(path)
    for k in range(trials):
        trial = study.ask(SPACE)
        trial.set_user_attr("k", k)
        study.tell(trial, 0.5)


def states(path):
    return [trial.state for trial in study_of(path).trials]


def test_a_study_is_found_again_in_a_folder_that_is_made(tmp_path):
    fill(tmp_path / "mit Leerzeichen 🙂" / "optuna.journal", 3)
    assert states(tmp_path / "mit Leerzeichen 🙂" / "optuna.journal") == [TrialState.COMPLETE] * 3


def test_a_journal_cut_anywhere_in_its_last_line_loses_that_line_alone_and_goes_on(tmp_path):
    path = tmp_path / "optuna.journal"
    fill(path, 2)
    whole = path.read_bytes()
    last = len(whole) - whole[:-1].rfind(b"\n") - 1
    for cut in (1, 2, last // 2, last - 1):
        path.write_bytes(whole[:-cut])
        assert states(path) == [TrialState.COMPLETE, TrialState.RUNNING]
        fill(path, 1)
        assert states(path) == [TrialState.COMPLETE, TrialState.RUNNING, TrialState.COMPLETE]


def test_a_last_line_longer_than_a_block_is_cut_off_whole(tmp_path):
    path = tmp_path / "optuna.journal"
    fill(path, 1)
    whole = path.read_bytes()
    for garbage in (b"x" * 4095, b"x" * 4096, b"x" * 10_000):
        path.write_bytes(whole + garbage)
        open_journal(path)
        assert path.read_bytes() == whole
    path.write_bytes(b"x" * 9000)
    open_journal(path)
    assert path.read_bytes() == b""


def test_a_line_that_another_process_left_unfinished_is_mended_while_we_run(tmp_path):
    path = tmp_path / "optuna.journal"
    study = study_of(path)
    study.tell(study.ask(), 0.5)
    with path.open("ab") as file:
        file.write(b'{"op_code":4,"wor')
    study.tell(study.ask(), 0.5)
    assert states(path) == [TrialState.COMPLETE] * 2


def test_damage_in_the_middle_is_an_error_that_names_the_file(tmp_path):
    path = tmp_path / "optuna.journal"
    fill(path, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:10] + b"\n"
    path.write_bytes(b"".join(lines))
    with pytest.raises(BrokenFileError, match=r"optuna\.journal.* move it away"):
        open_journal(path)


def test_a_lock_ends_with_the_process_that_was_killed_in_the_middle_of_a_line(tmp_path):
    path = tmp_path / "optuna.journal"
    fill(path, 1)
    holder = start("hold_journal", path)
    assert holder.stdout.readline() == "held\n"
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    assert path.read_bytes()[-1:] != b"\n"
    begin = time.monotonic()
    fill(path, 1)
    assert time.monotonic() - begin < 2
    assert states(path) == [TrialState.COMPLETE] * 2


def test_a_write_that_fails_half_way_leaves_whole_lines(tmp_path):
    path = tmp_path / "optuna.journal"
    study = study_of(path)
    study.tell(study.ask(SPACE), 0.5)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 30, hard))  # the kernel writes 30 bytes and then refuses
    try:
        with pytest.raises(StorageError, match="EFBIG"):
            study.ask(SPACE)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    study.tell(study.ask(SPACE), 0.5)
    assert states(path) == [TrialState.COMPLETE] * 2


def test_a_journal_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "optuna.journal").mkdir()
    with pytest.raises(StorageError, match="EISDIR"):
        open_journal(tmp_path / "optuna.journal")


def test_optuna_says_nothing_about_a_new_study(tmp_path, capfd):
    handler = logging.StreamHandler()
    logging.getLogger("optuna").addHandler(handler)
    try:
        fill(tmp_path / "optuna.journal", 1)
    finally:
        logging.getLogger("optuna").removeHandler(handler)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_journal_survives_drivers_that_are_killed_at_any_moment(tmp_path):
    path, told = tmp_path / "optuna.journal", 0
    for round_ in range(8):
        driver = start("tell_trials", path)
        told += sum(driver.stdout.readline() == "told\n" for _ in range(5 + round_))
        driver.send_signal(signal.SIGKILL)
        told += driver.communicate()[0].count("told\n")
        assert told <= states(path).count(TrialState.COMPLETE) <= told + round_ + 1


@pytest.mark.filterwarnings("error")
def test_the_objective_of_a_study_has_a_name(tmp_path):
    for _ in range(2):
        name_values(study_of(tmp_path / "j"), ["val/accuracy"])
    assert study_of(tmp_path / "j").metric_names == ["val/accuracy"]
