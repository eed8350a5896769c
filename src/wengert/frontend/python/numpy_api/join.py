"""Arrays put together and taken apart: concatenate, stack, split, tile, repeat, roll."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr, Var
from wengert.ir.types import BOOL, I64, DType

from .. import arrays, numeric
from ..registry import handles, method
from ..values import RArray, RList, RScalar
from .common import (
    add_to_cell,
    array,
    axes_of,
    axis_of,
    cast,
    consume,
    dtype_of,
    element0,
    flat,
    hint_of,
    insert_axis,
    integer_expr,
    loop,
    part,
    permute,
    require_equal,
    require_nonempty,
    require_nonnegative,
    static_integer,
    store,
)
from .create import as_array, copy
from .reduce import written
from .shape import smaller, three_dimensional, two_dimensional

if TYPE_CHECKING:
    from ..interp import Interp


# -- joining ---------------------------------------------------------------------------------------------------


def sequence_of(interp: Interp, arrays_: Any) -> list[RArray]:
    """The arrays of a sequence (an array counts as the sequence of its rows)."""
    value = interp.resolve(arrays_)
    if isinstance(value, RList):
        value = array(interp, value)
    if isinstance(value, RArray):
        value = arrays.stored(interp.stage, value)
    return [array(interp, a) for a in interp.static_iterable(value)]


def rows_of(interp: Interp, arrays_: Any) -> RArray | None:
    """The sequence as one array with the sequence's positions as its first axis, if its length is a run-time number."""
    value = interp.resolve(arrays_)
    if isinstance(value, RList) or (isinstance(value, RArray) and value.rank and constant(value.shape[0]) is None):
        rows = arrays.stored(interp.stage, array(interp, value))
        return rows if constant(rows.shape[0]) is None else None
    return None


def _rows_joined(interp: Interp, rows: RArray, axis: int) -> RArray:
    """The rows one after another along an axis of theirs."""
    stage = interp.stage
    require_nonempty(stage, rows.shape[0], "need at least one array to concatenate")
    if rows.rank == 1:
        raise ValueError("zero-dimensional arrays cannot be concatenated")
    order = [*range(1, axis + 1), 0, *range(axis + 1, rows.rank)]
    moved = arrays.copy(stage, permute(stage, rows, order), hint_of(interp, "joined"))
    shape = (*moved.shape[:axis], imul(moved.shape[axis], moved.shape[axis + 1]), *moved.shape[axis + 2 :])
    return arrays.reshape(stage, moved, shape)


