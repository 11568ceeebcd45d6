"""The faults that hpsearch reports to a person, one sentence each."""

from hpsearch.secrets import mask_text


class HpsearchError(Exception):
    """What a run cannot go on with; the message names the thing, the rule and the way out, and no secret."""

    exit_status = 2

    def __init__(self, message: str) -> None:
        super().__init__(mask_text(message))


class OutputClosedError(HpsearchError):
    """Nobody reads standard output any more, as behind `| head`."""

    exit_status = 141  # what a shell says of a program that SIGPIPE ended

    def __init__(self) -> None:
        super().__init__("stopped, since standard output was closed; the same command resumes")
