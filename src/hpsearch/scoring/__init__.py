"""Predictions to metrics, and metrics to the score of a trial."""
