"""Special matrices: identity, diagonal, triangular, Vandermonde."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import iadd, isub
from wengert.ir import build
from wengert.ir.nodes import ZERO, Const, Expr
from wengert.ir.types import BOOL, F64, I64, DType

from .. import arrays
from ..registry import handles
from ..values import RArray
from .common import (
    array,
    consume,
    dtype_of,
    flat,
    generated,
    hint_of,
    integer_expr,
    loop,
    only_default,
    require_nonnegative,
    store,
)
from .shape import diagonal

if TYPE_CHECKING:
    from ..interp import Interp


def _extent(interp: Interp, value: Any) -> Expr:
    extent = integer_expr(interp, value)
    require_nonnegative(interp.stage, extent, "negative dimensions are not allowed")
    return extent


@handles(np.eye)
def eye(
    interp: Interp, N: Any, M: Any = None, k: Any = 0, dtype: Any = float, order: Any = "C", *, device: Any = None,
    like: Any = None,
) -> RArray:  # fmt: skip
    only_default(interp, "eye", like=(like, None))
    rows = _extent(interp, N)
    columns = rows if M is None else _extent(interp, M)
    kind = F64 if dtype is None else dtype_of(interp, dtype)
    shift = integer_expr(interp, k)
    one, zero = build.one(kind), build.zero(kind)
    return generated(
        interp.stage, kind, (rows, columns), lambda i: build.select(build.eq(i[1], iadd(i[0], shift)), one, zero)
    )


@handles(np.identity)
def identity(interp: Interp, n: Any, dtype: Any = None, *, like: Any = None) -> RArray:
    return eye(interp, n, dtype=float if dtype is None else dtype, like=like)


@handles(np.diag)
def diag(interp: Interp, v: Any, k: Any = 0) -> RArray:
    value = array(interp, v)
    if value.rank == 2:
        return diagonal(interp, value, k)
    if value.rank != 1:
        raise ValueError("Input must be 1- or 2-d.")
    return _with_diagonal(interp, value, k)


@handles(np.diagflat)
def diagflat(interp: Interp, v: Any, k: Any = 0) -> RArray:
    return _with_diagonal(interp, flat(interp.stage, array(interp, v)), k)


def _with_diagonal(interp: Interp, value: RArray, k: Any) -> RArray:
    stage = interp.stage
    shift = integer_expr(interp, k)
    n = iadd(value.shape[0], build.op("abs", shift))
    target = stage.alloc(value.dtype, (n, n), hint_of(interp, "diag"), zero=True)
    down = stage.let(build.max_(build.neg(shift), ZERO))
    right = stage.let(build.max_(shift, ZERO))
    consume(stage, value)
    loop(
        stage, ZERO, value.shape[0],
        lambda i: store(stage, target, (iadd(i, down), iadd(i, right)), arrays.element(value, (i,))),
        "i", parallel=True,
    )  # fmt: skip
    return target


@handles(np.tri)
def tri(interp: Interp, N: Any, M: Any = None, k: Any = 0, dtype: Any = float, *, like: Any = None) -> RArray:
    only_default(interp, "tri", like=(like, None))
    rows = _extent(interp, N)
    columns = rows if M is None else _extent(interp, M)
    kind = dtype_of(interp, dtype)
    shift = integer_expr(interp, k)
    one, zero = build.one(kind), build.zero(kind)
    return generated(
        interp.stage, kind, (rows, columns), lambda i: build.select(build.le(i[1], iadd(i[0], shift)), one, zero)
    )


def _triangle(interp: Interp, m: Any, k: Any, upper: bool) -> RArray:
    from .shape import two_dimensional

    value = two_dimensional(interp, array(interp, m))
    shift = integer_expr(interp, k)
    compare = build.ge if upper else build.le
    zero = build.zero(value.dtype)
    return arrays.lazy(
        interp.stage,
        value.dtype,
        value.shape,
        lambda i: build.select(compare(i[-1], iadd(i[-2], shift)), arrays.element(value, i), zero),
        [value],
    )


@handles(np.triu)
def triu(interp: Interp, m: Any, k: Any = 0) -> RArray:
    return _triangle(interp, m, k, True)


@handles(np.tril)
def tril(interp: Interp, m: Any, k: Any = 0) -> RArray:
    return _triangle(interp, m, k, False)


def _triangle_indices(interp: Interp, n: Any, k: Any, m: Any, upper: bool) -> tuple[RArray, ...]:
    from ..masks import nonzero

    rows = _extent(interp, n)
    columns = rows if m is None else _extent(interp, m)
    shift = integer_expr(interp, k)
    compare = build.ge if upper else build.le
    mask = generated(interp.stage, BOOL, (rows, columns), lambda i: compare(i[1], iadd(i[0], shift)))
    return tuple(nonzero(interp.stage, mask))


@handles(np.triu_indices)
def triu_indices(interp: Interp, n: Any, k: Any = 0, m: Any = None) -> tuple[RArray, ...]:
    return _triangle_indices(interp, n, k, m, True)


@handles(np.tril_indices)
def tril_indices(interp: Interp, n: Any, k: Any = 0, m: Any = None) -> tuple[RArray, ...]:
    return _triangle_indices(interp, n, k, m, False)


@handles(np.vander)
def vander(interp: Interp, x: Any, N: Any = None, increasing: Any = False) -> RArray:
    stage = interp.stage
    value = arrays.stored(stage, array(interp, x))
    if value.rank != 1:
        raise ValueError("x must be a one-dimensional array or sequence.")
    columns = value.shape[0] if N is None else _extent(interp, N)
    kind = DType.of(np.promote_types(value.dtype.numpy, np.int64))
    target = stage.alloc(kind, (value.shape[0], columns), hint_of(interp, "vander"))

    def row(at: tuple[Expr, ...]) -> None:
        x_i = stage.let(build.cast(arrays.element(value, at), kind))
        power = stage.cell(kind, "power", init=build.one(kind))

        def step(j: Expr) -> None:
            place = j if increasing else isub(isub(columns, Const(1, I64)), j)
            old = stage.load_cell(power, "power")
            store(stage, target, (at[0], place), old)
            stage.store_cell(power, stage.let(build.mul(old, x_i)))

        loop(stage, ZERO, columns, step, "j")

    arrays.nest(stage, (value.shape[0],), row)
    return target