@handles(np.concatenate, np.concat)
def concatenate(
    interp: Interp, arrays_: Any, /, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    stage = interp.stage
    rows = rows_of(interp, arrays_)
    if rows is not None:
        result = flat(stage, arrays.copy(stage, rows)) if axis is None else None
        if result is None:
            result = _rows_joined(interp, rows, axis_of(interp, axis, rows.rank - 1))
        return written(interp, result if dtype is None else as_array(interp, result, dtype), out, "concatenate")
    parts = sequence_of(interp, arrays_)
    if not parts:
        raise ValueError("need at least one array to concatenate")
    if axis is None:
        parts, axis = [flat(stage, p) for p in parts], 0
    for p in parts:
        if p.rank == 0:
            raise ValueError("zero-dimensional arrays cannot be concatenated")
        if p.rank != parts[0].rank:
            raise ValueError(
                "all the input array dimensions except for the concatenation axis must match exactly, but the arrays "
                f"have {parts[0].rank} and {p.rank} dimension(s)"
            )
    place = axis_of(interp, axis, parts[0].rank)
    kind = DType.of(np.result_type(*{p.dtype.numpy for p in parts})) if dtype is None else dtype_of(interp, dtype)
    return written(interp, joined(interp, parts, place, kind), out, "concatenate")


def joined(interp: Interp, parts: Sequence[RArray], axis: int, dtype: DType) -> RArray:
    """A new array of the parts one after another along an axis."""
    stage = interp.stage
    for k, p in enumerate(parts[1:], 1):
        for d in range(p.rank):
            if d != axis:
                require_equal(
                    stage, parts[0].shape[d], p.shape[d],
                    "all the input array dimensions except for the concatenation axis must match exactly, but along "
                    f"dimension {d}, the array at index 0 has size {{}} and the array at index {k} has size {{}}",
                )  # fmt: skip
    total: Expr = ZERO
    places: list[Expr] = []
    for p in parts:
        places.append(total)
        total = iadd(total, p.shape[axis])
    seen: dict[int, RArray] = {}
    kept = [seen.setdefault(id(p), arrays.stored(stage, p) if _repeated(parts, p) else p) for p in parts]
    shape = (*parts[0].shape[:axis], total, *parts[0].shape[axis + 1 :])
    target = stage.alloc(dtype, shape, hint_of(interp, "joined"))
    for p, start in zip(kept, places, strict=True):
        consume(stage, p)
        arrays.fill(stage, part(stage, target, axis, start, p.shape[axis]), lambda i, p=p: arrays.element(p, i))
    return target


def _repeated(parts: Sequence[RArray], p: RArray) -> bool:
    return sum(q is p for q in parts) > 1


@handles(np.stack)
def stack(
    interp: Interp, arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    rows = rows_of(interp, arrays)
    if rows is not None:
        require_nonempty(interp.stage, rows.shape[0], "need at least one array to stack")
        place = axis_of(interp, axis, rows.rank)
        moved = permute(interp.stage, rows, [*range(1, place + 1), 0, *range(place + 1, rows.rank)])
        return written(interp, copy(interp, moved), out, "stack")
    parts = sequence_of(interp, arrays)
    if not parts:
        raise ValueError("need at least one array to stack")
    for p in parts[1:]:
        if p.rank != parts[0].rank:
            raise ValueError("all input arrays must have the same shape")
        for a, b in zip(parts[0].shape, p.shape, strict=True):
            require_equal(interp.stage, a, b, "all input arrays must have the same shape")
    place = axis_of(interp, axis, parts[0].rank + 1)
    return concatenate(interp, [insert_axis(interp.stage, p, place) for p in parts], place, out, dtype=dtype)


@handles(np.hstack)
def hstack(interp: Interp, tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    rows = rows_of(interp, tup)
    if rows is not None:
        return _rows_joined(interp, _ranked(interp, rows, 1), 0 if rows.rank <= 2 else 1)
    parts = [a if a.rank else insert_axis(interp.stage, a, 0) for a in sequence_of(interp, tup)]
    if not parts:
        raise ValueError("need at least one array to concatenate")
    return concatenate(interp, parts, 0 if parts[0].rank == 1 else 1, dtype=dtype)


@handles(np.vstack)
def vstack(interp: Interp, tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    rows = rows_of(interp, tup)
    if rows is not None:
        return _rows_joined(interp, _ranked(interp, rows, 2), 0)
    return concatenate(interp, [two_dimensional(interp, a) for a in sequence_of(interp, tup)], 0, dtype=dtype)


def _ranked(interp: Interp, rows: RArray, rank: int) -> RArray:
    """The rows with new axes in front until each has this rank."""
    while rows.rank - 1 < rank:
        rows = insert_axis(interp.stage, rows, 1)
    return rows


if hasattr(np, "row_stack"):
    handles(vars(np)["row_stack"])(vstack)


@handles(np.dstack)
def dstack(interp: Interp, tup: Any) -> Any:
    return concatenate(interp, [three_dimensional(interp, a) for a in sequence_of(interp, tup)], 2)


@handles(np.column_stack)
def column_stack(interp: Interp, tup: Any) -> Any:
    rows = rows_of(interp, tup)
    if rows is not None:
        while rows.rank < 3:
            rows = insert_axis(interp.stage, rows, rows.rank)
        return _rows_joined(interp, rows, 1)
    parts: list[RArray] = []
    for a in sequence_of(interp, tup):
        while a.rank < 2:
            a = insert_axis(interp.stage, a, a.rank)
        parts.append(a)
    return concatenate(interp, parts, 1)


@handles(np.append)
def append(interp: Interp, arr: Any, values: Any, axis: Any = None) -> Any:
    return concatenate(interp, [array(interp, arr), array(interp, values)], axis)


@handles(np.block)
def block(interp: Interp, arrays: Any) -> Any:
    """np.block of a list of lists of arrays of at most two axes."""
    rows = interp.static_iterable(arrays)
    if not all(isinstance(r, list) for r in rows):
        return hstack(interp, rows)
    return vstack(interp, [hstack(interp, [two_dimensional(interp, array(interp, a)) for a in r]) for r in rows])


# -- splitting -------------------------------------------------------------------------------------------------


def _split(interp: Interp, ary: Any, indices_or_sections: Any, axis: Any, equal: bool) -> list[RArray]:
    stage = interp.stage
    value = arrays.stored(stage, array(interp, ary))
    place = axis_of(interp, axis, value.rank)
    n = value.shape[place]
    sections = interp.resolve(indices_or_sections)
    if isinstance(sections, (list, tuple)) or (isinstance(sections, RArray) and sections.rank == 1):
        cuts = [integer_expr(interp, c) for c in interp.static_iterable(sections)]
        bounds = [ZERO, *(_clamped(interp, c, n) for c in cuts), n]
        starts = bounds[:-1]
        lengths = [smaller(interp, isub(b, a), n) for a, b in itertools.pairwise(bounds)]
    else:
        count = static_integer(interp, sections, "the number of sections")
        if count <= 0:
            raise ValueError("number sections must be larger than 0.")
        starts, lengths = _even_sections(interp, n, count, equal)
    pieces = [part(stage, value, place, s, e) for s, e in zip(starts, lengths, strict=True)]
    return stage.note_created(pieces)


def _clamped(interp: Interp, cut: Expr, n: Expr) -> Expr:
    from ..index import slice_of

    return slice_of(interp.stage, slice(RScalar(cut, True), None), n).start


def _even_sections(interp: Interp, n: Expr, count: int, equal: bool) -> tuple[list[Expr], list[Expr]]:
    from .reshaping import divide

    stage, k = interp.stage, Const(count, I64)
    known = constant(n)
    exact = divide(n, k)
    message = "array split does not result in an equal division"
    if known is not None:
        if equal and known % count:
            raise ValueError(message)
        sizes = [known // count + (j < known % count) for j in range(count)]
        return [Const(sum(sizes[:j]), I64) for j in range(count)], [Const(s, I64) for s in sizes]
    each = exact if exact is not None else stage.let(build.op("floordiv", n, k), "n")
    if exact is None and isinstance(each, Var):
        stage.facts.assume(each, 0, n)
    if exact is None and not equal:
        extra = stage.let(build.op("mod", n, k), "extra")
        before = [build.min_(extra, Const(j, I64)) for j in range(count + 1)]
        starts = [stage.let(build.add(imul(each, Const(j, I64)), before[j])) for j in range(count + 1)]
        lengths = [stage.let(build.sub(b, a), "n") for a, b in itertools.pairwise(starts)]
        for e in lengths:
            if isinstance(e, Var):
                stage.facts.assume(e, 0)
        return starts[:-1], lengths
    if exact is None:
        stage.fail_if(stage.let(build.ne(imul(each, k), n)), "ValueError", message)
    return [imul(each, Const(j, I64)) for j in range(count)], [each] * count


@handles(np.split)
def split(interp: Interp, ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[RArray]:
    return _split(interp, ary, indices_or_sections, axis, True)


@handles(np.array_split)
def array_split(interp: Interp, ary: Any, indices_or_sections: Any, axis: Any = 0) -> list[RArray]:
    return _split(interp, ary, indices_or_sections, axis, False)


@handles(np.hsplit)
def hsplit(interp: Interp, ary: Any, indices_or_sections: Any) -> list[RArray]:
    value = array(interp, ary)
    return _split(interp, value, indices_or_sections, 1 if value.rank > 1 else 0, True)


@handles(np.vsplit)
def vsplit(interp: Interp, ary: Any, indices_or_sections: Any) -> list[RArray]:
    return _split(interp, ary, indices_or_sections, 0, True)


@handles(np.dsplit)
def dsplit(interp: Interp, ary: Any, indices_or_sections: Any) -> list[RArray]:
    return _split(interp, ary, indices_or_sections, 2, True)


# -- repeating -------------------------------------------------------------------------------------------------


@handles(np.tile)
def tile(interp: Interp, A: Any, reps: Any) -> RArray:
    stage = interp.stage
    value = arrays.stored(stage, array(interp, A))
    counts_ = interp.resolve(reps)
    listed = interp.static_iterable(counts_) if isinstance(counts_, (tuple, list)) else [counts_]
    counts: list[Expr] = [integer_expr(interp, r) for r in listed]
    for c in counts:
        require_nonnegative(stage, c, "negative dimensions are not allowed")
    while value.rank < len(counts):
        value = insert_axis(stage, value, 0)
    counts = [ONE] * (value.rank - len(counts)) + counts
    shape = tuple(imul(c, e) for c, e in zip(counts, value.shape, strict=True))
    target = stage.alloc(value.dtype, shape, hint_of(interp, "tiled"))
    repeated = [k for k, c in enumerate(counts) if constant(c) != 1]

    def body(index: tuple[Expr, ...]) -> None:
        inner, copies = index[: value.rank], dict(zip(repeated, index[value.rank :], strict=True))
        at = [iadd(imul(copies[k], value.shape[k]), i) if k in copies else i for k, i in enumerate(inner)]
        store(stage, target, at, arrays.element(value, inner))

    arrays.nest(stage, [*value.shape, *(counts[k] for k in repeated)], body)
    return target


@handles(np.repeat)
@method("repeat")
def repeat(interp: Interp, a: Any, repeats: Any, axis: Any = None) -> RArray:
    stage = interp.stage
    value = array(interp, a)
    if axis is None:
        value, axis = flat(stage, value), 0
    value = arrays.stored(stage, value)
    place = axis_of(interp, axis, value.rank)
    times = interp.resolve(repeats)
    if not numeric.is_number(times):
        times = array(interp, times)
        if times.rank == 1 and constant(times.shape[0]) != 1:
            return _repeat_each(interp, value, place, times)
        times = element0(stage, arrays.reshape(stage, times, ()))
    count = integer_expr(interp, times)
    require_nonnegative(stage, count, "repeats may not contain negative values.")
    shape = (*value.shape[:place], imul(value.shape[place], count), *value.shape[place + 1 :])
    target = stage.alloc(value.dtype, shape, hint_of(interp, "repeated"))

    def body(index: tuple[Expr, ...]) -> None:
        inner, copy = index[:-1], index[-1]
        at = [iadd(imul(i, count), copy) if k == place else i for k, i in enumerate(inner)]
        store(stage, target, at, arrays.element(value, inner))

    arrays.nest(stage, [*value.shape, count], body)
    return target


def _repeat_each(interp: Interp, value: RArray, axis: int, times: RArray) -> RArray:
    """np.repeat with a count per element: gathered through an index array."""
    stage = interp.stage
    n = value.shape[axis]
    require_equal(stage, n, times.shape[0], "operands could not be broadcast together with shape ({},) ({},)")
    times = arrays.stored(stage, cast(stage, times, I64))
    negative = stage.cell(BOOL, "negative", init=build.const(False, BOOL))
    total = stage.cell(I64, "total", init=ZERO)

    def count(i: tuple[Expr, ...]) -> None:
        t = stage.let(arrays.element(times, i))
        add_to_cell(stage, negative, build.lt(t, ZERO), "max")
        add_to_cell(stage, total, t)

    arrays.nest(stage, (n,), count)
    stage.fail_if(stage.load_cell(negative, "negative"), "ValueError", "repeats may not contain negative values.")
    length = stage.load_cell(total, "n")
    stage.count(length)
    source = stage.alloc(I64, (length,), "source")
    place = stage.cell(I64, "place", init=ZERO)

    def put(i: Expr) -> None:
        store(stage, source, (stage.load_cell(place, "p"),), i)
        add_to_cell(stage, place, ONE)

    loop(
        stage, ZERO, n, lambda i: loop(stage, ZERO, stage.let(arrays.element(times, (i,))), lambda k: put(i), "k"), "i"
    )
    shape = (*value.shape[:axis], length, *value.shape[axis + 1 :])
    return arrays.lazy(
        stage, value.dtype, shape,
        lambda i: arrays.element(value, [*i[:axis], arrays.element(source, (i[axis],)), *i[axis + 1 :]]),
        [value, source],
    )  # fmt: skip


@handles(np.roll)
def roll(interp: Interp, a: Any, shift: Any, axis: Any = None) -> RArray:
    """np.roll: each axis in two pieces, so that no index needs a division."""
    stage = interp.stage
    value = arrays.stored(stage, array(interp, a))
    if axis is None:
        rolled = roll(interp, flat(stage, value), shift, 0)
        return rolled if value.rank == 1 else arrays.reshape(stage, rolled, value.shape)
    axes = axes_of(interp, axis, value.rank)
    shifts = interp.static_iterable(shift) if isinstance(shift, (tuple, list)) else [shift] * len(axes)
    if len(shifts) == 1:
        shifts = shifts * len(axes)
    for place, by in zip(axes, shifts, strict=True):
        value = _rolled(interp, value, place, integer_expr(interp, by))
    return value


def _rolled(interp: Interp, value: RArray, axis: int, by: Expr) -> RArray:
    stage = interp.stage
    n = value.shape[axis]
    size, amount = constant(n), constant(by)
    if amount is not None and size is not None:
        moved: Expr = Const(amount % size if size else 0, I64)
    elif amount is not None and stage.nonnegative(isub(n, Const(abs(amount), I64))):
        moved = Const(amount, I64) if amount >= 0 else isub(n, Const(-amount, I64))
    else:
        moved = stage.let(build.op("mod", by, build.max_(n, ONE)), "shift")
        if isinstance(moved, Var):
            stage.facts.assume(moved, 0, n)
    rest = isub(n, moved)
    target = stage.alloc(value.dtype, value.shape, hint_of(interp, "rolled"))
    for start, source, length in ((ZERO, rest, moved), (moved, ZERO, rest)):
        piece = part(stage, value, axis, source, length)
        arrays.fill(stage, part(stage, target, axis, start, length), lambda i, p=piece: arrays.element(p, i))
    return target
