"""Strategies of Hypothesis: values that are hard to store, to quote, to split or to draw from."""

import numpy as np
from hypothesis import strategies as st

from hpsearch.records import Signals
from hpsearch.search.space import Choices, Range

SEEDS = st.integers(0, 2**63 - 1)

SHELL_TEXTS = st.text(st.sampled_from("ab1 .,'\"\\${}[]()=:äé😀\n\t%~@+-#!?*_/xe")) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0")
)
"""Texts that a shell or Hydra could take for something else."""

JSON_TEXTS = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(
    ["NaN", "Infinity", "\\NaN", "\\\\-Infinity"]
)
JSON_TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | JSON_TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(JSON_TEXTS, inner, max_size=3),
    max_leaves=12,
)
"""What a record may hold, texts that look like its numbers included."""

BOUNDS = st.one_of(
    st.tuples(st.floats(1e-8, 1e3), st.floats(1.01, 1e6)).map(
        lambda p: {"low": p[0], "high": p[0] * p[1], "log": True}
    ),
    st.tuples(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3)).map(lambda p: {"low": p[0], "high": p[0] + p[1]}),
    st.tuples(st.integers(0, 50), st.integers(1, 500)).map(lambda p: {"low": p[0], "high": p[0] + p[1]}),
)
"""Of a range, as an option file writes them."""

STATISTICS = 9


@st.composite
def dimensions(draw):
    kind = draw(st.sampled_from(["float", "log", "step", "int", "intlog", "intstep", "choices", "lists"]))
    whole = kind.startswith("int")
    if kind in ("choices", "lists"):
        items = st.lists(st.integers(1, 9), max_size=3) if kind == "lists" else st.sampled_from([0.1, 0.2, 0.5, 0.9])
        return Choices(tuple(draw(st.lists(items, min_size=1, max_size=5, unique_by=repr))))
    number = st.integers(1, 1000) if whole else st.floats(1e-6, 1e6)
    low, high = sorted((draw(number), draw(number)))
    step = draw(st.integers(1, 7)) if kind == "intstep" else None
    if kind == "intstep":
        high = low + step * draw(st.integers(0, 9))
    if kind == "step":
        first, width, steps = (draw(st.integers(1, 500)) for _ in range(3))
        low, step, high = first / 100, width / 100, (first + width * steps) / 100
    return Range(low=low, high=high, log=kind.endswith("log"), step=step, whole=whole)


@st.composite
def labels_of_classes(draw, at_least=10):
    counts = draw(st.lists(st.integers(at_least, 30), min_size=2, max_size=4))
    order = np.random.default_rng(draw(st.integers(0, 9))).permutation(sum(counts))
    return np.repeat(np.arange(len(counts)), counts)[order]


@st.composite
def signals(draw):
    """P points by L layers, with gaps and numbers of all kinds."""
    points, layers = draw(st.integers(1, 3)), draw(st.lists(st.text(max_size=5), min_size=1, max_size=3))
    counts = st.lists(st.integers(0, 10**6), min_size=points, max_size=points)
    row = st.lists(st.none() | st.floats(), min_size=len(layers), max_size=len(layers))
    rows = st.lists(row, min_size=points, max_size=points)
    return Signals(draw(counts), draw(counts), layers, *(draw(rows) for _ in range(STATISTICS)))
