# pyright: basic
# ruff: noqa: SIM110, SIM113, UP028
"""Python's functions of iterators and attributes, as programs: each takes an item when Python would."""

from __future__ import annotations

from typing import Any


def sum_of(values: Any, start: Any) -> Any:
    for v in values:
        start = start + v
    return start


def any_of(values: Any) -> Any:
    for v in values:
        if v:
            return True
    return False


def all_of(values: Any) -> Any:
    for v in values:
        if not v:
            return False
    return True


def first(values: Any) -> Any:
    for v in values:
        return v
    raise StopIteration


def first_or(values: Any, default: Any) -> Any:
    for v in values:
        return v
    return default


def has_attribute(method: Any, owner: Any, name: str) -> Any:
    try:
        method(owner, name)
    except AttributeError:
        return False
    return True


def attribute_or(method: Any, owner: Any, name: str, default: Any) -> Any:
    try:
        return method(owner, name)
    except AttributeError:
        return default


def next_or(iterator: Any, default: Any) -> Any:
    try:
        return iterator.__next__()
    except StopIteration:
        return default


def stepped(iterator: Any) -> Any:
    """What an iterator whose class is written in Python gives."""
    while True:
        try:
            v = iterator.__next__()
        except StopIteration:
            return
        yield v


def enumerated(values: Any, start: Any) -> Any:
    for v in values:
        yield start, v
        start += 1


def zipped_first(values: Any, others: Any) -> Any:
    """zip(values, *others) for a generator and sequences."""
    k = 0
    n = min(len(o) for o in others)
    for v in values:
        if k >= n:
            return
        yield (v, *[o[k] for o in others])
        k += 1


def zipped_last(values: Any, other: Any) -> Any:
    """zip(other, values) for a sequence and a generator."""
    k = 0
    n = len(other)
    if n > 0:
        for v in values:
            yield other[k], v
            k += 1
            if k >= n:
                return


def mapped(function: Any, values: Any) -> Any:
    for v in values:
        yield function(v)


def star_mapped(function: Any, values: Any) -> Any:
    for v in values:
        yield function(*v)


def filtered(function: Any, values: Any) -> Any:
    for v in values:
        if v if function is None else function(v):
            yield v


def rejected(function: Any, values: Any) -> Any:
    for v in values:
        if not (v if function is None else function(v)):
            yield v


def sliced(values: Any, start: int, stop: Any, step: int) -> Any:
    k = 0
    if stop is None or stop > 0:
        for v in values:
            if k >= start and (k - start) % step == 0:
                yield v
            k += 1
            if stop is not None and k >= stop:
                return


def taken_while(function: Any, values: Any) -> Any:
    for v in values:
        if not function(v):
            return
        yield v


def dropped_while(function: Any, values: Any) -> Any:
    dropping = True
    for v in values:
        if dropping:
            dropping = bool(function(v))
        if not dropping:
            yield v


def chained(*iterables: Any) -> Any:
    for values in iterables:
        for v in values:
            yield v


def accumulated(values: Any, function: Any, initial: Any) -> Any:
    total = initial
    if initial is not None:
        yield total
    for v in values:
        total = v if total is None else function(total, v)
        yield total


def reduced(function: Any, values: Any, *initial: Any) -> Any:
    found = initial[0] if initial else None
    for v in values:
        found = v if found is None else function(found, v)
    if found is None:
        raise TypeError("reduce() of empty iterable with no initial value")
    return found


def largest(values: Any, key: Any, *default: Any) -> Any:
    best = best_key = None
    for v in values:
        k = v if key is None else key(v)
        if best_key is None or k > best_key:
            best, best_key = v, k
    if best_key is None:
        if default:
            return default[0]
        raise ValueError("max() iterable argument is empty")
    return best


def smallest(values: Any, key: Any, *default: Any) -> Any:
    best = best_key = None
    for v in values:
        k = v if key is None else key(v)
        if best_key is None or k < best_key:
            best, best_key = v, k
    if best_key is None:
        if default:
            return default[0]
        raise ValueError("min() iterable argument is empty")
    return best


def counted_from(start: Any, step: Any) -> Any:
    while True:
        yield start
        start = start + step


def cycled(values: Any) -> Any:
    kept = list(values)
    while True:
        for v in kept:
            yield v


def repeated(value: Any) -> Any:
    while True:
        yield value
