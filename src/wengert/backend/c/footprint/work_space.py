"""Work space of library operations, as `linear_algebra_of.c`, `sort.c` and `entry.c` take it."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

from ....ir.nodes import LibCall
from .facts import has_unit_axis
from .frames import Frame
from .integers import Number, rounded, times
from .results import Unbounded


def work_space(f: Frame, stmt: LibCall, shape: Callable[[str], list[Number]]) -> int:
    """The bytes that an operation takes while it runs; `shape` gives the greatest extents of a storage."""

    def size(name: str) -> Number:
        total: Number = f.of.storages[name].dtype.numpy.itemsize
        for n in shape(name):
            total = times(total, n)
        return rounded(total)

    first = next(i for i in stmt.ins if isinstance(i, str))
    item = f.of.storages[first].dtype.numpy.itemsize
    n = shape(first)[0]
    square = rounded(times(times(n, n), item))
    match stmt.op:
        case "matmul" | "add_matmul" | "ranged_matmul":
            more = sum(
                size(name)
                for name in (*stmt.outs, *stmt.ins)
                if isinstance(name, str) and not has_unit_axis(f.function, f.of, name)
            )
        case "solve":
            second = next(i for i in stmt.ins[1:] if isinstance(i, str))
            more = square + size(second) + rounded(4 * n)
        case "inv":
            more = 3 * square + rounded(4 * n)
        case "cholesky":
            more = square
        case "cholesky_adjoint":
            more = 2 * square + rounded(64 * 64 * item)
        case "det":
            more = square + rounded(4 * n)
        case "eigh":  # LWORK of syevd and heevd, generously
            more = 4 * square + rounded(item * (64 * n + 64)) + rounded(4 * (3 + 5 * n)) + 2 * square
        case "sort":
            more = rounded(32 * n)
        case "fft":
            more = rounded(2 * n * item)
        case _:
            raise Unbounded(f"the work space of {stmt.op} is not known", stmt.span)
    if more == inf:
        raise Unbounded(f"the work space of {stmt.op} is not known beforehand", stmt.span)
    return int(more)
