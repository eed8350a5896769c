"""Rows of the special functions that SciPy computes: native code calls the C functions of scipy.special.cython_special.

The order of a Bessel function, the parameters of an incomplete gamma or beta function and the exponent of zeta have no
derivative here: it is refused where it is asked for, never zero.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any

from wengert.errors import NotDifferentiable

from . import build as b
from .nodes import Const, Expr
from .ops import ANYWHERE, C_HELPERS, POSITIVE, Partial, Scalar, add_row, helper, unary

OF_SCIPY: set[str] = set()
"""Operations that native code has from SciPy (`native/scipy_special.h`)."""

Derivative = Callable[[Expr, Expr], Expr]


def _meaning(name: str) -> Callable[..., Scalar]:
    def function(*x: Scalar) -> Scalar:
        special: Any = importlib.import_module("scipy.special")
        return x[0].dtype.type(getattr(special, name)(*x))

    return function


def _routine(name: str) -> None:
    OF_SCIPY.add(name)
    C_HELPERS[name] = f"floats: {name} of scipy.special, computed in double precision."


def _one(name: str, partial: Derivative, domain: tuple[float, float] = POSITIVE, note: str = "") -> None:
    """A function of one number; `partial`: (operand, answer) -> derivative."""
    _routine(name)
    add_row(name, "f", _meaning(name), helper(name), unary(partial), (domain,), note=note)


def _refused(name: str, what: str, value: Expr) -> Partial:
    """The partial by an operand that has none: a constant needs none."""
    if isinstance(value, Const):
        return None
    return NotDifferentiable(
        name, None, f"the derivative of {name} by {what} is not implemented", f"keep {what} out of what is active"
    )


def _of_order(name: str, partial: Callable[[Expr, Expr, Expr], Expr], *domain: tuple[float, float]) -> None:
    """A function of an order and a number; `partial`: (order, operand, answer) -> derivative by the operand."""
    _routine(name)

    def partials(a: tuple[Expr, ...], ans: Expr) -> tuple[Partial, ...]:
        return _refused(name, "its first operand", a[0]), partial(a[0], a[1], ans)

    orders = tuple((low, low) for low, _ in domain[:1])
    note = "by the second operand only"
    add_row(name, "f", _meaning(name), helper(name), partials, (*orders, *domain[1:]), note=note)


def _half(x: Expr, y: Expr) -> Expr:
    return b.mul(0.5, b.add(x, y))


def _half_difference(x: Expr, y: Expr) -> Expr:
    return b.mul(0.5, b.sub(x, y))


def _order(name: str, n: float, x: Expr) -> Expr:
    return b.op(name, b.const(n, x.dtype), x)


def _neighbours(name: str, v: Expr, x: Expr) -> tuple[Expr, Expr]:
    return b.op(name, b.sub(v, 1), x), b.op(name, b.add(v, 1), x)


def _damped(x: Expr, ans: Expr, rest: Expr) -> Expr:
    """The derivative of exp(-|x|) f(x), `rest` being that of f, damped."""
    return b.sub(rest, b.mul(b.op("sign", x), ans))


def _square_exp(x: Expr, factor: float, scale: float) -> Expr:
    """factor * exp(scale * x^2)"""
    return b.mul(factor, b.op("exp", b.mul(scale, b.mul(x, x))))


ROOT_PI = math.sqrt(math.pi)

# Bessel functions: DLMF 10.6, 10.29
_one("j0", lambda x, ans: b.neg(b.op("j1", x)), ANYWHERE)
_one("j1", lambda x, ans: _half_difference(b.op("j0", x), _order("jv", 2, x)), ANYWHERE)
_one("y0", lambda x, ans: b.neg(b.op("y1", x)))
_one("y1", lambda x, ans: _half_difference(b.op("y0", x), _order("yv", 2, x)))
_one("i0", lambda x, ans: b.op("i1", x), ANYWHERE)
_one("i1", lambda x, ans: _half(b.op("i0", x), _order("iv", 2, x)), ANYWHERE)
_one("i0e", lambda x, ans: _damped(x, ans, b.op("i1e", x)))
_one("i1e", lambda x, ans: _damped(x, ans, _half(b.op("i0e", x), _order("ive", 2, x))))
_one("k0", lambda x, ans: b.neg(b.op("k1", x)))
_one("k1", lambda x, ans: b.neg(_half(b.op("k0", x), _order("kv", 2, x))))
_one("k0e", lambda x, ans: b.sub(ans, b.op("k1e", x)))
_one("k1e", lambda x, ans: b.sub(ans, _half(b.op("k0e", x), _order("kve", 2, x))))
_of_order("jv", lambda v, x, ans: _half_difference(*_neighbours("jv", v, x)), (1.5, 2.5), POSITIVE)
_of_order("yv", lambda v, x, ans: _half_difference(*_neighbours("yv", v, x)), (1.5, 2.5), POSITIVE)
_of_order("iv", lambda v, x, ans: _half(*_neighbours("iv", v, x)), (1.5, 2.5), POSITIVE)
_of_order("ive", lambda v, x, ans: _damped(x, ans, _half(*_neighbours("ive", v, x))), (1.5, 2.5), POSITIVE)
_of_order("kv", lambda v, x, ans: b.neg(_half(*_neighbours("kv", v, x))), (1.5, 2.5), POSITIVE)
_of_order("kve", lambda v, x, ans: b.sub(ans, _half(*_neighbours("kve", v, x))), (1.5, 2.5), POSITIVE)

# Inverses and relatives of the error function: DLMF 7.2, 7.10
_one("erfinv", lambda x, ans: _square_exp(ans, ROOT_PI / 2, 1.0), (-0.8, 0.8))
_one("erfcinv", lambda x, ans: _square_exp(ans, -ROOT_PI / 2, 1.0), (0.2, 1.8))
_one("ndtri", lambda x, ans: _square_exp(ans, math.sqrt(2) * ROOT_PI, 0.5), (0.1, 0.9))
_one("erfcx", lambda x, ans: b.sub(b.mul(2, b.mul(x, ans)), 2 / ROOT_PI), (-1.5, 3.0))
_one("dawsn", lambda x, ans: b.sub(1, b.mul(2, b.mul(x, ans))), ANYWHERE)

# Elliptic and exponential integrals: DLMF 19.4, 6.2
_one("ellipk", lambda m, ans: b.div(b.sub(b.div(b.op("ellipe", m), b.sub(1, m)), ans), b.mul(2, m)), (0.1, 0.8),
     note="the derivative at 0 is NaN")  # fmt: skip
_one("ellipe", lambda m, ans: b.div(b.sub(ans, b.op("ellipk", m)), b.mul(2, m)), (0.1, 0.8),
     note="the derivative at 0 is NaN")  # fmt: skip
_one("expi", lambda x, ans: b.div(b.op("exp", x), x))
_one("exp1", lambda x, ans: b.neg(b.div(b.op("exp", b.neg(x)), x)))
_one("spence", lambda x, ans: b.div(b.op("log", x), b.sub(1, x)), (0.2, 0.9), note="the derivative at 1 is NaN")


# Incomplete gamma and beta functions: DLMF 8.8, 8.17
def _gamma_density(a: Expr, x: Expr) -> Expr:
    power = b.mul(b.sub(a, 1), b.op("log", x))
    return b.op("exp", b.sub(b.sub(power, x), b.op("lgamma", a)))


_of_order("gammainc", lambda a, x, ans: _gamma_density(a, x), (1.5, 2.5), POSITIVE)
_of_order("gammaincc", lambda a, x, ans: b.neg(_gamma_density(a, x)), (1.5, 2.5), POSITIVE)


def _betainc_partials(args: tuple[Expr, ...], ans: Expr) -> tuple[Partial, ...]:
    p, q, x = args
    scale = b.sub(b.op("lgamma", b.add(p, q)), b.add(b.op("lgamma", p), b.op("lgamma", q)))
    powers = b.add(b.mul(b.sub(p, 1), b.op("log", x)), b.mul(b.sub(q, 1), b.op("log1p", b.neg(x))))
    first, second = _refused("betainc", "its first operand", p), _refused("betainc", "its second operand", q)
    return first, second, b.op("exp", b.add(powers, scale))


_routine("betainc")
add_row("betainc", "f", _meaning("betainc"), helper("betainc"), _betainc_partials,
        ((1.5, 1.5), (2.5, 2.5), (0.1, 0.9)), note="by the third operand only")  # fmt: skip


def _zeta_partials(args: tuple[Expr, ...], ans: Expr) -> tuple[Partial, ...]:
    s, q = args
    return _refused("zeta", "its first operand", s), b.neg(b.mul(s, b.op("zeta", b.add(s, 1), q)))


C_HELPERS["zeta"] = "floats: the Hurwitz zeta function, the sum of (q + k)^-s over k >= 0; NaN if s < 1, inf if s = 1."
add_row("zeta", "f", _meaning("zeta"), helper("zeta"), _zeta_partials, ((2.5, 2.5), POSITIVE),
        note="of s and q, by q only")  # fmt: skip
