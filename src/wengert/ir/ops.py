"""Scalar operations: one row each, from which the interpreter, the C backend, both derivative modes and tests derive.

A row says what an operation *is*: its NumPy function over scalars of exactly the operand dtypes, its C expression and
its partial derivatives as IR. All operands of an operation have one dtype, one of the row's `kinds`.

**At kinks and singular points.** abs, copysign: the derivative at 0 is 0. max, min: on a tie the whole derivative goes
to the first operand. Steps (sign, floordiv, rounding): zero everywhere. hypot and atan2 at the origin: 0.
pow(x, y): d/dx is 0 where y = 0; d/dy is 0 where x = 0 and y >= 0. Everywhere else the formula speaks: sqrt at 0 has
derivative +inf. Partials that select are safe: the untaken side has no NaN, so the partials' own derivatives are right.

C expressions are fully parenthesised and need no parentheses around operands that are. Signed integer arithmetic wraps
(the compiler flag -fwrapv). Where C has no one-liner they call a helper of `C_HELPERS`.
"""

from __future__ import annotations

import functools
import importlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from wengert.errors import NotDifferentiable

from . import build as b  # mutually recursive with this module; both use the other only inside functions
from .nodes import Const, Expr
from .types import BOOL, DType

Partial: TypeAlias = Expr | NotDifferentiable | None
"""None: zero almost everywhere. An error: what is raised if the operand is active."""
Partials: TypeAlias = Callable[[tuple[Expr, ...], Expr], Sequence[Partial]]
ToC: TypeAlias = Callable[[DType, Sequence[str]], str]
Scalar: TypeAlias = Any  # a NumPy scalar
Meaning: TypeAlias = Callable[[Scalar], Scalar] | Callable[[Scalar, Scalar], Scalar]


@dataclass(frozen=True, slots=True)
class OpRow:
    """One scalar operation.

    - `result`: "same" (as the operands), "bool", "real" (the real type of their precision) or "complex".
    - `numpy`: the meaning, over NumPy scalars of exactly the operand dtypes; never warns. `raw` is the same function
      without the guard against warnings, for callers inside `np.errstate(all="ignore")`.
    - `c`: (operand dtype, operands) -> a C expression.
    - `partials`: (operands, answer) -> one derivative per operand, as IR (None: zero almost everywhere); the field
      is None where the operation has no derivative on purpose (its result is discrete). May raise NotDifferentiable,
      or give it for single operands.
    - `domain`: an interval per operand where tests sample, free of kinks.
    - `kinds`: the NumPy kind letters of the operand dtypes: b(ool) i(nt) u(nsigned) f(loat) c(omplex).
    - `holomorphic`: whether `partials` hold for complex operands; without it a complex operand is handled by name.
    """

    name: str
    arity: int
    result: Literal["same", "bool", "real", "complex"]
    numpy: Callable[..., Scalar]
    raw: Callable[..., Scalar]
    c: ToC
    partials: Partials | None
    domain: tuple[tuple[float, float], ...]
    kinds: str
    holomorphic: bool
    note: str

    def accepts(self, dtype: DType) -> bool:
        return dtype.numpy.kind in self.kinds and (self.name not in CHECKED or dtype is DType.I64)

    def result_dtype(self, operands: tuple[DType, ...]) -> DType:
        """The dtype of the result; raises TypeError if the row does not accept the operands."""
        dtype = operands[0]
        if not self.accepts(dtype) or any(d is not dtype for d in operands):
            raise TypeError(f"{self.name} does not accept {', '.join(d.value for d in operands)}")
        match self.result:
            case "same":
                return dtype
            case "bool":
                return BOOL
            case "real":
                return dtype.real
            case "complex":
                return dtype.complex


OPS: dict[str, OpRow] = {}
CHECKED = frozenset({"addc", "subc", "mulc", "ipowc", "shlc"})
ANYWHERE, POSITIVE, UNIT, SMALL = (-3.0, 3.0), (0.2, 3.0), (-0.9, 0.9), (-1.2, 1.2)


