"""Tracking of sweeps, trials and test-set openings in MLflow."""
