"""Exceptions that hpsearch reports to users."""

import traceback
from pathlib import Path

from hpsearch.secrets import mask_text


class HpsearchError(Exception):
    """Base class; the message states the problem, the rule and the way out, with secrets masked."""

    exit_status = 2

    def __init__(self, message: str) -> None:
        super().__init__(mask_text(message))

    def _render_traceback_(self) -> list[str]:
        """Shown by IPython instead of the full traceback: the frames of the caller, and the message."""
        ours = str(Path(__file__).parent)
        frames = traceback.extract_tb(self.__traceback__)[1:]  # the first one is IPython's
        called = traceback.format_list([frame for frame in frames if not frame.filename.startswith(ours)])
        return [*"".join(called).splitlines(), f"{type(self).__name__}: {self}"]


class ConfigError(HpsearchError):
    """An invalid configuration; `problems` has one sentence per mistake."""

    def __init__(self, *problems: str) -> None:
        self.problems = tuple(map(mask_text, problems))
        super().__init__("\n".join(self.problems))


class NotFoundError(ConfigError):
    """A requested sweep does not exist; the message lists those that do."""


class RefusedError(HpsearchError):
    """A valid configuration that conflicts with what is stored."""


class SealOpenedError(RefusedError):
    """The sealed test set was opened before, without acknowledgement; the message says by whom and when."""


class OutputClosedError(HpsearchError):
    """Standard output was closed, as by `| head`."""

    exit_status = 141  # as for a program that SIGPIPE ended

    def __init__(self) -> None:
        super().__init__("stopped, since standard output was closed; the same command resumes")
