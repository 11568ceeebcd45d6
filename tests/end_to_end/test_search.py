"""The whole program, as processes: equal records whatever happens, stopping, refusing, resuming."""

import json
import random
import re
import signal
import subprocess
import time

import optuna
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import hpsearch
from tests.program import Program, family, kill, new_program

pytestmark = pytest.mark.long

SWEEP = ("data=digits", "training.epochs=2", "model.width=16", "search.tune=[optimizer]", "name=s")
ENDLESS = ("data=digits", "training.epochs=100000", "model.width=16", "name=endless", "execution.workers=1")


@pytest.fixture(scope="module")
def place(migrated, tmp_path_factory):
    return lambda: new_program(tmp_path_factory.mktemp("place") / "folder with späces", migrated)


@pytest.fixture
def program(place):
    made = place()
    yield made
    made.clean_up()


@pytest.fixture(scope="module")
def at_once(place):
    """Eight trials on two workers, never disturbed, and what the command printed."""
    program = place()
    (program.folder / "own.py").write_text("x = 1\n")
    for words in (
        ["init", "-q"],
        ["add", "own.py"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "-qm", "a"],
    ):
        subprocess.run(["git", *words], cwd=program.folder, check=True)
    (program.folder / "own.py").write_text("x = 2\n")
    return program, program.call(*SWEEP, "search.trials=8", "execution.workers=2")


def assert_committed(program, name, trials):
    """One committed attempt of each trial in MLflow and in Optuna, and nothing that runs."""
    runs = program.runs(name)
    assert "RUNNING" not in {run.info.status for run in runs}
    finished = [run.data.tags for run in runs if run.data.tags["role"] == "search" and run.info.status == "FINISHED"]
    assert sorted(int(tags["trial"]) for tags in finished) == list(range(trials))
    assert {tags["status"] for tags in finished} <= {"ok", "stalled"}
    told = program.trials(name)
    assert sorted(k for k, state in told if state == "COMPLETE") == list(range(trials))
    assert {state for _, state in told} <= {"COMPLETE", "FAIL"}
    assert [run.info.status for run in program.runs(name, "parent")] == ["FINISHED"]


def test_a_sweep_shows_its_best_trials_its_files_and_the_next_commands(at_once):
    program, printed = at_once
    assert_committed(program, "s", 8)
    for shown in (
        "val/accuracy ± SE",
        "mlflow ui --backend-store-uri",
        "+final=sweep final.sweep=s",
        "opens the sealed",
    ):
        assert shown in printed
    assert (program.folder / "mlruns" / "sweeps" / "s" / "best.yaml").exists()


def test_the_changes_of_code_that_is_not_committed_are_kept_with_the_sweep(at_once):
    program, _ = at_once
    (diff,) = (program.folder / "mlruns" / "artifacts").rglob("code/working_folder-*.diff")
    assert diff.read_text().endswith("\n-x = 1\n+x = 2\n")


def test_optuna_itself_reads_the_study_of_a_sweep_with_the_name_of_its_metric(at_once):
    program, _ = at_once
    journal = JournalStorage(JournalFileBackend(str(program.folder / "mlruns" / "optuna.journal")))
    study = optuna.load_study(study_name="s", storage=journal)
    scores = {k: json.loads(record)["body"]["score"] for k, record in program.records("s").items()}
    assert study.metric_names == ["val/accuracy"]
    assert {trial.user_attrs["k"]: trial.value for trial in study.trials} == scores
    assert study.best_value == max(scores.values())


