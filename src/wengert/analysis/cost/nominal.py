"""Nominal costs, in units of a floating-point addition: for decisions that are made before sizes are known.

They are what the default storage planner weighs. Their ratios are not a machine's: storing is dear on purpose, because
memory is what reverse mode runs out of.
"""

from __future__ import annotations

from math import prod

from wengert.analysis.cost.counts import MANY, Counts
from wengert.ir.nodes import Accumulate, Block, Buffer, Call, Expr, Let, LibCall, Loop, Module, Op, Stmt, Store
from wengert.ir.walk import blocks

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


def cost(value: Expr) -> float:
    if not value.dtype.is_inexact:
        return 1.0
    return COSTS.get(value.name, OTHER) if isinstance(value, Op) else 1.0


def library(stmt: LibCall, counts: Counts) -> float:
    """The work of a library operation."""
    found = [counts.storages[i] for i in stmt.ins if isinstance(i, str)]
    sizes = [list(map(counts.extent, s.shape)) for s in found if isinstance(s, Buffer)]
    if stmt.op in ("matmul", "ranged_matmul", "guarded_matmul"):
        return LIBRARY * prod(sizes[0]) * sizes[1][-1]
    if stmt.op == "add_matmul":
        return LIBRARY * prod(sizes[1]) * sizes[2][-1]
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
                return library(stmt, counts)
            case Call(callee):
                return self.of(callee)
            case _:
                return sum(self._block(inner, counts) for inner in blocks(stmt))
