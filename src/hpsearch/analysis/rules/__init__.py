"""The rules of honesty, R01 to R23."""
