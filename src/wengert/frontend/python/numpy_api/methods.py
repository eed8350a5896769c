"""Attributes and methods of arrays and NumPy scalars that only describe or convert them, and their function forms."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.analysis.affine import constant
from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import ZERO, Const, Expr
from wengert.ir.types import BOOL, C128, F64, I64

from .. import arrays, index, integers, numeric, subclasses
from ..registry import attribute, handles, method
from ..stage import Stage
from ..values import RArray, RScalar
from .common import (
    array,
    cast,
    consume,
    dtype_of,
    flat,
    hint_of,
    numbers,
    only_default,
    permute,
    python_int,
    scalar,
    static_integer,
    type_error,
)
from .reduce import written
from .reshaping import to_shape
from .ufuncs import apply, call_ufunc, native, plain_number

if TYPE_CHECKING:
    from ..interp import Interp


# -- description -----------------------------------------------------------------------------------------------


@attribute("shape")
def shape(interp: Interp, a: RArray | RScalar) -> tuple[Any, ...]:
    return () if isinstance(a, RScalar) else tuple(python_int(e) for e in a.shape)


@attribute("ndim")
def ndim(interp: Interp, a: RArray | RScalar) -> int:
    return 0 if isinstance(a, RScalar) else a.rank


@attribute("size")
def size(interp: Interp, a: RArray | RScalar) -> Any:
    return 1 if isinstance(a, RScalar) else python_int(arrays.size(a.shape))


@attribute("dtype")
def dtype(interp: Interp, a: RArray | RScalar) -> np.dtype[Any]:
    return a.dtype.numpy


class Layout(NamedTuple):
    """What SciPy's source asks of the memory of an array, answered so that it copies: values do not depend on it."""

    contiguous: bool = False
    c_contiguous: bool = False
    f_contiguous: bool = False
    writeable: bool = True


@attribute("flags")
def flags(interp: Interp, a: RArray | RScalar) -> Layout:
    span = interp.stage.span
    if span is None or f"{os.sep}scipy{os.sep}" not in span.file:
        reason = "the attribute .flags of an array is not supported"
        raise interp.stage.refuse(reason, "use NumPy's functions", Code.OBJECT)
    return Layout()


@attribute("itemsize")
def itemsize(interp: Interp, a: RArray | RScalar) -> int:
    return a.dtype.numpy.itemsize


@attribute("nbytes")
def nbytes(interp: Interp, a: RArray | RScalar) -> Any:
    return interp.binary("*", size(interp, a), a.dtype.numpy.itemsize)


@attribute("T")
def transposed(interp: Interp, a: RArray | RScalar) -> RArray | RScalar:
    return a if isinstance(a, RScalar) else permute(interp.stage, a, range(a.rank)[::-1])


@attribute("mT")
def matrix_transposed(interp: Interp, a: RArray | RScalar) -> RArray:
    if isinstance(a, RScalar) or a.rank < 2:
        raise ValueError("matrix transpose with ndim < 2 is undefined")
    return permute(interp.stage, a, [*range(a.rank - 2), a.rank - 1, a.rank - 2])


@attribute("flat")
def flat_view(interp: Interp, a: RArray | RScalar) -> RArray:
    """The elements in C order: a view of a contiguous array."""
    value = array(interp, a)
    if value.rank == 1 or value.lazy is not None:
        return flat(interp.stage, value)
    size = (arrays.size(value.shape),)
    result = to_shape(interp, value, size)
    if result.root is value.root:
        return result
    apart = arrays.stand_in(interp.stage, value, value.root, ".flat of an array", "its elements lie apart in memory")
    return flat(interp.stage, apart)


@attribute("base")
def base(interp: Interp, a: RArray | RScalar) -> Any:
    raise interp.stage.refuse("the base of an array is asked for", "arrays have values and shapes only", Code.MEMORY)


@handles(np.iscomplexobj)
def iscomplexobj(interp: Interp, x: Any) -> bool:
    return _dtype(interp, x).kind == "c"


@handles(np.isrealobj)
def isrealobj(interp: Interp, x: Any) -> bool:
    return _dtype(interp, x).kind != "c"


