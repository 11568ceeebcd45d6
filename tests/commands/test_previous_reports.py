"""What was seen before a report is made."""

from dataclasses import replace
from types import SimpleNamespace

from hpsearch.commands.previous_reports import EarlierViews, seen_before, warn_of_earlier_views
from hpsearch.config import Config
from hpsearch.store.specification import judgement_of, question_of
from hpsearch.tracking.report_views import RelatedSweep, ReportView
from hpsearch.tracking.run_format import SweepRun
from tests.complete_config import config_tree
from tests.specifications import fingerprinted, specification, stored_level

RUN = SweepRun("mine", "", "1", "run-mine", resumed=True)


def frozen(delta=0.01):
    config = Config.from_tree(config_tree(search={"delta": delta, "compare": "optimizer"})).fingerprinted()
    levels = [stored_level(name, options={"optimizer": name}) for name in ("sgd", "adam")]
    return fingerprinted(config=config, levels=levels)


def comparison(delta=0.01, created_ms=100):
    return specification(asked=frozen(delta), created_ms=created_ms)


def other_levels():
    """The same question, asked of two levels that no pair shares with `frozen`."""
    return replace(frozen(), levels=[stored_level(name, options={"optimizer": name}) for name in ("sgd", "adagrad")])


class FakeLooks:
    """The looks of a store that holds the own sweep and others of the same question."""

    def __init__(self, own=(), **others):
        self.own = tuple(own)
        self.others = [RelatedSweep(name, f"run-{name}", judgement_of(frozen(delta)), tuple(looks))
                       for name, (delta, looks) in others.items()]  # fmt: skip

    def of(self, run):
        assert run == RUN
        return self.own

    def askers(self, question, digest):  # noqa: ARG002
        assert question == question_of(frozen())
        return [RelatedSweep("mine", "run-mine", judgement_of(frozen()), self.own), *self.others]


def seen(looks, digest="now", **of):
    return seen_before(comparison(**of), digest, looks, RUN)


def test_a_first_report_has_seen_nothing():
    assert seen(FakeLooks()) == EarlierViews((), None)


def test_earlier_retrainings_of_the_same_sweep_were_seen():
    assert seen(FakeLooks([ReportView("fewer", 200)])).digests == ("fewer",)


def test_a_report_that_is_made_again_has_seen_what_it_had_seen_the_first_time():
    own = [ReportView("fewer", 200), ReportView("now", 300, ("fewer",)), ReportView("more", 400)]
    ahead, behind = ReportView("theirs", 100), ReportView("others", 500)  # by clocks of other machines
    assert seen(FakeLooks(own, other=(0.01, [ahead, behind]))).digests == ("fewer",)


def test_looks_of_another_sweep_at_the_same_question_count():
    assert seen(FakeLooks(other=(0.01, [ReportView("theirs", 50)]))) == EarlierViews(("theirs",), None)


def test_the_same_retrainings_under_another_name_are_one_look():
    assert seen(FakeLooks(other=(0.01, [ReportView("now", 50)]))).digests == ()


def test_delta_that_was_changed_after_a_look_makes_a_report_exploratory():
    told = seen(FakeLooks(other=(0.5, [ReportView("theirs", 50)])))
    assert told.exploratory == (
        "sweep 'other' has put the same question to the same rows and seeds, and its retrainings were shown before "
        "this sweep began with delta 0.01 instead of 0.5"
    )


def test_a_sweep_that_had_begun_before_the_look_at_the_other_one_proves_what_it_did():
    assert seen(FakeLooks(other=(0.5, [ReportView("theirs", 150)]))).exploratory is None


def test_a_sweep_that_nobody_has_looked_at_changes_nothing():
    assert seen(FakeLooks(other=(0.5, []))) == EarlierViews((), None)


def test_a_sweep_that_compares_nothing_knows_its_own_looks_alone():
    alone = specification(asked=replace(frozen(), levels=()), created_ms=100)
    assert seen_before(alone, "now", FakeLooks([ReportView("fewer", 200)]), RUN) == EarlierViews(("fewer",), None)


def test_a_comparison_that_shares_no_pair_is_another_question():
    looks = FakeLooks()
    looks.others = [RelatedSweep("other", "run-other", judgement_of(other_levels()), (ReportView("theirs", 50),))]
    assert seen(looks) == EarlierViews((), None)


class FakeTerminal:
    def __init__(self):
        self.warned = []

    def warn(self, text):
        self.warned.append(text)


def warned(looks):
    terminal = FakeTerminal()
    warn_of_earlier_views(terminal, SimpleNamespace(specification=comparison()), looks, RUN)
    return terminal.warned


def test_that_a_report_will_be_exploratory_is_told_before_anything_is_trained():
    (told,) = warned(FakeLooks(other=(0.5, [ReportView("theirs", 50)])))
    assert told.startswith("the report will be exploratory as a whole (R19): sweep 'other' has put the same question")
    assert told.endswith("; seed=1 asks anew")


def test_that_alpha_will_be_shared_is_told_before_anything_is_trained():
    (told,) = warned(FakeLooks(other=(0.01, [ReportView("a", 50), ReportView("b", 60)])))
    assert told == (
        "2 sets of retrainings of this question were shown before: with other ones, the report divides alpha by 3 (R20)"
    )


def test_a_new_question_is_warned_of_nothing():
    assert warned(FakeLooks()) == []
