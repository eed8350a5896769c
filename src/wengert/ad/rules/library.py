"""The table of rules of library operations.

A rule writes IR with an `Emitter`. `Operand` is what it knows of an argument: the storage that holds its value, and
the storage of its tangent or adjoint (None: inactive). In reverse mode values of inputs and outputs are those at the
time of the call; a rule must list the ones it uses (`needs`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from wengert.ir.build import Emitter
from wengert.ir.nodes import Storage

Attrs: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Operand:
    """An argument of a library operation: its value (None where not asked for) and its derivative (None: inactive).
    A rule is asked only where something that goes in and something that comes out is active."""

    value: Storage | None
    derivative: Storage | None

    @property
    def primal(self) -> Storage:
        """The value; only of operands that the rule asked for."""
        assert self.value is not None, "a rule must list the operands whose values it uses"
        return self.value


Forward: TypeAlias = Callable[[Emitter, Attrs, tuple[Operand, ...], tuple[Operand, ...]], None]
"""(emitter, attributes, ins, outs): overwrite the tangents of the active outs, given those of the active ins."""

Reverse: TypeAlias = Callable[[Emitter, Attrs, tuple[Operand, ...], tuple[Operand, ...]], None]
"""(emitter, attributes, ins, outs): add to the adjoints of the active ins, given those of the active outs (which the
caller zeroes afterwards)."""

Needs: TypeAlias = Callable[[tuple[bool, ...], tuple[bool, ...]], tuple[frozenset[int], frozenset[int]]]
"""(active ins, active outs) -> the positions of the ins and of the outs whose values the reverse rule uses."""


@dataclass(frozen=True, slots=True)
class LibraryRule:
    forward: Forward
    reverse: Reverse
    needs: Needs
