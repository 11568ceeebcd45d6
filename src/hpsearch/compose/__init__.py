"""Option files and overrides to a configuration and its spaces."""
