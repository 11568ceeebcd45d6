"""Seeds until all is decided, beside ten seeds whatever comes: what both decide, of the same retrainings.

`python -m benchmarks until_decided NAME …` reads these sweeps of the working folder. Ten seeds are the first ten of
each option, compared once with the whole error rate.
"""

import argparse
from dataclasses import replace

from hpsearch.analysis.analyse import analyse
from hpsearch.analysis.comparison.verdict import State
from hpsearch.analysis.evidence import Evidence
from hpsearch.commands.evidence import evidence_of
from hpsearch.compose.composer import Composer
from hpsearch.store.loader import load_from_disk
from hpsearch.store.sweep_store import SweepStore

SEEDS = 10


def first_seeds(evidence: Evidence) -> Evidence:
    """The evidence of a sweep with `confirm.seeds=10`."""
    rows = tuple(row for row in evidence.confirm if row.key <= SEEDS)
    return replace(evidence, confirm=rows, design=replace(evidence.design, looks=(), confirm_seeds=SEEDS))


def summary(evidence: Evidence) -> list[str]:
    """Seeds of the options, retrainings, pairs that are decided, and minutes of training."""
    counts = sorted({len(evidence.confirmed(level.name)) for level in evidence.design.levels})
    pairs = analyse(evidence).pairs
    decided = sum(pair.state not in (State.INCONCLUSIVE, State.REFUSED) for pair in pairs)
    minutes = evidence.retraining_s * len(evidence.confirm) / 60
    seeds = " or ".join(map(str, counts))
    return [seeds, str(len(evidence.confirm)), f"{decided} of {len(pairs)}", f"{minutes:.1f}"]


def main(arguments: list[str]) -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", help="names of comparisons")
    columns = ("seeds of an option", "retrainings", "pairs decided", "minutes")
    print(f"| sweep | confirm.seeds | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 2)}")
    config = Composer([]).compose().config
    for name in parser.parse_args(arguments).names:
        evidence = evidence_of(load_from_disk(SweepStore(config.tracking.directory, name)), config, [], [])
        for rule, seen in (("until_decided", evidence), (str(SEEDS), first_seeds(evidence))):
            print(f"| {name} | {rule} | {' | '.join(summary(seen))} |")
