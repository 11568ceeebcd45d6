"""Exceptions that hpsearch reports to users."""

import errno
import traceback
from pathlib import Path

from hpsearch.secrets import mask_text

_CAUSES = {
    errno.ENOSPC: "disk_full",
    errno.EDQUOT: "disk_full",
    errno.EROFS: "read_only",
    errno.EACCES: "no_permission",
    errno.EPERM: "no_permission",
}

_WAYS_OUT = {
    "disk_full": "; free some space and run the same command again: what is finished is kept",
    **dict.fromkeys(("read_only", "no_permission"), "; set tracking.directory to a folder that can be written"),
}


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
    """The sealed test set was opened before, without acknowledgement; the message says by whom and when.

    Attributes:
        opening: Number of the next opening, which acknowledges those before; None if it is not known.
    """

    def __init__(self, message: str, opening: int | None = None) -> None:
        super().__init__(message)
        self.opening = opening


class DataError(HpsearchError):
    """A data set cannot be used; the message names the file or key, what was expected and found, and the way out."""


class TrackingError(HpsearchError):
    """MLflow cannot be reached or refused a request; the message names the store and the way out."""


class WorkerSetupError(HpsearchError):
    """No worker process becomes ready, as without the device of `execution.device`; the message gives the cause."""

    def __init__(self, cause: str) -> None:
        super().__init__(f"no worker process could be made ready: {cause}")


class StorageError(HpsearchError):
    """A file or folder could not be read or written.

    Attributes:
        path: Path of the file or folder.
        cause: `disk_full`, `read_only`, `no_permission`, or the errno name, such as `EIO`.
    """

    def __init__(self, path: Path, error: OSError) -> None:
        number = error.errno or 0
        self.path = path
        self.cause = _CAUSES.get(number) or errno.errorcode.get(number, type(error).__name__)
        way_out = _WAYS_OUT.get(self.cause, "")
        super().__init__(f"{self.cause}: cannot use {str(path)!r}: {error.strerror or error}{way_out}")


class BrokenFileError(HpsearchError):
    """A truncated, modified or unfinished file, whose content is not used."""

    def __init__(self, path: Path | str, reason: str, way_out: str = "") -> None:
        super().__init__(f"{str(path)!r} is not whole: {reason}{f'; {way_out}' if way_out else ''}")


class OutputClosedError(HpsearchError):
    """Standard output was closed, as by `| head`."""

    exit_status = 141  # as for a program that SIGPIPE ended

    def __init__(self) -> None:
        super().__init__("stopped, since standard output was closed; the same command resumes")
