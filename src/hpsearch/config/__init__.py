"""The schema of a whole run: dataclasses with range checks, standard library only."""

from hpsearch.config.schema import KINDS, Config, Engine
from hpsearch.errors import ConfigError

__all__ = ["KINDS", "Config", "ConfigError", "Engine"]