def quiet(function: Callable[..., Scalar]) -> Callable[..., Scalar]:
    """`function` without NumPy's floating-point warnings."""

    @functools.wraps(function)
    def wrapped(*args: Scalar) -> Scalar:
        with np.errstate(all="ignore"):
            return function(*args)

    return wrapped


def add_row(
    name: str,
    kinds: str,
    numpy: Meaning,
    c: ToC,
    partials: Partials | None = None,
    domain: tuple[tuple[float, float], ...] = (ANYWHERE,),
    result: Literal["same", "bool", "real", "complex"] = "same",
    holomorphic: bool = False,
    note: str = "",
) -> None:
    """Add a row; the domain has one interval per operand, so its length is the arity."""
    OPS[name] = OpRow(name, len(domain), result, quiet(numpy), numpy, c, partials, domain, kinds, holomorphic, note)


# -- pieces of rows ------------------------------------------------------------------------------------------


def _infix(symbol: str) -> ToC:
    """`(a symbol b)`, brought back to the operand dtype where C promotes to int."""

    def c(dtype: DType, x: Sequence[str]) -> str:
        return _narrow(dtype, f"({x[0]} {symbol} {x[1]})")

    return c


def _compare(symbol: str) -> ToC:
    return lambda dtype, x: f"({x[0]} {symbol} {x[1]})"


def _narrow(dtype: DType, text: str) -> str:
    if dtype in (DType.I8, DType.I16, DType.U8, DType.U16):
        return f"(({dtype.numpy.name}_t){text})"
    return text


def _libm(name: str) -> ToC:
    """A function of <math.h> or <complex.h>: `sin`, `sinf`, `csin` or `csinf`."""

    def c(dtype: DType, x: Sequence[str]) -> str:
        single = dtype in (DType.F32, DType.C64)
        return f"{'c' if dtype.is_complex else ''}{name}{'f' if single else ''}({', '.join(x)})"

    return c


def helper(name: str) -> ToC:
    """A helper of the prelude, one per dtype: `wg_name_f64(a, b)`."""
    return lambda dtype, x: f"wg_{name}_{dtype.value}({', '.join(x)})"


def _ldexp(x: Scalar, n: Scalar) -> Scalar:
    """5000 is beyond all that floats have."""
    return n if math.isnan(n) else np.ldexp(x, int(min(max(n, -5000), 5000)))


def _libm_or_helper(name: str) -> ToC:
    """<math.h> for real operands, a helper for complex ones (C99 has no cexp2, clog10 ...)."""
    return lambda dtype, x: (helper(name) if dtype.is_complex else _libm(name))(dtype, x)


def _checked(name: str) -> ToC:
    return lambda dtype, x: f"wg_{name}(wg, {x[0]}, {x[1]})"


def _predicate(name: str) -> ToC:
    """A classification macro of <math.h>; of a complex operand, true if `any` (isfinite: all) of its parts is."""

    def c(dtype: DType, x: Sequence[str]) -> str:
        return f"wg_{name}_{dtype.value}({x[0]})" if dtype.is_complex else f"({name}({x[0]}) != 0)"

    return c


def _special(name: str, *leading: int) -> Callable[[Scalar], Scalar]:
    """A function of scipy.special (imported when first used), in the operand's precision."""

    def function(x: Scalar) -> Scalar:
        special: Any = importlib.import_module("scipy.special")
        return x.dtype.type(getattr(special, name)(*leading, x))

    return function


def _exact(function: Callable[[int, int], int]) -> Callable[..., Scalar]:
    """Arithmetic of Python integers; OverflowError outside i64."""

    def checked(x: Scalar, y: Scalar) -> Scalar:
        result = function(int(x), int(y))
        if not -(2**63) <= result < 2**63:
            raise OverflowError("integer result does not fit in 64 bits")
        return np.int64(result)

    return checked


def _larger(x: Scalar, y: Scalar) -> Scalar:
    return x if x >= y or x != x else y


def _smaller(x: Scalar, y: Scalar) -> Scalar:
    return x if x <= y or x != x else y


