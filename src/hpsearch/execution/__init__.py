"""Execution of jobs in worker processes."""
