# pyright: basic
"""Methods of lists that grow at run time, and Python's functions on sorted lists and heaps, as programs."""

from __future__ import annotations

import math
from typing import Any

# -- methods ---------------------------------------------------------------------------------------------------------


def reverse(items: Any) -> None:
    last = len(items) - 1
    for k in range(len(items) // 2):
        items[k], items[last - k] = items[last - k], items[k]


def insert(items: Any, place: Any, value: Any) -> None:
    count = len(items)
    if place < 0:
        place = max(place + count, 0)
    items.append(value)
    for k in range(count, min(place, count), -1):
        items[k], items[k - 1] = items[k - 1], items[k]


def pop(items: Any, place: Any) -> Any:
    count = len(items)
    if count == 0:
        raise IndexError("pop from empty list")
    if place < -count or place >= count:
        raise IndexError("pop index out of range")
    if place < 0:
        place = place + count
    for k in range(place, count - 1):
        items[k], items[k + 1] = items[k + 1], items[k]
    return items.pop()


def sort(items: Any, key: Any = None, reverse: Any = False) -> None:
    """Stable: runs twice as long are merged from two until one is left."""
    count = len(items)
    keys = items.copy() if key is None else [key(v) for v in items]
    for k in range(count):
        if not (keys[k] < keys[k] or keys[k] == keys[k]):
            raise ValueError("NaN among numbers that are sorted: Python's order is then accidental")
    width = 1
    while width < count:
        held, held_keys = items.copy(), keys.copy()
        for start in range(0, count, 2 * width):
            middle, end = min(start + width, count), min(start + 2 * width, count)
            i, j = start, middle
            for k in range(start, end):
                first = i < middle
                if first and j < end:
                    first = not (held_keys[i] < held_keys[j] if reverse else held_keys[j] < held_keys[i])
                if first:
                    items[k], keys[k] = held[i], held_keys[i]
                    i = i + 1
                else:
                    items[k], keys[k] = held[j], held_keys[j]
                    j = j + 1
        width = 2 * width


def in_order(items: Any, key: Any, reverse: Any) -> Any:
    held = items.copy()
    sort(held, key, reverse)
    return held


# -- bisect ----------------------------------------------------------------------------------------------------------


def bisect_left(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> Any:
    return boundary(a, lo, hi, lambda v: (v if key is None else key(v)) < x)


def bisect_right(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> Any:
    return boundary(a, lo, hi, lambda v: not x < (v if key is None else key(v)))


def boundary(a: Any, lo: Any, hi: Any, below: Any) -> Any:
    """The first place from `lo` on whose element is not `below`, `hi` if all are."""
    if lo < 0:
        raise ValueError("lo must be non-negative")
    if hi is None:
        hi = len(a)
    while lo < hi:
        middle = (lo + hi) // 2
        if below(a[middle]):
            lo = middle + 1
        else:
            hi = middle
    return lo


def insort_left(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> None:
    a.insert(bisect_left(a, x if key is None else key(x), lo, hi, key=key), x)


def insort_right(a: Any, x: Any, lo: Any = 0, hi: Any = None, *, key: Any = None) -> None:
    a.insert(bisect_right(a, x if key is None else key(x), lo, hi, key=key), x)


# -- heapq: element k is at most elements 2 k + 1 and 2 k + 2. What is compared decides where equal ones are, so
# -- it is as in Python: a hole goes down to a leaf along the smaller children, then the element goes up from there.


def raised(heap: Any, place: Any, top: Any) -> None:
    """Let an element go up, `top` at most, until its parent is not larger."""
    element = heap[place]
    while place > top and element < heap[(place - 1) // 2]:
        heap[place] = heap[(place - 1) // 2]
        place = (place - 1) // 2
    heap[place] = element


def sunk(heap: Any, place: Any) -> None:
    """Let an element go down to where it belongs."""
    top, count, element = place, len(heap), heap[place]
    while 2 * place + 1 < count:
        child = 2 * place + 1
        if child + 1 < count and not heap[child] < heap[child + 1]:
            child = child + 1
        heap[place] = heap[child]
        place = child
    heap[place] = element
    raised(heap, place, top)


def heappush(heap: Any, item: Any) -> None:
    heap.append(item)
    raised(heap, len(heap) - 1, 0)


def heappop(heap: Any) -> Any:
    last = heap.pop()
    if len(heap) == 0:
        return last
    least, heap[0] = heap[0], last
    sunk(heap, 0)
    return least


def heapreplace(heap: Any, item: Any) -> Any:
    least, heap[0] = heap[0], item
    sunk(heap, 0)
    return least


def heappushpop(heap: Any, item: Any) -> Any:
    if len(heap) > 0 and heap[0] < item:
        return heapreplace(heap, item)
    return item


def heapify(x: Any) -> None:
    place = len(x) // 2
    while place > 0:
        place = place - 1
        sunk(x, place)


def nsmallest(n: int, iterable: Any, key: Any = None) -> Any:
    return sorted(iterable, key=key)[: max(n, 0)]


def nlargest(n: int, iterable: Any, key: Any = None) -> Any:
    return sorted(iterable, key=key, reverse=True)[: max(n, 0)]


# -- sums ------------------------------------------------------------------------------------------------------------


def fsum(values: Any) -> Any:
    """What each addition loses is added up, too. Source: D. Knuth, The Art of Computer Programming, vol. 2, 4.2.2."""
    total, lost = 0.0, 0.0
    for value in values:
        number = float(value)
        new = total + number
        taken = new - total
        lost += (total - (new - taken)) + (number - taken)
        total = new
    return total + lost if math.isfinite(lost) else total