@pytest.mark.slow
def test_costs_beside_the_metric_are_told_to_optuna_and_python(at_once):
    program, _ = at_once
    changed = ("search.tune=[model]", "search.objectives=[parameters]", "search.constraints=['parameters<=20000']")
    changed = (*changed, "search.trials=4", "name=front")
    overrides = (*(each for each in SWEEP[:-1] if not each.startswith(("search.tune", "model"))), *changed)
    printed = program.call(*overrides)
    journal = JournalStorage(JournalFileBackend(str(program.folder / "mlruns" / "optuna.journal")))
    study = optuna.load_study(study_name="front", storage=journal)
    assert study.metric_names == ["val/accuracy", "parameters"]
    best = [trial.user_attrs["k"] for trial in study.best_trials]
    assert f"Pareto front with parameters: {len(best)} of 4 trials" in printed
    sweep = hpsearch.load("front", directory=program.folder / "mlruns")
    front = sweep.front
    assert sorted(trial.number for trial in front) == sorted(best)
    own = {trial.user_attrs["k"]: trial.values[1] for trial in study.trials}
    assert "  limits  parameters<=20000 for " in printed
    assert max(own.values()) <= 20000
    assert dict(zip(sweep.trials["number"], sweep.trials["parameters"], strict=True)) == own
    assert all(trial.metrics["parameters"] == own[trial.number] for trial in front)


def test_a_search_with_given_trials_ends_by_patience_and_says_so_each_time(program):
    limits = ("search.patience=1", "search.cohort=2", "search.trials=40", "search.enqueue=[{optimizer.lr: 0.03}]")
    printed = " ".join(program.call(*SWEEP, *limits, "execution.workers=2").split())
    records = program.records("s")
    assert 2 <= len(records) < 40
    said = f"ended after {len(records)} of 40 trials, since the last 1 or more were no better (search.patience)"
    assert said in printed
    assert said in " ".join(program.call(*SWEEP, *limits).split())
    assert program.records("s") == records
    assert json.loads(records[0])["body"]["values"] == {"optimizer.adam.lr": 0.03}
    tagged = [run.data.tags["trial"] for run in program.runs("s") if "enqueued" in run.data.tags]
    assert tagged == ["0"]


def test_functions_of_the_user_are_called_after_each_trial_and_change_none(program, at_once):
    (program.folder / "own.py").write_text(
        "def tell(sweep, trial):\n    print(f'told of {sweep.name} {trial.number} {trial.score:.9f}')\n\n\n"
        "def fail(sweep, trial):\n    raise ValueError('unwell')\n"
    )
    expected = at_once[0].records("s")
    failed = program.run(*SWEEP, "search.trials=2", "search.callbacks=[own:fail]", status=1)
    assert "hpsearch: search.callbacks own:fail failed after trial " in failed
    assert ": ValueError: unwell (own.py, line 6); finished trials are kept" in failed
    begun = len(program.records("s"))
    assert begun >= 1
    printed = program.run(*SWEEP, "search.trials=3", "search.callbacks=[own:tell]")
    told = re.findall(r"^told of s (\d) (\S+)$", printed, re.MULTILINE)
    assert len(told) == 3 - begun
    assert program.records("s") == {k: expected[k] for k in range(3)}
    assert all(f"{json.loads(expected[int(k)])['body']['score']:.9f}" == score for k, score in told)


@pytest.mark.slow
def test_the_best_trials_of_an_earlier_sweep_come_first_and_are_told_apart(at_once):
    program, _ = at_once
    scores = {k: json.loads(record)["body"] for k, record in program.records("s").items()}
    best = sorted(scores, key=lambda k: (-scores[k]["score"], k))[:2]
    warm = (*SWEEP[:-1], "name=warm", "search.enqueue_from=s", "search.enqueue_best=2", "search.trials=3")
    assert f"the values of 2 trials of sweep s: {best[0]}, {best[1]}" in program.call(*warm)
    records = program.records("warm")
    assert [json.loads(records[k])["body"]["score"] for k in range(2)] == [scores[k]["score"] for k in best]
    tagged = {run.data.tags["trial"] for run in program.runs("warm") if "enqueued" in run.data.tags}
    assert tagged == {"0", "1"}
    program.call(*warm)
    assert program.records("warm") == records


