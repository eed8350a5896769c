"""The elements of an array in another shape, as a view wherever NumPy gives one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import canonical, constant, iadd, imul
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Buffer, Const, Expr, Reshape, Var
from wengert.ir.types import I64

from .. import arrays
from ..registry import handles, method
from ..values import RArray, RScalar
from .common import (
    array,
    hint_of,
    integer_expr,
    permute,
    require_equal,
    require_nonnegative,
)

if TYPE_CHECKING:
    from ..interp import Interp


# -- reshape ---------------------------------------------------------------------------------------------------


@handles(np.reshape)
def reshape_function(interp: Interp, a: Any, /, shape: Any, order: Any = "C", *, copy: Any = None) -> RArray:
    result = _reshaped(interp, array(interp, a), shape, order)
    return arrays.copy(interp.stage, result) if copy is True else result


@method("reshape")
def reshape(interp: Interp, a: Any, *shape: Any, order: Any = "C", copy: Any = None) -> RArray:
    target = shape[0] if len(shape) == 1 else shape
    return reshape_function(interp, a, target, order, copy=copy)


def _reshaped(interp: Interp, a: RArray, shape: Any, order: Any) -> RArray:
    stage = interp.stage
    extents = _target_shape(interp, a, shape)
    if order in ("C", None):
        return to_shape(interp, a, extents)
    if order == "F":
        backwards = to_shape(interp, permute(stage, a, range(a.rank)[::-1]), extents[::-1])
        return permute(stage, backwards, range(len(extents))[::-1])
    raise stage.refuse(f"reshape with order={order!r} is not supported", 'use order="C" or order="F"')


def _target_shape(interp: Interp, a: RArray, shape: Any) -> tuple[Expr, ...]:
    """The new extents, an extent of -1 computed from the others; raises ValueError if the sizes differ."""
    stage = interp.stage
    shape = interp.resolve(shape)
    parts = interp.static_iterable(shape) if not one_number(shape) else [shape]
    extents = [integer_expr(interp, p) for p in parts]
    total = arrays.size(a.shape)
    unknown = [k for k, e in enumerate(extents) if constant(e) == -1]
    if len(unknown) > 1:
        raise ValueError("can only specify one unknown dimension")
    if unknown:
        rest = arrays.size([e for k, e in enumerate(extents) if k not in unknown])
        extents[unknown[0]] = _quotient(interp, total, rest)
        return tuple(extents)
    for e in extents:
        require_nonnegative(stage, e, "negative dimensions not allowed")
    require_equal(stage, total, arrays.size(extents), "cannot reshape array of size {} into shape of size {}")
    return tuple(extents)


def one_number(value: Any) -> bool:
    """Whether a shape or axes argument is a single number."""
    return isinstance(value, (int, np.integer, RScalar)) or (isinstance(value, RArray) and value.rank == 0)


def _quotient(interp: Interp, total: Expr, rest: Expr) -> Expr:
    """total / rest where that is exact; raises ValueError otherwise."""
    stage = interp.stage
    message = "cannot reshape array: the sizes of the given dimensions do not divide the array's"
    exact = divide(total, rest)
    if exact is not None:
        return exact
    n, d = constant(total), constant(rest)
    if n is not None and d is not None:
        raise ValueError(message)
    whole = stage.let(build.op("floordiv", total, rest), "n")
    assert isinstance(whole, Var)
    stage.facts.assume(whole, 0)
    bad = build.or_(build.eq(rest, ZERO), build.ne(imul(whole, rest), total))
    stage.fail_if(stage.let(bad), "ValueError", message)
    return whole


def divide(total: Expr, by: Expr) -> Expr | None:
    """total / by where it is a polynomial for certain, else None."""
    from wengert.analysis.affine import polynomial

    divisor = polynomial(by)
    if len(divisor) != 1:
        return ONE if canonical(total) == canonical(by) and divisor else None
    ((factors, coefficient),) = divisor.items()
    result: Expr = ZERO
    for monomial, c in polynomial(total).items():
        rest = list(monomial)
        for f in factors:
            if f not in rest:
                return None
            rest.remove(f)
        if c % coefficient:
            return None
        term: Expr = Const(c // coefficient, I64)
        for f in rest:
            term = imul(term, f)
        result = iadd(result, term)
    return result


def to_shape(interp: Interp, a: RArray, shape: tuple[Expr, ...], hint: str = "r") -> RArray:
    """The elements in C order with another shape of the same size: a view wherever NumPy gives one."""
    stage = interp.stage
    whole = arrays.is_whole(a) and not (a.root is not None and a.root.strided)
    if not whole and not arrays.is_whole_reshaped(stage, a):
        try:
            view = _strided_reshape(interp, a, shape)
        except _Unknown:
            a = arrays.stand_in(stage, a, a.root, "a reshaped array")
        else:
            if view is not None:
                return view
    return arrays.reshape(stage, a, shape, hint_of(interp, hint))


class _Unknown(Exception):
    """Whether a reshaped array is a view depends on what is not known."""


def _strided_reshape(interp: Interp, a: RArray, shape: tuple[Expr, ...]) -> RArray | None:
    """A reshaped view of a part of a contiguous buffer, through its flat form; None if it must be copied. Raises
    _Unknown where that depends on sizes, or on memory, that are not known."""
    memory = memory_of(interp, a)
    if a.lazy is not None or any(axis is None for axis, _ in a.axes) or _only_units(a, shape):
        return None
    if memory is None:
        raise _Unknown
    old = [(e, s) for e, s in zip(a.shape, flat_strides(a, memory), strict=True) if constant(e) != 1]
    new = [e for e in shape if constant(e) != 1]
    strides: list[Expr] = []
    i = j = 0
    while i < len(old) and j < len(new):
        p, q, first_old, first_new = old[i][0], new[j], i, j
        while canonical(p) != canonical(q):
            if divide(p, q) is not None and j + 1 < len(new):
                j += 1
                q = imul(q, new[j])
            elif divide(q, p) is not None and i + 1 < len(old):
                i += 1
                p = imul(p, old[i][0])
            else:
                raise _Unknown
        for k in range(first_old, i):
            if canonical(old[k][1]) != imul(old[k + 1][0], old[k + 1][1]):
                return None
        group: list[Expr] = [old[i][1]]
        for k in range(j, first_new, -1):
            group.insert(0, imul(group[0], new[k]))
        strides.extend(group)
        i, j = i + 1, j + 1
    if i < len(old) or j < len(new):
        raise _Unknown
    flat = flat_memory(interp, a, memory)
    steps = iter(strides)
    axes = tuple((None, ZERO) if constant(e) == 1 else (0, next(steps)) for e in shape)
    return replace(a, shape=shape, storage=flat, start=(flat_start(a, memory),), axes=axes)


def _only_units(a: RArray, shape: tuple[Expr, ...]) -> bool:
    old = [canonical(e) for e in a.shape if constant(e) != 1]
    return old == [canonical(e) for e in shape if constant(e) != 1]


def memory_of(interp: Interp, a: RArray) -> tuple[Expr, ...] | None:
    """The extents of the contiguous memory that a view's axes are those of: its root's, or those of a reshaped one;
    None if it is no view of such."""
    stage, root = interp.stage, a.root
    if a.lazy is not None or root is None or root.is_ref or root.strided:
        return None
    if a.storage == root.name:
        return root.shape
    memory = stage.storages.get(a.storage)
    return memory.shape if isinstance(memory, Buffer) and a.storage in stage.reshaped else None


def flat_strides(a: RArray, memory: tuple[Expr, ...]) -> list[Expr]:
    """The distance between neighbours along each axis, in elements of the memory."""
    steps = _strides(memory)
    return [ZERO if axis is None else imul(steps[axis], step) for axis, step in a.axes]


def flat_start(a: RArray, memory: tuple[Expr, ...]) -> Expr:
    """The position of the view's first element in its memory."""
    total: Expr = ZERO
    for s, step in zip(a.start, _strides(memory), strict=True):
        total = iadd(total, imul(s, step))
    return total