def _by_name(args: tuple[Expr, ...], ans: Expr) -> tuple[Expr | None, ...]:
    raise NotDifferentiable(
        "real, imag, conj, angle, complex or a complex abs",
        None,
        "has no partials, because it is not holomorphic",
        "handle the operation by name, as ad/rules/scalar.py does",
    )


def _real_only(partials: Partials) -> Partials:
    """`partials` for real operands; complex ones are handled by name."""
    return lambda args, ans: (_by_name if args[0].dtype.is_complex else partials)(args, ans)


def _steps(args: tuple[Expr, ...], ans: Expr) -> tuple[Expr | None, ...]:
    """Zero almost everywhere, and zero at the steps by policy."""
    return (None,) * len(args)


def unary(partial: Callable[[Expr, Expr], Expr]) -> Partials:
    """From (operand, answer) -> derivative."""
    return lambda args, ans: (partial(args[0], ans),)


def _first_if(first: Callable[[Expr, Expr], Expr]) -> Partials:
    """The whole derivative goes to the first operand where `first` holds, else to the second."""

    def partials(args: tuple[Expr, ...], ans: Expr) -> tuple[Expr | None, ...]:
        cond, dtype = first(*args), args[0].dtype
        return b.select(cond, b.one(dtype), b.zero(dtype)), b.select(cond, b.zero(dtype), b.one(dtype))

    return partials


def _is_first_max(x: Expr, y: Expr) -> Expr:
    return b.or_(b.ge(x, y), b.op("isnan", x))


def _is_first_min(x: Expr, y: Expr) -> Expr:
    return b.or_(b.le(x, y), b.op("isnan", x))


def _unless_zero(e: Expr) -> Expr:
    """`e`, or 1 where it is 0: a safe divisor."""
    return b.select(b.eq(e, 0), 1, e)


def _pow_partials(args: tuple[Expr, ...], ans: Expr) -> tuple[Expr | None, ...]:
    x, y = args
    if isinstance(y, Const):
        dx = None if y.value == 0 else b.mul(y, b.op("pow", x, b.sub(y, 1)))
    else:
        dx = b.select(b.eq(y, 0), 0, b.mul(y, b.op("pow", x, b.sub(_unless_zero(y), 1))))
    at_zero = b.and_(b.eq(x, 0), b.ge(b.op("real", y), 0))
    return dx, b.mul(b.op("log", b.select(at_zero, 1, x)), ans)


def _hypot_partials(args: tuple[Expr, ...], ans: Expr) -> tuple[Expr | None, ...]:
    h = _unless_zero(ans)
    return b.div(args[0], h), b.div(args[1], h)


def _atan2_partials(args: tuple[Expr, ...], ans: Expr) -> tuple[Expr | None, ...]:
    y, x = args
    h = _unless_zero(b.op("hypot", y, x))
    return b.div(b.div(x, h), h), b.neg(b.div(b.div(y, h), h))


def _asinh_partial(x: Expr, ans: Expr) -> Expr:
    one = b.one(x.dtype)
    return b.div(1, b.op("sqrt", b.add(1, b.mul(x, x))) if x.dtype.is_complex else b.op("hypot", one, x))


def _one_minus_square(x: Expr) -> Expr:
    return b.mul(b.sub(1, x), b.add(1, x))


def _sign_c(dtype: DType, x: Sequence[str]) -> str:
    return helper("sign")(dtype, x) if dtype.is_float else _narrow(dtype, f"(({x[0]} > 0) - ({x[0]} < 0))")


def _abs_c(dtype: DType, x: Sequence[str]) -> str:
    if dtype.is_complex:
        return f"wg_abs_{dtype.value}({x[0]})"
    if dtype.is_inexact:
        return _libm("fabs")(dtype, x)
    return x[0] if dtype.numpy.kind == "u" else _narrow(dtype, f"({x[0]} < 0 ? -{x[0]} : {x[0]})")


def _part_c(name: str, of_real: Callable[[str, DType], str]) -> ToC:
    """`creal(z)`, `crealf(z)` (the c is not part of `name`); of a real operand, `of_real`."""
    return lambda dtype, x: _libm(name)(dtype, x) if dtype.is_complex else of_real(x[0], dtype)


