"""Which sweep `+report` means where people share a tracking store, and what it does about runs that it cannot read."""

import io

import pytest
from rich.console import Console

from hpsearch.cli.main import main
from hpsearch.commands.publish import publish
from hpsearch.commands.report_target import ReportRequest, find_target
from hpsearch.config import ConfigError
from hpsearch.errors import TrackingError
from hpsearch.search.sweep_identity import SweepIdentity
from hpsearch.store.atomic_files import dump_checked_json
from hpsearch.store.loader import SpecificationError
from hpsearch.terminal.console import Terminal
from tests.commands.boards import finish, pasted, upload

pytestmark = pytest.mark.long

STARTED = 1_763_733_785_000  # 2025-11-21 14:03:05 UTC


@pytest.fixture
def of_others(sweep, tracker):
    """Puts a sweep into the tracking store whose folder lies elsewhere, with one trial of this score; its run."""

    def put(name, score, *, user="ann", started_ms=STARTED, **more):
        store, config = sweep(name, place=f"of {user}", fingerprint=f"{user}{score}".encode().hex(), **more)
        finish(store, config, 0, score, score)
        run = upload(tracker, store, user, started_ms=started_ms)
        tracker._store.log(run.run_id, tags={"mlflow.user": user})
        return run

    return put


def found(config, tracker, option="sweep", kept=()):
    """Scores of the sweep that is meant, its run, and what was told meanwhile."""
    told = io.StringIO()
    gathered, run = find_target(ReportRequest(config, option, kept), tracker, Terminal(Console(file=told, width=200)))
    return [record.result.score for record in gathered.records.values()], run.run_id, told.getvalue()


def refusal(config, tracker, option="sweep", kept=(), error=ConfigError):
    with pytest.raises(error) as refused:
        found(config, tracker, option, kept)
    return str(refused.value)


def test_a_sweep_without_a_folder_is_found_by_its_name(asked, tracker, of_others):
    run = of_others("shared", 0.5)
    assert found(asked(sweep="shared"), tracker) == ([0.5], run.run_id, "")


def test_two_sweeps_of_one_name_are_told_apart_by_start_user_and_fingerprint(asked, tracker, of_others):
    runs = [of_others("shared", 0.5), of_others("shared", 0.7, user="bob", started_ms=STARTED + 60_000)]
    kept = ["tracking.uri='sqlite:///a b.db'"]
    heading, *lines = refusal(asked(sweep="shared"), tracker, kept=kept).splitlines()
    assert heading == f"2 sweeps at {tracker.uri} are meant; say which one:"
    assert lines[::2] == [
        f"  shared, started 2025-11-21 14:03:05 UTC by ann, fingerprint {b'ann0'.hex()}",
        f"  shared, started 2025-11-21 14:04:05 UTC by bob, fingerprint {b'bob0'.hex()}",
    ]
    for line, run, score in zip(lines[1::2], runs, (0.5, 0.7), strict=True):
        config = pasted(line)
        assert (config.report.run, config.tracking.uri) == (run.run_id, "sqlite:///a b.db")
        assert found(asked(run=config.report.run), tracker) == ([score], run.run_id, "")


def test_names_of_people_do_not_command_the_terminal(asked, tracker, of_others):
    for user in ("ann\x1b[31m", "bob"):
        of_others("shared", 0.5, user=user)
    assert "by ann\\x1b[31m, " in refusal(asked(sweep="shared"), tracker)


@pytest.fixture
def mine(sweep, tracker):
    """The run of a sweep `shared` with a trial of score 0.9, whose folder is here."""
    store, config = sweep("shared")
    finish(store, config, 0, 0.9, 0.9)
    return upload(tracker, store, SweepIdentity(store, store.specification(), known=True).identity)


def test_where_a_folder_is_here_its_own_run_is_meant(asked, tracker, of_others, mine):
    of_others("shared", 0.5)
    assert found(asked(sweep="shared"), tracker) == ([0.9], mine.run_id, "")
    assert found(asked(run=mine.run_id), tracker) == ([0.9], mine.run_id, "")


