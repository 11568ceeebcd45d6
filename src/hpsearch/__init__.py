"""hpsearch finds out, honestly and fast, how to train a neural network."""

__version__ = "0.1.0"
