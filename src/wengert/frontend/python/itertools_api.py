"""Python's itertools: lists of what they would give. Over arrays, neighbours and slices stay loops."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from wengert.analysis.affine import iadd, imul
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr
from wengert.ir.types import I64

from . import generator_programs as programs
from .iterables import lazy
from .live import Live, take
from .registry import handles
from .values import RIter

if TYPE_CHECKING:
    from .interp import Interp


@handles(itertools.product)
def product(interp: Interp, *iterables: Any, repeat: int = 1) -> Any:
    return list(itertools.product(*[interp.static_iterable(v) for v in iterables], repeat=repeat))


@handles(itertools.chain)
def chain(interp: Interp, *iterables: Any) -> Any:
    if any(lazy(interp, it) is not None for it in iterables):
        return interp.call(programs.chained, list(iterables), {})
    return [v for it in iterables for v in interp.static_iterable(it)]


@handles(itertools.chain.from_iterable)
def chain_from_iterable(interp: Interp, iterables: Any) -> Any:
    return chain(interp, *interp.static_iterable(iterables))


@handles(itertools.combinations)
def combinations(interp: Interp, iterable: Any, r: Any) -> Any:
    count: int = interp.known_int(r, "a number of items")
    return list(itertools.combinations(interp.static_iterable(iterable), count))


@handles(itertools.combinations_with_replacement)
def combinations_with_replacement(interp: Interp, iterable: Any, r: Any) -> Any:
    count: int = interp.known_int(r, "a number of items")
    return list(itertools.combinations_with_replacement(interp.static_iterable(iterable), count))


@handles(itertools.permutations)
def permutations(interp: Interp, iterable: Any, r: Any = None) -> Any:
    count = None if r is None else interp.known_int(r, "a number of items")
    return list(itertools.permutations(interp.static_iterable(iterable), count))


@handles(itertools.zip_longest)
def zip_longest(interp: Interp, *iterables: Any, fillvalue: Any = None) -> Any:
    return list(itertools.zip_longest(*[interp.static_iterable(v) for v in iterables], fillvalue=fillvalue))


@handles(itertools.starmap)
def starmap(interp: Interp, function: Any, iterable: Any) -> Any:
    if (source := lazy(interp, iterable)) is not None:
        return interp.call(programs.star_mapped, [function, source], {})
    rows = [interp.static_iterable(row) for row in interp.static_iterable(iterable)]
    return [interp.settle(interp.call(function, list(row), {})) for row in rows]


@handles(itertools.accumulate)
def accumulate(interp: Interp, iterable: Any, func: Any = None, *, initial: Any = None) -> Any:
    if (source := lazy(interp, iterable)) is not None:
        return interp.call(programs.accumulated, [source, func or operator.add, initial], {})
    items = list(interp.static_iterable(iterable))
    if initial is not None:
        items.insert(0, initial)
    totals = items[:1]
    for item in items[1:]:
        totals.append(interp.settle(interp.call(func or operator.add, [totals[-1], item], {})))
    return totals


@handles(itertools.pairwise)
def pairwise(interp: Interp, iterable: Any) -> Any:
    it = interp.iterable(iterable)
    if isinstance(it, list):
        return list(itertools.pairwise(it))
    length, get = interp.positions(it)
    count = interp.counted(build.max_(build.sub(length, ONE), ZERO))
    return RIter(count, lambda i: (get(i), get(iadd(i, ONE))))


@handles(itertools.islice)
def islice(interp: Interp, iterable: Any, *bounds: Any) -> Any:
    if isinstance(iterable, Iterator):
        raise interp.stage.refuse("islice of an iterator that may be read further", "slice a list, or call next")
    if isinstance(iterable, (Live, RIter)):
        most = None if bounds[:2][-1] is None else interp.known_int(bounds[:2][-1], "a bound of itertools.islice")
        iterable = take(interp, iterable, most)
    if (source := lazy(interp, iterable)) is not None:
        cut = [None if b is None else interp.known_int(b, "a bound of itertools.islice") for b in bounds]
        start, stop, step = (0, cut[0], 1) if len(cut) == 1 else (cut[0] or 0, cut[1], (*cut, None)[2] or 1)
        return interp.call(programs.sliced, [source, start, stop, step], {})
    it = interp.iterable(iterable)
    known = [None if b is None else interp.known_int(b, "a bound of itertools.islice") for b in bounds]
    if isinstance(it, list):
        return interp.native(lambda: list(itertools.islice(it, *known)))
    start, stop, step = (0, known[0], 1) if len(known) == 1 else (known[0] or 0, known[1], (*known, None)[2] or 1)
    if min(start, 0 if stop is None else stop, step - 1) < 0:
        raise ValueError("Indices for islice() must be None or an integer: 0 <= x <= sys.maxsize.")
    length, get = interp.positions(it)
    end: Expr = length if stop is None else build.min_(length, Const(stop, I64))
    whole = build.op("floordiv", build.add(build.sub(end, start), step - 1), Const(step, I64))
    count = interp.counted(build.max_(whole, ZERO))
    first, stride = Const(start, I64), Const(step, I64)
    return RIter(count, lambda i: get(iadd(first, imul(stride, i))))


@handles(itertools.takewhile)
def takewhile(interp: Interp, predicate: Any, iterable: Any) -> Any:
    return interp.call(programs.taken_while, [predicate, iterable], {})


@handles(itertools.dropwhile)
def dropwhile(interp: Interp, predicate: Any, iterable: Any) -> Any:
    return interp.call(programs.dropped_while, [predicate, iterable], {})


@handles(itertools.filterfalse)
def filterfalse(interp: Interp, function: Any, iterable: Any) -> Any:
    return interp.call(programs.rejected, [function, iterable], {})


@handles(itertools.count)
def count(interp: Interp, start: Any = 0, step: Any = 1) -> Any:
    return interp.call(programs.counted_from, [start, step], {})


@handles(itertools.cycle)
def cycle(interp: Interp, iterable: Any) -> Any:
    return interp.call(programs.cycled, [iterable], {})


@handles(itertools.repeat)
def repeat(interp: Interp, value: Any, times: Any = None) -> Any:
    if times is None:
        return interp.call(programs.repeated, [value], {})
    return [value] * interp.known_int(times, "a number of repetitions")