def _dtype(interp: Interp, value: Any) -> np.dtype[Any]:
    value = interp.resolve(value)
    return value.dtype.numpy if isinstance(value, (RArray, RScalar)) else array(interp, value).dtype.numpy


@handles(np.isscalar)
def isscalar(interp: Interp, element: Any) -> bool:
    return isinstance(element, RScalar) or (not isinstance(element, RArray) and bool(np.isscalar(element)))


@handles(np.result_type)
def result_type(interp: Interp, *args: Any) -> np.dtype[Any]:
    values = [interp.resolve(a) for a in args]
    if any(isinstance(v, (type, np.dtype, str)) for v in values):
        return np.result_type(*[_promoted(v) for v in values])
    return numeric.result_type(values).numpy


def _promoted(value: Any) -> Any:
    """What promotion sees: a dtype, or a number of Python's."""
    if isinstance(value, RScalar) and value.python and value.dtype is not BOOL:
        return value.dtype.numpy.type(0).item()
    return value.dtype.numpy if isinstance(value, (RArray, RScalar)) else value


@handles(np.can_cast)
def can_cast(interp: Interp, from_: Any, to: Any, casting: Any = "safe") -> bool:
    source = from_.dtype.numpy if isinstance(from_, (RArray, RScalar)) else from_
    return bool(np.can_cast(source, to, casting))


@handles(np.min_scalar_type)
def min_scalar_type(interp: Interp, a: Any) -> np.dtype[Any]:
    if isinstance(a, RScalar):
        raise interp.stage.refuse("min_scalar_type of a run-time number", "name the dtype", Code.KIND)
    return a.dtype.numpy if isinstance(a, RArray) else np.min_scalar_type(a)


@handles(np.may_share_memory, np.shares_memory)
def may_share_memory(interp: Interp, a: Any, b: Any, max_work: Any = None) -> bool:
    """Memory that the program allocated is shared with no other."""
    x, y = (v.root if isinstance(v, RArray) else None for v in (interp.resolve(a), interp.resolve(b)))
    if x and y and x is not y and (x.fresh or y.fresh) and not (x.is_ref or y.is_ref):
        return False
    raise interp.stage.refuse("whether arrays share memory is asked", "copy the arrays that are written", Code.MEMORY)


@handles(np.iterable)
def iterable(interp: Interp, y: Any) -> bool:
    return y.rank > 0 if isinstance(y, RArray) else not isinstance(y, RScalar) and bool(np.iterable(y))


# -- complex numbers -------------------------------------------------------------------------------------------


def _part(interp: Interp, value: Any, name: str) -> Any:
    """The real or imaginary part: of a real array the array itself (or zeros)."""
    stage = interp.stage
    if isinstance(value, RScalar):
        if not value.dtype.is_complex:
            if name == "real":
                return value
            return 0 if value.python and value.dtype.is_integer else _zero(value)
        return RScalar(stage.let(build.op(name, value.expr)), value.python)
    if value.dtype.is_complex:
        dtype = value.dtype.real
        if value.lazy is None:
            return replace(value, dtype=dtype, part=name)
        return arrays.lazy(stage, dtype, value.shape, lambda i: build.op(name, arrays.element(value, i)), [value])
    if name == "real":
        return value
    zero = build.zero(value.dtype)
    return arrays.lazy(stage, value.dtype, value.shape, lambda i: zero, [], cost=0)


def _zero(value: RScalar) -> RScalar:
    return RScalar(build.zero(value.dtype), value.python)


@attribute("real")
def real_attribute(interp: Interp, a: Any) -> Any:
    return _part(interp, a, "real")


@attribute("imag")
def imag_attribute(interp: Interp, a: Any) -> Any:
    return _part(interp, a, "imag")


def _argument(interp: Interp, value: Any) -> Any:
    value = interp.resolve(value)
    return value if isinstance(value, (RArray, RScalar)) or plain_number(value) else array(interp, value)


@handles(np.real)
def real(interp: Interp, val: Any) -> Any:
    value = _argument(interp, val)
    return native(interp, np.real, [value]) if plain_number(value) else _part(interp, value, "real")


