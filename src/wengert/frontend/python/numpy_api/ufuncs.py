"""Calling NumPy's ufuncs and their methods."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.errors import WengertError
from wengert.ir import build
from wengert.ir.nodes import AccumulateOp, Expr
from wengert.ir.types import BOOL, DType

from .. import arrays, index, numeric
from ..stage import Stage
from ..values import RArray, RScalar
from .common import (
    NO_VALUE,
    array,
    axis_of,
    consume,
    dtype_of,
    given,
    holds,
    insert_axis,
    numbers,
    only_default,
    several,
    type_error,
    when,
)

if TYPE_CHECKING:
    from ..interp import Interp


def call_ufunc(
    interp: Interp, ufunc: np.ufunc, *args: Any, out: Any = None, where: Any = True, dtype: Any = None,
    casting: str = "same_kind", order: str = "K", subok: bool = True, signature: Any = None, sig: Any = None,
    axes: Any = None, axis: Any = None, keepdims: Any = None,
) -> Any:  # fmt: skip
    """A ufunc applied elementwise; with `out` it is written and returned. Static numbers are left to NumPy."""
    stage = interp.stage
    if len(args) > ufunc.nargs:
        type_error(
            f"{ufunc.__name__}() takes from {ufunc.nin} to {ufunc.nargs} positional arguments "
            f"but {len(args)} were given"
        )
    if len(args) > ufunc.nin:
        if out is not None:
            type_error("cannot specify 'out' as both a positional and keyword argument")
        rest = args[ufunc.nin :]
        args, out = args[: ufunc.nin], rest[0] if ufunc.nout == 1 else (*rest, *[None] * (ufunc.nout - len(rest)))
    if len(args) < ufunc.nin:
        type_error(
            f"{ufunc.__name__}() takes from {ufunc.nin} to {ufunc.nargs} positional arguments "
            f"but {len(args)} were given"
        )
    if ufunc.signature is not None:
        from .products import GENERALISED

        if ufunc.__name__ not in GENERALISED:
            raise stage.refuse(f"numpy.{ufunc.__name__} is not supported", "write it with np.matmul or np.einsum")
        only_default(interp, ufunc.__name__, axes=(axes, None), axis=(axis, None), keepdims=(keepdims, None))
        return write_out(interp, ufunc, GENERALISED[ufunc.__name__](interp, *args), out, where)
    only_default(interp, ufunc.__name__, signature=(signature, None), sig=(sig, None))
    if casting not in ("same_kind", "unsafe"):
        raise stage.refuse(f"{ufunc.__name__}(casting={casting!r})", "call it without casting")
    if all(plain_number(a) for a in args) and out is None and where is True:
        return native(interp, ufunc, args, dtype)
    operands = [numbers(interp, a) for a in args]
    kind = None if dtype is None else dtype_of(interp, dtype)
    if ufunc.nout == 2:
        return _pair(interp, ufunc, operands, out, where, casting)
    known(ufunc)
    try:
        result = numeric.ufunc(stage, ufunc, *operands, dtype=kind)
    except WengertError:
        raise
    except TypeError as error:
        type_error(str(error))
    return write_out(interp, ufunc, result, out, where, casting)


def known(ufunc: np.ufunc) -> bool:
    """Whether an elementwise function has a meaning here; SciPy's are registered when the first one is met."""
    if ufunc not in numeric.UFUNCS and getattr(np, ufunc.__name__, None) is not ufunc:
        importlib.import_module("wengert.frontend.python.scipy_special")
    return ufunc in numeric.UFUNCS


def plain_number(value: Any) -> bool:
    """Whether a value is a static number."""
    return isinstance(value, (bool, int, float, complex, np.generic))


def native(interp: Interp, function: Any, args: Sequence[Any], dtype: Any = None) -> Any:
    """A NumPy function of static numbers, computed now and silently."""

    def run() -> Any:
        with np.errstate(all="ignore"):
            return function(*args) if dtype is None else function(*args, dtype=dtype)

    return interp.native(run)