def test_another_run_is_meant_where_it_is_given(asked, tracker, of_others, mine):
    theirs = of_others("shared", 0.5)
    for report in ({"run": theirs.run_id}, {"run": theirs.run_id, "sweep": "shared"}):
        assert found(asked(**report), tracker) == ([0.5], theirs.run_id, "")
    assert mine.run_id != theirs.run_id


def test_the_folder_is_read_where_the_run_is_its_own(asked, tracker, mine):
    (record,) = tracker.stored.children(mine, "search")
    tracker.log_artifacts(record.attempt.run_id, {"record.json": "gone"})
    assert found(asked(run=mine.run_id), tracker) == ([0.9], mine.run_id, "")


def test_a_run_and_the_name_of_another_sweep_contradict_each_other(asked, tracker, of_others):
    run = of_others("shared", 0.5)
    assert refusal(asked(run=run.run_id, sweep="other"), tracker) == (
        f"report.run={run.run_id} is the run of sweep 'shared', not of report.sweep=other: drop one of the two"
    )


def test_the_run_of_a_trial_is_refused_with_that_of_its_sweep(asked, tracker, of_others):
    run = of_others("shared", 0.5)
    (trial,) = tracker.stored.children(run, "search")
    assert refusal(asked(run=trial.attempt.run_id), tracker, error=TrackingError) == (
        f"run {trial.attempt.run_id} is not the run of a sweep: it is one of the runs of {run.run_id}"
    )


def test_a_run_that_is_not_there_is_refused(asked, tracker):
    assert "0" * 32 in refusal(asked(run="0" * 32), tracker, error=TrackingError)


def broken(tracker, name, content=None):
    """A run of a sweep that says nothing, or nothing whole, of what it is."""
    run = tracker.open_sweep(name, identity="killed", started_ms=1)
    if content is not None:
        tracker.log_artifacts(run.run_id, {"sweep.json": content})
    return run


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "has no sweep.json"),
        ('{"trials": 3}', "has a sweep.json that is not whole"),
    ],
)
def test_a_run_that_does_not_say_what_it_is_is_left_out_with_a_line(asked, tracker, of_others, content, why):
    silent, run = broken(tracker, "shared", content), of_others("shared", 0.5)
    line = f"! left out: run {silent.run_id} of sweep 'shared' {why}\n"
    assert found(asked(sweep="shared"), tracker) == ([0.5], run.run_id, line)


def test_a_run_of_another_tool_is_left_out_by_what_it_lacks(asked, tracker, of_others, sweep):
    store, _ = sweep("shared", place="old")
    tree = store.specification().to_tree()
    lacking = {key: tree[key] for key in tree if key not in ("named", "started_by")}
    old, run = broken(tracker, "shared", dump_checked_json(lacking).decode()), of_others("shared", 0.5)
    line = f"! left out: run {old.run_id} of sweep 'shared' has a sweep.json without named, started_by\n"
    assert found(asked(sweep="shared"), tracker) == ([0.5], run.run_id, line)


def test_it_is_refused_where_it_is_the_very_sweep_that_was_asked_for(asked, tracker, of_others):
    of_others("another", 0.5)
    silent = broken(tracker, "shared")
    for report in ({"sweep": "shared"}, {"run": silent.run_id}):
        told = refusal(asked(**report), tracker, error=SpecificationError)
        assert told == f"run {silent.run_id} of sweep 'shared' has no sweep.json"


def test_of_the_sweeps_that_an_option_started_only_the_one_that_is_meant_is_read(asked, tracker, of_others):
    """Records that cannot be read, of sweeps that share the beginning of its name, do no harm."""
    run = of_others("mnist", 0.5, named=False, started_by="mnist")
    for name, facts in (("mnist-mine", {"named": True, "started_by": "mnist"}), ("mnist_2", {"named": False})):
        other = of_others(name, 0.7, **facts)
        (trial,) = tracker.stored.children(other, "search")
        tracker.log_artifacts(trial.attempt.run_id, {"record.json": "no record"})
    silent = broken(tracker, "mnist-1a2b3c")
    line = f"! left out: run {silent.run_id} of sweep 'mnist-1a2b3c' has no sweep.json\n"
    assert found(asked(started_by="mnist"), tracker, option="mnist") == ([0.5], run.run_id, line)


