# pyright: reportMissingTypeStubs=false
"""The elementwise functions of scipy.special. Imported when a program first calls one."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import scipy.special

from wengert.ir import build
from wengert.ir.nodes import Const, Expr
from wengert.ir.types import I64

from . import numeric
from .numeric import ElementFn
from .numpy_api.ufuncs import apply
from .stage import Stage
from .values import RArray, RScalar


def _op(name: str) -> ElementFn:
    return lambda stage, a: build.op(name, *a)


def _scaled(inner: ElementFn, before: float, after: float) -> ElementFn:
    """after * inner(before * x)"""
    return lambda stage, a: build.mul(after, inner(stage, [build.mul(before, a[0])]))


def _expit(stage: Stage, a: list[Expr]) -> Expr:
    one = build.one(a[0].dtype)
    return build.div(one, build.add(one, build.op("exp", build.neg(a[0]))))


def _log_expit(stage: Stage, a: list[Expr]) -> Expr:
    """min(x, 0) - log1p(exp(-|x|)), whose two parts have no cancelling derivatives on either side of zero."""
    x = stage.let(a[0])
    positive = stage.let(build.ge(x, 0))
    e = stage.let(build.op("exp", build.select(positive, build.neg(x), x)))
    return build.sub(build.select(positive, 0, x), build.op("log1p", e))


def _logit(stage: Stage, a: list[Expr]) -> Expr:
    x = stage.let(a[0])
    return build.op("log", build.div(x, build.sub(build.one(x.dtype), x)))


def _times_log(name: str) -> ElementFn:
    """x * name(y), 0 where x is 0 (unless y is NaN)."""

    def fn(stage: Stage, a: list[Expr]) -> Expr:
        x, y = stage.let(a[0]), stage.let(a[1])
        empty = stage.let(build.and_(build.eq(x, 0), build.not_(build.op("isnan", y))))
        harmless = build.one(x.dtype) if name == "log" else build.zero(x.dtype)
        return build.select(empty, 0, build.mul(x, build.op(name, build.select(empty, harmless, y))))

    return fn


def _entr(stage: Stage, a: list[Expr]) -> Expr:
    """-x log x, 0 at 0, -inf below."""
    x = stage.let(a[0])
    usual = stage.let(build.or_(build.gt(x, 0), build.op("isnan", x)))
    value = build.neg(build.mul(x, build.op("log", build.select(usual, x, 1))))
    return build.select(usual, value, build.select(build.eq(x, 0), 0, build.const(-math.inf, x.dtype)))


def _relative_entropy(difference: bool) -> ElementFn:
    """rel_entr: x log(x / y), 0 if x = 0 <= y, else inf; kl_div: - x + y beside, y if x = 0."""

    def fn(stage: Stage, a: list[Expr]) -> Expr:
        x, y = stage.let(a[0]), stage.let(a[1])
        unknown = build.or_(build.op("isnan", x), build.op("isnan", y))
        usual = stage.let(build.or_(unknown, build.and_(build.gt(x, 0), build.gt(y, 0))))
        ratio = build.div(build.select(usual, x, 1), build.select(usual, y, 1))
        value = build.mul(x, build.op("log", ratio))
        value = build.add(build.sub(value, x), y) if difference else value
        edge = build.and_(build.eq(x, 0), build.ge(y, 0))
        at_edge = y if difference else build.zero(x.dtype)
        return build.select(usual, value, build.select(edge, at_edge, build.const(math.inf, x.dtype)))

    return fn


def _ndtr(stage: Stage, a: list[Expr]) -> Expr:
    return build.mul(0.5, build.op("erfc", build.mul(-math.sqrt(0.5), a[0])))


def _log_ndtr(stage: Stage, a: list[Expr]) -> Expr:
    """log(erfc(-x / sqrt 2) / 2), below 0 by the scaled erfcx, above by log1p: accurate in both tails."""
    x = stage.let(a[0])
    low = stage.let(build.lt(x, 0))
    z = stage.let(build.mul(math.sqrt(0.5), x))
    below = stage.let(build.select(low, z, 0))
    above = stage.let(build.select(low, 0, z))
    left = build.sub(build.op("log", build.mul(0.5, build.op("erfcx", build.neg(below)))), build.mul(below, below))
    return build.select(low, left, build.op("log1p", build.mul(-0.5, build.op("erfc", above))))


def _beta(stage: Stage, a: list[Expr]) -> Expr:
    """The sign of beta(a, b) is not that of exp(betaln) for negative operands: gamma functions where they do not
    overflow."""
    p, q = stage.let(a[0]), stage.let(a[1])
    total = stage.let(build.add(p, q))
    positive = stage.let(build.and_(build.gt(p, 0), build.gt(q, 0)))
    one = build.one(p.dtype)
    x, y, z = (stage.let(build.select(positive, v, one)) for v in (p, q, total))
    u, v, w = (stage.let(build.select(positive, one, v)) for v in (p, q, total))
    quotient = build.div(build.mul(build.op("gamma", u), build.op("gamma", v)), build.op("gamma", w))
    return build.select(positive, build.op("exp", _log_beta(x, y, z)), quotient)


def _log_beta(p: Expr, q: Expr, total: Expr) -> Expr:
    return build.sub(build.add(build.op("lgamma", p), build.op("lgamma", q)), build.op("lgamma", total))


def _betaln(stage: Stage, a: list[Expr]) -> Expr:
    p, q = stage.let(a[0]), stage.let(a[1])
    return _log_beta(p, q, build.add(p, q))


def _gammasgn(stage: Stage, a: list[Expr]) -> Expr:
    x = stage.let(a[0])
    below = stage.let(build.op("floor", x))
    odd = build.ne(build.op("mod", below, build.const(2.0, x.dtype)), 0)
    sign = build.select(odd, build.const(-1.0, x.dtype), build.one(x.dtype))
    pole = build.and_(build.lt(x, 0), build.eq(below, x))
    return build.select(build.gt(x, 0), 1, build.select(pole, build.const(math.nan, x.dtype), sign))


def _loggamma(stage: Stage, a: list[Expr]) -> Expr:
    x = stage.let(a[0])
    return build.select(build.lt(x, 0), build.const(math.nan, x.dtype), build.op("lgamma", x))


def _boxcox(shift: bool) -> ElementFn:
    """(x^l - 1) / l, log x if l = 0; boxcox1p of 1 + x."""

    def fn(stage: Stage, a: list[Expr]) -> Expr:
        logarithm = stage.let(build.op("log1p" if shift else "log", a[0]))
        power = stage.let(a[1])
        flat = stage.let(build.eq(power, 0))
        safe = build.select(flat, 1, power)
        # The series in the power, whose derivatives at 0 are those of the quotient.
        half = build.mul(0.5, build.mul(power, build.mul(logarithm, logarithm)))
        return build.select(
            flat, build.add(logarithm, half), build.div(build.op("expm1", build.mul(safe, logarithm)), safe)
        )

    return fn


def _inv_boxcox(shift: bool) -> ElementFn:
    def fn(stage: Stage, a: list[Expr]) -> Expr:
        y, power = stage.let(a[0]), stage.let(a[1])
        flat = stage.let(build.eq(power, 0))
        safe = build.select(flat, 1, power)
        curved = build.div(build.op("log1p", build.mul(safe, y)), safe)
        straight = build.sub(y, build.mul(0.5, build.mul(power, build.mul(y, y))))
        return build.op("expm1" if shift else "exp", build.select(flat, straight, curved))

    return fn


def _exprel(stage: Stage, a: list[Expr]) -> Expr:
    """(exp(x) - 1) / x; near 0 its series, so that derivatives are those of the function."""
    x = stage.let(a[0])
    small = stage.let(build.lt(build.op("abs", x), 0.1))
    near, far = stage.let(build.select(small, x, 0)), stage.let(build.select(small, 1, x))
    series: Expr = build.one(x.dtype)
    for k in range(13, 1, -1):
        series = build.add(1, build.mul(build.div(near, float(k)), series))
    return build.select(small, series, build.div(build.op("expm1", far), far))


def _cosm1(stage: Stage, a: list[Expr]) -> Expr:
    half = stage.let(build.op("sin", build.mul(0.5, a[0])))
    return build.mul(-2.0, build.mul(half, half))


def _huber(stage: Stage, a: list[Expr]) -> Expr:
    delta, r = stage.let(a[0]), stage.let(a[1])
    size = stage.let(build.op("abs", r))
    inner, outer = build.mul(0.5, build.mul(r, r)), build.mul(delta, build.sub(size, build.mul(0.5, delta)))
    value = build.select(build.le(size, delta), inner, outer)
    return build.select(build.lt(delta, 0), build.const(math.inf, r.dtype), value)


def _pseudo_huber(stage: Stage, a: list[Expr]) -> Expr:
    delta, r = stage.let(a[0]), stage.let(a[1])
    usual = stage.let(build.and_(build.gt(delta, 0), build.ne(r, 0)))
    v = stage.let(build.div(build.select(usual, r, 0), build.select(usual, delta, 1)))
    root = build.op("hypot", build.one(v.dtype), v)
    value = build.mul(build.mul(delta, delta), build.div(build.mul(v, v), build.add(root, 1)))
    return build.select(build.lt(delta, 0), build.const(math.inf, r.dtype), value)


def polygamma(stage: Stage, n: int, x: Expr) -> Expr:
    if n < 2:
        return build.op("trigamma" if n else "digamma", x)
    factor = float((-1) ** (n + 1) * math.factorial(n))
    return build.mul(factor, build.op("zeta", build.const(n + 1.0, x.dtype), x))


def _legendre(stage: Stage, n: int, x: Expr) -> Expr:
    return _recurrence(stage, n, x, build.one(x.dtype), x, lambda k: ((2 * k + 1) / (k + 1), 0.0, k / (k + 1)))


def _chebyt(stage: Stage, n: int, x: Expr) -> Expr:
    return _recurrence(stage, n, x, build.one(x.dtype), x, lambda k: (2.0, 0.0, 1.0))


def _chebyu(stage: Stage, n: int, x: Expr) -> Expr:
    return _recurrence(stage, n, x, build.one(x.dtype), build.mul(2.0, x), lambda k: (2.0, 0.0, 1.0))


def _hermite(stage: Stage, n: int, x: Expr) -> Expr:
    return _recurrence(stage, n, x, build.one(x.dtype), build.mul(2.0, x), lambda k: (2.0, 0.0, 2.0 * k))


def _hermitenorm(stage: Stage, n: int, x: Expr) -> Expr:
    return _recurrence(stage, n, x, build.one(x.dtype), x, lambda k: (1.0, 0.0, float(k)))


def _laguerre(stage: Stage, n: int, x: Expr) -> Expr:
    first = build.sub(1.0, x)
    return _recurrence(
        stage, n, x, build.one(x.dtype), first, lambda k: (-1 / (k + 1), (2 * k + 1) / (k + 1), k / (k + 1))
    )


def _recurrence(
    stage: Stage, n: int, x: Expr, first: Expr, second: Expr, factors: Callable[[int], tuple[float, float, float]]
) -> Expr:
    """p_{k+1} = (a x + b) p_k - c p_{k-1} with (a, b, c) = factors(k), up to p_n."""
    older, newer = first, stage.let(second)
    for k in range(1, n):
        a, b, c = factors(k)
        factor = build.mul(a, x) if b == 0 else build.add(build.mul(a, x), b)
        older, newer = newer, stage.let(build.sub(build.mul(factor, newer), build.mul(c, older)))
    return newer if n else first


def _of_degree(name: str, function: Callable[[Stage, int, Expr], Expr], most: int = 64) -> ElementFn:
    """A function whose first operand is an integer that must be known."""

    def fn(stage: Stage, a: list[Expr]) -> Expr:
        given = Const(stage.static_int(a[0], f"the degree of {name}"), I64) if a[0].dtype.is_integer else a[0]
        n = given.value if isinstance(given, Const) else None
        if not isinstance(n, (int, float)) or n != int(n) or not 0 <= n <= most:
            raise stage.refuse(
                f"the first argument of scipy.special.{name} must be an integer up to {most} written in the program",
                "write it as a constant, or write the function out",
            )
        return function(stage, int(n), stage.let(a[1]))

    return fn


_FUNCTIONS: dict[str, ElementFn] = {
    **{name: _op(name) for name in (
        "erf", "erfc", "gamma", "digamma", "cbrt", "exp2", "expm1", "log1p", "j0", "j1", "y0", "y1", "jv", "yv", "iv",
        "ive", "kv", "kve", "i0", "i1", "i0e", "i1e", "k0", "k1", "k0e", "k1e", "erfinv", "erfcinv", "ndtri", "erfcx",
        "dawsn", "ellipk", "ellipe", "expi", "exp1", "spence", "gammainc", "gammaincc", "betainc",
    )},
    "gammaln": _op("lgamma"),
    "loggamma": _loggamma,
    "psi": _op("digamma"),
    "expit": _expit,
    "log_expit": _log_expit,
    "logit": _logit,
    "xlogy": _times_log("log"),
    "xlog1py": _times_log("log1p"),
    "entr": _entr,
    "rel_entr": _relative_entropy(False),
    "kl_div": _relative_entropy(True),
    "ndtr": _ndtr,
    "log_ndtr": _log_ndtr,
    "beta": _beta,
    "betaln": _betaln,
    "gammasgn": _gammasgn,
    "boxcox": _boxcox(False),
    "boxcox1p": _boxcox(True),
    "inv_boxcox": _inv_boxcox(False),
    "inv_boxcox1p": _inv_boxcox(True),
    "exprel": _exprel,
    "exp10": lambda stage, a: build.op("pow", build.const(10.0, a[0].dtype), a[0]),
    "cosm1": _cosm1,
    "huber": _huber,
    "pseudo_huber": _pseudo_huber,
    "sindg": _scaled(_op("sin"), math.pi / 180, 1.0),
    "cosdg": _scaled(_op("cos"), math.pi / 180, 1.0),
    "eval_legendre": _of_degree("eval_legendre", _legendre),
    "eval_chebyt": _of_degree("eval_chebyt", _chebyt),
    "eval_chebyu": _of_degree("eval_chebyu", _chebyu),
    "eval_hermite": _of_degree("eval_hermite", _hermite),
    "eval_hermitenorm": _of_degree("eval_hermitenorm", _hermitenorm),
    "eval_laguerre": _of_degree("eval_laguerre", _laguerre),
}  # fmt: skip


def elementwise(stage: Stage, fn: ElementFn, *operands: Any) -> RArray | RScalar:
    """A function of floating operands that is no ufunc, elementwise."""
    dtype = numeric.result_type(list(operands))

    def element(s: Stage, parts: list[Expr]) -> Expr:
        return fn(s, [build.cast(x, dtype) for x in parts])

    return apply(stage, element, dtype, list(operands))


def _of_reals(name: str, function: ElementFn) -> ElementFn:
    """The function; complex operands are refused if a part of it takes none."""

    def fn(stage: Stage, a: list[Expr]) -> Expr:
        try:
            return function(stage, a)
        except TypeError:
            if any(x.dtype.is_complex for x in a):
                raise stage.refuse(f"scipy.special.{name} of complex numbers", "call it with real numbers") from None
            raise

    return fn


for _name, _function in _FUNCTIONS.items():
    _ufunc: Any = getattr(scipy.special, _name, None)  # not every version has all of them
    if _ufunc is not None:
        numeric.UFUNCS.setdefault(_ufunc, _of_reals(_name, _function))
