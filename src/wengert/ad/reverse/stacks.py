"""The stacks of one function."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from wengert.ir.build import Emitter
from wengert.ir.nodes import Growable
from wengert.ir.types import DType

StackKey: TypeAlias = DType | tuple[DType, int]
"""A stack of scalars by dtype, of refs by dtype and rank."""


@dataclass
class Stacks:
    """The stacks of one function: growables of scalars by dtype, of refs by dtype and rank."""

    e: Emitter
    scalars: dict[DType, Growable] = field(default_factory=dict[DType, Growable])
    refs: dict[tuple[DType, int], Growable] = field(default_factory=dict[tuple[DType, int], Growable])

    def of(self, dtype: DType) -> Growable:
        if dtype not in self.scalars:
            self.scalars[dtype] = Growable(self.e.fresh(f"saved_{dtype.value}"), dtype)
        return self.scalars[dtype]

    def of_refs(self, dtype: DType, rank: int) -> Growable:
        key = dtype, rank
        if key not in self.refs:
            self.refs[key] = Growable(self.e.fresh(f"saved_refs_{dtype.value}_{rank}"), dtype, rank)
        return self.refs[key]

    def get(self, key: StackKey) -> Growable:
        return self.of(key) if isinstance(key, DType) else self.of_refs(*key)

    def keys(self) -> list[StackKey]:
        return [*self.scalars, *self.refs]
