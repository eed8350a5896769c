"""One run of a function: what its names stand for."""

from __future__ import annotations

from dataclasses import dataclass, field

from ....ir.nodes import Function, Span
from ..analysis import FunctionFacts
from .integers import Linear, Number


@dataclass
class List:
    """A growable: an upper bound of its length, and the bytes that it has reserved."""

    name: str
    function: str
    size: int
    span: Span | None
    length: Number = 0
    reserved: Number = 0
    extents: list[tuple[Number, Number]] | None = None
    """Of the arrays whose refs were pushed, by axis."""
    is_mixed: bool = False
    """Whether some loop both pushes and pops."""

    def pushed(self, extents: list[tuple[Number, Number]]) -> None:
        """A ref to an array with these extents is pushed."""
        if self.extents is not None:
            pairs = zip(self.extents, extents, strict=True)
            extents = [(min(a, c), max(b, d)) for (a, b), (c, d) in pairs]
        self.extents = extents


@dataclass
class Frame:
    """One run of a function: what names stand for."""

    function: Function
    of: FunctionFacts
    integers: dict[str, Linear] = field(default_factory=dict[str, Linear])
    shapes: dict[str, tuple[Linear, ...]] = field(default_factory=dict[str, tuple[Linear, ...]])
    reals: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    """Floats that follow from integers: the least and the greatest value."""
    lists: dict[str, List] = field(default_factory=dict[str, List])
    cells: dict[str, tuple[Number, Number]] = field(default_factory=dict[str, tuple[Number, Number]])
    contents: dict[str, tuple[Number, Number]] = field(default_factory=dict[str, tuple[Number, Number]])
    """What settled arrays of integers hold (see `Facts.settled`)."""
    turns: Number = 1
    """How often the current block runs at most, in this run of the function."""