# fmt: off
# -- rows ----------------------------------------------------------------------------------------------------

TWO = (ANYWHERE, ANYWHERE)
AWAY_FROM_0 = (0.3, 3.0)

add_row("add", "iufc", lambda x, y: x + y, _infix("+"),
     lambda a, ans: (b.one(ans.dtype), b.one(ans.dtype)), TWO, holomorphic=True)
add_row("sub", "iufc", lambda x, y: x - y, _infix("-"),
     lambda a, ans: (b.one(ans.dtype), b.const(-1, ans.dtype)), TWO, holomorphic=True)
add_row("mul", "iufc", lambda x, y: x * y, _infix("*"),
     lambda a, ans: (a[1], a[0]), TWO, holomorphic=True)
add_row("div", "fc", lambda x, y: x / y, _infix("/"),
     lambda a, ans: (b.div(1, a[1]), b.neg(b.div(ans, a[1]))), (ANYWHERE, AWAY_FROM_0), holomorphic=True)
add_row("neg", "iufc", np.negative, lambda dtype, x: _narrow(dtype, f"(-{x[0]})"),
     unary(lambda x, ans: b.const(-1, x.dtype)), holomorphic=True)
add_row("pow", "fc", np.power, _libm("pow"), _pow_partials, (POSITIVE, ANYWHERE), holomorphic=True,
     note="d/dx = y x^(y-1), 0 where y = 0; d/dy = log(x) x^y, 0 where x = 0 and y >= 0, NaN where x < 0")
add_row("abs", "iufc", np.absolute, _abs_c, _real_only(unary(lambda x, ans: b.op("sign", x))), (AWAY_FROM_0,), "real",
     note="derivative 0 at 0")
add_row("sign", "iuf", np.sign, _sign_c, _steps, (AWAY_FROM_0,), note="NaN of NaN; a step, derivative 0")

add_row("floordiv", "iuf", np.floor_divide, helper("floordiv"), _steps, ((3.3, 3.5), (0.8, 0.82)),
     note="rounds down; of integers by zero 0, smallest // -1 wraps; of floats as npy_divmod; a step, derivative 0")
add_row("mod", "iuf", np.remainder, helper("mod"),
     lambda a, ans: (b.one(ans.dtype), b.neg(b.op("floordiv", *a))), ((3.3, 3.5), (0.8, 0.82)),
     note="Python's sign rule (that of the divisor); of integers by zero 0")
add_row("fmod", "iuf", np.fmod,
     lambda dtype, x: _libm("fmod")(dtype, x) if dtype.is_float else helper("fmod")(dtype, x),
     lambda a, ans: (b.one(ans.dtype), b.neg(b.op("trunc", b.div(*a)))), ((3.3, 3.5), (0.8, 0.82)),
     note="C's sign rule (that of the dividend); of integers by zero 0")
add_row("remainder", "f", lambda x, y: x.dtype.type(math.nan if y == 0 or math.isinf(x) else math.remainder(x, y)),
     _libm("remainder"), lambda a, ans: (b.one(ans.dtype), b.neg(b.op("rint", b.div(b.sub(a[0], ans), a[1])))),
     ((3.3, 3.5), (0.8, 0.82)), note="IEEE 754: x - n y, n the integer nearest to x/y, halves to even; NaN by zero")
add_row("ipow", "iu", np.power, helper("ipow"), None, ((1, 5), (0, 4)), note="the exponent is >= 0; wraps")
add_row("shl", "iu", np.left_shift, helper("shl"), None, ((0, 9), (0, 5)),
     note="0 if the shift is not within the width")
add_row("shr", "iu", np.right_shift, helper("shr"), None, ((0, 9), (0, 5)),
     note="arithmetic for signed; 0 or -1 if the shift is not within the width")
