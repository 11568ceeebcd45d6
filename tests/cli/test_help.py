"""What `--help group=option` tells."""

import typing
from dataclasses import fields

import pytest
import yaml

from hpsearch.cli.help import fitted, help_text, option_help
from hpsearch.cli.main import main
from hpsearch.compose.composer import Composer, conf_dir
from hpsearch.compose.search_space import plan_space
from hpsearch.config import KINDS, ConfigError
from hpsearch.config.bounds import meaning

OPTIONS = [f"{group}={path.stem}" for group in KINDS for path in sorted((conf_dir() / group).glob("*.yaml"))]
KEYS = sorted(
    {(kind, f.name) for kinds in KINDS.values() for kind in kinds.values() for f in fields(kind) if f.init}, key=str
)


def rows(page):
    """Key to the rest of its line."""
    split = (line.split(None, 1) for line in page.splitlines() if line.startswith("  ") and "." in line.split()[0])
    return dict(split)


@pytest.mark.parametrize(("kind", "name"), [pair for pair in KEYS if pair[1] != "kind"])
def test_every_key_of_every_option_says_what_it_means(kind, name):
    assert meaning(typing.get_type_hints(kind, include_extras=True)[name])


@pytest.mark.parametrize("option", OPTIONS)
def test_every_shipped_option_has_a_page(option):
    assert option_help([option], None).startswith(option)


def test_a_page_tells_defaults_rules_and_what_is_required():
    found = rows(option_help(["data=csv"], None))
    assert found["data.path"] == "required  the file (text)"
    assert found["data.test"].split()[0] == "0.2"
    assert found["data.test"].endswith("between 0 and 1 (a number)")
    assert rows(option_help(["preprocess=robust"], None))["preprocess.missing"].endswith(
        "(one of median, mean, most_frequent, constant, refuse)"
    )


def test_a_page_shows_the_space_of_the_option():
    page = option_help(["optimizer=adam"], None)
    assert "space, sampled with 'search.tune=[optimizer]'" in page
    assert page.endswith("  lr: 1e-4 to 0.1, logarithmic")


def test_each_of_the_two_initializations_called_xavier_names_the_other():
    glorot, textbook = "sqrt(2 / (n_in + n_out))", "1 / sqrt(n_in)"
    for init, other in (("xavier", "init=lecun"), ("xavier_uniform", "init.fan=in"), ("lecun", "init=xavier")):
        said = option_help([f"init={init}"], None).partition("\n")[0]
        assert all(part in said for part in (glorot, textbook, other))


def test_a_page_says_what_a_data_set_brings_along():
    assert "brings preprocess=none loss=bce training=small evaluation=truth_table along" in option_help(
        ["data=xor"], None
    )


def test_a_group_lists_its_options():
    page = option_help(["norm"], None)
    assert {"norm=none", "norm=before", "norm=after"} <= set(page.split())


def test_an_action_shows_what_it_sets(capsys):
    assert main(["--help", "+sweep=mnist"]) == 0
    assert "optimizer: [sgd, momentum, adam]" in capsys.readouterr().out


def test_a_kind_of_report_tells_the_keys_that_it_reads():
    found = rows(option_help(["report=table"], None))
    assert list(found) == [f"report.{key}" for key in ("directory", "path", "metric", "delta", "alpha", "control")]
    assert found["report.alpha"].split()[0] == "0.05"
    assert found["report.delta"].endswith("> 0; null: none is declared (a number or null)")
    assert rows(option_help(["report=losses"], None))["report.started_by"].split()[0] == "losses"


def test_the_keys_of_confirming_have_a_page():
    page = option_help(["confirm"], None)
    assert rows(page)["confirm.seeds"].startswith("until_decided  fresh seeds that retrain frozen recipes")
    assert "--help confirm" in help_text(None)


def test_rounds_are_told_by_their_keys():
    meaning = rows(option_help(["search=coarse_to_fine"], None))["search.rounds"]
    assert meaning.endswith("(a list, each item {trials: ..., epochs: ...})")


def test_every_action_of_the_general_page_is_apart_from_what_it_says():
    said = dict(line.split(None, 1) for line in help_text(None).splitlines() if line.startswith("  +"))
    assert said["+sweep=regularization"].startswith("Weight decay, ")
    assert said["+report=initializers"].startswith("The comparison ")


