"""What the handlers share: reading arguments (dtypes, axes, shapes, integers), views along an axis, emitted loops."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Accumulate, AccumulateOp, Const, Expr, If, Load, Loop, Var
from wengert.ir.types import BOOL, I64, DType

from .. import arrays, numeric
from ..frame import PyRaise
from ..stage import Stage
from ..values import Element, RArray, RList, Root, RRange, RScalar

if TYPE_CHECKING:
    from ..interp import Interp

Body = Callable[[tuple[Expr, ...]], None]
Scalarwise = Callable[[Expr], Expr]


class NoValue:
    """Stands for an argument that was not given, where None means something else."""

    def __repr__(self) -> str:
        return "<no value>"


NO_VALUE: Any = NoValue()
_NUMPYS: Any = vars(np)["_NoValue"]


def given(value: Any) -> bool:
    """Whether an optional argument was given (NumPy's own marker counts as not given)."""
    return value is not NO_VALUE and value is not _NUMPYS


# -- errors ----------------------------------------------------------------------------------------------------


def type_error(message: str) -> NoReturn:
    """Raise TypeError in the staged program."""
    raise PyRaise(TypeError(message))


def only_default(interp: Interp, function: str, **options: tuple[Any, Any]) -> None:
    """Refuse options (value, default) that are given and differ from their default (`like` may be an array)."""
    for name, (value, default) in options.items():
        if name == "like" and isinstance(value, RArray):
            continue
        if value is not default and given(value) and not (isinstance(value, (str, bool, int)) and value == default):
            raise interp.stage.refuse(f"{function}({name}=...) is not supported", f"call it without {name}")


# -- arguments -------------------------------------------------------------------------------------------------


def dtype_of(interp: Interp, dtype: Any) -> DType:
    """The IR type of a dtype argument."""
    try:
        return DType.of(np.dtype(dtype))
    except (KeyError, TypeError):
        raise interp.stage.refuse(
            f"dtype {dtype!r} has no native counterpart",
            "use float32/64, complex64/128, bool or an integer dtype",
            Code.DTYPE,
        ) from None


def integer_expr(interp: Interp, value: Any) -> Expr:
    """The i64 expression of an integer argument; raises TypeError for anything else."""
    value = interp.resolve(value)
    if isinstance(value, RArray) and value.rank == 0:
        value = RScalar(interp.stage.let(arrays.element(value, ())), False)
    if numeric.is_number(value):
        scalar = numeric.as_scalar(value)
        if scalar.dtype.is_integer or scalar.dtype is BOOL:
            return build.cast(scalar.expr, I64)
    type_error(f"'{type_name(value)}' object cannot be interpreted as an integer")


def type_name(value: Any) -> str:
    """The name of the type the program sees."""
    if isinstance(value, RScalar):
        kinds = {"b": "bool", "i": "int", "u": "int", "f": "float", "c": "complex"}
        return kinds[value.dtype.numpy.kind] if value.python else value.dtype.numpy.name
    return "numpy.ndarray" if isinstance(value, RArray) else type(value).__name__


def static_integer(interp: Interp, value: Any, reason: str) -> int:
    """An integer argument that staging must know."""
    return interp.stage.static_int(integer_expr(interp, value), reason)


def axis_of(interp: Interp, axis: Any, rank: int, reason: str = "an axis") -> int:
    """A normalised axis; raises AxisError if it is out of range."""
    number = static_integer(interp, axis, reason)
    if not -rank <= number < rank:
        raise np.exceptions.AxisError(number, rank)
    return number % rank


def axes_of(interp: Interp, axis: Any, rank: int) -> tuple[int, ...]:
    """The normalised axes of an `axis` argument: None (all), an integer or a tuple."""
    axis = interp.resolve(axis)
    if axis is None:
        return tuple(range(rank))
    if isinstance(axis, (tuple, list)):
        axes = tuple(axis_of(interp, a, rank) for a in several(axis))
        if len(set(axes)) != len(axes):
            raise ValueError("duplicate value in 'axis'")
        return axes
    return (axis_of(interp, axis, rank),)


def shape_of(interp: Interp, shape: Any) -> tuple[Expr, ...]:
    """The extents of a shape argument: an integer or a sequence of them; negative ones raise ValueError."""
    shape = interp.resolve(shape)
    parts = interp.static_iterable(shape) if _is_sequence(shape) else [shape]
    extents = tuple(integer_expr(interp, p) for p in parts)
    for extent in extents:
        require_nonnegative(interp.stage, extent, "negative dimensions are not allowed")
    return extents


def _is_sequence(value: Any) -> bool:
    return isinstance(value, (tuple, list, RList, RRange, range, np.ndarray)) or (
        isinstance(value, RArray) and value.rank == 1
    )


def require_nonnegative(stage: Stage, extent: Expr, message: str) -> None:
    """Raise ValueError here unless extent >= 0."""
    value = constant(extent)
    if value is not None and value < 0:
        raise ValueError(message)
    if not stage.nonnegative(extent):
        stage.fail_if(stage.let(build.lt(extent, ZERO)), "ValueError", message)


def require_equal(stage: Stage, a: Expr, b: Expr, message: str) -> None:
    """Raise ValueError here unless the extents are equal; each {} of the message shows one of them."""
    if stage.same(a, b):
        return
    x, y = constant(a), constant(b)
    if x is not None and y is not None:
        raise ValueError(message.format(x, y))
    shown = (a, b) if message.count("{}") == 2 else ()
    stage.fail_if(stage.let(build.ne(a, b)), "ValueError", message, shown)


def require_nonempty(stage: Stage, extent: Expr, message: str) -> None:
    """Raise ValueError here unless extent > 0."""
    if constant(extent) == 0:
        raise ValueError(message)
    if not stage.less(ZERO, extent):
        stage.fail_if(stage.let(build.le(extent, ZERO)), "ValueError", message)


def holds(flag: Any) -> bool:
    """Whether a static flag is True (arrays and run-time flags are not)."""
    return flag is True or (isinstance(flag, np.bool_) and bool(cast_any(flag)))


def several(value: Any) -> list[Any]:
    """The items of a tuple or list, or the value alone."""
    return list(cast_any(value)) if isinstance(value, (tuple, list)) else [value]


def cast_any(value: Any) -> Any:
    """The value, of any type as far as type checkers go."""
    return value


def numbers(interp: Interp, value: Any) -> Any:
    """An elementwise operand: an array of rank one or more, or a number (arrays of rank 0 become NumPy scalars)."""
    value = interp.resolve(value)
    if not isinstance(value, RArray):
        if numeric.is_number(value):
            return value
        value = interp.as_array(value)
    if value.rank == 0:
        return element0(interp.stage, value)
    return value


def element0(stage: Stage, array: RArray) -> RScalar:
    """The value of a rank-0 array."""
    value = stage.let(arrays.element(array, ()))
    consume(stage, array)
    return RScalar(value, False)


def array(interp: Interp, value: Any) -> RArray:
    """The argument as an array."""
    return interp.as_array(interp.resolve(value))


def stored(interp: Interp, value: Any, hint: str = "t") -> RArray:
    """The argument as an array in memory."""
    return arrays.stored(interp.stage, array(interp, value), hint)


def number_dtype(value: Any) -> DType:
    """The dtype NumPy gives an array made of this operand."""
    return value.dtype if isinstance(value, RArray) else numeric.as_scalar(value).dtype


def scalar(stage: Stage, expr: Expr, hint: str = "t") -> RScalar:
    """A NumPy scalar."""
    return RScalar(stage.let(expr, hint), False)


def hint_of(interp: Interp, default: str) -> str:
    """The name the result will be bound to, if the interpreter knows it."""
    return default if interp.name_hint == "t" else interp.name_hint


def consume(stage: Stage, *used: RArray) -> None:
    """Note that lazy arrays have been read for the last time."""
    for a in used:
        stage.pending.pop(id(a), None)


def python_int(expr: Expr) -> Any:
    """A Python integer: static if constant."""
    value = constant(expr)
    return RScalar(expr, True) if value is None else value


# -- views along an axis ---------------------------------------------------------------------------------------


def fix(stage: Stage, a: RArray, axis: int, at: Expr) -> RArray:
    """The view a[..., at, ...] without the axis."""
    shape = a.shape[:axis] + a.shape[axis + 1 :]
    if a.lazy is not None:
        inner = a.lazy
        return arrays.lazy(stage, a.dtype, shape, lambda i: inner([*i[:axis], at, *i[axis:]]), [a], cost=0)
    start = _moved(a, axis, at)
    return replace(a, shape=shape, start=start, axes=a.axes[:axis] + a.axes[axis + 1 :])


def part(stage: Stage, a: RArray, axis: int, start: Expr, extent: Expr, step: Expr = ONE) -> RArray:
    """The view a[..., start : : step, ...] with `extent` elements along the axis, all in range."""
    shape = (*a.shape[:axis], extent, *a.shape[axis + 1 :])
    if a.lazy is not None:
        inner = a.lazy

        def at(i: Sequence[Expr]) -> Expr:
            return inner([*i[:axis], iadd(start, imul(step, i[axis])), *i[axis + 1 :]])

        return arrays.lazy(stage, a.dtype, shape, at, [a], cost=0)
    k, stride = a.axes[axis]
    axes = (*a.axes[:axis], (k, ZERO if k is None else imul(stride, step)), *a.axes[axis + 1 :])
    return replace(a, shape=shape, start=_moved(a, axis, start), axes=axes)


def _moved(a: RArray, axis: int, by: Expr) -> tuple[Expr, ...]:
    k, stride = a.axes[axis]
    start = list(a.start)
    if k is not None:
        start[k] = iadd(start[k], imul(stride, by))
    return tuple(start)


def permute(stage: Stage, a: RArray, order: Sequence[int]) -> RArray:
    """The view whose axis k is axis order[k] of the array."""
    if list(order) == list(range(a.rank)):
        return a
    shape = tuple(a.shape[k] for k in order)
    if a.lazy is not None:
        inner = a.lazy
        back = sorted(range(len(order)), key=lambda k: order[k])
        return arrays.lazy(stage, a.dtype, shape, lambda i: inner([i[k] for k in back]), [a], cost=0)
    return replace(a, shape=shape, axes=tuple(a.axes[k] for k in order))


def insert_axis(stage: Stage, a: RArray, axis: int) -> RArray:
    """The view with a new axis of extent one at this place."""
    shape = (*a.shape[:axis], ONE, *a.shape[axis:])
    if a.lazy is not None:
        inner = a.lazy
        return arrays.lazy(stage, a.dtype, shape, lambda i: inner([*i[:axis], *i[axis + 1 :]]), [a], cost=0)
    return replace(a, shape=shape, axes=(*a.axes[:axis], (None, ZERO), *a.axes[axis:]))


def flip(stage: Stage, a: RArray, axis: int) -> RArray:
    """The view that runs backwards along the axis."""
    return part(stage, a, axis, isub(a.shape[axis], ONE), a.shape[axis], Const(-1, I64))


def cast(stage: Stage, a: RArray, dtype: DType) -> RArray:
    """The array converted, lazily; itself if it has the dtype."""
    if a.dtype is dtype:
        return a
    return arrays.lazy(stage, dtype, a.shape, lambda i: build.cast(arrays.element(a, i), dtype), [a], cost=0)


def flat(stage: Stage, a: RArray) -> RArray:
    """The elements in C order, rank 1: a view if the array is contiguous."""
    return a if a.rank == 1 else arrays.reshape(stage, a, (arrays.size(a.shape),))


def last_axis_first(a: RArray) -> bool:
    """Whether the last axis of a matrix strides further in memory than the one before (a transposed view)."""
    if a.lazy is not None or a.rank < 2:
        return False
    row, column = a.axes[-2][0], a.axes[-1][0]
    return row is not None and column is not None and row > column


# -- emission --------------------------------------------------------------------------------------------------


def loop(
    stage: Stage, start: Expr, stop: Expr, body: Callable[[Expr], None], hint: str = "k", parallel: bool = False
) -> None:
    """for k in range(start, stop): body(k); in order unless `parallel`."""
    name = stage.fresh(hint)
    variable = Var(name, I64)
    stage.facts.assume(variable, start, isub(stop, ONE))
    with stage.block() as stmts:
        body(variable)
    stage.emit(Loop(name, start, stop, tuple(stmts), order="any" if parallel else "sequential", span=stage.span))


def loops(stage: Stage, shape: Sequence[Expr], body: Body) -> None:
    """Run `body(index)` for every index of a shape in C order."""

    def level(index: tuple[Expr, ...]) -> None:
        if len(index) == len(shape):
            body(index)
        else:
            loop(stage, ZERO, shape[len(index)], lambda i: level((*index, i)), "ijklmnpq"[len(index) % 8])

    level(())


def when(stage: Stage, cond: Expr, then: Callable[[], None], orelse: Callable[[], None] | None = None) -> None:
    """if cond: then() else: orelse(), deciding constants here."""
    if isinstance(cond, Const):
        chosen = then if cond.value else orelse
        if chosen is not None:
            chosen()
        return
    with stage.block() as yes:
        then()
    no: list[Any] = []
    if orelse is not None:
        with stage.block(no):
            orelse()
    stage.emit(If(cond, tuple(yes), tuple(no), stage.span))


def store(stage: Stage, target: RArray, index: Sequence[Expr], value: Expr) -> None:
    """target[index] = value, converted."""
    arrays.put(stage, target, index, value)


def add_to(stage: Stage, target: RArray, index: Sequence[Expr], value: Expr, op: AccumulateOp = "add") -> None:
    """target[index] op= value, converted."""
    arrays.add(stage, target, index, value, op)


def add_to_cell(stage: Stage, cell: Root, value: Expr, op: AccumulateOp = "add") -> None:
    """cell op= value."""
    stage.emit(Accumulate(cell.name, (), build.cast(value, cell.dtype), op, stage.span))


def peek(cell: Root) -> Expr:
    """The present value of a cell, unnamed."""
    return Load(cell.name, (), cell.dtype)


def generated(stage: Stage, dtype: DType, shape: tuple[Expr, ...], fn: Element) -> RArray:
    """A lazy array that reads no memory."""
    shape = tuple(stage.extent(e) for e in shape)
    return arrays.lazy(stage, dtype, shape, fn, [], cost=0)


def filled(stage: Stage, dtype: DType, shape: tuple[Expr, ...], value: Expr) -> RArray:
    """A lazy array of one value."""
    value = build.cast(value, dtype)
    return generated(stage, dtype, shape, lambda i: value)


def checks_only(stage: Stage, shape: Sequence[Expr], body: Body) -> None:
    """A loop nest that only raises: failures inside leave the program at once."""
    escapes, stage.escapes = stage.escapes, []
    try:
        arrays.nest(stage, shape, body)
    finally:
        stage.escapes = escapes
