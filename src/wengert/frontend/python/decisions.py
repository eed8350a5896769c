"""Attempts at staging a call: what one finds out for the next, and what ends one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Unified = tuple[str, int, str, int]
"""A size, how many times it is another one, that one, and what it is more."""


@dataclass
class Decisions:
    """What earlier attempts at staging the same call have found out."""

    static_leaves: set[int] = field(default_factory=set[int])
    unified: set[Unified] = field(default_factory=set["Unified"])
    unrolled: set[Any] = field(default_factory=set[Any])
    growable: dict[Any, Any] = field(default_factory=dict[Any, Any])
    by_caller: set[Any] = field(default_factory=set[Any])  # lists that hold other things for other callers
    static_extents: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    static_lists: set[Any] = field(default_factory=set[Any])  # comprehensions whose loops are unrolled
    by_reference: set[Any] = field(default_factory=set[Any])  # (loop, location): arrays held by identity
    alias_arrays: bool = False
    restarts: int = 0


class Restage(Exception):
    """Staging must start again with the decisions noted in `Decisions`."""


class NotAFunction(Exception):
    """This callee must be staged in place; the message says why."""


class NeedStatic(Exception):
    """The value of a loop index is needed while staging: the loop that owns `variable` must be unrolled."""

    def __init__(self, variable: str, reason: str) -> None:
        super().__init__(reason)
        self.variable = variable
        self.reason = reason


class NeedLeafStatic(Exception):
    """Arguments whose values staging needs: restart with guards on them."""

    def __init__(self, names: set[str], reason: str) -> None:
        super().__init__(reason)
        self.names = names
        self.reason = reason