def test_what_a_file_says_over_several_lines_is_told_to_its_end_and_listed_by_its_first_sentence(tmp_path):
    (tmp_path / "optimizer").mkdir()
    text = "# @package _global_\n# Is it mine? It is\n# all mine.\nkind: sgd\n# of steps\nlr: 0.5\n"
    (tmp_path / "optimizer" / "mine.yaml").write_text(text)
    assert option_help(["optimizer=mine"], tmp_path).startswith("optimizer=mine  Is it mine? It is all mine.\n")
    assert "  optimizer=mine                Is it mine?\n" in option_help(["optimizer"], tmp_path)
    losses = next(line for line in help_text(None).splitlines() if "+sweep=losses" in line)
    assert losses.endswith("Which loss gives the most accurate classifier?")


def test_a_long_name_of_an_option_is_apart_from_what_it_says(tmp_path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "a_name_that_is_very_long_indeed.yaml").write_text("# Mine.\nkind: sgd\n")
    assert "optimizer=a_name_that_is_very_long_indeed  Mine.\n" in option_help(["optimizer"], tmp_path)


def test_an_option_of_the_users_own_has_a_page(tmp_path):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text("# My own.\nkind: sgd\nlr: 0.5\n")
    assert option_help(["optimizer=mine"], tmp_path).splitlines()[0] == "optimizer=mine  My own."
    (tmp_path / "optimizer" / "on_adam.yaml").write_text("defaults: [adam]\nlr: 0.5\n")
    assert "lr: 0.5" in option_help(["optimizer=on_adam"], tmp_path)


@pytest.mark.parametrize("flag", ["--help", "-h", "-help"])
def test_help_added_to_a_whole_command_is_about_its_options(capsys, monkeypatch, flag):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["+sweep=mnist", "data=digits", "name=zz", "training.epochs=3", flag]) == 0
    assert capsys.readouterr().out == option_help(["sweep=mnist", "data=digits"], None) + "\n"


def test_help_added_to_values_alone_is_the_general_one(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["name=zz", "--help"]) == 0
    assert capsys.readouterr().out == help_text(None) + "\n"


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_line_is_wrapped_within_its_last_column_and_a_comment_stays_one(width):
    text = f"  key=…  {'word ' * 30}".rstrip() + f"\n  low: 1  # {'why ' * 30}".rstrip()
    first, *others = fitted(text, width).splitlines()
    assert first.startswith("  key=…  word word")
    assert {line[:9] for line in others if "word" in line} == {" " * 9}
    assert all(line.startswith("          # why") for line in others if "why" in line and "low" not in line)
    assert max(map(len, [first, *others])) <= width
    assert yaml.safe_load("\n".join(line for line in others if "word" not in line)) == {"low": 1}


def test_a_command_of_an_example_is_not_wrapped():
    command = f"    python -m hpsearch {'data=digits ' * 10}\\\n        {'seed=1 ' * 20}"
    assert fitted(command, 60) == command


@pytest.mark.parametrize("space", ["{lr: 0.005}", "{lr: {low: 0.1}}", "{lr: {lwo: 0.1}}", "3"])
def test_a_malformed_space_is_refused_as_a_sweep_refuses_it(tmp_path, problems, space):
    (tmp_path / "optimizer").mkdir()
    (tmp_path / "optimizer" / "mine.yaml").write_text(f"kind: sgd\nlr: 0.5\nspace: {space}\n")
    composer = Composer(["optimizer=mine", "search.tune=[optimizer]"], tmp_path)
    refused = problems(lambda: plan_space(composer.compose, composer.overrides, composer.known_options))
    assert problems(option_help, ["optimizer=mine"], tmp_path) == refused


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("optimzer", "--help optimzer: optimzer is not a group of options: did you mean optimizer?"),
        ("optimizer=adma", "optimizer=adma is not an option of optimizer: did you mean adam or radam or nadam?"),
    ],
)
def test_a_page_that_does_not_exist_is_refused_with_the_nearest(argument, expected):
    with pytest.raises(ConfigError) as refused:
        option_help([argument], None)
    assert refused.value.problems == (expected,)
