"""Pieces of matrix rules: temporaries, (conjugate) transposes, products and elementwise updates, as IR."""

from __future__ import annotations

from collections.abc import Callable

from wengert.ad.loops import each
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Growable, Storage

Element = Callable[[tuple[Expr, ...]], Expr]


def shape(s: Storage) -> tuple[Expr, ...]:
    return tuple(b.extent(s, k) for k in range(s.rank))


def element(a: Storage) -> Element:
    """The elements of a storage."""
    return lambda i: b.load(a, i)


def fill(e: Emitter, hint: str, extents: tuple[Expr, ...], element: Element) -> Buffer:
    """A new buffer with the given elements."""
    elements: list[Buffer] = []

    def store(i: tuple[Expr, ...]) -> None:
        e.store(elements[0], i, element(i))

    with e.collect() as probe:  # the dtype comes from an element
        dtype = element(tuple(b.i64(0) for _ in extents)).dtype
    probe.clear()
    elements.append(e.alloc(hint, dtype, extents))
    each(e, extents, store)
    return elements[0]


def add_each(e: Emitter, target: Storage, element: Element) -> None:
    """target[i] += element(i) for every i."""
    each(e, shape(target), lambda i: e.accumulate(target, i, element(i)))


def set_each(e: Emitter, target: Storage, element: Element) -> None:
    """target[i] = element(i) for every i."""
    each(e, shape(target), lambda i: e.store(target, i, element(i)))


def adjoint(e: Emitter, a: Storage) -> Buffer:
    """The conjugate transpose: a view if real, else a new buffer."""
    m, n = shape(a)
    assert not isinstance(a, Growable)
    if not a.dtype.is_complex:
        return e.view("transposed", a, [0, 0], [(1, 1), (0, 1)], [n, m])
    return fill(e, "adjoint", (n, m), lambda i: b.op("conj", b.load(a, (i[1], i[0]))))


def product(e: Emitter, x: Storage, y: Storage) -> Buffer:
    """A new buffer x y."""
    out = e.alloc("product", x.dtype, (b.extent(x, 0), b.extent(y, 1)))
    e.lib("matmul", [out], [x, y])
    return out


def solution(e: Emitter, a: Storage, right: Storage) -> Buffer:
    """A new buffer a^-1 right."""
    out = e.alloc("solution", a.dtype, (b.extent(a, 1), b.extent(right, 1)))
    e.lib("solve", [out], [a, right])
    return out


def inverse(e: Emitter, a: Storage) -> Buffer:
    """A new buffer a^-1."""
    out = e.alloc("inverse", a.dtype, shape(a))
    e.lib("inv", [out], [a])
    return out


def conj(x: Expr) -> Expr:
    """The conjugate (a real number itself)."""
    return b.op("conj", x) if x.dtype.is_complex else x
