"""Indexing of runtime arrays: every kind NumPy has, for reading and for writing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, AccumulateOp, Const, Expr, If, Loop, Stmt, Store, Var
from wengert.ir.types import BOOL, I64, DType

from . import arrays, float_errors, masks, numeric
from .python_values import is_slice, is_tuple
from .stage import Stage
from .values import Element, RArray, RScalar


@dataclass(frozen=True)
class _Int:
    at: Expr


@dataclass(frozen=True)
class _Slice:
    start: Expr
    step: Expr
    extent: Expr


class _New:
    pass


@dataclass(frozen=True)
class _Gather:
    indices: RArray | Expr
    unique: bool


Entry = _Int | _Slice | _New | _Gather


def normalise(stage: Stage, at: Expr, extent: Expr, axis: int = 0) -> Expr:
    """A valid position for a Python index: negative ones count from the end, others out of range fail."""
    facts = stage.facts
    below = stage.nonnegative(at)
    if not below and facts.less(at, ZERO):
        wrapped = iadd(at, extent)
        if not stage.nonnegative(wrapped):
            _out_of_bounds(stage, build.lt(wrapped, ZERO), at, extent, axis)
        return wrapped
    if below:
        if not stage.less(at, extent):
            _out_of_bounds(stage, build.ge(at, extent), at, extent, axis)
        return at
    if not stage.less(at, extent):
        _out_of_bounds(stage, build.ge(at, extent), at, extent, axis)
    fits = stage.nonnegative(iadd(at, extent))
    at = stage.let(at, "i")
    wrapped = stage.let(build.select(build.lt(at, ZERO), iadd(at, extent), at), "i")
    if not fits:
        _out_of_bounds(stage, build.lt(wrapped, ZERO), at, extent, axis)
    return wrapped


def _out_of_bounds(stage: Stage, cond: Expr, at: Expr, extent: Expr, axis: int) -> None:
    stage.fail_if(
        stage.let(cond), "IndexError", f"index {{}} is out of bounds for axis {axis} with size {{}}", (at, extent)
    )


def as_index(value: Any) -> Expr:
    """The integer expression of a Python or NumPy integer."""
    s = numeric.as_scalar(value)
    if not (s.dtype.is_integer or s.dtype is BOOL):
        raise IndexError("only integers, slices, ellipsis, newaxis and integer or boolean arrays are valid indices")
    return build.cast(s.expr, I64)


def _as_bound(value: Any) -> Expr:
    """The integer expression of a bound or step of a slice."""
    s = numeric.as_scalar(value)
    if not (s.dtype.is_integer or s.dtype is BOOL):
        raise TypeError("slice indices must be integers or None or have an __index__ method")
    return build.cast(s.expr, I64)


def slice_of(stage: Stage, s: slice, extent: Expr) -> _Slice:
    """Start, step and length of a slice of an axis, with Python's clamping."""
    step = 1 if s.step is None else s.step
    if not isinstance(step, int):
        step = stage.static_int(_as_bound(step), "a slice step")
    if step == 0:
        raise ValueError("slice step cannot be zero")
    low, high = (ZERO, extent) if step > 0 else (Const(-1, I64), isub(extent, ONE))
    start = (low if step > 0 else high) if s.start is None else _clamp(stage, _as_bound(s.start), extent, low, high)
    stop = (high if step > 0 else low) if s.stop is None else _clamp(stage, _as_bound(s.stop), extent, low, high)
    distance = isub(stop, start) if step > 0 else isub(start, stop)
    if not stage.nonnegative(distance):
        distance = stage.let(build.max_(distance, ZERO), "n")
        _assume_length(stage, distance)
    if abs(step) == 1:
        length = distance
    else:
        total = iadd(distance, Const(abs(step) - 1, I64))
        value = constant(total)
        if value is not None:
            length = Const(value // abs(step), I64)
        else:
            length = stage.let(build.op("floordiv", total, Const(abs(step), I64)), "n")
            if isinstance(length, Var):
                stage.facts.assume(length, 0, distance)
    return _Slice(start, Const(step, I64), length)


def _assume_length(stage: Stage, length: Expr) -> None:
    if isinstance(length, Var):
        stage.facts.assume(length, 0)


def _clamp(stage: Stage, at: Expr, extent: Expr, low: Expr, high: Expr) -> Expr:
    """A slice bound: negative ones count from the end, then clamped to [low, high]."""
    if stage.nonnegative(at):
        return at if stage.nonnegative(isub(high, at)) else _named(stage, build.min_(at, high), None, high)
    if stage.facts.less(at, ZERO):
        at = iadd(at, extent)
        return at if stage.nonnegative(isub(at, low)) else _named(stage, build.max_(at, low), low, None)
    at = stage.let(at, "i")
    inside = build.select(build.lt(at, ZERO), build.max_(iadd(at, extent), low), build.min_(at, high))
    return _named(stage, inside, low, high)


def _named(stage: Stage, value: Expr, low: Expr | None, high: Expr | None) -> Expr:
    named = stage.let(value, "i")
    if isinstance(named, Var):
        if low is None:
            low = ZERO
        stage.facts.assume(named, low, high)
    return named


# -- entries ----------------------------------------------------------------------------------------------------


def entries_of(stage: Stage, array: RArray, key: Any) -> list[Entry]:
    """One entry per array axis (plus new axes), ellipsis expanded, masks turned into index arrays."""
    parts: list[Any] = list(key) if is_tuple(key) else [key]
    parts = [_as_array_index(stage, p) for p in parts]
    indices = [p for p in parts if p is not None and p is not Ellipsis]
    used = sum(p.rank if isinstance(p, RArray) and p.dtype is BOOL else 1 for p in indices)
    if used > array.rank:
        raise IndexError(f"too many indices for array: array is {array.rank}-dimensional, but {used} were indexed")
    if Ellipsis not in [p for p in parts if p is Ellipsis]:
        parts.append(Ellipsis)
    entries: list[Entry] = []
    axis = 0
    for p in parts:
        match p:
            case None:
                entries.append(_New())
            case _ if p is Ellipsis:
                for _ in range(array.rank - used):
                    entries.append(_Slice(ZERO, ONE, array.shape[axis]))
                    axis += 1
            case _ if is_slice(p):
                entries.append(slice_of(stage, p, array.shape[axis]))
                axis += 1
            case RArray() if p.dtype is BOOL:
                masks.require_matching(stage, p, array.shape[axis : axis + p.rank], axis)
                entries.extend(_Gather(i, True) for i in masks.positions(stage, p))
                axis += p.rank
            case RArray():
                entries.append(_Gather(checked_indices(stage, p, array.shape[axis], axis), False))
                axis += 1
            case _:
                entries.append(_Int(normalise(stage, as_index(p), array.shape[axis], axis)))
                axis += 1
    return entries


def _as_array_index(stage: Stage, part: Any) -> Any:
    if isinstance(part, (list, tuple, np.ndarray)):
        return stage.interp.as_array(part)
    if _is_single_bool(part):
        raise stage.refuse("a single bool beside other indices", "index with it first: a[flag][..., i]")
    if isinstance(part, RArray):
        if part.dtype.is_inexact:
            raise IndexError("arrays used as indices must be of integer (or boolean) type")
        if part.rank == 0:
            return RScalar(stage.let(arrays.element(part, ())), False)
        return masks.stored(stage, part) if part.dtype is BOOL else arrays.stored(stage, part, "index")
    return part


def _is_single_bool(part: Any) -> bool:
    single = isinstance(part, RScalar) or (isinstance(part, RArray) and part.rank == 0)
    return isinstance(part, (bool, np.bool_)) or (single and part.dtype is BOOL)


def _by_mask(stage: Stage, array: RArray, key: Any) -> tuple[RArray, Any]:
    """A single bool is a mask of no axes: the same as one of one element, over a new axis."""
    if not _is_single_bool(key):
        return array, key
    flag = arrays.element(key, ()) if isinstance(key, RArray) else numeric.as_scalar(key).expr
    mask = arrays.lazy(stage, BOOL, (ONE,), lambda _: flag, [])
    return view(stage, array, entries_of(stage, array, None)), mask


def checked_indices(stage: Stage, index: RArray, extent: Expr, axis: int) -> RArray:
    """The index array with negative entries wrapped; fails here if any is out of range."""
    bound = stage.safe_indices.get(index.root.name) if index.root is not None else None
    if bound is not None and stage.same(bound, extent) and index.root is not None and index.root.stores <= 1:
        return index

    caught = bool(stage.escapes)  # the program handles errors here: they are decided after the loop
    outside = stage.cell(BOOL, "outside", init=Const(False, BOOL)) if caught else None
    which = stage.cell(I64, "which", init=ZERO) if caught else None

    def check(at: tuple[Expr, ...]) -> None:
        i = stage.let(build.cast(arrays.element(index, at), I64), "i")
        bad = build.op("or", build.lt(i, build.neg(extent)), build.ge(i, extent))
        if outside is None or which is None:
            _out_of_bounds(stage, bad, i, extent, axis)
        else:
            noted = (Store(which.name, (), i, stage.span), Store(outside.name, (), Const(True, BOOL), stage.span))
            stage.emit(If(stage.let(bad), noted, (), stage.span))

    arrays.nest(stage, index.shape, check)
    if outside is not None and which is not None:
        _out_of_bounds(stage, stage.load_cell(outside, "outside"), stage.load_cell(which, "i"), extent, axis)

    def wrapped(at: Sequence[Expr]) -> Expr:
        i = stage.let(build.cast(arrays.element(index, at), I64), "i")
        return build.select(build.lt(i, ZERO), iadd(i, extent), i)

    return RArray(I64, index.shape, None, lazy=wrapped, reads=(index,))


# -- reading ----------------------------------------------------------------------------------------------------


def getitem(stage: Stage, array: RArray, key: Any) -> RArray | RScalar:
    """array[key]: a view where NumPy gives one, a scalar if every axis is indexed, else a (lazy) copy."""
    array, key = _by_mask(stage, array, key)
    entries = entries_of(stage, array, key)
    if any(isinstance(e, _Gather) for e in entries):
        target, shape = gather_map(stage, array, entries)
        source = arrays.stored(stage, array) if array.cost > arrays.CHEAP else array
        reads = [source, *(e.indices for e in entries if isinstance(e, _Gather) and isinstance(e.indices, RArray))]
        return arrays.lazy(stage, array.dtype, shape, lambda i: arrays.element(source, target(i)), reads)
    whole = any(p is Ellipsis for p in (key if is_tuple(key) else (key,)))  # gives a view, of no axes if need be
    if all(isinstance(e, _Int) for e in entries) and not whole:
        value = arrays.element(array, [e.at for e in entries if isinstance(e, _Int)])
        return RScalar(stage.let(value, _hint(array)), False)
    return view(stage, array, entries)


def _hint(array: RArray) -> str:
    return f"{array.root.name}_i" if array.root is not None else "t"


def view(stage: Stage, array: RArray, entries: Sequence[Entry]) -> RArray:
    """The view that integers, slices and new axes select."""
    if array.lazy is not None:
        inner = array.lazy
        shape = tuple(ONE if isinstance(e, _New) else e.extent for e in entries if not isinstance(e, (_Int, _Gather)))

        def at(index: Sequence[Expr]) -> Expr:
            rest = iter(index)
            full: list[Expr] = []
            for e in entries:
                match e:
                    case _Int(i):
                        full.append(i)
                    case _Slice(start, step, _):
                        full.append(iadd(start, imul(step, next(rest))))
                    case _:
                        next(rest)
            return inner(full)

        return arrays.lazy(stage, array.dtype, shape, at, [array], cost=0)
    start = list(array.start)
    axes: list[tuple[int | None, Expr]] = []
    shape_list: list[Expr] = []
    source = 0
    for e in entries:
        if isinstance(e, _New):
            axes.append((None, ZERO))
            shape_list.append(ONE)
            continue
        axis, step = array.axes[source]
        source += 1
        match e:
            case _Int(i):
                if axis is not None:
                    start[axis] = iadd(start[axis], imul(step, i))
            case _Slice(first, stride, extent):
                if axis is not None:
                    start[axis] = iadd(start[axis], imul(step, first))
                axes.append((axis, imul(step, stride) if axis is not None else ZERO))
                shape_list.append(extent)
            case _:
                raise AssertionError(e)
    return replace(array, shape=tuple(shape_list), start=tuple(start), axes=tuple(axes))


def broadcast_indices(stage: Stage, shapes: Sequence[tuple[Expr, ...]]) -> tuple[Expr, ...]:
    """The common shape of index arrays; raises IndexError."""
    message = "shape mismatch: indexing arrays could not be broadcast together: extents {} and {}"
    return arrays.broadcast_shapes(stage, shapes, IndexError, message)


def gather_map(stage: Stage, array: RArray, entries: Sequence[Entry]) -> tuple[Any, tuple[Expr, ...]]:
    """For advanced indexing: the map from result indices to array indices, and the result's shape."""
    entries = [_Gather(e.at, True) if isinstance(e, _Int) else e for e in entries]
    index_arrays = [e.indices for e in entries if isinstance(e, _Gather) and isinstance(e.indices, RArray)]
    shape = broadcast_indices(stage, [a.shape for a in index_arrays])
    places = [k for k, e in enumerate(entries) if isinstance(e, _Gather)]
    adjacent = places == list(range(places[0], places[0] + len(places)))
    first = places[0] if adjacent else 0
    rest = [e for e in entries if not isinstance(e, _Gather)]
    plain = [e.extent if isinstance(e, _Slice) else ONE for e in rest]
    result = tuple(plain[:first]) + shape + tuple(plain[first:])
    wide = {id(a): arrays.broadcast(stage, a, shape) for a in index_arrays}

    def target(index: Sequence[Expr]) -> list[Expr]:
        picked = list(index[first : first + len(shape)])
        others = iter([*index[:first], *index[first + len(shape) :]])
        full: list[Expr] = []
        for e in entries:
            match e:
                case _Gather(i, _):
                    full.append(build.cast(arrays.element(wide[id(i)], picked), I64) if isinstance(i, RArray) else i)
                case _Slice(start, step, _):
                    full.append(iadd(start, imul(step, next(others))))
                case _:
                    next(others)
        return full

    return target, result


# -- writing ----------------------------------------------------------------------------------------------------


def setitem(stage: Stage, array: RArray, key: Any, value: Any) -> None:
    """array[key] = value."""
    require_writable(stage, array)
    array, key = _by_mask(stage, array, key)
    assert array.root is not None
    if isinstance(key, RArray) and key.dtype is BOOL and key.rank == array.rank and numeric.is_number(value):
        masks.fill(stage, array, key, numeric.as_scalar(value).expr)
        return
    entries = entries_of(stage, array, key)
    if any(isinstance(e, _Gather) for e in entries):
        masked = isinstance(key, RArray) and key.dtype is BOOL and isinstance(value, RArray)
        if not masked or not masks.store(stage, array, key, value):
            _scatter(stage, array, entries, value, None)
        return
    if all(isinstance(e, _Int) for e in entries):
        if isinstance(value, RArray):
            value = RScalar(stage.let(arrays.element(arrays.squeeze_to(value, 0), ())), False)
        expr = _convert(stage, numeric.as_scalar(value), array.dtype)
        arrays.before_store(stage, array.root)
        arrays.put(stage, array, [e.at for e in entries if isinstance(e, _Int)], expr)
        return
    if not isinstance(value, RArray):
        value = _convert(stage, numeric.as_scalar(value), array.dtype)
    arrays.assign(stage, view(stage, array, entries), value)


def _convert(stage: Stage, value: RScalar, dtype: DType) -> Expr:
    if value.dtype.is_complex and not dtype.is_complex:
        raise stage.refuse(
            "a complex value is stored into a real array", "take .real first, or make the array complex", Code.KIND
        )
    return build.cast(value.expr, dtype)


def require_writable(stage: Stage, array: RArray) -> None:
    """Raise unless the array is memory that may be written: ValueError if it is read-only."""
    if array.lazy is not None or array.root is None:
        raise stage.refuse(
            "this assignment writes into a temporary array", "bind the array to a name first", Code.MEMORY
        )
    if array.root.detached:
        if array.root.current is not None:
            array.root.current(True)
        reason = "an array taken from a growing list is changed in place"
        raise stage.refuse(reason, "collect the arrays in one array instead", Code.MEMORY)
    repeats = any(axis is None and constant(e) != 1 for (axis, _), e in zip(array.axes, array.shape, strict=True))
    if array.root.readonly or array.readonly or repeats:
        raise ValueError("assignment destination is read-only")


def _scatter(stage: Stage, array: RArray, entries: Sequence[Entry], value: Any, op: AccumulateOp | None) -> None:
    """array[entries] = value, or with `op` an unbuffered accumulation (ufunc.at)."""
    assert array.root is not None
    entries = [_apart(stage, array, e) for e in entries]
    target, shape = gather_map(stage, array, entries)
    if isinstance(value, RArray):
        value = arrays.squeeze_to(value, len(shape))
        arrays.require_fits(stage, value.shape, shape, MISMATCH)
        if arrays.overlaps(stage, array, value) or value.lazy is not None:
            value = arrays.copy(stage, value)
    fn = _operand(stage, value, shape, array.dtype)
    arrays.before_store(stage, array.root)

    def body(index: tuple[Expr, ...]) -> None:
        if op is None:
            arrays.put(stage, array, target(index), fn(index))
        else:
            arrays.add(stage, array, target(index), fn(index), op)

    if op is not None:
        arrays.nest(stage, shape, body)
        return
    names = [stage.fresh("ijklmnpq"[k]) for k in range(len(shape))]
    with stage.block() as stmts:
        body(tuple(Var(n, I64) for n in names))
    block: tuple[Stmt, ...] = tuple(stmts)
    for n, e in reversed(list(zip(names, shape, strict=True))):
        block = (Loop(n, ZERO, e, block, span=stage.span),)
    for s in block:
        stage.emit(s)


MISMATCH = "shape mismatch: value array of shape {} could not be broadcast to indexing result of shape {}"


def _apart(stage: Stage, array: RArray, entry: Entry) -> Entry:
    """The entry with an index array that what is written does not change: `a[a[1:]] = v`."""
    match entry:
        case _Gather(RArray() as indices, unique) if arrays.overlaps(stage, array, indices):
            return _Gather(arrays.copy(stage, indices, "index"), unique)
        case _:
            return entry


def accumulate_at(stage: Stage, array: RArray, key: Any, value: Any, op: AccumulateOp) -> None:
    """ufunc.at: unbuffered array[key] op= value, repeated indices included."""
    require_writable(stage, array)
    entries = entries_of(stage, array, key)
    if not any(isinstance(e, _Gather) for e in entries):
        target = getitem_for_update(stage, array, key)
        assert target.root is not None
        arrays.before_store(stage, target.root)
        expr = numeric.as_scalar(value).expr
        arrays.accumulate(stage, target, lambda i: expr, op)
        return
    _scatter(stage, array, entries, value, op)


def getitem_for_update(stage: Stage, array: RArray, key: Any) -> RArray:
    """The view that an in-place operation on array[key] writes (rank 0 for a single element)."""
    require_writable(stage, array)
    return view(stage, array, entries_of(stage, array, key))


def is_advanced(key: Any) -> bool:
    parts: tuple[Any, ...] = key if is_tuple(key) else (key,)
    return _is_single_bool(key) or any(
        isinstance(p, (list, np.ndarray)) or (isinstance(p, RArray) and p.rank > 0) for p in parts
    )


def _operand(stage: Stage, value: Any, shape: tuple[Expr, ...], dtype: DType) -> Element:
    """The elements of a number or array, broadcast to a shape and cast."""
    if not isinstance(value, RArray):
        expr = build.cast(numeric.as_scalar(value).expr, dtype)
        return lambda i: expr
    source = arrays.broadcast(stage, value, shape)
    stage.pending.pop(id(source), None)
    return lambda i: build.cast(arrays.element(source, i), dtype)


def update(stage: Stage, target: RArray, symbol: str, value: Any) -> None:
    """target symbol= value, elementwise and in place (`target` is a view, rank 0 for one element)."""
    require_writable(stage, target)
    assert target.root is not None
    function = numeric.OPERATORS[symbol][1]
    float_errors.unchecked(stage, "an in-place operation")
    inputs, output = numeric.loop_types(function, [target, value])
    if not np.can_cast(output.numpy, target.dtype.numpy, "same_kind"):
        raise TypeError(
            f"Cannot cast ufunc {function.__name__!r} output from {output.numpy!r} to {target.dtype.numpy!r} "
            "with casting rule 'same_kind'"
        )
    if isinstance(value, RArray):
        if target.rank == 0:
            value = arrays.squeeze_to(value, 0)
        arrays.require_fits(
            stage, value.shape, target.shape, "an operand of shape {} cannot be broadcast into an output of shape {}"
        )
        if arrays.conflicts(stage, target, value):
            value = arrays.copy(stage, value)
        stage.pending.pop(id(value), None)
    arrays.before_store(stage, target.root)
    operand = _operand(stage, value, target.shape, inputs[1])
    if symbol in "+-" and output is target.dtype and target.dtype is not BOOL:
        arrays.accumulate(stage, target, operand if symbol == "+" else lambda i: build.neg(operand(i)))
        return
    fn = numeric.UFUNCS[function]

    def updated(i: Sequence[Expr]) -> Expr:
        old = build.cast(arrays.element(target, i), inputs[0])
        return build.cast(fn(stage, [old, operand(i)]), target.dtype)

    arrays.fill(stage, target, updated)
