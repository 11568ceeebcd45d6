"""Statistical formulas on arrays, without any notion of sweeps or reports."""
