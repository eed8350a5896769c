"""Making arrays: from Python data, filled with a value, ranges of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul
from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Buffer, Const, Expr, Extent, Load, Store, Var
from wengert.ir.types import F64, I64, DType

from .. import arrays, numeric
from ..registry import handles, method
from ..subclasses import array_of
from ..values import Choice, RArray, RList, RRange, RScalar, contains_runtime
from .common import (
    cast_any,
    consume,
    dtype_of,
    element0,
    filled,
    fix,
    generated,
    hint_of,
    insert_axis,
    number_dtype,
    numbers,
    only_default,
    require_equal,
    shape_of,
    store,
    type_error,
    type_name,
)

if TYPE_CHECKING:
    from ..interp import Interp

MAX_CONSTANTS = 4096
_CopyMode: Any = vars(np)["_CopyMode"]


# -- from Python data ------------------------------------------------------------------------------------------


def as_array(interp: Interp, value: Any, dtype: Any = None) -> RArray:
    """np.asarray: the array itself if it is one of that dtype; a number gives rank 0, nested sequences a new array.

    The dtype of a sequence is NumPy's: the promotion of its elements' dtypes, Python numbers counting as int64,
    float64, complex128 or bool.
    """
    stage = interp.stage
    want = None if dtype is None else dtype_of(interp, dtype)
    value = cast_any(array_of(interp.resolve(value)))
    if isinstance(value, Choice):
        raise stage.refuse("a value of several possible kinds is used as an array", "test its kind first", Code.KIND)
    if isinstance(value, RArray):
        return value if want in (None, value.dtype) else arrays.copy(stage, value, "t", want)
    if numeric.is_number(value):
        expr = build.cast(numeric.as_scalar(value).expr, want or number_dtype(value))
        return arrays.lazy(stage, expr.dtype, (), lambda i: expr, [], cost=0)
    if isinstance(value, RRange):
        return from_range(interp, value, want or I64)
    if isinstance(value, RList):
        return _from_growable(interp, value, want)
    if isinstance(value, np.ndarray):
        return _from_ndarray(interp, cast_any(value), want)
    if isinstance(value, (list, tuple, range)):
        return _from_sequence(interp, value, want)
    if value is None:
        type_error("unsupported operand type(s): an array is made of None")
    if isinstance(value, (set, frozenset, dict, str, bytes)) or not hasattr(value, "__iter__"):
        raise stage.refuse(
            f"a {type_name(value)} is used as an array", "build it from numbers, lists, tuples and arrays", Code.DTYPE
        )
    return _from_sequence(interp, interp.static_iterable(value), want)


def from_range(interp: Interp, value: RRange, dtype: DType) -> RArray:
    """The integers of a range as a lazy array."""
    start, step = value.start, value.step_expr
    length = interp.range_length(value)
    return generated(interp.stage, dtype, (length,), lambda i: build.cast(iadd(start, imul(step, i[0])), dtype))


def _from_growable(interp: Interp, value: RList, want: DType | None) -> RArray:
    if value.parts:
        from .join import stack

        return stack(interp, [_from_growable(interp, p, want) for p in value.parts], axis=1)
    stage, dtype = interp.stage, want or value.dtype
    total: Expr = stage.let(Extent(value.storage, 0), "n")
    stage.count(total)
    inner = value.shape or ()
    length, size = total, arrays.size(inner)
    if constant(size) != 1:
        length = stage.let(build.op("floordiv", total, build.max_(size, ONE)), "n")
        if isinstance(length, Var):
            stage.facts.assume(length, 0, total)
    target = stage.alloc(dtype, (length, *inner), hint_of(interp, "items"))

    def at(index: Sequence[Expr]) -> Expr:
        place: Expr = ZERO
        for extent, i in zip((length, *inner), index, strict=True):
            place = iadd(imul(place, extent), i)
        return Load(value.storage, (place,), value.dtype)

    arrays.fill(stage, target, at)
    return target


def _from_ndarray(interp: Interp, value: np.ndarray, want: DType | None) -> RArray:
    stage, dtype = interp.stage, want or dtype_of(interp, value.dtype)
    shape = tuple(Const(n, I64) for n in value.shape)
    values = value.astype(dtype.numpy)
    if value.size and np.all(values.ravel()[0] == values):
        return filled(stage, dtype, shape, build.const(values.ravel()[0], dtype))
    if value.size > MAX_CONSTANTS:
        raise stage.refuse(
            f"a constant array of {value.size} elements is made while compiling",
            "pass it as an argument instead",
            Code.ENDLESS,
        )
    target = stage.alloc(dtype, shape, "constants")
    for at in np.ndindex(value.shape):
        stage.emit(Store(target.storage, build.index(*at), build.const(values.item(at), dtype), stage.span))
    return target


def _from_sequence(interp: Interp, value: Any, want: DType | None) -> RArray:
    """A new array of nested sequences."""
    stage = interp.stage
    leaves: list[Any] = []
    shape = _gather(interp, value, leaves)
    dtype = want or _sequence_dtype(leaves)
    if len(leaves) > MAX_CONSTANTS:
        raise stage.refuse(
            f"a sequence of {len(leaves)} Python objects becomes an array",
            "compute it as an array, or pass it as one",
            Code.ENDLESS,
        )
    inner: tuple[Expr, ...] = ()
    if leaves and isinstance(leaves[0], RArray):
        inner = leaves[0].shape
    for leaf in leaves:
        other = leaf.shape if isinstance(leaf, RArray) else ()
        if len(other) != len(inner):
            raise ValueError(_inhomogeneous(shape))
        for a, b in zip(other, inner, strict=True):
            require_equal(stage, a, b, _inhomogeneous(shape))
    target = stage.alloc(dtype, (*(Const(n, I64) for n in shape), *inner), hint_of(interp, "items"))
    for at, leaf in zip(np.ndindex(tuple(shape)), leaves, strict=True):
        place = build.index(*at)
        if isinstance(leaf, RArray):
            view = target
            for i in place:
                view = fix(stage, view, 0, i)
            source = leaf
            consume(stage, leaf)
            arrays.fill(stage, view, lambda i, source=source: arrays.element(source, i))
        else:
            store(stage, target, place, numeric.as_scalar(leaf).expr)
    return target


def _gather(interp: Interp, value: Any, leaves: list[Any], depth: int = 0) -> list[int]:
    """Collect the numbers and arrays in nested sequences; the shape of the nesting."""
    value = interp.resolve(value)
    if isinstance(value, (list, tuple, range)):
        items = [interp.resolve(v) for v in cast_any(value)]
        if any(isinstance(v, (RArray, RList, np.ndarray)) and not _rank_zero(v) for v in items):
            items = [as_array(interp, v) if isinstance(v, (list, tuple, range)) else v for v in items]
        shapes = [_gather(interp, v, leaves, depth + 1) for v in items]
        if any(s != shapes[0] for s in shapes):
            raise ValueError(_inhomogeneous([len(shapes)]))
        return [len(shapes), *(shapes[0] if shapes else [])]
    if isinstance(value, (RList, RRange, np.ndarray)):
        value = as_array(interp, value)
    if isinstance(value, RArray):
        leaves.append(element0(interp.stage, value) if value.rank == 0 else value)
        return []
    if isinstance(value, Choice):
        raise interp.stage.refuse(
            "an array is made of a value of several possible kinds", "test its kind first", Code.KIND
        )
    if not numeric.is_number(value):
        if hasattr(value, "__iter__") and not isinstance(value, (str, bytes, dict, set)):
            return _gather(interp, interp.static_iterable(value), leaves, depth)
        raise interp.stage.refuse(
            f"an array is made of a {type_name(value)}", "build arrays from numbers and arrays only", Code.DTYPE
        )
    leaves.append(value)
    return []


def _rank_zero(value: Any) -> bool:
    return isinstance(value, RArray) and value.rank == 0


def _inhomogeneous(shape: Sequence[int]) -> str:
    return (
        "setting an array element with a sequence. The requested array has an inhomogeneous shape after "
        f"{len(shape)} dimensions. The detected shape was {tuple(shape)} + inhomogeneous part."
    )


def _sequence_dtype(leaves: Sequence[Any]) -> DType:
    if not leaves:
        return F64
    return DType.of(np.result_type(*{number_dtype(v).numpy for v in leaves}))


@handles(np.asarray, np.asanyarray)
def asarray(
    interp: Interp, a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, like: Any = None, **other: Any
) -> RArray:
    only_default(interp, "asarray", like=(None if isinstance(like, (RArray, np.ndarray)) else like, None))
    only_default(interp, "asarray", **{k: (v, None) for k, v in other.items()})
    _check_order(interp, order)
    if _foreign(interp, a, dtype):
        return interp.native(lambda: np.asarray(a, dtype))
    result = as_array(interp, a, dtype)
    return arrays.copy(interp.stage, result, hint_of(interp, "t")) if copy is True and result is a else result


@handles(np.ascontiguousarray)
def ascontiguousarray(interp: Interp, a: Any, dtype: Any = None, *, like: Any = None) -> RArray:
    """A copy unless the array is contiguous as it is; at least of rank 1."""
    given = as_array(interp, a, dtype)
    value = given if given.rank else interp.call(np.atleast_1d, [given], {})
    return value if value.lazy is not None or _is_contiguous(interp, value) else arrays.copy(interp.stage, value)


def _is_contiguous(interp: Interp, value: RArray) -> bool:
    """Whether a view surely has its elements one after another: whole last axes of its storage, in order."""
    memory = interp.stage.storages.get(value.storage)
    extents = memory.shape if isinstance(memory, Buffer) else value.shape
    first = len(extents) - value.rank
    if first < 0 or value.part:
        return False
    for k, ((axis, step), n) in enumerate(zip(value.axes, value.shape, strict=True)):
        if axis is None or axis != first + k or constant(step) != 1 or (k and not interp.stage.same(n, extents[axis])):
            return False
    return True


@handles(np.array)
def array(
    interp: Interp, object: Any, dtype: Any = None, *, copy: Any = True, order: Any = "K", subok: Any = False,
    ndmin: Any = 0, like: Any = None,
) -> RArray:  # fmt: skip
    only_default(interp, "array", like=(None if isinstance(like, (RArray, np.ndarray)) else like, None))
    _check_order(interp, order)
    value = interp.resolve(object)
    if _foreign(interp, value, dtype):
        return interp.native(lambda: np.array(value, dtype))
    mode = _copy_mode(interp, copy)
    if isinstance(value, RArray):
        want = value.dtype if dtype is None else dtype_of(interp, dtype)
        if mode is False and want is not value.dtype:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        needed = mode is True or want is not value.dtype
        result = arrays.copy(interp.stage, value, hint_of(interp, "t"), want) if needed else value
    else:
        if mode is False:
            raise ValueError("Unable to avoid copy while creating an array as requested.")
        result = as_array(interp, value, dtype)
    for _ in range(int(ndmin) - result.rank):
        result = insert_axis(interp.stage, result, 0)
    return result


def _foreign(interp: Interp, value: Any, dtype: Any) -> bool:
    """Whether a static value becomes an array of dates, text or objects, which stays static."""
    if contains_runtime(value):
        return False
    if dtype is not None:
        return np.dtype(dtype).kind not in "biufc"
    return isinstance(value, (np.ndarray, np.generic)) and cast_any(value).dtype.kind not in "biufc"


def _copy_mode(interp: Interp, copy: Any) -> bool | None:
    """True: always, False: never, None: if needed."""
    if copy is _CopyMode.IF_NEEDED:
        return None
    if isinstance(copy, _CopyMode):
        return copy is _CopyMode.ALWAYS
    if isinstance(copy, RScalar):
        raise interp.stage.refuse("copy= depends on run-time data", "use a constant", Code.STATIC)
    return None if copy is None else bool(copy)


def _check_order(interp: Interp, order: Any) -> None:
    if order not in (None, "K", "A", "C", "k", "a", "c"):
        raise interp.stage.refuse(
            f"the memory order {order!r} is asked for", "leave the order out: values are the same in any order"
        )


@handles(np.copy)
@method("copy", "__copy__", "__deepcopy__")
def copy(interp: Interp, a: Any, order: Any = "K", subok: Any = False) -> Any:
    value = interp.resolve(a)
    if isinstance(value, RScalar) and not value.python:
        return value
    return arrays.copy(interp.stage, as_array(interp, value), hint_of(interp, "t"))


# -- filled ----------------------------------------------------------------------------------------------------


@handles(np.zeros)
def zeros(interp: Interp, shape: Any, dtype: Any = float, order: Any = "C", **other: Any) -> RArray:
    only_default(interp, "zeros", **{k: (v, None) for k, v in other.items()})
    dtype = F64 if dtype is None else dtype_of(interp, dtype)
    return interp.stage.alloc(dtype, shape_of(interp, shape), hint_of(interp, "zeros"), zero=True)


@handles(np.empty, np.ndarray)
def empty(interp: Interp, shape: Any, dtype: Any = float, order: Any = "C", **other: Any) -> RArray:
    only_default(interp, "empty", **{k: (v, None) for k, v in other.items()})
    dtype = F64 if dtype is None else dtype_of(interp, dtype)
    return interp.stage.alloc(dtype, shape_of(interp, shape), hint_of(interp, "empty"))


@handles(np.ones)
def ones(interp: Interp, shape: Any, dtype: Any = None, order: Any = "C", **other: Any) -> RArray:
    only_default(interp, "ones", **{k: (v, None) for k, v in other.items()})
    dtype = F64 if dtype is None else dtype_of(interp, dtype)
    return filled(interp.stage, dtype, shape_of(interp, shape), build.one(dtype))


@handles(np.full)
def full(interp: Interp, shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **other: Any) -> RArray:
    only_default(interp, "full", **{k: (v, None) for k, v in other.items()})
    value = numbers(interp, fill_value)
    want = number_dtype(value) if dtype is None else dtype_of(interp, dtype)
    return _full(interp, shape_of(interp, shape), value, want)


def _full(interp: Interp, shape: tuple[Expr, ...], value: Any, dtype: DType) -> RArray:
    if isinstance(value, RArray):
        target = interp.stage.alloc(dtype, shape, hint_of(interp, "full"))
        arrays.assign(interp.stage, target, value)
        return target
    return filled(interp.stage, dtype, shape, interp.stage.let(numeric.as_scalar(value).expr))


def _like(interp: Interp, a: Any, dtype: Any, shape: Any) -> tuple[DType, tuple[Expr, ...]]:
    value = interp.resolve(a)
    model = value if isinstance(value, RArray) else as_array(interp, value)
    return (
        model.dtype if dtype is None else dtype_of(interp, dtype),
        model.shape if shape is None else shape_of(interp, shape),
    )


@handles(np.zeros_like)
def zeros_like(
    interp: Interp,
    a: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: Any = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> RArray:
    kind, extents = _like(interp, a, dtype, shape)
    return interp.stage.alloc(kind, extents, hint_of(interp, "zeros"), zero=True)


@handles(np.empty_like)
def empty_like(
    interp: Interp, prototype: Any, dtype: Any = None, order: Any = "K", subok: Any = True, shape: Any = None, *,
    device: Any = None,
) -> RArray:  # fmt: skip
    kind, extents = _like(interp, prototype, dtype, shape)
    return interp.stage.alloc(kind, extents, hint_of(interp, "empty"))


@handles(np.ones_like)
def ones_like(
    interp: Interp,
    a: Any,
    dtype: Any = None,
    order: Any = "K",
    subok: Any = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> RArray:
    kind, extents = _like(interp, a, dtype, shape)
    return filled(interp.stage, kind, extents, build.one(kind))


@handles(np.full_like)
def full_like(
    interp: Interp, a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: Any = True, shape: Any = None,
    *, device: Any = None,
) -> RArray:  # fmt: skip
    kind, extents = _like(interp, a, dtype, shape)
    return _full(interp, extents, numbers(interp, fill_value), kind)
