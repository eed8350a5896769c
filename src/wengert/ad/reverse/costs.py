"""Nominal costs, in units of a floating-point addition: sizes are not known when code is made."""

from __future__ import annotations

from math import prod

from wengert.analysis.affine import constant, isub
from wengert.ir.nodes import (
    Accumulate,
    Block,
    Buffer,
    Call,
    Expr,
    Function,
    Let,
    LibCall,
    Load,
    Loop,
    Module,
    Op,
    Stmt,
    Store,
    Var,
)
from wengert.ir.types import DType
from wengert.ir.walk import blocks, storages

MANY = 256.0
"""Nominal trip count or extent where it is not known."""
STORED = 8.0
"""Storing a byte, in additions: memory is what reverse mode runs out of."""
COSTS = {
    "add": 1.0, "sub": 1.0, "mul": 1.0, "neg": 1.0, "real": 1.0, "imag": 1.0, "conj": 1.0, "complex": 1.0, "abs": 1.0,
    "max": 2.0, "min": 2.0, "div": 4.0, "sqrt": 6.0, "pow": 40.0,
}  # fmt: skip
"""Operations on floats, in additions."""
OTHER = 20.0
"""exp, sin and the like."""
LIBRARY = 8.0
"""An element of a library operation's result, per element of its largest operand's last extent."""


def itemsize(dtype: DType) -> float:
    return float(dtype.numpy.itemsize)


def cost(value: Expr) -> float:
    if not value.dtype.is_inexact:
        return 1.0
    return COSTS.get(value.name, OTHER) if isinstance(value, Op) else 1.0


class Counts:
    """Nominal extents and trip counts of one function.

    A number that was counted (`count[] += 1`, how many elements a mask chooses) is taken for as many as were tried.
    """

    def __init__(self, function: Function) -> None:
        self.storages = storages(function)
        self._counted: dict[str, float] = {}
        self._totals: dict[str, float] = {}
        self._walk(function.body, 1.0)

    def _walk(self, block: Block, times: float) -> None:
        for stmt in block:
            match stmt:
                case Accumulate(storage, (), value) if value.dtype.is_integer:
                    self._totals[storage] = self._totals.get(storage, 0.0) + times
                case Let(name, Load(storage)) if storage in self._totals:
                    self._counted[name] = max(self._totals[storage] / times, 1.0)
                case Loop(body=body):
                    self._walk(body, times * self.trips(stmt))
                case _:
                    for inner in blocks(stmt):
                        self._walk(inner, times)

    def extent(self, e: Expr) -> float:
        known = constant(e)
        if known is not None:
            return float(max(known, 1))
        return self._counted.get(e.name, MANY) if isinstance(e, Var) else MANY

    def size(self, buffer: Buffer) -> float:
        """Bytes."""
        return itemsize(buffer.dtype) * prod(map(self.extent, buffer.shape))

    def trips(self, loop: Loop) -> float:
        if loop.stop is None or loop.cond is not None:
            return MANY
        return max(1.0, self.extent(isub(loop.stop, loop.start)) / abs(loop.step))

    def library(self, stmt: LibCall) -> float:
        """The work of a library operation."""
        found = [self.storages[i] for i in stmt.ins if isinstance(i, str)]
        sizes = [list(map(self.extent, s.shape)) for s in found if isinstance(s, Buffer)]
        if stmt.op == "matmul":
            return LIBRARY * prod(sizes[0]) * sizes[1][-1]
        return LIBRARY * max((prod(s) * (s[-1] if s else 1.0) for s in sizes), default=MANY)


class Work:
    """What one run of each function of a module costs; recursions are not followed."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self._found: dict[str, float] = {}

    def of(self, function: str) -> float:
        if function not in self._found:
            self._found[function] = MANY
            f = self.module.functions[function]
            self._found[function] = self._block(f.body, Counts(f))
        return self._found[function]

    def _block(self, stmts: Block, counts: Counts) -> float:
        return sum(self._statement(s, counts) for s in stmts)

    def _statement(self, stmt: Stmt, counts: Counts) -> float:
        match stmt:
            case Let(_, value):
                return cost(value)
            case Store() | Accumulate():
                return 1.0
            case Loop(body=body):
                return counts.trips(stmt) * self._block(body, counts)
            case LibCall():
                return counts.library(stmt)
            case Call(callee):
                return self.of(callee)
            case _:
                return sum(self._block(inner, counts) for inner in blocks(stmt))
