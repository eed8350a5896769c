"""np.pad."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr
from wengert.ir.types import I64

from .. import arrays, numeric
from ..registry import handles
from ..values import RArray
from .common import (
    hint_of,
    integer_expr,
    numbers,
    only_default,
    part,
    require_nonempty,
    require_nonnegative,
)

if TYPE_CHECKING:
    from ..interp import Interp


# -- padding ---------------------------------------------------------------------------------------------------


@handles(np.pad)
def pad(interp: Interp, array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> RArray:
    """np.pad, axis by axis."""
    from .common import array as as_array

    stage = interp.stage
    value = arrays.stored(stage, as_array(interp, array))
    if not isinstance(mode, str) or mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise stage.refuse(f"np.pad with mode={mode!r}", "use constant, edge, reflect, symmetric or wrap")
    only_default(interp, "pad", reflect_type=(kwargs.pop("reflect_type", "even"), "even"))
    fills = _pairs(interp, kwargs.pop("constant_values", 0), value.rank)
    if kwargs:
        raise ValueError(f"unsupported keyword arguments for mode '{mode}': {set(kwargs)}")
    widths = [tuple(integer_expr(interp, w) for w in p) for p in _pairs(interp, pad_width, value.rank)]
    for p in widths:
        for w in p:
            require_nonnegative(stage, w, "index can't contain negative values")
    for axis in range(value.rank):
        before, after = widths[axis]
        if constant(before) == 0 and constant(after) == 0:
            continue
        value = _padded(interp, value, axis, before, after, mode, fills[axis])
    return (
        arrays.copy(stage, value) if value.root is None or all(constant(w) == 0 for p in widths for w in p) else value
    )


def _pairs(interp: Interp, value: Any, rank: int) -> list[tuple[Any, Any]]:
    """A pair per axis from a number, a pair or a sequence of pairs."""
    value = interp.resolve(value)
    if isinstance(value, dict):
        raise interp.stage.refuse("np.pad with a dictionary of widths", "use a sequence of pairs")
    if not isinstance(value, (tuple, list, RArray)):
        return [(value, value)] * rank
    items = interp.static_iterable(value)
    if not any(isinstance(i, (tuple, list)) or (isinstance(i, RArray) and i.rank) for i in items):
        pair = (items[0], items[0]) if len(items) == 1 else tuple(items)
        if len(pair) != 2:
            raise ValueError("operands could not be broadcast together: widths of an axis are a pair")
        return [pair] * rank
    pairs = [tuple(interp.static_iterable(i)) for i in items]
    pairs = [p * 2 if len(p) == 1 else p for p in pairs]
    if len(pairs) == 1:
        pairs = pairs * rank
    if len(pairs) != rank or any(len(p) != 2 for p in pairs):
        raise ValueError("operands could not be broadcast together: one pair of widths per axis")
    return pairs


def _padded(
    interp: Interp, value: RArray, axis: int, before: Expr, after: Expr, mode: str, fill: tuple[Any, Any]
) -> RArray:
    stage = interp.stage
    n = value.shape[axis]
    shape = (*value.shape[:axis], iadd(iadd(before, n), after), *value.shape[axis + 1 :])
    target = stage.alloc(value.dtype, shape, hint_of(interp, "padded"))
    arrays.fill(stage, part(stage, target, axis, before, n), lambda i: arrays.element(value, i))
    ends = ((ZERO, before, fill[0]), (iadd(before, n), after, fill[1]))
    for start, width, content in ends:
        if constant(width) == 0:
            continue
        region = part(stage, target, axis, start, width)
        if mode == "constant":
            expr = stage.let(build.cast(numeric.as_scalar(numbers(interp, content)).expr, value.dtype))
            arrays.fill(stage, region, lambda i, expr=expr: expr)
            continue
        pick = _source(interp, n, mode, isub(start, before), start is ZERO)
        arrays.fill(
            stage, region,
            lambda i, pick=pick: arrays.element(value, [*i[:axis], stage.let(pick(i[axis]), "i"), *i[axis + 1 :]]),
        )  # fmt: skip
    return target


def _source(interp: Interp, n: Expr, mode: str, offset: Expr, left: bool) -> Callable[[Expr], Expr]:
    """The map from positions in a padded end to positions in the array; `offset` is the end's place in the array."""
    stage = interp.stage
    require_nonempty(stage, n, "can't extend empty axis using modes other than 'constant' or 'empty'")
    last = isub(n, ONE)
    if mode == "edge":
        return lambda i: ZERO if left else last
    period = {"reflect": imul(Const(2, I64), last), "symmetric": imul(Const(2, I64), n), "wrap": n}[mode]

    def pick(i: Expr) -> Expr:
        at = iadd(offset, i)
        inside = stage.let(build.op("mod", at, build.max_(period, ONE)))
        if mode == "wrap":
            return inside
        far = isub(period, inside) if mode == "reflect" else isub(isub(period, ONE), inside)
        return build.select(build.lt(inside, n), inside, far)

    return pick
