"""Whole commands: flags, exit statuses, and what they leave behind."""

import os
import shutil
import subprocess
import sys

import pytest
import yaml

from hpsearch import __version__
from hpsearch.cli.main import main
from hpsearch.commands.dispatch import plan_action
from hpsearch.compose.composer import Composer, conf_dir
from hpsearch.config import KINDS, Config, ConfigError
from hpsearch.errors import HpsearchError
from tests.program import Program


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Each command runs in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def hpsearch(folder, tmp_path_factory):
    """Runs a command in a process of its own; gives its exit status and what it wrote to standard error."""

    def run(*arguments):
        program = [sys.executable, "-m", "hpsearch", *arguments]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        shown = tmp_path_factory.mktemp("shown") / "stderr"
        with shown.open("w") as stderr:  # a pipe would wait for the server of workers, too
            status = subprocess.run(program, stderr=stderr, check=False, cwd=folder, env=environment).returncode
        return status, shown.read_text()

    return run


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert (ended.value.code, capsys.readouterr().out) == (0, f"hpsearch {__version__}\n")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_names_every_group_option_and_action(capsys, flag):
    assert main([flag]) == 0
    words = set(capsys.readouterr().out.replace("=", "= ").split())
    for group in KINDS:
        assert {f"{group}=", *(path.stem for path in (conf_dir() / group).glob("*.yaml"))} <= words


def test_help_names_a_users_own_options(capsys, folder):
    (folder / "optimizer").mkdir()
    (folder / "optimizer" / "lion.yaml").write_text("kind: sgd\nlr: 0.1\n")
    assert main(["--help", "--config-dir", str(folder)]) == 0
    assert " lion " in capsys.readouterr().out


def test_the_overrides_of_the_examples_in_help_compose(capsys):
    main(["--help"])
    lines = capsys.readouterr().out.replace("\\\n", "").splitlines()
    commands = [line.split(None, 3)[3] for line in lines if line.startswith("    python -m hpsearch ")]
    assert len(commands) >= 3
    for command in commands:
        Composer(command.replace("'", "").split()).compose()


def test_the_composed_configuration_is_printed_as_it_would_be_read(capsys):
    assert main(["--cfg", "optimizer=sgd", "optimizer.lr=0.25"]) == 0
    tree = yaml.safe_load(capsys.readouterr().out)
    config = Config.from_tree(tree)
    assert (config.optimizer.kind, config.optimizer.lr) == ("sgd", 0.25)
    assert config == Composer(["optimizer=sgd", "optimizer.lr=0.25"]).compose().config


@pytest.mark.parametrize(
    "arguments",
    [["--cfg", "job", "seed=7"], ["--cfg=job", "seed=7"], ["seed=7", "-c", "job"], ["seed=6", "-c", "seed=7"]],
)
def test_the_configuration_is_printed_by_the_flag_that_hydra_has(capsys, arguments):
    assert main(arguments) == 0
    assert yaml.safe_load(capsys.readouterr().out)["seed"] == 7


