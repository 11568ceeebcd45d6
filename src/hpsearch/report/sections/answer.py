"""Section 0: what may be said, in ten seconds."""

from collections import Counter

from hpsearch.analysis.findings import Findings
from hpsearch.report.blocks import Answers, Block, Fold, Said, Section, Text, table
from hpsearch.report.levels import is_folded, numbers_of, score_name
from hpsearch.report.style import short
from hpsearch.wording import number_of, plural

SCOPE = "scope"
"""Status of the answer that says what all others apply to."""
SHOWN = 6
"""More answers than these are counted, and listed when the list is opened."""
WORDS = {
    "claim": "claimed",
    "equivalent": "equivalent",
    "inconclusive": "inconclusive",
    "refused": "refused",
    "exploratory": "exploratory",
}


def answer(findings: Findings) -> Section:
    """The answer box: what matters most in large letters, then the rest of the answers, then what they apply to."""
    scope = [one for one in findings.answers if one.status == SCOPE]
    said = [Said(one.status, one.sentence) for one in findings.answers if one not in scope]
    first: Block = Answers((said[0],), lead=True) if said else Text(_contenders(findings), "lead")
    notes = [Text(one.sentence, "note") for one in scope]
    return Section(0, "answer", "Answer", "Answer", (first, *_others(said[1:]), *notes, _measured(findings)))


def _contenders(findings: Findings) -> str:
    """What is known without any answer."""
    named = ", ".join(short(name, 48) for name in sorted(findings.contenders, key=str.casefold))
    count = len(findings.evidence.design.levels)
    left = len(findings.contenders)
    return f"{left} of {number_of(count, 'level')} {plural(left, 'is', 'are')} left: {named or 'none'}."


def _others(said: list[Said]) -> list[Block]:
    if len(said) <= SHOWN:
        return [Answers(tuple(said))] if said else []
    counts = Counter(one.status for one in said)
    counted = ", ".join(f"{counts[status]} {WORDS[status]}" for status in WORDS if counts[status])
    return [Fold(f"{len(said)} more answers: {counted}", (Answers(tuple(said)),))]


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
