"""What is allocated at a time, and at the peak."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from ....ir.nodes import Span
from .integers import Number


@dataclass(frozen=True, slots=True)
class Held:
    """An allocation that is there at some time."""

    function: str
    name: str
    bytes: int
    span: Span | None


class Account:
    """The allocations that are there, in order, and the most that there were."""

    def __init__(self) -> None:
        self.current: Number = 0
        self.peak: Number = 0
        self.live: list[Held] = []
        self.at_peak: tuple[Held, ...] = ()
        self.high: Number = 0
        """The most since the statement of the root began."""

    def take(self, held: Held) -> None:
        if held.bytes == 0:
            return
        self.current += held.bytes
        self.live.append(held)
        self.look()

    def look(self, more: Number = 0, also: tuple[Held, ...] = ()) -> None:
        """See whether this is the peak, with more that is there for a moment."""
        self.high = max(self.high, self.current + more)
        if self.current + more > self.peak:
            self.peak = self.current + more
            self.at_peak = (*self.live, *also)

    def keep(self, first: int, stays: Callable[[Held], bool]) -> None:
        """Let go of all but the first allocations and those that stay."""
        rest = [h for h in self.live[first:] if stays(h)]
        self.current -= sum(h.bytes for h in self.live[first:]) - sum(h.bytes for h in rest)
        self.live[first:] = rest

    def drop(self, function: str, names: Collection[str]) -> None:
        """Let go of a function's allocations of these names, the last ones."""
        for name in names:
            k = next(
                (k for k, h in reversed(list(enumerate(self.live))) if h.name == name and h.function == function), -1
            )
            if k >= 0:
                self.current -= self.live.pop(k).bytes

    def grow(self, held: Held, before: Number) -> None:
        """An allocation that had `before` bytes has become larger, or is new."""
        self.current += held.bytes - before
        for k, h in enumerate(self.live):
            if h.name == held.name and h.function == held.function:
                self.live[k] = held
                return
        self.live.append(held)

    def copy(self) -> Account:
        made = Account()
        made.current, made.peak, made.live = self.current, self.peak, list(self.live)
        made.at_peak, made.high = self.at_peak, self.high
        return made
