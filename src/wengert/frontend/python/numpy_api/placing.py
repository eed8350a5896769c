"""Elements written by position or by mask: put, putmask, place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.ir.types import BOOL

from .. import arrays, index, numeric
from ..registry import handles, method
from ..values import RArray
from . import programs
from .common import array, cast, flat, numbers, require_equal, stored, type_error
from .ufuncs import write_out

if TYPE_CHECKING:
    from ..interp import Interp


def _target(interp: Interp, a: Any, function: str) -> RArray:
    """The array to write into, as a vector that shares its memory."""
    value = interp.resolve(a)
    if not isinstance(value, RArray):
        type_error(f"argument 1 must be numpy.ndarray, not {type(value)}")
    target = flat(interp.stage, value)
    if value.rank != 1 and target.root is not value.root:
        raise interp.stage.refuse(f"{function} into an array that is not contiguous", "assign through an index")
    return target


def _content(interp: Interp, values: Any, target: RArray) -> RArray:
    """The values as a vector of the target's dtype, in memory."""
    value = flat(interp.stage, array(interp, values))
    return arrays.stored(interp.stage, cast(interp.stage, value, target.dtype))


def _truths(interp: Interp, mask: Any) -> RArray:
    value = array(interp, mask)
    if value.dtype is BOOL:
        return value
    return numeric.elementwise(interp.stage, lambda s, e: numeric.truth(e[0]), BOOL, [value])


def _mask(interp: Interp, mask: Any, target: RArray, function: str) -> RArray:
    """The mask as a vector as long as the target."""
    chosen = flat(interp.stage, stored(interp, _truths(interp, mask)))
    message = f"{function}: mask and data must be the same size"
    require_equal(interp.stage, chosen.shape[0], target.shape[0], message)
    return chosen


@handles(np.put)
@method("put")
def put(interp: Interp, a: Any, ind: Any, v: Any, mode: Any = "raise") -> None:
    """Values are repeated as needed; `mode` says what positions out of range mean."""
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError("clipmode must be one of 'clip', 'raise', or 'wrap'")
    stage = interp.stage
    key, content = flat(stage, array(interp, ind)), numbers(interp, v)
    target = _target(interp, a, "put")
    fits = not isinstance(content, RArray) or stage.same(arrays.size(content.shape), key.shape[0])
    if mode == "raise" and fits:
        index.setitem(stage, target, key, flat(stage, content) if isinstance(content, RArray) else content)
        return
    interp.call(programs.put, [target, arrays.stored(stage, key), _content(interp, content, target), mode], {})


@handles(np.putmask)
def putmask(interp: Interp, a: Any, mask: Any, values: Any) -> None:
    """Element i becomes value i, where the mask holds; values are repeated as needed."""
    content, target = numbers(interp, values), interp.resolve(a)
    fits = not isinstance(content, RArray) or (
        content.rank == target.rank
        and all(interp.stage.same(p, q) for p, q in zip(content.shape, target.shape, strict=True))
    )
    if fits:
        write_out(interp, "putmask", content, target, _truths(interp, mask), "unsafe")
        return
    vector = _target(interp, target, "putmask")
    chosen = _mask(interp, mask, vector, "putmask")
    interp.call(programs.putmask, [vector, chosen, _content(interp, content, vector)], {})


@handles(np.place)
def place(interp: Interp, arr: Any, mask: Any, vals: Any) -> None:
    """The elements where the mask holds become the values, one after another, repeated as needed."""
    content = array(interp, vals)
    target = _target(interp, arr, "place")
    chosen = _mask(interp, mask, target, "place")
    interp.call(programs.place, [target, chosen, _content(interp, content, target)], {})