@pytest.mark.parametrize("width", [80, 100])
def test_help_fits_the_terminal(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    for asked in ["--help"], ["--help", "data=csv", "sweep=mnist", "report=table", "init"]:
        assert main(asked) == 0
        assert [line for line in capsys.readouterr().out.splitlines() if len(line) > width] == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--cfg", "search.choose.optimizer=[adam]", "optimizer=sgd"],
            "hpsearch: optimizer=sgd and search.choose.optimizer contradict each other: drop one of the two\n",
        ),
        (["optimizer=sgdd"], "hpsearch: optimizer=sgdd is not an option of optimizer: did you mean sgd?\n"),
        (
            ["search=halving"],
            (
                "hpsearch: search=halving is not an option of search: known here: coarse_to_fine, optuna, qmc, random, "
                "tpe; a pruner is chosen by search.pruner=halving\n"
            ),
        ),
        (["--cfg", "sead=1"], "hpsearch: sead is not a key: did you mean seed or search?\n"),
        (["--cfg", "data=csv", "data.target=y"], "hpsearch: data.path must be given: data.path=…\n"),
        (
            ["--cfg", "training.epochs=0", "seed=-1"],
            "hpsearch: training.epochs must be >= 1, got 0\nhpsearch: seed must be >= 0, got -1\n",
        ),
    ],
)
def test_a_refused_command_says_why_exits_with_2_and_writes_nothing(capsys, folder, arguments, message):
    assert main(arguments) == 2
    shown = capsys.readouterr()
    assert (shown.err, shown.out) == (message, "")
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("flag", ["--verison", "--config_dir=.", "--cf"])
def test_a_mistyped_flag_exits_with_2(capsys, flag):
    with pytest.raises(SystemExit) as ended:
        main([flag])
    assert ended.value.code == 2
    assert flag in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "meant"),
    [
        ("--sweep=mnist", "+sweep=mnist"),
        ("--final", "+final=…"),
        ("--training.epochs=3", "training.epochs=3"),
        ("--max-epochs=3", "training.epochs=3"),
        ("--lr", "optimizer.lr=…"),
        ("--verison", "--version"),
        ("--config_dir=.", "--config-dir"),
    ],
)
def test_a_mistyped_flag_is_answered_with_what_was_meant(capsys, flag, meant):
    with pytest.raises(SystemExit):
        main([flag])
    assert capsys.readouterr().err.startswith(f"hpsearch: {flag} is not a flag: did you mean {meant}? (flags: ")


@pytest.mark.parametrize("flag", ["--info", "--resolve", "--list", "--hydra-help", "--nothing=1", "-x"])
def test_a_flag_that_stands_for_no_key_suggests_none(capsys, flag):
    with pytest.raises(SystemExit):
        main([flag])
    assert "did you mean" not in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["-m", "--multirun"])
def test_hydras_multirun_is_answered_with_how_to_search(capsys, flag):
    with pytest.raises(SystemExit):
        main([flag, "optimizer=adam,sgd"])
    assert capsys.readouterr().err == (
        f"hpsearch: {flag} is not a flag: hpsearch searches by itself, as with 'search.tune=[optimizer]' "
        "search.trials=20\n"
    )


def test_a_primary_file_without_its_folder_is_refused(capsys):
    assert main(["--config-name", "best"]) == 2
    assert capsys.readouterr().err == (
        "hpsearch: --config-name best names the file best.yaml: give its folder by --config-dir\n"
    )


def test_a_folder_of_options_that_does_not_exist_is_refused(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--config-dir", "nowhere"])
    assert ended.value.code == 2
    assert "nowhere is not a folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["search.tune=[optimiser]"], "search.tune: optimiser is not a group that can be tuned"),
        (["optimizer.space.lr.low=1"], "optimizer.space.lr has no effect"),
        (["search.trials=3"], "search.trials is 3 and nothing varies"),
        (["data=csv", "data.path=nowhere.csv", "data.target=y"], "nowhere.csv"),
        (["search.choose.optimizer=[adam]", "optimizer=sgd"], "contradict each other"),
    ],
)
def test_a_refused_sweep_writes_nothing(folder, overrides, message):
    composer = Composer(["data=digits", *overrides] if "data=csv" not in overrides else overrides)
    with pytest.raises(HpsearchError, match=message):
        plan_action(composer)
    assert list(folder.iterdir()) == []


def test_a_refused_command_shows_no_traceback(hpsearch, folder):
    status, shown = hpsearch("data=digits", "search.trials=3")
    assert status == 2
    assert shown.startswith("hpsearch: search.trials is 3 and nothing varies")
    assert shown.count("\n") == 1
    assert list(folder.iterdir()) == []


def test_a_value_for_a_final_without_a_final_is_refused(folder):
    shown = Program(folder).call("data=digits", f"final.run={'0' * 32}", status=2)
    assert shown == "hpsearch: final.run has no effect without an action: add +final=run\n"
    assert list(folder.iterdir()) == []


