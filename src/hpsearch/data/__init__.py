"""Data sets, their sealed test parts, folds and scaling; numpy only."""
