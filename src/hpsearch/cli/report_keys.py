"""Which keys of `report` each option of `+report=` reads."""

OF_SWEEP = ("sweep", "run", "started_by")
READ = {"table": ("path", "metric", "delta", "alpha", "control"), "leaderboard": ("data", "sweep")}
"""Keys that an option reads, beside `report.directory`; other options read those of `OF_SWEEP`."""


def keys_read(option: str) -> tuple[str, ...]:
    """Keys of `report` that an option reads, the folder first."""
    return "directory", *READ.get(option, OF_SWEEP)