@pytest.mark.slow
def test_fewer_trials_than_exist_are_answered_with_all_of_them(at_once):
    program, printed = at_once
    best = program.folder / "mlruns" / "sweeps" / "s" / "best.yaml"
    before = best.read_bytes()
    again = program.run(*SWEEP, "search.trials=2")
    assert "8 trials exist, more than search.trials=2" in again
    assert table(again) == table(printed)
    assert best.read_bytes() == before


@pytest.mark.slow
def test_four_trials_grown_to_eight_on_one_worker_are_the_eight_of_two_workers_at_once(program, at_once):
    expected = at_once[0].records("s")
    program.run(*SWEEP, "search.trials=4", "execution.workers=1")
    four = program.records("s")
    assert four == {k: expected[k] for k in range(4)}
    program.run(*SWEEP, "search.trials=8", "execution.workers=1")
    assert program.records("s") == expected
    assert_committed(program, "s", 8)


@pytest.mark.slow
def test_a_driver_that_is_killed_takes_its_workers_along_and_the_sweep_resumes_to_the_same_records(program, at_once):
    expected = at_once[0].records("s")
    command = (*SWEEP, "search.trials=8", "execution.workers=2")
    driver = program.start(*command)
    program.wait_for("sweeps/s/trials/-/*/*/record.json", driver)
    assert kill(driver) == []
    assert len(program.records("s")) > 0
    program.run(*command)
    assert program.records("s") == expected
    assert_committed(program, "s", 8)


@pytest.mark.slow
def test_repeating_a_finished_command_shows_the_stored_result_and_trains_nothing(at_once):
    program, printed = at_once
    before = program.records("s")
    again = program.run(*SWEEP, "search.trials=8", "execution.workers=2")
    assert "8 of them finished before" in again
    assert table(again) == table(printed)
    assert program.records("s") == before
    assert set(program.attempts("s").values()) == {1}
    assert_committed(program, "s", 8)


def table(printed):
    return printed[printed.index("Highest-scoring") : printed.index("Written")]


@pytest.mark.slow
def test_the_same_explicit_name_for_another_sweep_is_refused_with_the_difference(at_once):
    program, _ = at_once
    before = program.records("s")
    changed = [word.replace("width=16", "width=17") for word in SWEEP]
    printed = program.run(*changed, "search.trials=8", status=2)
    assert "sweep 's' exists with another specification" in printed
    assert "config.model.width: 16 -> 17" in printed
    assert "use another `name=`" in printed
    assert program.records("s") == before
    assert len(program.runs("s", "search")) == 8


@pytest.mark.slow
def test_a_second_driver_is_refused_with_who_holds_the_sweep_and_one_signal_stops_the_first(program):
    first = program.start(*ENDLESS)
    program.wait_for("sweeps/endless/trials/-/0/attempt-1", first)
    refused = program.run(*ENDLESS, status=2)
    assert "sweep 'endless' is being run by" in refused
    for known in (f"process {first.pid}", "since 20", "-m hpsearch data=digits", "One driver at a time"):
        assert known in refused
    started = family(first)
    first.send_signal(signal.SIGTERM)
    out, err = first.communicate(timeout=60)
    assert (first.returncode, "stopped by SIGTERM; the same command resumes" in err) == (143, True), out + err
    assert psutil.wait_procs(started, timeout=10)[1] == []
    runs = {run.data.tags["role"]: (run.info.status, run.data.tags["status"]) for run in program.runs("endless")}
    assert runs == {"parent": ("KILLED", "killed"), "search": ("KILLED", "interrupted")}
    assert program.trials("endless") == [(0, "FAIL")]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_a_driver_killed_at_random_moments_and_resumed_each_time_gives_the_same_records(program, at_once, seed):
    draw = random.Random(seed)  # noqa: S311  # moments, not secrets
    command = (*SWEEP, "search.trials=8", "execution.workers=2")
    for _ in range(4):
        driver = program.start(*command)
        program.wait_for("sweeps/s/holder.json", driver)
        time.sleep(draw.uniform(0, 1.5))
        assert kill(driver) == []
    program.run(*command)
    assert program.records("s") == at_once[0].records("s")
    assert_committed(program, "s", 8)


