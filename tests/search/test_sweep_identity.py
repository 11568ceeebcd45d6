"""Which sweep a command means."""

import re
import shlex
from dataclasses import replace

import pytest

from hpsearch.compose.composer import Composer
from hpsearch.config import ConfigError
from hpsearch.errors import RefusedError
from hpsearch.quoting import hydra_quoted
from hpsearch.search.space import Composed, Space
from hpsearch.search.sweep_identity import find_sweep, identify_sweep, require_sweeps, require_target
from tests.specifications import single_level_plan, specification


@pytest.fixture
def planning(tmp_path, default_composer):
    """A plan of one trial whose records lie in a fresh folder: `planning(name="mine", seed=1)`."""

    def plan(*, name=None, seed=0, trials=1, data="0" * 64):
        config = default_composer.compose().config
        tracking = replace(config.tracking, directory=str(tmp_path))
        search = replace(config.search, trials=trials)
        config = replace(config, name=name, seed=seed, tracking=tracking, search=search)
        return single_level_plan(Composed(config, {}, {}), Space({}, {}), default_composer.compose, data)

    return plan


def identified(plan, default="run", started_by=None, overrides=()):
    config, asked = plan.base.config, plan.fingerprinted()
    facts = {"named": config.name is not None, "started_by": started_by, "fingerprint": asked.fingerprint}
    new = specification(config.name or default, asked, overrides=list(overrides), **facts)
    return identify_sweep(new, config.tracking.directory)


def start(plan, *args, **facts):
    named = identified(plan, *args, **facts)
    with named.store.lock():
        named.freeze()
    return named


def test_a_sweep_without_a_name_takes_the_default_one(planning):
    named = start(planning())
    assert (named.name, named.known, named.note) == ("run", False, ())


def test_the_same_command_means_the_same_sweep(planning):
    start(planning())
    assert start(planning()).known


def test_more_trials_mean_the_same_sweep(planning):
    start(planning(trials=1))
    assert start(planning(trials=8)).known


def test_another_sweep_without_a_name_gets_six_digits_of_its_fingerprint(planning):
    start(planning())
    plan = planning(seed=1)
    named = start(plan)
    assert named.name == f"run-{plan.fingerprinted().fingerprint[:6]}"


def test_another_sweep_without_a_name_says_what_differs_and_how_to_return(planning):
    start(planning(), overrides=["data=digits", "name with space"])
    named = start(planning(seed=1, data="1" * 64))
    assert named.note == (
        f"run is another sweep already; this one is called {named.name}",
        "data: other rows",
        "config.seed: 0 -> 1",
        "the earlier one goes on by its own command: python -m hpsearch data=digits 'name with space'",
    )


def test_at_most_five_lines_of_differences_are_noted(planning, composed):
    start(planning())
    plan = planning()
    other = composed("optimizer=sgd", "model.width=3", "seed=4", "training.epochs=2", "norm=before")
    config = replace(other.config, tracking=plan.base.config.tracking)
    *lines, _ = identified(replace(plan, base=replace(other, config=config))).note[1:]
    assert len(lines) == 5
    assert re.fullmatch(r"… and \d+ more", lines[-1])


def test_another_sweep_that_is_known_already_says_its_name_alone(planning):
    start(planning())
    start(planning(seed=1))
    again = start(planning(seed=1))
    assert again.note == (f"run is another sweep already; this one is called {again.name}",)


def test_another_sweep_without_a_name_goes_on_under_its_suffixed_name(planning):
    start(planning())
    first = start(planning(seed=1))
    again = start(planning(seed=1))
    assert (again.name, again.known) == (first.name, True)


def test_another_sweep_under_a_given_name_is_refused_with_the_difference_and_the_ways_out(planning):
    start(planning(name="mine"))
    with pytest.raises(RefusedError) as refused:
        start(planning(name="mine", seed=1))
    assert str(refused.value).splitlines() == [
        "sweep 'mine' exists with another specification:",
        "  config.seed: 0 -> 1",
        "use another `name=`, or repeat the old command to go on with the old sweep",
    ]


def test_a_given_name_is_kept_as_it_is(planning):
    assert start(planning(name="größe, 'x'\n../y")).name == "größe, 'x'\n../y"


def test_a_sweep_that_another_command_started_meanwhile_is_refused(planning):
    late = identified(planning(name="mine"))
    start(planning(name="mine", seed=1))
    with late.store.lock(), pytest.raises(RefusedError, match="sweep 'mine' exists with another specification"):
        late.freeze()


def final_of(plan, *overrides):
    asked = Composer(overrides).compose().config
    return replace(asked, tracking=plan.base.config.tracking)


def test_a_final_finds_a_sweep_by_its_name(planning):
    plan = planning(name="mine")
    start(plan)
    assert find_sweep(final_of(plan, "+final=sweep", "final.sweep=mine"), None).name == "mine"


def test_a_final_of_an_unknown_sweep_names_the_nearest(planning):
    plan = planning(name="mine")
    start(plan)
    with pytest.raises(ConfigError, match=r"final.sweep=mime is no sweep in .*: did you mean mine\?"):
        find_sweep(final_of(plan, "+final=sweep", "final.sweep=mime"), None)


def test_a_final_of_an_action_finds_the_only_sweep_that_it_started(planning):
    plan = planning()
    start(planning(name="mine"), started_by="mnist")
    start(plan, "mnist", "mnist")
    assert find_sweep(final_of(plan, "+final=mnist"), None).name == "mnist"


def test_a_final_of_an_action_lists_each_sweep_where_it_started_several(planning):
    plan, other = planning(), planning(seed=1)
    names = {start(each, "mnist", "mnist").name for each in (plan, other)}
    with pytest.raises(ConfigError) as refused:
        find_sweep(final_of(plan, "+final=mnist"), None)
    heading, *commands = str(refused.value).splitlines()
    assert heading == "+sweep=mnist started 2 sweeps; say which one:"
    assert {shlex.split(command)[-1] for command in commands} == {f"final.sweep={hydra_quoted(n)}" for n in names}


def test_a_final_of_an_action_that_started_none_says_what_to_do(planning):
    plan = planning()
    start(plan)
    with pytest.raises(ConfigError, match=r"there is no sweep that \+sweep=mnist started without name="):
        find_sweep(final_of(plan, "+final=mnist"), None)


@pytest.mark.parametrize("option", ["sweep", "run"])
def test_a_final_of_nothing_says_which_key_is_missing(problems, default_composer, option):
    asked = default_composer.compose().config
    assert problems(require_target, asked, option) == (f"final.{option} must be given: final.{option}=…",)


def test_a_final_of_nothing_lists_the_command_of_each_stored_sweep(planning, problems):
    plan = planning(name="it's mine")
    start(plan)
    (problem,) = problems(require_target, plan.base.config, "sweep")
    heading, command = problem.splitlines()
    assert heading == "final.sweep must be given: final.sweep=…"
    assert shlex.split(command)[:4] == ["python", "-m", "hpsearch", "+final=sweep"]
    assert Composer(shlex.split(command)[3:]).compose().config.final.sweep == "it's mine"


def test_a_final_in_an_empty_folder_is_refused(planning, problems):
    plan = planning()
    directory = plan.base.config.tracking.directory
    assert problems(require_sweeps, plan.base.config) == (
        f"there is no sweep in {directory}: run one first, in this folder",
    )
