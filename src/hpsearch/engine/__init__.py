"""Training: whatever trains a fit takes (fit, data) and gives back a `FitResult`; torch is loaded on first use only."""

RULE = 1
"""Number of the rule by which `engine=auto` chooses, see `autotune.engine_for`; it is stored with a sweep."""
