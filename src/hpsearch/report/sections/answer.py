"""What may be said, in ten seconds."""

from collections import Counter

from hpsearch.analysis.findings import Findings
from hpsearch.formatting import number_of, plural
from hpsearch.report.blocks import Answers, Beside, Block, Fold, Section, Sentence, Text, table
from hpsearch.report.figures.catalog import STANDINGS
from hpsearch.report.figures.render import figure_blocks
from hpsearch.report.figures.style import short
from hpsearch.report.first_screen import FirstScreen, beside_baselines, recipe_command, tuning_table
from hpsearch.report.levels import is_folded, numbers_of, score_name

SCOPE = "scope"
"""Status of the answer that says what all others apply to."""

SHOWN = 6
"""More answers than these are counted, and listed when the list is opened."""

MOST_SAID = 200
"""More sentences than these are counted."""

WORDS = {
    "claim": "claimed",
    "equivalent": "equivalent",
    "inconclusive": "inconclusive",
    "refused": "refused",
    "exploratory": "exploratory",
}


def answer(findings: Findings) -> Section:
    """The first screen: what to do in large letters, every option beside the others, what would settle the rest.

    Below it, folded, every sentence that may be said, and what they apply to.
    """
    head, first = findings.headline, FirstScreen.of(findings)
    if head is None or first is None:
        return _alone(findings)
    tuning = tuning_table(findings)
    blocks: list[Block] = [
        Answers((Sentence(head.status, head.sentence),), lead=True),
        *first.next_step,
        Text(f"Cost: {head.cost}.", "note"),
        Beside((first.standings, *figure_blocks(findings, (STANDINGS,)))),
        *([tuning, *recipe_command(findings)] if tuning is not None else []),
    ]
    said = [Sentence(each.status, each.sentence) for each in findings.answers if each.status != SCOPE]
    scope = [Text(each.sentence, "note") for each in findings.answers if each.status == SCOPE]
    rest = said[MOST_SAID:]
    more = [Text(f"And {_counted(rest)}; report.json has every sentence.", "note")] if rest else []
    told = (Answers(tuple(said[:MOST_SAID])), *more, *scope, _measured(findings))
    blocks.append(Fold(f"Every sentence: {_counted(said)}", told))
    return Section("answer", "Answer", "Answer", tuple(blocks))


def _counted(said: list[Sentence]) -> str:
    counts = Counter(each.status for each in said)
    return ", ".join(f"{counts[status]} {WORDS[status]}" for status in WORDS if counts[status])


def _alone(findings: Findings) -> Section:
    """Of one level, what matters most in large letters, then the other answers, then what they apply to."""
    scope = [one for one in findings.answers if one.status == SCOPE]
    said = [Sentence(one.status, one.sentence) for one in findings.answers if one not in scope]
    first: Block = Answers((said[0],), lead=True) if said else Text(_contenders(findings), "lead")
    beside = [Text(text) for text in (beside_baselines(findings),) if text]
    notes = [Text(one.sentence, "note") for one in scope]
    return Section("answer", "Answer", "Answer", (first, *beside, *_others(said[1:]), *notes, _measured(findings)))


def _contenders(findings: Findings) -> str:
    """What is known without any answer."""
    named = ", ".join(short(name, 48) for name in sorted(findings.contenders, key=str.casefold))
    count = len(findings.evidence.design.levels)
    left = len(findings.contenders)
    return f"{left} of {number_of(count, 'level')} {plural(left, 'is', 'are')} left: {named or 'none'}."


def _others(said: list[Sentence]) -> list[Block]:
    if len(said) <= SHOWN:
        return [Answers(tuple(said))] if said else []
    return [Fold(f"{len(said)} more answers: {_counted(said)}", (Answers(tuple(said)),))]


def _measured(findings: Findings) -> Block:
    design = findings.evidence.design
    trials = f", {number_of(design.trials, 'trial')} each" if design.trials else ""
    rows = [
        ("Compared", number_of(len(design.levels), "level") + trials),
        ("Confirmed", _confirmed(findings) if findings.confirmed else "nothing yet"),
        (
            "Measured in",
            f"{score_name(design, 'val' if is_folded(findings) else '')}, higher is better; {_delta(findings)}",
        ),
    ]
    return table(("", ""), rows)


def _confirmed(findings: Findings) -> str:
    """Seeds with a score, of every level that has a recipe."""
    recipes = [name for name, one in findings.explored.items() if one.recipe is not None]
    names = dict.fromkeys([*findings.confirmed, *recipes])
    counts = [findings.confirmed[name].n if name in findings.confirmed else 0 for name in names]
    folds = f", each of {findings.evidence.design.folds} folds" if is_folded(findings) else ""
    return f"{numbers_of(counts, 'fresh seed')} for each recipe{folds}, look {findings.looks}"


def _delta(findings: Findings) -> str:
    delta = findings.evidence.design.delta
    if delta is None:
        return "no δ is declared, so that nothing can be called equivalent"
    return f"differences below δ = {delta:g} do not matter"
