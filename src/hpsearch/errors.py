"""The faults that hpsearch reports to a person, one sentence each."""

import traceback
from pathlib import Path

from hpsearch.secrets import mask_text


class HpsearchError(Exception):
    """What a run cannot go on with; the message names the thing, the rule and the way out, and no secret."""

    exit_status = 2

    def __init__(self, message: str) -> None:
        super().__init__(mask_text(message))

    def _render_traceback_(self) -> list[str]:
        """What IPython shows instead of a traceback: where the caller stands, and the message."""
        ours = str(Path(__file__).parent)
        frames = traceback.extract_tb(self.__traceback__)[1:]  # the first is IPython's own
        called = traceback.format_list([frame for frame in frames if not frame.filename.startswith(ours)])
        return [*"".join(called).splitlines(), f"{type(self).__name__}: {self}"]


class ConfigError(HpsearchError):
    """A configuration that cannot be run; `problems` are complete sentences, one for each mistake."""

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(map(mask_text, problems))
        super().__init__("\n".join(self.problems))


class NotFoundError(ConfigError):
    """A sweep that is asked for by name is not there; the message says what is."""


class RefusedError(HpsearchError):
    """Nothing is wrong with the configuration, and what is stored forbids it."""


class SealOpenedError(RefusedError):
    """The sealed test set was opened before, and this is not acknowledged; the message says by whom and when."""


class OutputClosedError(HpsearchError):
    """Nobody reads standard output any more, as behind `| head`."""

    exit_status = 141  # what a shell says of a program that SIGPIPE ended

    def __init__(self) -> None:
        super().__init__("stopped, since standard output was closed; the same command resumes")
