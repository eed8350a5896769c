"""Elementwise functions of dtypes whose meaning is not that of a scalar operation.

NumPy orders complex numbers by their real parts, then by their imaginary parts; a NaN in either imaginary part makes
strict comparisons of the real parts false. Of integers, `reciprocal` truncates and `fmax` is `maximum`.
"""

from __future__ import annotations

import numpy as np

from wengert.ir import build
from wengert.ir.nodes import Expr

from .. import numeric
from ..stage import Stage


def _parts(stage: Stage, x: Expr) -> tuple[Expr, Expr, Expr]:
    x = stage.let(x)
    return x, build.op("real", x), build.op("imag", x)


def _compared(stage: Stage, a: list[Expr], first: str, last: str) -> Expr:
    """Whether the real parts compare, or are equal and the imaginary parts do."""
    (_, p, q), (_, r, s) = _parts(stage, a[0]), _parts(stage, a[1])
    numbers = build.not_(build.or_(build.op("isnan", q), build.op("isnan", s)))
    ahead = build.and_(build.op(first, p, r), numbers)
    return stage.let(build.or_(ahead, build.and_(build.eq(p, r), build.op(last, q, s))))


def _nan(x: Expr) -> Expr:
    return build.or_(build.op("isnan", build.op("real", x)), build.op("isnan", build.op("imag", x)))


def _compare(first: str, last: str) -> numeric.ElementFn:
    return lambda stage, a: _compared(stage, a, first, last)


def _extreme(order: str, passes_nan: bool) -> numeric.ElementFn:
    def fn(stage: Stage, a: list[Expr]) -> Expr:
        x, y = stage.let(a[0]), stage.let(a[1])
        chosen = _compared(stage, [x, y], order, "ge" if order == "gt" else "le")
        return build.select(build.or_(chosen, _nan(x if passes_nan else y)), x, y)

    return fn


def _rounded(stage: Stage, a: list[Expr]) -> Expr:
    _, re, im = _parts(stage, a[0])
    return build.op("complex", build.op("rint", re), build.op("rint", im))


def _refused(name: str) -> numeric.ElementFn:
    def fn(stage: Stage, a: list[Expr]) -> Expr:
        raise stage.refuse(f"numpy.{name} of complex numbers", "write it with abs, real and imag")

    return fn


_COMPLEX: dict[np.ufunc, numeric.ElementFn] = {
    np.less: _compare("lt", "lt"),
    np.less_equal: _compare("lt", "le"),
    np.greater: _compare("gt", "gt"),
    np.greater_equal: _compare("gt", "ge"),
    np.maximum: _extreme("gt", True),
    np.minimum: _extreme("lt", True),
    np.fmax: _extreme("gt", False),
    np.fmin: _extreme("lt", False),
    np.rint: _rounded,
    np.sign: _refused("sign"),
}


def _reciprocal(stage: Stage, a: list[Expr]) -> Expr:
    """1 / x towards zero; of 0 the least number of the dtype, as NumPy gives."""
    x = stage.let(a[0])
    signed = x.dtype.numpy.kind == "i"
    of_zero = build.const(np.iinfo(x.dtype.numpy).min if signed else 0, x.dtype)
    unit = build.or_(build.eq(x, 1), build.eq(x, -1)) if signed else build.eq(x, 1)
    return build.select(build.eq(x, 0), of_zero, build.select(unit, x, build.zero(x.dtype)))


_INTEGER: dict[np.ufunc, numeric.ElementFn] = {
    np.reciprocal: _reciprocal,
    np.fmax: numeric.UFUNCS[np.maximum],
    np.fmin: numeric.UFUNCS[np.minimum],
}


def _by_kind(
    general: numeric.ElementFn, cplx: numeric.ElementFn | None, integer: numeric.ElementFn | None
) -> numeric.ElementFn:
    def fn(stage: Stage, a: list[Expr]) -> Expr:
        dtype = a[0].dtype
        if cplx is not None and dtype.is_complex:
            return cplx(stage, a)
        if integer is not None and not dtype.is_inexact:
            return integer(stage, a)
        return general(stage, a)

    return fn


for _ufunc in {**_COMPLEX, **_INTEGER}:
    numeric.UFUNCS[_ufunc] = _by_kind(numeric.UFUNCS[_ufunc], _COMPLEX.get(_ufunc), _INTEGER.get(_ufunc))
