"""What the interpreter's generated source calls: storages, library calls and failures over NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeAlias, TypeGuard

import numpy as np

from ..errors import exception_class
from .libops import LIBOPS
from .nodes import Buffer, Growable, Param, Scalar, Span

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Target: TypeAlias = "Array | Unbound"


class IllegalIR(Exception):
    """The program breaks a rule of the IR: the fault of whatever made it, not of the user."""


class Unbound:
    """What a ref names before it is bound: extents 0; any other use fails but handing it on."""

    def __init__(self, name: str, rank: int) -> None:
        self.name = name
        self.shape = (0,) * rank

    def _fail(self, *_: object) -> NoReturn:
        raise IllegalIR(f"ref {self.name} is not bound")

    __getitem__ = __setitem__ = _fail


def argument(param: Param, value: Any) -> Any:
    """An argument of the root as the generated source expects it; raises TypeError if it is not of the right kind."""
    match param:
        case Scalar(dtype=dtype):
            return dtype.numpy.type(value)
        case Growable():
            if not isinstance(value, list):
                raise TypeError(f"{param.name} must be a list")
            return value  # pyright: ignore[reportUnknownVariableType]
        case Buffer(dtype=dtype):
            if param.rank == 0 and param.intent == "in" and not _is_array(value):
                return np.asarray(value, dtype.numpy)
            if not _is_array(value) or value.dtype != dtype.numpy or value.ndim != param.rank:
                raise TypeError(f"{param.name} must be an array of {dtype.value} and rank {param.rank}")
            return value


def _is_array(value: Any) -> TypeGuard[Array]:
    return isinstance(value, np.ndarray)


def check_extents(name: str, array: Array, shape: tuple[np.int64, ...]) -> None:
    if isinstance(array, Unbound) or array.shape != shape:
        raise IllegalIR(f"{name} has extents {array.shape}, not {tuple(map(int, shape))}")


def read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view


def result(value: Any, dtype: type[np.generic]) -> Array:
    """A result as the caller gets it: contiguous and writable; a growable becomes an array."""
    if isinstance(value, list):
        return np.array(value, dtype)
    array: Array = bound(value)
    return array if array.flags.c_contiguous and array.flags.writeable else array.copy()


def alloc(shape: tuple[np.int64, ...], dtype: type[np.generic], zero: bool) -> Array:
    if any(n < 0 for n in shape):
        raise IllegalIR(f"negative extent in {tuple(map(int, shape))}")
    return np.zeros(shape, dtype) if zero else np.full(shape, _undefined(np.dtype(dtype)), dtype)


def _undefined(dtype: np.dtype[Any]) -> float | int | bool:
    if dtype.kind in "fc":
        return np.nan
    return True if dtype.kind == "b" else int(np.iinfo(dtype).max) // 3 * 2


def view(
    name: str,
    base: Array | list[Array],
    start: tuple[np.int64, ...],
    axes: tuple[tuple[int | None, np.int64], ...],
    shape: tuple[np.int64, ...],
) -> Array:
    """`View`: for a growable of refs, base axis 0 is the position in it and the others are the element's axes."""
    if isinstance(base, list):
        if not 0 <= start[0] < len(base):
            out_of_range(name)
        base, start = base[start[0]], start[1:]
        axes = tuple((None if axis is None else axis - 1, step) for axis, step in axes)
    if len(start) != bound(base).ndim or len(axes) != len(shape) or any(n < 0 for n in shape):
        raise IllegalIR(f"view {name} does not fit its base")
    if 0 in shape:
        return np.empty(shape, base.dtype)
    low, high = [int(s) for s in start], [int(s) for s in start]
    strides: list[int] = []
    for n, (axis, step) in zip(shape, axes, strict=True):
        strides.append(0 if axis is None else base.strides[axis] * int(step))
        if axis is not None:
            span = (int(n) - 1) * int(step)
            low[axis] += min(span, 0)
            high[axis] += max(span, 0)
    if any(a < 0 or z >= n for a, z, n in zip(low, high, base.shape, strict=True)):
        out_of_range(name)
    corner = base[(*(slice(int(s), None) for s in start), ...)]
    writeable = base.flags.writeable and all(axis is not None for axis, _ in axes)
    return np.lib.stride_tricks.as_strided(corner, tuple(map(int, shape)), strides, writeable=writeable)


def reshape(name: str, base: Array, shape: tuple[np.int64, ...]) -> Array:
    if not bound(base).flags.c_contiguous:
        raise IllegalIR(f"{name} reshapes a buffer that is not contiguous")
    return base.reshape(shape)


def bound(target: Target) -> Array:
    if isinstance(target, Unbound):
        raise IllegalIR(f"ref {target.name} is not bound")
    return target


def extent(storage: Target | list[Any], axis: int) -> np.int64:
    return np.int64(len(storage) if isinstance(storage, list) else storage.shape[axis])


def resize(name: str, growable: list[Any], delta: np.int64, zero: np.generic) -> None:
    if delta >= 0:
        growable.extend([zero] * int(delta))
    elif -delta > len(growable):
        out_of_range(name)
    else:
        del growable[len(growable) + int(delta) :]


def select(cond: np.bool_, then: Any, orelse: Any) -> Any:
    return then if cond else orelse


def out_of_range(name: str) -> NoReturn:
    raise IllegalIR(f"index of {name} is out of range")


def lib(op: str, attrs: Mapping[str, object], outs: tuple[Array, ...], ins: tuple[Any, ...]) -> None:
    for out in outs:
        for a in ins[1:] if LIBOPS[op].adds else ins:
            if _is_array(a) and np.shares_memory(out, a):
                raise IllegalIR(f"an output of {op} aliases an input")
    for out, value in zip(outs, LIBOPS[op].numpy(attrs, *ins), strict=True):
        if out.shape != value.shape or out.dtype != value.dtype:
            raise IllegalIR(f"{op} gives {value.dtype}{list(value.shape)}, its output is {out.dtype}{list(out.shape)}")
        out[...] = value


def failure(exception: str, message: str, args: tuple[Any, ...], span: Span | None) -> Exception:
    """The exception of a `Fail`, with the attribute `span` and, if that is known, a note."""
    kind = exception_class(exception)
    if kind is None:
        raise IllegalIR(f"unknown exception {exception}")
    first, *rest = message.split("{}")
    error = kind(first + "".join(f"{a}{text}" for a, text in zip(args, rest, strict=True)))
    error.span = span  # pyright: ignore[reportAttributeAccessIssue]
    if span is not None:
        error.add_note(f"at {span}")
    return error


ENVIRONMENT: dict[str, Any] = {
    "_Unbound": Unbound,
    "_alloc": alloc,
    "_check_extents": check_extents,
    "_extent": extent,
    "_failure": failure,
    "_lib": lib,
    "_out_of_range": out_of_range,
    "_read_only": read_only,
    "_reshape": reshape,
    "_resize": resize,
    "_result": result,
    "_select": select,
    "_view": view,
}
"""The names under which the generated source finds these."""