add_row("bitand", "iu", np.bitwise_and, _infix("&"), None, ((0, 9), (0, 9)))
add_row("bitor", "iu", np.bitwise_or, _infix("|"), None, ((0, 9), (0, 9)))
add_row("bitxor", "iu", np.bitwise_xor, _infix("^"), None, ((0, 9), (0, 9)))
add_row("popcount", "iu", lambda x: x.dtype.type(np.bitwise_count(x)), helper("popcount"), None, ((0, 9),))
add_row("bitnot", "iu", np.bitwise_not, lambda dtype, x: _narrow(dtype, f"(~{x[0]})"), None, ((0, 9),))
add_row("addc", "i", _exact(lambda x, y: x + y), _checked("addc"), None, ((0, 9), (0, 9)), note="i64; OverflowError")
add_row("subc", "i", _exact(lambda x, y: x - y), _checked("subc"), None, ((0, 9), (0, 9)), note="i64; OverflowError")
add_row("mulc", "i", _exact(lambda x, y: x * y), _checked("mulc"), None, ((0, 9), (0, 9)), note="i64; OverflowError")
add_row("ipowc", "i", _exact(lambda x, y: x ** max(y, 0) if abs(x) < 2 or y < 64 else 2**64), _checked("ipowc"), None,
     ((1, 5), (0, 4)), note="i64, the exponent is >= 0; OverflowError")
add_row("shlc", "i", _exact(lambda x, y: x << max(min(y, 64), 0)), _checked("shlc"), None, ((0, 9), (0, 5)),
     note="i64, the shift is >= 0; OverflowError")

add_row("eq", "biufc", lambda x, y: x == y, _compare("=="), None, TWO, "bool")
add_row("ne", "biufc", lambda x, y: x != y, _compare("!="), None, TWO, "bool")
add_row("lt", "biuf", lambda x, y: x < y, _compare("<"), None, TWO, "bool")
add_row("le", "biuf", lambda x, y: x <= y, _compare("<="), None, TWO, "bool")
add_row("gt", "biuf", lambda x, y: x > y, _compare(">"), None, TWO, "bool")
add_row("ge", "biuf", lambda x, y: x >= y, _compare(">="), None, TWO, "bool")
# `&` for `&&`: nothing has side effects, and compilers vectorise it.
add_row("and", "b", lambda x, y: x & y, _compare("&"), None, TWO)
add_row("or", "b", lambda x, y: x | y, _compare("|"), None, TWO)
add_row("xor", "b", lambda x, y: x ^ y, _compare("!="), None, TWO)
add_row("not", "b", np.logical_not, lambda dtype, x: f"(!{x[0]})", None)
add_row("isnan", "fc", np.isnan, _predicate("isnan"), None, result="bool")
add_row("isinf", "fc", np.isinf, _predicate("isinf"), None, result="bool")
add_row("isfinite", "fc", np.isfinite, _predicate("isfinite"), None, result="bool")
add_row("signbit", "f", np.signbit, _predicate("signbit"), None, result="bool")

LN2, LN10 = math.log(2), math.log(10)
add_row("sqrt", "fc", np.sqrt, _libm("sqrt"), unary(lambda x, ans: b.div(0.5, ans)), (POSITIVE,), holomorphic=True,
     note="derivative +inf at 0")
add_row("cbrt", "f", np.cbrt, _libm("cbrt"), unary(lambda x, ans: b.div(b.div(1 / 3, ans), ans)), (POSITIVE,),
     note="derivative +inf at 0")
add_row("exp", "fc", np.exp, _libm("exp"), unary(lambda x, ans: ans), holomorphic=True)
add_row("exp2", "fc", np.exp2, _libm_or_helper("exp2"), unary(lambda x, ans: b.mul(LN2, ans)), holomorphic=True)
add_row("expm1", "fc", np.expm1, _libm_or_helper("expm1"), unary(lambda x, ans: b.add(ans, 1)), holomorphic=True)
add_row("log", "fc", np.log, _libm("log"), unary(lambda x, ans: b.div(1, x)), (POSITIVE,), holomorphic=True)
add_row("log2", "fc", np.log2, _libm_or_helper("log2"), unary(lambda x, ans: b.div(1 / LN2, x)), (POSITIVE,),
     holomorphic=True)
