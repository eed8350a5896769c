"""What library operations cost: by their sizes and rates, and the arrays that they pass over."""

from __future__ import annotations

from math import log2, prod

from wengert.analysis.cost.counts import MANY, itemsize
from wengert.analysis.cost.machine import DEFAULT, Machine
from wengert.analysis.cost.scope import Scope
from wengert.ir.nodes import LibCall
from wengert.ir.types import DType

SMALL_PRODUCT = 512.0
"""Multiplications up to which a product is three loops (`WG_SMALL_PRODUCT` of the run-time library)."""
THIN = 8.0
"""Rows up to which a product of few rows by many columns has code of its own (`WG_IS_THIN`)."""


def seconds(stmt: LibCall, scope: Scope, machine: Machine) -> float:
    """Of one call, without what its operands' way from memory takes beyond its arithmetic."""
    first = next(i for i in stmt.ins if isinstance(i, str))
    shapes = [scope.shape(i) for i in stmt.ins if isinstance(i, str)]
    dtype = scope.counts.storages[first].dtype
    factor = {DType.F32: 0.5, DType.C64: 2.0, DType.C128: 4.0}.get(dtype, 1.0)
    n = shapes[0][-1]
    match stmt.op:
        case "matmul" | "ranged_matmul" | "guarded_matmul":
            return product(shapes[0][0], shapes[1][1], shapes[0][1], machine, factor)
        case "add_matmul":
            return product(shapes[1][0], shapes[2][1], shapes[1][1], machine, factor)
        case "solve":
            columns = shapes[1][1]
            return machine.library["solve"].seconds(factor * (2 / 3 * n**3 + 2 * n * n * columns), n)
        case "inv":
            return machine.library["solve"].seconds(factor * 8 / 3 * n**3, n)
        case "cholesky":
            return machine.library["cholesky"].seconds(factor * n**3 / 3, n)
        case "cholesky_adjoint":
            return machine.library["cholesky"].seconds(factor * 2 / 3 * n**3, n)
        case "det":
            return machine.library["det"].seconds(factor * 2 / 3 * n**3, n)
        case "eigh":
            return machine.library["eigh"].seconds(factor * 9 * n**3, n)
        case "svd" | "full_svd" | "pinv" | "qr" | "eig":
            m, k = max(shapes[0]), min(shapes[0])
            work = {"svd": 20.0, "full_svd": 30.0, "pinv": 22.0, "qr": 4.0, "eig": 25.0}[stmt.op]
            return machine.library["eigh"].seconds(factor * work * m * k * k, k)
        case "sort" | "fft":
            factor = 1.0 if stmt.op == "sort" or dtype is DType.C128 else 0.7
            return machine.library[stmt.op].seconds(factor * n * max(log2(max(n, 1.0)), 1.0), n)
        case _:
            return sum(prod(s) for s in shapes) * machine.rate("other").scalar


def product(m: float, n: float, k: float, machine: Machine, factor: float = 1.0) -> float:
    """A matrix product of m by k and k by n."""
    rows = machine.library
    work = factor * 2 * m * n * k
    if m * n * k <= SMALL_PRODUCT:
        return rows["small"].seconds(work, 1.0)
    if min(m, n) <= 1:
        return rows["vector"].seconds(work, 1.0)
    if min(m, n) <= THIN and max(m, n) > 4 * min(m, n):
        return rows["thin"].seconds(work, 1.0)
    return rows["matmul"].seconds(work, 3.0 / (1 / m + 1 / n + 1 / k))


def passed_over(stmt: LibCall, scope: Scope) -> float:
    """Bytes of operands and results."""
    names = [*stmt.outs, *(i for i in stmt.ins if isinstance(i, str))]
    return sum(prod(scope.shape(n)) * itemsize(scope.counts.storages[n].dtype) for n in names)


def is_worth_product(m: float | None, n: float | None, k: float | None) -> bool:
    """Whether sums in loops should be a matrix product of m by k and k by n, on the committed machine. The product and
    the factors pass through scratch memory. Sizes that are not known (None) are nominal."""
    machine = DEFAULT
    m, n, k = (MANY if x is None else max(x, 1.0) for x in (m, n, k))
    lanes = machine.vector_bytes / 8.0
    loops = m * n * k * (2 * machine.load + machine.store) / lanes
    moved = (m * n + m * k + k * n) * (machine.load + machine.store + lanes * machine.levels[0].write * 8.0) / lanes
    rate = machine.library["matmul"]
    return rate.seconds(2 * m * n * k, 3.0 / (1 / m + 1 / n + 1 / k)) + moved < loops
