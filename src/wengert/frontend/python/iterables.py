"""Python's builtins that make or consume sequences."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr
from wengert.ir.types import I64

from . import generator_programs as programs
from . import index
from .frame import PyRaise
from .lists import sure_keys
from .live import Live, advance, current, iterator, reader
from .python_values import is_dict, is_function, is_iterator, python_method
from .registry import handles
from .values import Choice, RArray, RGenerator, RIter, RList, RRange, RScalar, contains_runtime

if TYPE_CHECKING:
    from .interp import Interp


@handles(len)
def len_(interp: Interp, value: Any) -> Any:
    value = current(value)
    if isinstance(value, (RArray, RList)):
        return number(interp.length(value))
    if isinstance(value, RRange):
        return number(interp.range_length(value))
    if isinstance(value, Choice):
        return interp.over_choice(lambda v: len_(interp, v), value)
    if (method := python_method(value, "__len__")) is not None:
        return interp.call(method, [value], {})
    if is_dict(value):
        sure_keys(interp.stage, value)
    return interp.native(lambda: len(value))


def lazy(interp: Interp, values: Any) -> RGenerator | None:
    """The generator that the values come from, if they do."""
    source = interp.opened(values)
    return source if isinstance(source, RGenerator) else None


def number(expr: Expr) -> Any:
    """A Python integer: static if constant."""
    value = constant(expr)
    return RScalar(expr, True) if value is None else value


@handles(range)
def range_(interp: Interp, *args: Any) -> Any:
    if not contains_runtime(args):
        return interp.native(lambda: range(*args))
    exprs = [index.as_index(a) for a in args]
    start, stop = (ZERO, exprs[0]) if len(exprs) == 1 else (exprs[0], exprs[1])
    step: Expr = exprs[2] if len(exprs) == 3 else ONE
    extent = interp.stage.extent
    return RRange(extent(start), extent(stop), constant(step), extent(step))


@handles(sum)
def sum_(interp: Interp, values: Any, start: Any = 0) -> Any:
    if isinstance(values, RList) and values.python and values.dtype is I64:
        return interp.call(programs.sum_of, [values, start], {})
    if (isinstance(values, RList) and not values.parts) or (isinstance(values, RArray) and values.rank == 1):
        total = interp.call(np.sum, [interp.as_array(values)], {})
        return total if isinstance(start, int) and start == 0 else interp.binary("+", start, total)
    if (source := lazy(interp, values)) is not None:
        return interp.call(programs.sum_of, [source, start], {})
    result = start
    for v in interp.static_iterable(values):
        result = interp.binary("+", result, v)
    return result


@handles(any)
def any_(interp: Interp, values: Any) -> Any:
    return _quantify(interp, values, True)


@handles(all)
def all_(interp: Interp, values: Any) -> Any:
    return _quantify(interp, values, False)


def _quantify(interp: Interp, values: Any, some: bool) -> Any:
    if (source := lazy(interp, values)) is not None:
        return interp.call(programs.any_of if some else programs.all_of, [source], {})
    if isinstance(values, RList) and not values.parts:
        values = interp.as_array(values)
    if isinstance(values, RArray):
        return interp.call(np.any if some else np.all, [values], {})
    result: Expr | bool = not some
    for v in interp.static_iterable(values):
        t = interp.truth(v)
        if isinstance(t, bool):
            if t == some:
                return some
            continue
        result = t if isinstance(result, bool) else (build.or_ if some else build.and_)(result, t)
    return result if isinstance(result, bool) else RScalar(interp.stage.let(result), True)


@handles(list)
def list_(interp: Interp, values: Any = ()) -> Any:
    if isinstance(values, RList):
        return interp.list_copy(values)
    if (source := lazy(interp, values)) is not None:
        return interp.listed(source)
    return interp.new_list(interp.call_node, [interp.settle(v) for v in interp.static_iterable(values)])


@handles(tuple)
def tuple_(interp: Interp, values: Any = ()) -> Any:
    return tuple(interp.settle(v) for v in interp.static_iterable(values))


_NEW: Any = vars(tuple)["__new__"]


@handles(_NEW)
def new_tuple(interp: Interp, cls: type[Any], values: Any = ()) -> Any:
    return _NEW(cls, tuple_(interp, values))


@handles(dict)
def dict_(interp: Interp, *args: Any, **kwargs: Any) -> Any:
    made: dict[Any, Any] = {}
    for source in args:
        pairs = list(source.items()) if is_dict(source) else interp.static_iterable(source)
        for k, v in map(interp.static_iterable, pairs):
            made[interp.static_key(k)] = interp.settle(v)
    made.update({k: interp.settle(v) for k, v in kwargs.items()})
    return interp.stage.note_created(made)


@handles(slice)
def slice_(interp: Interp, *args: Any) -> Any:
    return interp.native(lambda: slice(*args))


@handles(enumerate)
def enumerate_(interp: Interp, values: Any, start: Any = 0) -> Any:
    if (source := lazy(interp, values)) is not None:
        return interp.call(programs.enumerated, [source, start], {})
    it = interp.iterable(values)
    if isinstance(it, list):

        def numbered(k: int, value: Any) -> tuple[Any, Any]:
            return interp.binary("+", start, k) if contains_runtime(start) else start + k, value

        item = reader(values)
        return iterator(interp, [numbered(k, v) for k, v in enumerate(it)], lambda k: numbered(k, item(k)))
    length, get = interp.positions(it)
    first = index.as_index(start)
    return once(interp, length, lambda i: (RScalar(iadd(first, i), True), get(i)))


def once(interp: Interp, length: Expr, get: Callable[[Expr], Any]) -> RIter:
    """An iterator of run-time length: it is read once."""
    return RIter(length, get, state=interp.stage.note_created({}))


@handles(zip)
def zip_(interp: Interp, *iterables: Any, strict: bool = False) -> Any:
    found = [lazy(interp, v) for v in iterables]
    if any(g is not None for g in found):
        return _zip_generator(interp, iterables, found)
    its = [interp.iterable(v) for v in iterables]
    lists = [it for it in its if isinstance(it, list)]
    if len(lists) == len(its):
        items = [reader(v) for v in iterables]
        rows = interp.native(lambda: list(zip(*lists, strict=strict)))
        return iterator(interp, rows, lambda k: tuple(item(k) for item in items) if items else _end(k))
    if lists:
        n = min(len(it) for it in lists)
        rest = [interp.positions(it) for it in its if not isinstance(it, list)]
        for length, _ in rest:
            value = interp.stage.static_int(length, "the length of an array zipped with a Python list")
            n = min(n, value)

        def column(value: Any, it: RRange | RIter | list[Any]) -> Callable[[int], Any]:
            if isinstance(it, list):
                return reader(value)
            _, get = interp.positions(it)
            return lambda k: get(Const(k, I64)) if k < n else _end(k)

        columns = [column(v, it) for v, it in zip(iterables, its, strict=True)]
        return iterator(
            interp, [tuple(c(k) for c in columns) for k in range(n)], lambda k: tuple(c(k) for c in columns)
        )
    pairs = [interp.positions(it) for it in its if not isinstance(it, list)]
    shortest = pairs[0][0]
    for length, _ in pairs[1:]:
        if not interp.stage.same(shortest, length):
            shortest = interp.counted(build.min_(shortest, length))
    return once(interp, shortest, lambda i: tuple(get(i) for _, get in pairs))


def _zip_generator(interp: Interp, iterables: tuple[Any, ...], found: list[RGenerator | None]) -> Any:
    """zip of a generator and sequences."""
    if found[0] is not None and not any(found[1:]) and len(found) > 1:
        return interp.call(programs.zipped_first, [found[0], tuple(map(interp.opened, iterables[1:]))], {})
    if len(found) == 2 and found[0] is None:
        return interp.call(programs.zipped_last, [found[1], interp.opened(iterables[0])], {})
    if all(g is None or (isinstance(g.frame.node, ast.FunctionDef) and g.frame.node.name in _SHORT) for g in found):
        return zip_(interp, *(v if g is None else interp.listed(g) for v, g in zip(iterables, found, strict=True)))
    raise interp.stage.refuse("zip of several generators", "make lists of them first")


_SHORT = frozenset({"mapped", "star_mapped", "filtered", "<comprehension>"})
"""Generators that end, as far as what they go through does."""


def _end(k: int) -> Any:
    raise IndexError(k)


@handles(reversed)
def reversed_(interp: Interp, values: Any) -> Any:
    it = interp.iterable(values)
    if isinstance(it, list):
        item, n = reader(values), len(it)
        return iterator(interp, it[::-1], lambda k: item(n - 1 - k) if k < n else _end(k))
    if isinstance(it, RRange) and it.step is not None and abs(it.step) == 1:
        forth, back = Const(it.step, I64), Const(-it.step, I64)
        return RRange(isub(it.stop, forth), isub(it.start, forth), -it.step, back)
    length, get = interp.positions(it)
    return once(interp, length, lambda i: get(isub(isub(length, ONE), i)))


@handles(map)
def map_(interp: Interp, fn: Any, *iterables: Any) -> Any:
    if len(iterables) == 1 and (source := lazy(interp, iterables[0])) is not None:
        return interp.call(programs.mapped, [fn, source], {})
    columns = [interp.iterable(v) for v in iterables]
    lists = [c for c in columns if isinstance(c, list)]
    if len(lists) == len(columns):
        if len(lists) == 1 and (is_function(fn) or contains_runtime(lists)):
            return interp.call(programs.mapped, [fn, iterables[0]], {})
        if is_function(fn) or contains_runtime(lists):
            return interp.call(programs.star_mapped, [fn, zip_(interp, *iterables)], {})
        values = [interp.settle(interp.call(fn, list(row), {})) for row in zip(*lists, strict=False)]
        return iterator(interp, values, values.__getitem__)
    columns = [c for c in columns if not isinstance(c, list)]
    if lists or len(columns) != 1:
        raise interp.stage.refuse("map over several run-time sequences", "write a loop")
    length, get = interp.positions(columns[0])
    return once(interp, length, lambda i: interp.call(fn, [get(i)], {}))


@handles(filter)
def filter_(interp: Interp, fn: Any, values: Any) -> Any:
    if (source := lazy(interp, values)) is not None:
        return interp.call(programs.filtered, [fn, source], {})
    return interp.call(programs.filtered, [fn, values], {})


@handles(iter)
def iter_(interp: Interp, values: Any) -> Any:
    if (source := lazy(interp, values)) is not None:
        return source
    if python_method(values, "__next__") is not None:
        return values
    it = values if isinstance(values, (Live, RIter)) and values.state is not None else interp.iterable(values)
    if it is values:
        return it
    if isinstance(it, list):
        return iterator(interp, it, reader(values))
    return once(interp, *interp.positions(it))


@handles(next)
def next_(interp: Interp, values: Any, *default: Any) -> Any:
    if (method := python_method(values, "__next__")) is not None:
        if default:
            return interp.call(programs.next_or, [values, *default], {})
        return interp.call(method, [values], {})
    if isinstance(values, RGenerator):
        return interp.call(programs.first_or if default else programs.first, [values, *default], {})
    if isinstance(values, (Live, RIter)):
        return advance(interp, values, *default)
    if isinstance(values, (RArray, RList, RRange)):
        raise PyRaise(TypeError("this object is not an iterator"))
    if is_iterator(values) and not interp.stage.may_change(values):
        raise interp.stage.refuse("an iterator made earlier advances under run-time control", "index a list")
    return interp.native(lambda: next(values, *default))


@handles(functools.reduce)
def reduce_(interp: Interp, fn: Any, values: Any, *initial: Any) -> Any:
    if (source := lazy(interp, values)) is not None:
        return interp.call(programs.reduced, [fn, source, *initial], {})
    items = [*initial, *interp.static_iterable(values)]
    if not items:
        raise PyRaise(TypeError("reduce() of empty iterable with no initial value"))
    result = items[0]
    for item in items[1:]:
        result = interp.call(fn, [result, item], {})
    return result


@handles(max)
def max_(interp: Interp, *args: Any, **kwargs: Any) -> Any:
    return _extreme(interp, args, kwargs, True)


@handles(min)
def min_(interp: Interp, *args: Any, **kwargs: Any) -> Any:
    return _extreme(interp, args, kwargs, False)


def _extreme(interp: Interp, args: tuple[Any, ...], kwargs: dict[str, Any], largest: bool) -> Any:
    if len(args) == 1 and (source := lazy(interp, args[0])) is not None:
        default = [kwargs["default"]] if "default" in kwargs else []
        program = programs.largest if largest else programs.smallest
        return interp.call(program, [source, kwargs.get("key"), *default], {})
    arrays_like = len(args) == 1 and (isinstance(args[0], RArray) or (isinstance(args[0], RList) and not args[0].parts))
    items = interp.static_iterable(args[0]) if len(args) == 1 and not arrays_like else list(args)
    if arrays_like:
        array = interp.as_array(args[0])
        return interp.call(np.max if largest else np.min, [array], {})
    if not items:
        if "default" in kwargs:
            return kwargs["default"]
        raise PyRaise(ValueError(f"{'max' if largest else 'min'}() iterable argument is empty"))
    key = kwargs.get("key")
    if not contains_runtime(items) and key is None:
        return interp.native(lambda: (max if largest else min)(items))
    best, best_key = items[0], interp.call(key, [items[0]], {}) if key is not None else items[0]
    for item in items[1:]:
        item_key = interp.call(key, [item], {}) if key is not None else item
        better = interp.truth(interp.relation(">" if largest else "<", item_key, best_key))
        best, best_key = _pick(interp, better, item, best), _pick(interp, better, item_key, best_key)
    return best


def _pick(interp: Interp, cond: bool | Expr, a: Any, b: Any) -> Any:
    if isinstance(cond, bool):
        return a if cond else b
    return interp.conditional(cond, lambda: a, lambda: b)
