"""Training engines: each takes fits and data and returns `FitResult` values. Torch is loaded on first use only."""

RULE = 1
"""Version of the rule by which `engine=auto` chooses, see `autotune.engine_for`; stored with each sweep."""