def test_a_refusal_stands_below_what_was_printed_before_where_both_go_to_one_file(tmp_path):
    code = "from hpsearch.cli.main import main; print('first'); main(['--cfg', 'seed=-1'])"
    both = tmp_path / "both"
    with both.open("w") as file:
        subprocess.run([sys.executable, "-c", code], stdout=file, stderr=file, check=True)
    assert both.read_text() == "first\nhpsearch: seed must be >= 0, got -1\n"


def test_two_actions_at_once_are_refused(folder):
    shown = Program(folder).call("+sweep=mnist", "+final=mnist", status=2)
    assert shown == "hpsearch: +sweep=mnist and +final=mnist are two actions: give one\n"
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+final=sweep"], "final.sweep must be given: final.sweep=…"),
        (["+final=run"], "final.run must be given: final.run=…"),
        (["+final=mnist"], "there is no sweep in mlruns: run one first, in this folder"),
    ],
)
def test_a_final_of_nothing_is_refused_and_writes_nothing(folder, overrides, message):
    composer = Composer(overrides)
    with pytest.raises(ConfigError) as refused:
        plan_action(composer)
    assert str(refused.value) == message
    assert list(folder.iterdir()) == []


REFUSED = """
import sys
from multiprocessing import forkserver
from hpsearch.cli.main import main

for arguments in {arguments}:
    assert main(arguments) == 2, arguments
print({{"torch", "sklearn", "mlflow", "scipy", "optuna", "matplotlib"}} & set(sys.modules))
print(forkserver._forkserver._forkserver_pid)
"""


def test_a_refused_command_loads_and_starts_nothing_that_takes_long(sweep, migrated, tmp_path):
    sweep("known")
    shutil.copy(migrated / "mlflow.db", tmp_path / "mlruns" / "mlflow.db")
    arguments = [
        ["sead=3"],
        ["data=digits", "search.trials=3"],
        ["search.choose.optimizer=[adam]", "optimizer=sgd"],
        ["data=csv", "data.path=nowhere.csv", "data.target=y"],
        ["+final=sweep", "final.sweep=unknown"],
        ["+final=mnist"],
        ["+report=sweep", "report.sweep=unknown"],
        ["+report=mnist"],
        ["+report=table", "report.metric=accuracy"],
        ["+report=sweep", "report.sweep=known", "seed=3"],
    ]
    code = REFUSED.format(arguments=arguments)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (done.stdout, done.stderr.count("\n")) == ("set()\nNone\n", len(arguments)), done.stderr
    assert "final.sweep=unknown is no sweep in mlruns: did you mean known?" in done.stderr
    assert "report.sweep=unknown is no sweep at sqlite:///" in done.stderr


@pytest.mark.parametrize(
    "words", [["sweep", "report.sweep=x"], ["sweep", f"report.run={'0' * 32}"], ["leaderboard", "report.data=digits"]]
)
def test_a_report_where_nothing_was_tracked_is_refused_and_writes_nothing(folder, words):
    shown = Program(folder).call(f"+report={words[0]}", *words[1:], status=2)
    assert f"{folder / 'mlruns' / 'mlflow.db'}: " in shown
    assert list(folder.iterdir()) == []


def test_a_check_of_data_shows_columns_and_the_command_that_trains_and_leaves_nothing_behind(capsys, folder):
    rows = [f"{number % 17},{'abc'[number % 3]},{number % 2}" for number in range(60)]
    (folder / "own.csv").write_text("\n".join(["age,city,y", *rows, ""]))
    assert main(["+data=check", "data=csv", "data.path=own.csv", "data.target=y"]) == 0
    shown = capsys.readouterr().out
    assert "48 development rows, 12 sealed test rows" in shown
    assert "predict  y, 2 classes: 0 24, 1 24" in shown
    assert "category  3: " in shown
    assert shown.rstrip().endswith("python -m hpsearch data=csv data.path=own.csv data.target=y")
    assert [path.name for path in folder.iterdir()] == ["own.csv"]


def test_a_check_of_data_and_a_report_are_two_actions():
    with pytest.raises(ConfigError, match=r"\+report=sweep and \+data=check are two actions: give one"):
        plan_action(Composer(["+data=check", "+report=sweep"]))
