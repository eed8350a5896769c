"""Sums over triangles that mirror each other become one product: L X + L^T X = (L + L^T) X.

A program that holds a symmetric matrix in one triangle, or fills one triangle of a symmetric matrix, goes through it
row by row; so does the adjoint of one. Contract: two terms that mirror each other (see `analysis.mirrored`) leave the
loop that adds them, and are added before it, or after it, by nests over the whole square, which `raise_contractions`
makes matrix products: terms mirrored in what is summed by way of the whole matrix S, those mirrored in what is added to
by way of the whole product P. Sums are reordered. Elements that the program does not multiply are multiplied in P
only, and not looked at there; S has none. An array of the block that is zero before each turn, because the turn before
has set it back, counts as one of the turn.

Source: symm and syr2k of J. Dongarra, J. Du Croz, S. Hammarling, I. Duff, "A set of level 3 basic linear algebra
subprograms", ACM TOMS 16(1), 1990.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from wengert.analysis.access import folded
from wengert.analysis.affine import Facts, constant, isub, known_extents, same
from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.analysis.instances import Instances, bounds
from wengert.analysis.mirrored import Added, Summed, Terms, Triangle, mirrored, renamed
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.libops import SILENT
from wengert.ir.nodes import (
    ONE,
    ZERO,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Const,
    Expr,
    Function,
    If,
    Let,
    LibCall,
    Loop,
    Module,
    Op,
    Reshape,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from wengert.ir.ops import CHECKED
from wengert.ir.types import I64
from wengert.ir.walk import (
    expressions,
    function_names,
    loads,
    names_in,
    rebuild,
    statements,
    storages,
    subexpressions,
    used,
)
from wengert.optimise.contraction import SMALL
from wengert.optimise.movement import edited
from wengert.optimise.raise_contractions import separated


def mirror(module: Module) -> Module:
    """Every function with its mirrored sums as whole ones."""
    if not any(any(map(_has_triangle, statements(f.body))) for f in module.functions.values()):
        return module
    calls = analyse(module)
    return Module({n: _Mirror(f, calls).function() for n, f in module.functions.items()}, module.entry)


def _has_triangle(s: Stmt) -> bool:
    """Whether a loop has sums over ranges that move with it."""
    if not isinstance(s, Loop):
        return False
    inner = (t for t in statements(s.body) if isinstance(t, Loop))
    moving = [t for t in inner if any(s.var in names_in(e) for e in expressions(t))]
    return any(isinstance(x, Accumulate) for t in moving for x in statements(t.body))


class _Mirror:
    def __init__(self, f: Function, calls: AliasAnalysis) -> None:
        self.f, self.calls = f, calls
        self.aliases = calls.aliases[f.name]
        self.names = function_names(f)
        self.storages: dict[str, Storage] = storages(f)
        self.folded = folded(f.body, self.aliases)
        self.known = known_extents(self.storages)

    def function(self) -> Function:
        body = self._block(self.f.body, self.known)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def _block(self, block: Block, known: Facts) -> Block:
        made: list[Stmt] = []
        for k, s in enumerate(block):
            if isinstance(s, Loop) and _has_triangle(s) and _is_suited(s):
                private = list(self._private(block[:k], s))
                around = self._whole(_with(s, private), known)
                if around is not None:
                    names = {a.buffer.name for a in private}
                    made = [t for t in made if not (isinstance(t, Alloc) and t.buffer.name in names)]
                    made.extend(around)
                    continue
            inside = known
            if isinstance(s, Loop):
                inside = Facts(dict(known.bounds))
                low, high = bounds(s) or (None, None)
                inside.assume(Var(s.var, I64), low, None if high is None else isub(high, ONE))
            made.append(rebuild(s, block=lambda x, inside=inside: self._block(x, inside)))
        return block if tuple(made) == block else tuple(made)

    # -- arrays of a turn

    def _private(self, before: Block, loop: Loop) -> Iterator[Alloc]:
        """Arrays of zeros that only the loop uses, each turn of which sets them back to zero."""
        inside = {n for s in statements((loop,)) for n in used(s)}
        for s in before:
            if isinstance(s, Alloc) and s.zero and s.buffer.name in inside and s.buffer.shape:
                users = [t for t in statements(self.f.body) if s.buffer.name in used(t)]
                mine = {id(t) for t in statements(loop.body)}
                is_inside = s.buffer.name not in self.f.results and all(id(t) in mine for t in users)
                if is_inside and _is_set_back(s.buffer, loop):
                    yield s

    # -- one loop

    def _whole(self, loop: Loop, known: Facts) -> Block | None:
        """A loop without its mirrored sums, and what adds them; None if there are none."""
        loop = replace(loop, body=separated(loop))
        nest = Instances(loop, self.storages, self.aliases, self.calls, self.folded, known)
        extents = {n: s for n, s in self.storages.items() if isinstance(s, Buffer)}
        pairs = [p for p in mirrored(Terms(nest).all(), known, extents) if _is_large(p)]
        if not pairs:
            return None
        before, after = (self._emitter(loop) for _ in range(2))
        matrices: dict[object, Buffer] = {}
        for pair in pairs:
            is_before = all(t.before for t in pair.terms)
            e = before if is_before else after
            if isinstance(pair, Summed):
                self._add_summed(e, pair, matrices, is_before)
            else:
                self._add_added(e, pair)
        gone: dict[int, Block] = {id(t.stmt): () for p in pairs for t in p.terms}
        rest = edited((loop,), {}, gone)
        return (*before.block(), *rest, *after.block())

    def _emitter(self, loop: Loop) -> Emitter:
        e = Emitter(span=loop.span)
        e.taken = self.names
        return e

    def _square(self, e: Emitter, hint: str, pair: Summed | Added) -> Buffer:
        low, high = pair.triangle.whole
        n = isub(high, low)
        if not self.known.nonnegative(n):
            n = b.max_(n, ZERO)
        made = e.alloc(hint, pair.terms[0].stmt.value.dtype, [n, n], zero=True)
        self.storages[made.name] = made
        self.aliases.add(made.name)
        return made

    @contextmanager
    def _cube(self, e: Emitter, t: Triangle, k: str, ends: tuple[Expr, Expr]) -> Generator[tuple[Expr, Expr, Expr]]:
        """Loops over the whole square and a third variable."""
        with (
            e.loop(t.i, *t.whole, order="any") as i,
            e.loop(t.j, *t.whole, order="any") as j,
            e.loop(k, *ends, order="any") as n,
        ):
            yield i, j, n

    def _add_summed(self, e: Emitter, pair: Summed, matrices: dict[object, Buffer], is_before: bool) -> None:
        t, row = pair.triangle, pair.row
        low, high = t.whole
        key = (pair.parts, t.i, t.inner, t.whole, is_before)
        if key not in matrices:
            matrices[key] = made = self._square(e, "both", pair)
            with e.loop(t.i, low, high, order="any") as i:
                at = isub(i, low)
                with e.loop(t.j, *(renamed(x, {t.i: i}) for x in t.inner), order="any") as j:
                    values = {t.i: i, t.j: j}
                    first, second = (_product([renamed(x, values) for x in part]) for part in pair.parts[:2])
                    e.accumulate(made, [at, isub(j, low)], first)
                    e.accumulate(made, [isub(j, low), at], second)
                if pair.diagonal is not None:
                    e.accumulate(made, [at, at], _product([renamed(x, {t.i: i}) for x in pair.parts[2]]))
        whole = matrices[key]
        k = next(v for v in row.ranges if v not in (t.i, t.j))
        with self._cube(e, t, k, row.ranges[k]) as (i, j, n):
            values = {t.i: i, t.j: j, k: n}
            x = _product([renamed(x, values) for x in pair.rest])
            element = b.load(whole, [isub(i, low), isub(j, low)])
            e.accumulate(row.stmt.storage, [renamed(x, values) for x in row.index], b.mul(element, x))

    def _add_added(self, e: Emitter, pair: Added) -> None:
        t, first = pair.triangle, pair.first
        low, high = t.whole
        product = self._square(e, "product", pair)
        k = next(v for v in first.ranges if v not in (t.i, t.j))
        ends = first.ranges[k]
        with self._cube(e, t, k, ends) as (i, j, n):
            x = _product([renamed(x, {t.i: i, t.j: j, k: n}) for x in first.elements])
            e.accumulate(product, [isub(i, low), isub(j, low)], x)
        scale = _product(list(first.scale)) if first.scale else None
        if scale is not None:  # without terms the product is zero, which is to stay so whatever the scale
            scale = e.let("scale", b.select(b.lt(*ends), scale, 1))
        with e.loop(t.i, low, high, order="any") as i:
            at = isub(i, low)
            with e.loop(t.j, *(renamed(x, {t.i: i}) for x in t.inner), order="any") as j:
                across = isub(j, low)
                both = b.add(b.load(product, [at, across]), b.load(product, [across, at]))
                index = [renamed(x, {t.i: i, t.j: j}) for x in first.index]
                e.accumulate(first.stmt.storage, index, both if scale is None else b.mul(scale, both))


def _with(loop: Loop, private: Sequence[Alloc]) -> Loop:
    """The loop with arrays of its turns."""
    if not private:
        return loop
    names = {a.buffer.name for a in private}
    gone: dict[int, Block] = {
        id(s): () for s in statements(loop.body) if isinstance(s, Store) and s.storage in names and _is_zero(s)
    }
    return replace(loop, body=(*private, *edited(loop.body, {}, gone)))


def _is_zero(s: Store) -> bool:
    return isinstance(s.value, Const) and s.value.value == 0


def _is_set_back(buffer: Buffer, loop: Loop) -> bool:
    """Whether the last thing that a turn does with each element is to set it to zero."""
    name = buffer.name
    users = [s for s in loop.body if any(name in used(t) for t in statements((s,)))]
    stores = [t for s in users for t in statements((s,)) if isinstance(t, Store) and t.storage == name]
    if len(stores) != 1 or not _is_zero(stores[0]) or any(not _is_plain(t, name) for t in statements(tuple(users))):
        return False
    path: list[Loop] = []
    block: Block = (users[-1],)
    while stores[0] not in block:
        inner = [s for s in block if any(t is stores[0] for t in statements((s,)))]
        if len(inner) != 1 or not isinstance(inner[0], Loop):
            return False
        if any(name in used(s) for s in block if s is not inner[0]):
            return False
        path.append(inner[0])
        block = inner[0].body
    places = {v.name: n for n, v in enumerate(stores[0].index) if isinstance(v, Var)}
    if set(places) != {p.var for p in path} or len(places) != len(stores[0].index):
        return False
    for p in path:
        ends = bounds(p)
        if p.cond is not None or ends is None or p.step not in (1, -1):
            return False
        if not same(ends[0], ZERO) or not same(ends[1], buffer.shape[places[p.var]]):
            return False
    at = block.index(stores[0])
    early = [x for s in statements(block[:at]) for e in expressions(s) for x in loads(e) if x.storage == name]
    added = any(isinstance(s, Accumulate) and s.storage == name for s in statements(block))
    late = any(name in used(s) for s in statements(block[at + 1 :]))
    return not late and not added and all(x.index == stores[0].index for x in early)


def _is_plain(s: Stmt, name: str) -> bool:
    """Whether a statement uses an array by its elements alone, if it does."""
    return name not in used(s) or isinstance(s, (Let, Store, Accumulate, Loop, If))


def _is_suited(loop: Loop) -> bool:
    """Whether statements may move out of a loop: nothing in it fails, or is rebound."""
    if loop.cond is not None or loop.step not in (1, -1) or loop.stop is None:
        return False
    return all(map(_is_simple, statements((loop,))))


def _is_simple(s: Stmt) -> bool:
    if any(isinstance(x, Op) and x.name in CHECKED for e in expressions(s) for x in subexpressions(e)):
        return False
    if isinstance(s, LibCall):
        return s.op in SILENT
    return isinstance(s, (Let, Store, Accumulate, Loop, If, Alloc, View, Reshape))


def _is_large(pair: Summed | Added) -> bool:
    """Whether it is not surely left to loops."""
    ranges = (pair.triangle.whole, *(r for v, r in pair.terms[0].ranges.items() if v != pair.triangle.j))
    sizes = [constant(isub(high, low)) for low, high in ranges]
    return all(n is None or n >= SMALL for n in sizes)


def _product(factors: Sequence[Expr]) -> Expr:
    """The product of some factors, of at least one."""
    whole = factors[0]
    for x in factors[1:]:
        whole = b.mul(whole, x)
    return whole