def _pair(interp: Interp, ufunc: np.ufunc, operands: list[Any], out: Any, where: Any, casting: str) -> tuple[Any, Any]:
    """A ufunc of two results."""
    stage = interp.stage
    wanted = interp.resolve(out)
    if not (wanted is None or isinstance(wanted, tuple)):
        type_error("'out' must be a tuple of arrays")
    outs: list[Any] = [None, None] if wanted is None else several(wanted)
    if len(outs) != ufunc.nout:
        raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")

    def kept(value: Any) -> Any:
        return arrays.stored(stage, value) if isinstance(value, RArray) else value

    def part(fn: numeric.ElementFn, dtype: DType, *values: Any) -> RArray | RScalar:
        return kept(apply(stage, fn, dtype, values))

    operands = [kept(o) for o in operands]
    kind = numeric.loop_types(np.sqrt, operands[:1])[0][0]
    if ufunc is np.divmod:
        parts = [kept(numeric.ufunc(stage, f, *operands)) for f in (np.floor_divide, np.remainder)]
    elif ufunc is np.modf:
        x = part(lambda _, a: build.cast(a[0], kind), kind, *operands)
        whole = part(lambda _, a: build.op("trunc", a[0]), kind, x)
        parts = [kept(_fraction(stage, x, whole)), whole]
    elif ufunc is np.frexp:
        x = part(lambda _, a: build.cast(a[0], kind), kind, *operands)
        exponent = part(lambda _, a: build.op("exponent", a[0]), kind, x)
        fraction = part(lambda _, a: build.op("ldexp", a[0], build.neg(a[1])), kind, x, exponent)
        parts = [fraction, part(lambda _, a: build.cast(a[0], DType.I32), DType.I32, exponent)]
    else:
        raise stage.refuse(f"numpy.{ufunc.__name__} is not supported", "write it with the supported operations")
    first, second = (write_out(interp, ufunc, p, o, where, casting) for p, o in zip(parts, outs, strict=True))
    return first, second


def _fraction(stage: Stage, x: Any, whole: Any) -> RArray | RScalar:
    """The fractional part, with the sign of x and 0 for infinities."""
    dtype = whole.dtype

    def fn(s: Stage, a: list[Expr]) -> Expr:
        value = s.let(build.cast(a[0], dtype))
        rest = build.select(build.op("isinf", value), build.zero(dtype), build.sub(value, a[1]))
        return build.op("copysign", rest, value)

    return apply(stage, fn, dtype, [x, whole])


def apply(stage: Stage, fn: numeric.ElementFn, dtype: DType, operands: Sequence[Any]) -> RArray | RScalar:
    """An elementwise function of operands (arrays of rank one or more, and numbers)."""
    if any(isinstance(o, RArray) for o in operands):
        return numeric.elementwise(stage, fn, dtype, operands)
    exprs = [numeric.as_scalar(o).expr for o in operands]
    return RScalar(stage.let(fn(stage, exprs)), False)


# -- results ---------------------------------------------------------------------------------------------------


def write_out(interp: Interp, ufunc: Any, result: Any, out: Any, where: Any = True, casting: str = "same_kind") -> Any:
    """The result itself, or `out` with the result written into it (where the mask holds)."""
    stage = interp.stage
    out = interp.resolve(out)
    if isinstance(out, tuple):
        entries = several(out)
        if len(entries) != 1:
            raise ValueError("The 'out' tuple must have exactly one entry per ufunc output")
        out = interp.resolve(entries[0])
    where = interp.resolve(where)
    masked = not holds(where)
    if out is None:
        if masked:
            raise stage.refuse(
                "a ufunc is called with where= but without out=: the other elements are undefined",
                "pass out= as well, or use np.where",
            )
        return result
    if not isinstance(out, RArray):
        type_error("return arrays must be of ArrayType")
    check_cast(ufunc, result if isinstance(result, RArray) else numeric.as_scalar(result), out, casting)
    index.require_writable(stage, out)
    if not masked:
        arrays.assign(stage, out, result if isinstance(result, RArray) else numeric.as_scalar(result))
        return out
    _masked_store(interp, out, result, where)
    return out


