"""Data sets, splits and the sealed test set."""
