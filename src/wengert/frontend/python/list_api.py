"""Python's sorted, bisect and heapq: of lists that staging knows as much as of those that grow at run time."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.codes import Code
from wengert.errors import Unsupported

from . import list_programs as programs
from .numeric import as_scalar, is_number
from .python_values import class_of, is_list, is_tuple, python_method, tuple_like
from .registry import handles
from .slots import MAX_KINDS
from .values import Choice, MaybeUnbound, RList, RScalar, contains_runtime

if TYPE_CHECKING:
    from .interp import Interp


@handles(sorted)
def sorted_(interp: Interp, values: Any, *, key: Any = None, reverse: bool = False) -> Any:
    if isinstance(values, RList):
        return interp.call(programs.in_order, [values, key, bool(reverse)], {})
    items = interp.static_iterable(values)
    return interp.stage.note_created(in_order(interp, items, key, bool(reverse)))


def in_order(interp: Interp, items: list[Any], key: Any, reverse: bool) -> list[Any]:
    """The items in ascending (descending) order of their keys, equal ones as they were."""
    keys = _deciding(items if key is None else [interp.call(key, [v], {}) for v in items])
    if any(python_method(k, "__lt__") is not None for k in keys):
        reason = "objects are sorted by an __lt__ of their own"
        raise interp.stage.refuse(reason, "sort them by a key that is a number", Code.CONTAINER)
    if not contains_runtime(keys):
        order = interp.native(lambda: sorted(range(len(items)), key=keys.__getitem__, reverse=reverse))
        return [items[k] for k in order]
    if reverse:  # equal ones stay as they were
        return _ascending(interp, items[::-1], keys[::-1])[::-1]
    return _ascending(interp, items, keys)


def _ascending(interp: Interp, items: list[Any], keys: list[Any]) -> list[Any]:
    """In the order of keys of run-time numbers: by the last number first, as stable sorts keep what they find."""
    kinds, columns = _parts(items), _columns(interp, keys)
    places: Any = None
    for column in reversed(columns):
        array = interp.as_array(column)
        if array.dtype.is_inexact:
            nan = interp.call(np.any, [interp.call(np.isnan, [array], {})], {})
            interp.stage.refuse_if(nan.expr, "NaN among numbers that are sorted: Python's order is then accidental")
        seen = array if places is None else interp.get_item(array, places)
        order = interp.call(np.argsort, [seen], {"kind": "stable"})
        places = order if places is None else interp.get_item(places, order)
    found = [_picker(interp, column, places) for column in kinds]
    return [_rebuilt(items[0], iter([pick(k) for pick in found])) for k in range(len(items))]


def _picker(interp: Interp, column: list[Any], places: Any) -> Callable[[int], Any]:
    """What stands at a position once values are in the order of these places: numbers of one kind come from an array of
    them, other things are one of several."""
    if all(is_number(v) for v in column):
        numbers = [as_scalar(v) for v in column]
        if len({(v.dtype, v.python) for v in numbers}) > 1:
            raise _mixed(interp)
        ordered = interp.get_item(interp.as_array(numbers), places)
        return lambda k: RScalar(interp.get_item(ordered, k).expr, numbers[0].python)
    if all(v is column[0] for v in column):
        return lambda k: column[0]
    if len(column) > MAX_KINDS or any(is_number(v) or isinstance(v, (Choice, MaybeUnbound)) for v in column):
        raise _mixed(interp)
    settled = tuple(interp.settle(v) for v in column)
    return lambda k: Choice(interp.get_item(places, k).expr, settled)


def _parts(rows: list[Any]) -> list[list[Any]]:
    """Values as columns of their parts: tuples alike are taken apart."""
    first = rows[0]
    if not is_tuple(first) or any(class_of(r) is not class_of(first) or len(r) != len(first) for r in rows):
        return [rows]
    return [column for k in range(len(first)) for column in _parts([row[k] for row in rows])]


def _deciding(keys: list[Any]) -> list[Any]:
    """The keys, of tuples only their first elements where those are known, differ, and so decide alone."""
    if not keys or not all(is_tuple(k) for k in keys):
        return keys
    for width in range(1, min(map(len, keys)) + 1):
        firsts = [k[:width] for k in keys]
        if contains_runtime(firsts):
            break
        if all(firsts[i] != firsts[j] for i in range(len(keys)) for j in range(i)):
            return firsts
    return keys


def _columns(interp: Interp, rows: list[Any]) -> list[list[RScalar]]:
    """Numbers, or tuples of numbers and tuples, as columns of numbers of one kind each."""
    columns = [list(c) for c in zip(*[_numbers(interp, row, rows[0]) for row in rows], strict=True)]
    if any(len({(v.dtype, v.python) for v in column}) > 1 for column in columns):
        raise _mixed(interp)
    return columns


def _numbers(interp: Interp, value: Any, like: Any) -> list[RScalar]:
    """The numbers of a value that is built as another is."""
    if is_number(value) and not is_tuple(like):
        return [as_scalar(value)]
    if is_tuple(value) and is_tuple(like) and class_of(value) is class_of(like) and len(value) == len(like):
        return [n for v, w in zip(value, like, strict=True) for n in _numbers(interp, v, w)]
    raise _mixed(interp)


def _rebuilt(like: Any, parts: Iterator[Any]) -> Any:
    return tuple_like(class_of(like), [_rebuilt(v, parts) for v in like]) if is_tuple(like) else next(parts)


def _mixed(interp: Interp) -> Unsupported:
    reason = "objects other than numbers, or tuples of numbers of the same kinds, are sorted by run-time numbers"
    return interp.stage.refuse(reason, "use np.argsort on arrays", Code.CONTAINER)


def _programmed(function: Callable[..., Any], program: Callable[..., Any]) -> None:
    @handles(function)
    def handler(interp: Interp, *args: Any, **kwargs: Any) -> Any:
        if not args or not is_list(args[0]) or contains_runtime(args) or contains_runtime(kwargs):
            return interp.call(program, list(args), kwargs)
        return interp.changed_natively(args[0], lambda changed: function(changed, *args[1:], **kwargs))


for _module, _names in (
    (bisect, ("bisect_left", "bisect_right", "insort_left", "insort_right")),
    (heapq, ("heappush", "heappop", "heapreplace", "heappushpop", "heapify", "nsmallest", "nlargest")),
):
    for _name in _names:
        _programmed(getattr(_module, _name), getattr(programs, _name))