def check_cast(function: Any, result: Any, out: RArray, casting: Any) -> None:
    """Raise TypeError unless the result may be stored into `out`."""
    if not np.can_cast(result.dtype.numpy, out.dtype.numpy, casting):
        name = getattr(function, "__name__", str(function))
        type_error(
            f"Cannot cast ufunc '{name}' output from {result.dtype.numpy!r} to {out.dtype.numpy!r} "
            f"with casting rule '{casting}'"
        )


def _masked_store(interp: Interp, out: RArray, result: Any, where: Any) -> None:
    """out[...] = result where the mask holds; everything is read before anything is written."""
    stage = interp.stage
    mask = array(interp, where)
    if mask.dtype is not BOOL:
        type_error("where= must be an array of booleans")
    arrays.require_fits(stage, mask.shape, out.shape, "could not broadcast where mask from shape {} into shape {}")
    if isinstance(result, RArray) and arrays.conflicts(stage, out, result):
        result = arrays.stored(stage, result) if result.lazy is not None else arrays.copy(stage, result)
    if arrays.conflicts(stage, out, mask):
        mask = arrays.stored(stage, mask) if mask.lazy is not None else arrays.copy(stage, mask)
    used = [mask, *([result] if isinstance(result, RArray) else [])]
    consume(stage, *used)
    wide = [arrays.broadcast(stage, a, out.shape) for a in used]
    consume(stage, *wide)
    assert out.root is not None
    arrays.before_store(stage, out.root)
    number = None if isinstance(result, RArray) else stage.let(numeric.as_scalar(result).expr)

    def body(at: tuple[Expr, ...]) -> None:
        def put() -> None:
            value = arrays.element(wide[1], at) if number is None else number
            arrays.put(stage, out, at, value)

        when(stage, stage.let(arrays.element(wide[0], at)), put)

    arrays.nest(stage, out.shape, body)


# -- methods ---------------------------------------------------------------------------------------------------


def ufunc_method(interp: Interp, ufunc: np.ufunc, name: str, *args: Any, **kwargs: Any) -> Any:
    """ufunc.reduce, accumulate, outer, at."""
    if ufunc.nin != 2 or ufunc.nout != 1:
        if name == "at" and ufunc.nin == 1:
            return _at_unary(interp, ufunc, *args)
        raise ValueError(f"{name} only supported for binary functions")
    methods = {"outer": _outer, "reduce": _reduce, "accumulate": _accumulate, "at": _at, "reduceat": _reduceat}
    if name not in methods:
        raise interp.stage.refuse(f"numpy.{ufunc.__name__}.{name} is not supported", "write it as a loop")
    return methods[name](interp, ufunc, *args, **kwargs)


def _outer(interp: Interp, ufunc: np.ufunc, a: Any, b: Any, *, out: Any = None, dtype: Any = None) -> Any:
    x, y = numbers(interp, a), numbers(interp, b)
    if isinstance(x, RArray) and isinstance(y, RArray):
        x, y = (arrays.stored(interp.stage, v) if v.cost > arrays.CHEAP else v for v in (x, y))
        for _ in range(y.rank):
            x = insert_axis(interp.stage, x, x.rank)
    return call_ufunc(interp, ufunc, x, y, out=out, dtype=dtype)


def _reduce(
    interp: Interp, ufunc: np.ufunc, a: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: Any = False,
    initial: Any = NO_VALUE, where: Any = True,
) -> Any:  # fmt: skip
    from . import reduce

    named: dict[np.ufunc, Any] = {
        np.add: reduce.sum_,
        np.multiply: reduce.prod,
        np.maximum: reduce.max_,
        np.minimum: reduce.min_,
        np.logical_and: reduce.all_,
        np.logical_or: reduce.any_,
    }
    if ufunc in named:
        options: dict[str, Any] = {"axis": axis, "out": out, "keepdims": keepdims, "where": where}
        if dtype is not None:
            options["dtype"] = dtype
        if given(initial):
            options["initial"] = initial
        return named[ufunc](interp, a, **options)
    only_default(
        interp, f"{ufunc.__name__}.reduce", dtype=(dtype, None), where=(where, True), initial=(initial, NO_VALUE)
    )
    value = array(interp, a)
    place = axis_of(interp, axis, value.rank)
    if ufunc.identity is None:
        reduce.require_elements(interp, value, (place,), ufunc.__name__)
        start = None
    else:
        start = build.const(ufunc.identity, numeric.loop_types(ufunc, [value, value])[1])
    dtype_ = numeric.loop_types(ufunc, [value, value])[1]
    result = reduce.fold(interp, value, (place,), bool(keepdims), dtype_, _step(interp, ufunc, dtype_), start)
    return write_out(interp, ufunc, result, out)


