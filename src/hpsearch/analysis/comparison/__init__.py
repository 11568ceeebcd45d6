"""Retrainings, pairs of levels and verdicts."""
