"""The stacks of one function."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wengert.ir.build import Emitter
from wengert.ir.nodes import Growable
from wengert.ir.types import DType


@dataclass(frozen=True, slots=True)
class StackKey:
    """Which stack: of scalars of a dtype, numbered, or of refs of a dtype, by rank."""

    dtype: DType
    number: int
    refs: bool = False


@dataclass
class Stacks:
    """The stacks of one function, as growables named when they are first asked for."""

    e: Emitter
    found: dict[StackKey, Growable] = field(default_factory=dict[StackKey, Growable])

    def get(self, key: StackKey) -> Growable:
        if key not in self.found:
            what = f"saved_refs_{key.dtype.value}" if key.refs else f"saved_{key.dtype.value}"
            name = self.e.fresh(f"{what}_{key.number}" if key.refs or key.number else what)
            self.found[key] = Growable(name, key.dtype, key.number if key.refs else None)
        return self.found[key]

    def of(self, dtype: DType, number: int = 0) -> Growable:
        """The stack of scalars on which blocks push (0), or one of those that hold the values of `any` nests."""
        return self.get(StackKey(dtype, number))

    def of_refs(self, dtype: DType, rank: int) -> Growable:
        return self.get(StackKey(dtype, rank, refs=True))


def in_order(keys: Iterable[StackKey]) -> list[StackKey]:
    """The order in which functions take their stacks."""
    return sorted(keys, key=lambda k: (k.refs, k.dtype.value, k.number))