@handles(np.imag)
def imag(interp: Interp, val: Any) -> Any:
    value = _argument(interp, val)
    return native(interp, np.imag, [value]) if plain_number(value) else _part(interp, value, "imag")


@handles(np.angle)
def angle(interp: Interp, z: Any, deg: Any = False) -> Any:
    value = numbers(interp, z)
    if plain_number(value):
        return native(interp, np.angle, [value, deg])
    kind = value.dtype if value.dtype.is_inexact else numeric.result_type([value, 0.0])
    factor = build.const(180 / np.pi, kind.real) if deg else None

    def fn(stage: Stage, a: list[Expr]) -> Expr:
        result = build.op("angle", build.cast(a[0], kind))
        return result if factor is None else build.mul(result, factor)

    return apply(interp.stage, fn, kind.real, [value])


@method("conj", "conjugate")
def conjugate(interp: Interp, a: Any) -> Any:
    return call_ufunc(interp, np.conjugate, a) if a.dtype.is_complex else a


@handles(np.iscomplex)
def iscomplex(interp: Interp, x: Any) -> Any:
    value = numbers(interp, x)
    return call_ufunc(interp, np.not_equal, imag(interp, value), 0)


@handles(np.isreal)
def isreal(interp: Interp, x: Any) -> Any:
    value = numbers(interp, x)
    return call_ufunc(interp, np.equal, imag(interp, value), 0)


@handles(np.real_if_close)
def real_if_close(interp: Interp, a: Any, tol: Any = 100) -> Any:
    value = array(interp, a)
    if not value.dtype.is_complex:
        return value
    raise interp.stage.refuse("the dtype of real_if_close depends on run-time values", "take .real", Code.KIND)


# -- conversion ------------------------------------------------------------------------------------------------


@handles(np.astype)
@method("astype")
def astype(
    interp: Interp, a: Any, dtype: Any, order: Any = "K", casting: Any = "unsafe", subok: Any = True, copy: Any = True,
    *, device: Any = None,
) -> Any:  # fmt: skip
    want = dtype_of(interp, dtype)
    if not np.can_cast(a.dtype.numpy, want.numpy, casting):
        type_error(f"Cannot cast array data from {a.dtype.numpy!r} to {want.numpy!r} according to the rule '{casting}'")
    if isinstance(a, RScalar):
        return scalar(interp.stage, build.cast(a.expr, want))
    if a.dtype is want:
        return arrays.copy(interp.stage, a, hint_of(interp, "t")) if copy else a
    return cast(interp.stage, a, want)


@method("view")
def view(interp: Interp, a: Any, *args: Any, **kwargs: Any) -> Any:
    if not args and not kwargs:
        return a
    return subclasses.view(interp, a, *args, **kwargs)


@method("item", "__int__", "__float__")
def item(interp: Interp, a: Any, *args: Any) -> RScalar:
    """An element as a Python number."""
    stage = interp.stage
    if isinstance(a, RScalar):
        return RScalar(_python_expr(stage, a.expr), True)
    if not args:
        for e in a.shape:
            if constant(e) is not None and constant(e) != 1:
                raise ValueError("can only convert an array of size 1 to a Python scalar")
            if constant(e) is None:
                bad = stage.let(build.ne(e, Const(1, I64)))
                stage.fail_if(bad, "ValueError", "can only convert an array of size 1 to a Python scalar")
        value = stage.let(arrays.element(a, [ZERO] * a.rank))
        consume(stage, a)
    else:
        key: Any = args[0] if len(args) == 1 else tuple(args)
        owner = a if isinstance(key, tuple) else flat(stage, a)
        found = index.getitem(stage, owner, key)
        value = found.expr if isinstance(found, RScalar) else arrays.element(found, ())
    return RScalar(stage.let(_python_expr(stage, value)), True)


def _python_expr(stage: Stage, expr: Expr) -> Expr:
    """The value in the dtype Python's numbers have."""
    if expr.dtype.is_integer:
        return integers.of_unsigned(stage, expr)
    return build.cast(expr, BOOL if expr.dtype is BOOL else C128 if expr.dtype.is_complex else F64)


