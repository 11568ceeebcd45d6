"""What every option of every config group has."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(kw_only=True, slots=True)
class Option:
    """One option of one config group: `kind` names the class, as `KINDS` lists it."""

    group: ClassVar[str]
    kind: str