def _strides(memory: tuple[Expr, ...]) -> list[Expr]:
    strides: list[Expr] = []
    step: Expr = ONE
    for e in reversed(memory):
        strides.insert(0, step)
        step = imul(step, e)
    return strides


def flat_memory(interp: Interp, a: RArray, memory: tuple[Expr, ...]) -> str:
    """The name of the memory's elements in one row."""
    stage, root = interp.stage, a.root
    assert root is not None
    if len(memory) == 1:
        return a.storage
    name = stage.fresh(f"{root.name}_flat")
    length = stage.extent(arrays.size(memory))
    stage.emit(Reshape(Buffer(name, root.dtype, (length,)), a.storage, stage.span))
    stage.reshaped.add(name)
    return name


@handles(np.ravel)
@method("ravel")
def ravel(interp: Interp, a: Any, order: Any = "C") -> RArray:
    if order in ("K", "A"):
        raise interp.stage.refuse(f"ravel with order={order!r} is not supported", 'use order="C" or order="F"')
    value = array(interp, a)
    return value if value.rank == 1 else _reshaped(interp, value, -1, order)


@method("flatten")
def flatten(interp: Interp, a: Any, order: Any = "C") -> RArray:
    return arrays.copy(
        interp.stage, ravel(interp, arrays.stored(interp.stage, array(interp, a)), order), hint_of(interp, "t")
    )