def _step(interp: Interp, ufunc: np.ufunc, dtype: DType) -> Callable[[Expr, Expr], Expr]:
    inputs, output = numeric.loop_types(ufunc, [RScalar(build.zero(dtype), False)] * 2)
    fn = numeric.UFUNCS.get(ufunc)
    if fn is None:
        raise interp.stage.refuse(f"numpy.{ufunc.__name__} is not supported", "write it with the supported operations")
    if output is not dtype:
        raise interp.stage.refuse(f"numpy.{ufunc.__name__}.reduce changes the dtype as it goes", "write it as a loop")

    def step(old: Expr, new: Expr) -> Expr:
        return fn(interp.stage, [build.cast(old, inputs[0]), build.cast(new, inputs[1])])

    return step


def _accumulate(interp: Interp, ufunc: np.ufunc, a: Any, axis: Any = 0, dtype: Any = None, out: Any = None) -> Any:
    from .scans import scan

    value = array(interp, a)
    place = axis_of(interp, axis, value.rank)
    if ufunc in (np.add, np.multiply):
        from .scans import cumprod, cumsum

        return (cumsum if ufunc is np.add else cumprod)(interp, value, axis=place, dtype=dtype, out=out)
    only_default(interp, f"{ufunc.__name__}.accumulate", dtype=(dtype, None))
    kind = numeric.loop_types(ufunc, [value, value])[1]
    return write_out(interp, ufunc, scan(interp, value, place, kind, _step(interp, ufunc, kind)), out)


def _reduceat(interp: Interp, ufunc: np.ufunc, a: Any, indices: Any, axis: Any = 0, dtype: Any = None,
              out: Any = None) -> Any:  # fmt: skip
    from . import programs

    only_default(interp, f"{ufunc.__name__}.reduceat", dtype=(dtype, None))
    value = array(interp, a)
    places = arrays.stored(interp.stage, array(interp, indices))
    result = interp.call(programs.reduceat, [ufunc, value, places, axis_of(interp, axis, value.rank)], {})
    return write_out(interp, ufunc, result, out)


_ACCUMULATE: dict[np.ufunc, AccumulateOp] = {np.add: "add", np.maximum: "max", np.minimum: "min"}


def _at(interp: Interp, ufunc: np.ufunc, a: Any, indices: Any, b: Any) -> None:
    target = interp.resolve(a)
    if not isinstance(target, RArray):
        type_error("first operand must be array")
    value = numbers(interp, b)
    key = interp.resolve(indices)
    if ufunc is np.subtract:
        ufunc, value = np.add, numeric.ufunc(interp.stage, np.negative, value)
    if ufunc not in _ACCUMULATE:
        from . import programs

        if isinstance(key, (tuple, slice)) or key is None or key is Ellipsis or array(interp, key).dtype is BOOL:
            reason = f"numpy.{ufunc.__name__}.at at anything else than positions along the first axis is not supported"
            raise interp.stage.refuse(reason, "write it as a loop")
        interp.call(programs.at, [ufunc, target, key, value], {})
        return
    result = numeric.result_type([target, value])
    if not np.can_cast(result.numpy, target.dtype.numpy, "same_kind"):
        type_error(f"Cannot cast ufunc '{ufunc.__name__}' output from {result.numpy!r} to {target.dtype.numpy!r}")
    index.accumulate_at(interp.stage, target, key, value, _ACCUMULATE[ufunc])


def _at_unary(interp: Interp, ufunc: np.ufunc, a: Any, indices: Any) -> None:
    raise interp.stage.refuse(f"numpy.{ufunc.__name__}.at is not supported", "assign to the indexed elements")