add_row("log10", "fc", np.log10, _libm_or_helper("log10"), unary(lambda x, ans: b.div(1 / LN10, x)), (POSITIVE,),
     holomorphic=True)
add_row("log1p", "fc", np.log1p, _libm_or_helper("log1p"), unary(lambda x, ans: b.div(1, b.add(1, x))), (POSITIVE,),
     holomorphic=True)
add_row("sin", "fc", np.sin, _libm("sin"), unary(lambda x, ans: b.op("cos", x)), holomorphic=True)
add_row("cos", "fc", np.cos, _libm("cos"), unary(lambda x, ans: b.neg(b.op("sin", x))), holomorphic=True)
add_row("tan", "fc", np.tan, _libm("tan"), unary(lambda x, ans: b.add(1, b.mul(ans, ans))), (SMALL,), holomorphic=True)
add_row("asin", "fc", np.arcsin, _libm("asin"), unary(lambda x, ans: b.div(1, b.op("sqrt", _one_minus_square(x)))),
     (UNIT,), holomorphic=True)
add_row("acos", "fc", np.arccos, _libm("acos"),
     unary(lambda x, ans: b.neg(b.div(1, b.op("sqrt", _one_minus_square(x))))), (UNIT,), holomorphic=True)
add_row("atan", "fc", np.arctan, _libm("atan"), unary(lambda x, ans: b.div(1, b.add(1, b.mul(x, x)))), holomorphic=True)
add_row("sinh", "fc", np.sinh, _libm("sinh"), unary(lambda x, ans: b.op("cosh", x)), holomorphic=True)
add_row("cosh", "fc", np.cosh, _libm("cosh"), unary(lambda x, ans: b.op("sinh", x)), holomorphic=True)
add_row("tanh", "fc", np.tanh, _libm("tanh"), unary(lambda x, ans: b.sub(1, b.mul(ans, ans))), holomorphic=True)
add_row("asinh", "fc", np.arcsinh, _libm("asinh"), unary(_asinh_partial), holomorphic=True)
add_row("acosh", "fc", np.arccosh, _libm("acosh"),
     unary(lambda x, ans: b.div(1, b.mul(b.op("sqrt", b.sub(x, 1)), b.op("sqrt", b.add(x, 1))))), ((1.2, 3.0),),
     holomorphic=True)
add_row("atanh", "fc", np.arctanh, _libm("atanh"), unary(lambda x, ans: b.div(1, _one_minus_square(x))), (UNIT,),
     holomorphic=True)
add_row("atan2", "f", np.arctan2, _libm("atan2"), _atan2_partials, (AWAY_FROM_0, ANYWHERE),
     note="atan2(y, x); derivative 0 at the origin")
add_row("hypot", "f", np.hypot, _libm("hypot"), _hypot_partials, (AWAY_FROM_0, ANYWHERE),
     note="derivative 0 at the origin")
add_row("copysign", "f", np.copysign, _libm("copysign"),
     lambda a, ans: (b.mul(b.op("sign", a[0]), b.op("copysign", b.one(ans.dtype), a[1])), None),
     (AWAY_FROM_0, AWAY_FROM_0), note="the sign is a step, derivative 0; so is the derivative at a zero magnitude")

add_row("ldexp", "f", _ldexp, helper("ldexp"),
     lambda a, ans: (b.op("ldexp", b.one(ans.dtype), a[1]), None), (ANYWHERE, (2.0, 2.1)),
     note="x 2^n, n cut to a whole number")
add_row("exponent", "f", lambda x: x.dtype.type(np.frexp(x)[1] if np.isfinite(x) else 0), helper("exponent"), _steps,
     ((1.1, 1.9),), note="n of x = m 2^n, 0.5 <= |m| < 1; 0 of 0, infinities and NaN; a step, derivative 0")
add_row("nextafter", "f", np.nextafter, _libm("nextafter"), lambda a, ans: (b.one(ans.dtype), None), TWO,
     note="x to rounding, and so differentiated")