@method("is_integer")
def is_integer(interp: Interp, a: Any) -> RScalar:
    if isinstance(a, RArray):
        raise interp.stage.refuse("arrays have no method is_integer", "compare with np.floor")
    whole = build.eq(build.op("floor", a.expr), a.expr) if a.dtype.is_float else build.const(True, BOOL)
    return RScalar(interp.stage.let(whole), True)


@method("tolist")
def tolist(interp: Interp, a: Any) -> Any:
    """Nested lists of Python numbers; the lengths must be static."""
    if isinstance(a, RScalar) or a.rank == 0:
        return item(interp, a)
    value = arrays.stored(interp.stage, a)
    length = interp.stage.static_int(value.shape[0], "the length of a list made of an array")
    rows = [index.getitem(interp.stage, value, k) for k in range(length)]
    result = [tolist(interp, r) for r in rows]
    return interp.stage.note_created(result)


@method("fill")
def fill(interp: Interp, a: RArray, value: Any) -> None:
    content = numbers(interp, value)
    if isinstance(content, RArray):
        raise ValueError("setting an array element with a sequence.")
    index.setitem(interp.stage, a, Ellipsis, content)


@handles(np.copyto)
def copyto(interp: Interp, dst: Any, src: Any, casting: Any = "same_kind", where: Any = True) -> None:
    from .ufuncs import write_out

    only_default(interp, "copyto", casting=(casting, "same_kind"))
    write_out(interp, "copyto", numbers(interp, src), dst, where)


# -- rounding --------------------------------------------------------------------------------------------------


@handles(np.round, np.around)
@method("round")
def round_(interp: Interp, a: Any, decimals: Any = 0, out: Any = None) -> Any:
    """np.round: multiply by a power of ten, round half to even, divide."""
    value = numbers(interp, a)
    digits = static_integer(interp, decimals, "the number of decimals")
    if plain_number(value):
        return native(interp, np.round, [value, digits])
    kind = value.dtype
    if not kind.is_inexact:
        if digits < 0:
            raise interp.stage.refuse("rounding integers to tens is not supported", "convert to float first")
        same = value if isinstance(value, RScalar) else arrays.copy(interp.stage, value)
        return written(interp, same, out, "round", exact=False)
    power = build.const(10.0 ** abs(digits), kind.real)

    def one(x: Expr) -> Expr:
        if digits == 0:
            return build.op("rint", x)
        up, down = (build.mul, build.div) if digits > 0 else (build.div, build.mul)
        return down(build.op("rint", up(x, power)), power)

    def fn(stage: Stage, e: list[Expr]) -> Expr:
        if not kind.is_complex:
            return one(e[0])
        z = stage.let(e[0])
        return build.op("complex", one(build.op("real", z)), one(build.op("imag", z)))

    return written(interp, apply(interp.stage, fn, kind, [value]), out, "round", exact=False)


@handles(np.fix)
def fix(interp: Interp, x: Any, out: Any = None) -> Any:
    return call_ufunc(interp, np.trunc, x, out=out)


@handles(np.sinc)
def sinc(interp: Interp, x: Any) -> Any:
    """sin(pi x) / (pi x); near 0, where the quotient's derivatives cancel, the Taylor series (exact to rounding)."""
    value = numbers(interp, x)
    kind = numeric.result_type([value, 0.0])

    def fn(stage: Stage, e: list[Expr]) -> Expr:
        y = stage.let(build.mul(build.cast(e[0], kind), build.const(np.pi, kind)))
        near = stage.let(build.lt(build.op("abs", y), build.const(0.5, kind.real)))
        square = stage.let(build.mul(y, y))
        series: Expr = build.one(kind)
        for k in range(8, 0, -1):  # 1 - y^2/3! (1 - y^2 3!/5! (1 - ...))
            series = build.sub(build.one(kind), build.mul(build.div(square, 2 * k * (2 * k + 1)), series))
        safe = stage.let(build.select(near, build.one(kind), y))
        return build.select(near, series, build.div(build.op("sin", safe), safe))

    return apply(interp.stage, fn, kind, [value])
