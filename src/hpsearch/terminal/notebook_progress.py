"""A progress bar for notebooks and scripts."""

import sys
from collections.abc import Sequence
from typing import TextIO

from tqdm.auto import tqdm

from hpsearch.commands.observer import Observer
from hpsearch.final.frozen_champion import Final
from hpsearch.scoring.score_format import Score
from hpsearch.store.champion_selection import find_champion
from hpsearch.store.record_json import Record


class ProgressBar(Observer):
    """Shows a bar of trials with the best score so far, and prints warnings."""

    def __init__(self) -> None:
        self._bar: tqdm | None = None
        self._score: Score | None = None
        self._best: Record | None = None

    def warn(self, text: str) -> None:
        tqdm.write(f"! {text}", file=sys.stderr)

    def search_started(self, score: Score, trials: int, finished: Sequence[Record]) -> None:
        self._score, self._best = score, find_champion(finished)
        if trials > len(finished):
            self._bar = tqdm(total=trials, initial=len(finished), unit="trial", desc="trials", file=_stream())
            self._show_best()

    def trial_finished(self, record: Record) -> None:
        self._best = find_champion([record] if self._best is None else [self._best, record])
        if self._bar is not None:
            self._bar.update()
            self._show_best()

    def search_finished(self) -> None:
        self._close()

    def seed_finished(self, done: int, total: int) -> None:
        if self._bar is None and done < total:
            self._bar = tqdm(total=total, unit="seed", desc="fresh seeds", file=_stream())
        if self._bar is not None:
            self._bar.n = done
            self._bar.refresh()
        if done == total:
            self._close()

    def champion_confirmed(self, final: Final, results: Sequence[object]) -> None:
        del final, results
        self._close()

    def _show_best(self) -> None:
        if self._bar is not None and self._score is not None and self._best is not None:
            result = self._best.result
            self._bar.set_postfix_str(f"best {self._score.name} {self._score.show(result.score, result.score_se)}")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _stream() -> TextIO:
    # Jupyter shows standard error in red.
    return sys.stdout if "ipykernel" in sys.modules else sys.stderr
