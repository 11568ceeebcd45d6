"""The faults that hpsearch reports to a person, one sentence each."""


class HpsearchError(Exception):
    """What a run cannot go on with; the message names the thing, the rule and the way out."""

    exit_status = 2
