"""Words that a text may not say without the evidence for them."""

import re
from collections.abc import Sequence

NEVER = (
    r"(?:in|non)?significan\w+", r"trend\w* towards?", r"no differences?", r"not different",
    r"d(?:o|oes|id) not differ",
)  # fmt: skip
CLAIMED = (
    r"(?:is|are|was|were)(?: \w+)? (?:better|worse)", r"(?:better|worse) (?:than|by)", r"beat(?:s|en|ing)?",
    r"slightly (?:higher|lower)", r"improv\w+ (?:on|over|upon)",
)  # fmt: skip
SINGLE = (
    r"best", r"win(?:s|ner|ners|ning)?", r"won(?!\Wt\b)", r"outperform\w*", r"superior\w*",
    r"state\Wof\Wthe\Wart", r"sota",
)  # fmt: skip
ALLOWED = (
    r"P\([^()]*\)",  # P(best | k), P(A beats B | k): a probability is no claim
    r"probabilit(?:y|ies) that [^.;:]*?(?:beats|is (?:the )?best)", r"probabilit(?:y|ies) of superiority",
    r"probabilit(?:y|ies) (?:of being|to be) (?:the )?best",
    r"(?:higher|lower)(?: \w+)? (?:is|are) better", r"significance level", r"significant digits?",
    r"best\Wcase", r"best epoch", r"block winners?", r"winner\Ws curse",  # names of methods and rules
    r"behind the best", r"its best",  # whichever that is; of one option by itself
    r"the best would still (?:show|exceed)",  # of equal trials, under the winner's curse
    r"(?:is|are) (?:better|worse) than chance",
)  # fmt: skip
"""Longer phrases in which a word of claims claims nothing. "Best trial" is the highest-scoring trial in the search."""


def forbidden(text: str, *, claimed: bool, single_contender: bool) -> list[str]:
    """Words and phrases of `text` that its evidence does not allow, as they stand there, in order.

    Never: "significant", trends, "no difference" (data do not separate; levels are equivalent within delta). With a
    claim alone: "better than" and its kin. With a claim and a single contender alone: "best" and its kin. Phrases of
    `ALLOWED` pass. Names of levels are words, too: keep them out where one is named like these.

    Args:
        text: Plain text or Markdown.
        claimed: Whether a claim stands behind the text.
        single_contender: Whether the set of contenders has one member.
    """
    words = [*NEVER, *(() if claimed else CLAIMED), *(() if claimed and single_contender else SINGLE)]
    innocent = _pattern(ALLOWED).sub("\0", text)
    return [found.group() for found in _pattern(words).finditer(innocent)]


def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    """Any of the phrases as whole words, whatever their case and however the line breaks."""
    spaced = "|".join(phrases).replace(" ", r"\s+")
    return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)", re.IGNORECASE)
