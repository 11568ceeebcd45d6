"""A sweep on disk, and how it is read back."""
