"""Functions that a program defines while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, eq=False)
class Closure:
    """A function defined inside staged code."""

    node: Any
    frame: Any
    name: str
    defaults: tuple[Any, ...] = ()
    kw_defaults: dict[str, Any] = field(default_factory=dict[str, Any])
    source: Any = None
    attributes: dict[str, Any] = field(default_factory=dict[str, Any])
    cls: Any = None  # the class defined inside that it is a method of
    cached: bool = False  # it keeps its results, as functools.cache has it