ROUNDS = (
    *("data=digits", "training.epochs=6", "training.patience=3", "evaluation=stratified_kfold", "evaluation.folds=3"),
    *("search=tpe", "search.choose.norm=[none,before]", "search.tune=[optimizer,model]", "search.trials=12"),
    *("search.cohort=6", "search.startup=6", "search.pruner=halving", "search.rungs=[1,3]", "name=s"),
    *("model.depth=1", "model.space.width.choices=[20,40]"),
)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["fleet", "reference"])
def test_cohorts_that_learn_and_are_judged_give_the_same_records_with_any_workers_and_through_kills(place, engine):
    alone, disturbed = place(), place()
    printed = alone.run(*ROUNDS, f"engine={engine}", "execution.workers=1")
    assert "of 6 trials go on" in printed
    for moment in ("sweeps/s/trials/-/*/*/record.json", "sweeps/s/trials/-/[678]/*/record.json"):
        driver = disturbed.start(*ROUNDS, f"engine={engine}", "execution.workers=2")
        disturbed.wait_for(moment, driver)
        assert kill(driver) == []
    disturbed.run(*ROUNDS, f"engine={engine}", "execution.workers=2")
    assert disturbed.records("s") == alone.records("s")
    assert len(alone.records("s")) == 12
    statuses = {run.data.tags["status"] for run in disturbed.runs("s", "search") if run.info.status == "FINISHED"}
    assert statuses == {"ok", "pruned"}


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_sweep_that_was_stopped_by_a_signal_resumes_to_the_same_records(program, at_once, number, status):
    command = (*SWEEP, "search.trials=8", "execution.workers=2")
    driver = program.start(*command)
    program.wait_for("sweeps/s/trials/-/*/*/record.json", driver)
    driver.send_signal(number)
    out, err = driver.communicate(timeout=60)
    assert driver.returncode == status, out + err
    assert "the same command resumes" in err
    runs = program.runs("s")
    assert {run.info.status for run in runs} <= {"FINISHED", "KILLED"}
    assert {run.data.tags["status"] for run in runs if run.data.tags["role"] == "search"} <= {
        "ok",
        "stalled",
        "interrupted",
    }
    program.run(*command)
    assert program.records("s") == at_once[0].records("s")
    assert_committed(program, "s", 8)


@pytest.mark.slow
def test_a_second_signal_ends_the_driver_at_once_and_the_sweep_is_still_consistent(program, at_once):
    command = (*SWEEP, "search.trials=8", "execution.workers=2")
    driver = program.start(*command)
    program.wait_for("sweeps/s/trials/-/*/*/record.json", driver)
    started = family(driver)
    driver.send_signal(signal.SIGINT)
    driver.send_signal(signal.SIGTERM)
    driver.communicate(timeout=10)
    assert driver.returncode in (130, 143)  # 130 if it was faster than the second
    assert psutil.wait_procs(started, timeout=10)[1] == []
    program.run(*command)
    assert program.records("s") == at_once[0].records("s")
    assert_committed(program, "s", 8)


@pytest.mark.slow
def test_one_configuration_is_run_once_and_another_one_becomes_another_run(program):
    single = ("data=digits", "training.epochs=2", "model.width=16", "execution.workers=1")
    first = program.run(*single)
    assert "sweep run\n" in first
    before = program.records("run")
    again = program.run(*single)
    assert "1 of them finished before" in again
    assert (program.records("run"), program.attempts("run")) == (before, {0: 1})
    other = program.run(*single, "model.depth=2")
    assert "run is another sweep already; this one is called run-" in other
    (folder,) = (program.folder / "mlruns" / "sweeps").glob("run-??????")
    assert program.records(folder.name).keys() == {0}
    assert program.records("run") == before


