"""Extents, trip counts and sizes: from what is known of a function's scalars, nominal where nothing is."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from math import prod

from wengert.analysis.affine import constant, isub
from wengert.ir.nodes import (
    Accumulate,
    Block,
    Buffer,
    Cast,
    Const,
    Expr,
    Extent,
    Function,
    Let,
    Load,
    Loop,
    Op,
    Select,
    Storage,
    Var,
)
from wengert.ir.types import DType
from wengert.ir.walk import blocks, storages

MANY = 256.0
"""Nominal trip count or extent where it is not known."""


def itemsize(dtype: DType) -> float:
    return float(dtype.numpy.itemsize)


def value(e: Expr, known: Mapping[str, float], arrays: Mapping[str, Storage] | None = None) -> float | None:
    """A real expression's value where its names are known, else None. Integers divide without a remainder's loss:
    what is wanted is an average."""
    match e:
        case Const(x):
            return float(x.real)
        case Var(name):
            return known.get(name)
        case Cast(x):
            return value(x, known, arrays)
        case Extent(storage, axis):
            found = (arrays or {}).get(storage)
            return value(found.shape[axis], known, arrays) if isinstance(found, Buffer) else known.get(storage)
        case Select(cond, then, orelse):
            test = value(cond, known, arrays)
            return None if test is None else value(then if test else orelse, known, arrays)
        case Op(name, args):
            operands = [value(a, known, arrays) for a in args]
            found_all = [x for x in operands if x is not None]
            return _operation(name, found_all) if len(found_all) == len(operands) else None
        case _:
            return None


def _operation(name: str, x: list[float]) -> float | None:
    match name, x:
        case (("add" | "addc"), [a, b]):
            return a + b
        case (("sub" | "subc"), [a, b]):
            return a - b
        case (("mul" | "mulc"), [a, b]):
            return a * b
        case "neg", [a]:
            return -a
        case (("max" | "min"), [a, b]):
            return max(a, b) if name == "max" else min(a, b)
        case "floordiv", [a, b]:
            return a // b if b else None
        case "mod", [a, b]:
            return a % b if b else None
        case "div", [a, b]:
            return a / b if b else None
        case _:
            return _logic(name, x)


def _logic(name: str, x: list[float]) -> float | None:
    match name, x:
        case "lt", [a, b]:
            return float(a < b)
        case "le", [a, b]:
            return float(a <= b)
        case "gt", [a, b]:
            return float(a > b)
        case "ge", [a, b]:
            return float(a >= b)
        case "eq", [a, b]:
            return float(a == b)
        case "ne", [a, b]:
            return float(a != b)
        case "and", [a, b]:
            return float(bool(a) and bool(b))
        case "or", [a, b]:
            return float(bool(a) or bool(b))
        case "not", [a]:
            return float(not a)
        case _:
            return None


class Counts:
    """Extents and trip counts of one function; `known`: values of its scalars; `turns`: trip counts, by loop variable.

    A number that was counted (`count[] += 1`, how many elements a mask chooses) is taken for as many as were tried.
    """

    def __init__(
        self,
        function: Function,
        known: Mapping[str, float] | None = None,
        turns: Mapping[str, float] | None = None,
    ) -> None:
        self.turns = turns or {}
        self.storages = storages(function)
        self.known: MutableMapping[str, float] = dict(known or {})
        self._counted: dict[str, float] = {}
        self._totals: dict[str, float] = {}
        self._walk(function.body, 1.0)

    def _walk(self, block: Block, times: float) -> None:
        for stmt in block:
            match stmt:
                case Accumulate(storage, (), added) if added.dtype.is_integer:
                    self._totals[storage] = self._totals.get(storage, 0.0) + times
                case Let(name, Load(storage)) if storage in self._totals:
                    self._counted[name] = max(self._totals[storage] / times, 1.0)
                case Loop(body=body):
                    self._walk(body, times * self.trips(stmt))
                case _:
                    for inner in blocks(stmt):
                        self._walk(inner, times)

    def value(self, e: Expr) -> float | None:
        """The value of an expression if it follows from what is known."""
        return value(e, self.known, self.storages)

    def extent(self, e: Expr) -> float:
        known = constant(e)
        found = float(known) if known is not None else self.value(e)
        if found is not None:
            return max(found, 1.0)
        return self._counted.get(e.name, MANY) if isinstance(e, Var) else MANY

    def size(self, buffer: Buffer) -> float:
        """Bytes."""
        return itemsize(buffer.dtype) * prod(map(self.extent, buffer.shape))

    def trips(self, loop: Loop) -> float:
        if loop.var in self.turns:
            return self.turns[loop.var]
        if loop.stop is None or loop.cond is not None:
            return MANY
        return max(1.0, self.extent(isub(loop.stop, loop.start)) / abs(loop.step))
