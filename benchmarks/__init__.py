"""Measurements of hpsearch, as ratios and slopes within one run; `python -m benchmarks <name>`."""