def test_several_sweeps_that_an_option_started_are_listed_with_the_same_action(asked, tracker, of_others):
    runs = [of_others(name, 0.5, named=False, started_by="mnist") for name in ("mnist", "mnist-1a2b3c")]
    lines = refusal(asked(started_by="mnist"), tracker, option="mnist").splitlines()
    assert lines[2::2] == [f"    python -m hpsearch +report=mnist report.run={run.run_id}" for run in runs]
    assert lines[3].startswith("  mnist-1a2b3c, started ")
    for run in runs:
        assert found(asked(run=run.run_id, started_by="mnist"), tracker, option="mnist")[1] == run.run_id


def test_a_name_that_nobody_has_is_refused_with_a_near_one(asked, tracker, of_others):
    of_others("shared", 0.5)
    told = refusal(asked(sweep="share"), tracker)
    assert told == f"report.sweep=share is no sweep at {tracker.uri}: did you mean shared?"


@pytest.mark.usefixtures("mine")
def test_the_report_of_a_run_that_is_given_lies_beside_that_of_its_name(tracker, of_others, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = of_others("shared", 0.5).run_id
    store = f"tracking.uri='{tracker.uri}'"
    assert main(["+report=sweep", "report.sweep=shared", store]) == 0
    mine = (tmp_path / "experiments" / "shared" / "report.md").read_bytes()
    assert main(["+report=sweep", f"report.run={run}", store]) == 0
    assert (tmp_path / "experiments" / "shared" / "report.md").read_bytes() == mine
    assert (tmp_path / "experiments" / f"shared-{run[:8]}" / "report.md").read_bytes() != mine


def edit(client, run_id, how):
    """What people do to a run in MLflow."""
    if how == "deleted":
        client.delete_run(run_id)
    elif how == "without a tag":
        client.delete_tag(run_id, "attempt")
    elif how == "another status":
        client.set_tag(run_id, "status", "interrupted")


@pytest.mark.parametrize("how", ["deleted", "without a tag", "another status"])
def test_a_report_says_that_a_run_is_missing_which_the_sweep_says_it_has(asked, tracker, sweep, how):
    store, config = sweep("shared", place="elsewhere")
    for k in range(3):
        finish(store, config, k, 0.5 + k / 10, 0.5)
    store.request(3)
    run = upload(tracker, store, "ann")
    meant = ReportRequest(asked(sweep="shared"), "sweep")
    whole, _ = find_target(meant, tracker, Terminal(Console(file=io.StringIO())))
    assert (len(whole.records), whole.lacking) == (3, None)
    attempts = sorted((child.attempt for child in tracker.stored.children(run, "search")), key=lambda one: one.k)
    edit(tracker._store.client, attempts[0].run_id, how)
    found, run = find_target(meant, tracker, Terminal(Console(file=io.StringIO())))
    assert sorted(found.records) == [("-", 1), ("-", 2)]
    published = publish(found, meant.config, tracker, run)
    assert published.lacking.startswith("2 of the 3 trials that the sweep was asked for are here: ")
    assert "2 of the 3 trials" in published.page.read_text()


def test_a_trial_is_what_its_record_says_and_not_a_tag(asked, tracker, of_others):
    run = of_others("shared", 0.5)
    (trial,) = tracker.stored.children(run, "search")
    tracker._store.client.set_tag(trial.attempt.run_id, "trial", "7")
    gathered, _ = find_target(
        ReportRequest(asked(sweep="shared"), "sweep"), tracker, Terminal(Console(file=io.StringIO()))
    )
    assert list(gathered.records) == [("-", 0)]