add_row("held", "fc", lambda x: x, lambda dtype, x: x[0],
     note="x, a constant for the next derivative (see ad/attach.py)")
add_row("change", "fc", lambda x: x.dtype.type(0),
     lambda dtype, x: "0.0f" if dtype in (DType.F32, DType.C64) else "0.0",
     unary(lambda x, ans: b.one(x.dtype)), holomorphic=True,
     note="0, with the derivative of x for the next derivative (see ad/attach.py)")
add_row("floor", "f", np.floor, _libm("floor"), _steps, ((0.1, 0.9),), note="a step, derivative 0")
add_row("ceil", "f", np.ceil, _libm("ceil"), _steps, ((0.1, 0.9),), note="a step, derivative 0")
add_row("trunc", "f", np.trunc, _libm("trunc"), _steps, ((0.1, 0.9),), note="a step, derivative 0")
add_row("rint", "f", np.rint, _libm("rint"), _steps, ((0.1, 0.4),), note="halves to even; a step, derivative 0")

add_row("max", "biuf", _larger, helper("max"), _first_if(_is_first_max), ((0.1, 1.0), (1.1, 2.0)),
     note="NaN if either is; on a tie the first operand, and it takes the whole derivative")
add_row("min", "biuf", _smaller, helper("min"), _first_if(_is_first_min), ((0.1, 1.0), (1.1, 2.0)),
     note="NaN if either is; on a tie the first operand, and it takes the whole derivative")
add_row("fmax", "f", lambda x, y: x if x >= y or y != y else y, helper("fmax"),
     _first_if(lambda x, y: b.or_(b.ge(x, y), b.op("isnan", y))), ((0.1, 1.0), (1.1, 2.0)),
     note="the other operand if one is NaN; on a tie the first operand, and it takes the whole derivative")
add_row("fmin", "f", lambda x, y: x if x <= y or y != y else y, helper("fmin"),
     _first_if(lambda x, y: b.or_(b.le(x, y), b.op("isnan", y))), ((0.1, 1.0), (1.1, 2.0)),
     note="the other operand if one is NaN; on a tie the first operand, and it takes the whole derivative")

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
add_row("erf", "f", _special("erf"), _libm("erf"),
     unary(lambda x, ans: b.mul(TWO_OVER_SQRT_PI, b.op("exp", b.neg(b.mul(x, x))))))
add_row("erfc", "f", _special("erfc"), _libm("erfc"),
     unary(lambda x, ans: b.mul(-TWO_OVER_SQRT_PI, b.op("exp", b.neg(b.mul(x, x))))))
add_row("gamma", "f", _special("gamma"), _libm("tgamma"),
     unary(lambda x, ans: b.mul(ans, b.op("digamma", x))), (POSITIVE,))
add_row("lgamma", "f", _special("gammaln"), _libm("lgamma"), unary(lambda x, ans: b.op("digamma", x)), (POSITIVE,),
     note="log |gamma(x)|")
add_row("digamma", "f", _special("psi"), helper("digamma"), unary(lambda x, ans: b.op("trigamma", x)), (POSITIVE,),
     note="the derivative of lgamma")
add_row("trigamma", "f", _special("polygamma", 1), helper("trigamma"),
     unary(lambda x, ans: b.mul(-2, b.op("zeta", b.const(3, x.dtype), x))), (POSITIVE,),
     note="the derivative of digamma")

add_row("real", "fc", lambda x: x.real, _part_c("real", lambda x, dtype: x),
     _real_only(lambda a, ans: (b.one(ans.dtype),)), result="real")
add_row("imag", "fc", lambda x: x.imag, _part_c("imag", lambda x, dtype: "0.0f" if dtype is DType.F32 else "0.0"),
     _real_only(_steps), result="real")
add_row("conj", "fc", np.conjugate, _part_c("onj", lambda x, dtype: x), _real_only(lambda a, ans: (b.one(ans.dtype),)))
add_row("angle", "fc", lambda x: np.arctan2(x.imag, x.real),
     lambda dtype, x: _libm("arg")(dtype, x) if dtype.is_complex else _libm("atan2")(dtype, ["0", x[0]]),
     _real_only(_steps), (AWAY_FROM_0,), "real", note="0 or pi of a real operand, derivative 0")
