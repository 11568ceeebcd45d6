"""The schema of a whole run: dataclasses with range checks, standard library only."""

from hpsearch.config.checks import ConfigError
from hpsearch.config.run import KINDS, Config, Engine

__all__ = ["KINDS", "Config", "ConfigError", "Engine"]
