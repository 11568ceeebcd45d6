"""Data sets, their sealed test parts, folds and scaling; no torch."""