add_row("complex", "f", lambda x, y: DType.of(x.dtype).complex.numpy.type(complex(x, y)), helper("complex"),
     _by_name, TWO, "complex", note="of real and imaginary part")
# fmt: on

C_HELPERS: dict[str, str] = {
    "floordiv": "integers: rounds towards minus infinity; 0 if the divisor is 0; smallest // -1 is smallest. "
    "Floats, as npy_divmod: a / b if b == 0, else with m = fmod(a, b), d = (a - m) / b, and if m and b differ in "
    "sign (m != 0) d -= 1: the result is floor(d), plus 1 if d - floor(d) > 0.5; copysign(0, a / b) if d == 0.",
    "mod": "integers: a - b * floordiv(a, b) (the divisor's sign); 0 if the divisor is 0. "
    "Floats: NaN if b == 0, else m = fmod(a, b); m + b if m != 0 and m and b differ in sign; copysign(0, b) if m == 0.",
    "fmod": "integers only: C's a % b; 0 if the divisor is 0 or -1.",
    "ipow": "integers: a to the power b >= 0 by squaring, wrapping.",
    "popcount": "integers: how many bits of |a| are set.",
    "ldexp": "floats: a times 2 to the power trunc(b), rounded once; NaN if b is.",
    "exponent": "floats: the whole number n of a = m 2^n with 0.5 <= |m| < 1; 0 of 0, infinities and NaN.",
    "shl": "integers: a << b on the unsigned type, in the dtype; 0 unless 0 <= b < width.",
    "shr": "integers: a >> b (arithmetic if signed); unless 0 <= b < width: 0, or -1 if a < 0.",
    "abs": "complex: the modulus, without overflow on the way; inf if a part is.",
    "sign": "floats: 1 if a > 0, -1 if a < 0, +0 if a == 0, a if NaN.",
    "max": "all real dtypes: (a >= b || a != a) ? a : b.",
    "min": "all real dtypes: (a <= b || a != a) ? a : b.",
    "fmax": "floats: (a >= b || b != b) ? a : b.",
    "fmin": "floats: (a <= b || b != b) ? a : b.",
    "digamma": "floats: the derivative of lgamma; NaN at the non-positive integers (-inf at +0, +inf at -0).",
    "trigamma": "floats: the second derivative of lgamma; +inf at the non-positive integers.",
    "complex": "floats: a + i b without arithmetic (as CMPLX does, so that infinities and signed zeros survive); "
    "wg_complex_f64 gives a double complex, wg_complex_f32 a float complex.",
    "exp2": "complex: cexp(a log 2).",
    "expm1": "complex: exp(a) - 1, with real part expm1(re) cos(im) - 2 sin(im / 2)^2, imaginary part exp(re) sin(im).",
    "log2": "complex: clog(a) / log 2.",
    "log10": "complex: clog(a) / log 10.",
    "log1p": "complex: log(1 + a) with real part log(hypot(1 + re, im)), imaginary part atan2(im, 1 + re).",
    "isnan": "complex: whether either part is.",
    "isinf": "complex: whether either part is.",
    "isfinite": "complex: whether both parts are.",
    "addc": "`wg_addc(wg, a, b)`, i64, no dtype in the name: a + b; on overflow sets OverflowError "
    '"integer result does not fit in 64 bits" in the context `wg` and gives 0.',
    "subc": "as wg_addc: a - b.",
    "mulc": "as wg_addc: a * b.",
    "ipowc": "as wg_addc: a to the power b; 1 if b < 0.",
    "shlc": "as wg_addc: a times the power of two b; a if b < 0.",
}
"""The helpers the C prelude defines, by name without prefix: `name` stands for `wg_name_DTYPE` (wg_max_f64, wg_max_i8,
wg_log1p_c64 ...), one function per operand dtype named, with operands a (and b) and the meaning given."""

from . import special as special  # noqa: E402  adds the rows of what SciPy computes