@pytest.mark.slow
def test_best_yaml_runs_again_as_it_is_and_gives_the_same_curves_and_score(at_once):
    program, _ = at_once
    folder = program.folder / "mlruns" / "sweeps" / "s"
    heading = (folder / "best.yaml").read_text().splitlines()[0]
    best = json.loads(program.records("s")[int(heading.split()[2])])["body"]
    program.run("--config-dir", str(folder), "--config-name", "best", "name=again")
    again = json.loads(program.records("again")[0])["body"]
    for key in ("score", "score_se", "curves", "summary", "seeds", "predictions_sha256"):
        assert again[key] == best[key]


@pytest.mark.slow
def test_a_journal_that_cannot_be_read_is_refused_and_leaves_nothing_running(program):
    (program.folder / "mlruns" / "optuna.journal").write_text("this is not a journal\n")
    printed = program.run(*SWEEP, status=2)
    assert "optuna.journal" in printed
    assert "move it away" in printed
    with program.tracker() as tracker:
        assert tracker._store.client.get_experiment_by_name("s") is None


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite:////proc/nowhere/mlflow.db",
        pytest.param("http://127.0.0.1:9", marks=pytest.mark.slow),
        pytest.param("http://10.255.255.1:5000", marks=pytest.mark.slow),  # answers nothing at all
        pytest.param("postgresql://nobody@127.0.0.1:9/nothing", marks=pytest.mark.slow),
        pytest.param("ftp://example.org", marks=pytest.mark.slow),
    ],
)
def test_a_tracking_store_that_cannot_be_used_is_refused_at_once_and_nothing_is_made(tmp_path, uri):
    start = time.monotonic()
    printed = Program(tmp_path).call(*SWEEP, f"tracking.uri='{uri}'", status=2)
    assert time.monotonic() - start < 10 + 30  # with the imports, which take their time on a busy machine
    assert f"tracking.uri {uri}" in printed
    assert "choose another store" in printed
    assert "trial   0" not in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_that_nothing_can_be_written_to_is_refused_and_nothing_is_made(tmp_path):
    printed = Program(tmp_path).run(*SWEEP, "tracking.directory=/proc/nowhere", status=2)
    assert "/proc/nowhere" in printed
    assert list(tmp_path.iterdir()) == []


def test_sigterm_at_the_start_ends_the_server_of_workers_before_its_imports_are_done(tmp_path):
    driver = Program(tmp_path).start(*ENDLESS)
    servers = []
    while not servers and driver.poll() is None:
        servers = [process for process in family(driver) if "forkserver" in " ".join(process.cmdline())]
    driver.send_signal(signal.SIGTERM)
    driver.wait(60)  # not for its output, which a server that lives on would hold open
    assert servers
    assert not [server for server in servers if server.is_running() and server.status() != psutil.STATUS_ZOMBIE]
    assert (driver.returncode, "".join(driver.communicate())) == (143, "hpsearch: stopped by SIGTERM\n")


@pytest.mark.slow
def test_a_sweep_goes_on_after_its_folder_was_moved(program):
    program.run(*SWEEP, "search.trials=2")
    before = program.folder
    program.folder = before.rename(before.with_name("two"))
    told = program.run(*SWEEP, "search.trials=3")
    assert f"moved or copied here from {before}/mlruns/artifacts" in " ".join(told.split())
    assert_committed(program, "s", 3)
    artifacts = program.folder / "mlruns" / "artifacts"
    for run in program.runs("s"):
        assert (artifacts / run.info.run_id / "artifacts").is_dir()
    assert "moved" not in program.run("+report=sweep", "report.sweep=s")
    assert "trial" in program.run("+final=sweep", "final.sweep=s", "final.dry_run=true")
    assert not before.exists()
