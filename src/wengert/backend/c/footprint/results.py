"""What is found: the peak and what is there then, or that there is no bound."""

from __future__ import annotations

from dataclasses import dataclass

from ....codes import Code
from ....errors import WengertError
from ....ir.nodes import Span
from .account import Held
from .integers import Number


class Unbounded(WengertError, ValueError):
    """The memory that a program needs is not bounded by the sizes of its arguments."""

    code = Code.UNBOUNDED

    def __init__(self, what: str, span: Span | None) -> None:
        where = "" if span is None else f" ({span}: {span.text.strip()})"
        super().__init__(f"{what}{where}")
        self.what, self.span = what, span


@dataclass(frozen=True, slots=True)
class Moment:
    """One statement of the root: the most that is allocated while it runs, and what is left after it."""

    span: Span | None
    most: int
    after: int


@dataclass(frozen=True, slots=True)
class Footprint:
    """The peak, in bytes, what is there at that time, how memory goes along the root's statements, and the least and
    the greatest number of turns of each loop, by function and loop variable."""

    peak: int
    held: tuple[Held, ...]
    moments: tuple[Moment, ...]
    turns: dict[tuple[str, str], tuple[Number, Number]]
    on_disk: tuple[Held, ...] = ()
    """Tapes on disk, with the bytes that they have there: of these, `peak` counts what is in memory."""

    @property
    def disk(self) -> int:
        """Bytes on disk."""
        return sum(h.bytes for h in self.on_disk)
