"""Strips: nests one after the other over the same arrays go through them together, a few rows at a time, so that what
one writes the next reads from the cache.

Contract: neighbouring nests `for i: ...` of a block become one sequential loop over strips of rows, in which each
nest runs over the rows of the strip, those of later nests shifted back as far as they read ahead: a stencil that reads
rows i - 1 to i + 1 of what the one before it wrote runs one row behind. Every row of a nest is done once, with the same
operations; the order in which an element's contributions are added changes, as that of an `any` loop may. Legal if
whatever two of the nests touch (unless both only read, or only add) is at rows a bounded distance apart, and if
nothing in them may fail; statements in between move before the strips if they depend on no nest, and failures only
where the nests write nothing but local arrays. The number of rows is found at run time, such that a strip of all
arrays fits into the cache. Local arrays that only the strips use get only the rows that are in use at once.

Source: N. Manjikian, T. Abdelrahman, "Fusion of loops for parallelism and locality", IEEE TPDS 8(2), 1997 (shift and
peel); storage folding as in Halide: J. Ragan-Kelley et al., PLDI 2013.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from math import prod

from wengert.analysis.access import Access, Effects, accesses, effects, folded, looks, offset
from wengert.analysis.affine import constant, iadd, isub, same
from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.analysis.ranges import Ranges
from wengert.ir import build as b
from wengert.ir.nodes import (
    ONE,
    ZERO,
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Const,
    Expr,
    Extent,
    Fail,
    Function,
    If,
    Let,
    Load,
    Loop,
    Module,
    Op,
    Stmt,
    Store,
    Var,
)
from wengert.ir.types import I64
from wengert.ir.walk import (
    definitions,
    expressions,
    function_names,
    map_expr,
    rebuild,
    statements,
    storages,
    subexpressions,
    unused,
    used,
)
from wengert.optimise.fuse import cannot_fail, is_simple

CACHE = 1 << 18
"""Bytes of all arrays of a strip."""
LARGEST = 16
"""Bytes of an element, at most."""
REACH = 8
"""How many rows one nest may run behind another."""


def strips(module: Module) -> Module:
    """Every function with its neighbouring nests in strips."""
    calls = analyse(module)
    functions = {n: _Strips(f, calls).function() for n, f in module.functions.items()}
    return Module(functions, module.entry)


@dataclass(frozen=True, slots=True)
class _Member:
    """A nest, how many rows it runs behind the first, what it touches, and its own names."""

    nest: Loop
    shift: int
    touched: dict[str, list[Access]]
    local: set[str]
    effects: Effects


@dataclass(slots=True)
class _Group:
    before: list[Stmt] = field(default_factory=list[Stmt])
    """What lies between the nests, and goes before them."""
    members: list[_Member] = field(default_factory=list[_Member])
    original: list[Stmt] = field(default_factory=list[Stmt])


@dataclass(frozen=True, slots=True)
class _Rows:
    """Where, along an axis of an array, nests touch it: each from the least to the greatest distance from its row."""

    axis: int
    offsets: list[tuple[_Member, int, int]]


@dataclass(slots=True)
class _Fold:
    """An array of which a strip, and `span` rows more, are in use at once; `count`: how many rows it gets."""

    alloc: Alloc
    axis: int
    extent: Expr
    span: int
    count: Expr


class _Strips:
    def __init__(self, f: Function, calls: AliasAnalysis) -> None:
        self.f, self.calls, self.names = f, calls, function_names(f)
        self.aliases = calls.aliases[f.name]
        self.folded = folded(f.body, self.aliases)
        self.ranges = Ranges(f)
        self.storages = storages(f)
        self.uses = _uses(f.body)
        asked = (x for s in statements(f.body) for e in expressions(s) for x in subexpressions(e))
        self.asked = {x.storage for x in asked if isinstance(x, Extent)}
        """Storages whose extents matter."""
        self.seen = {self.aliases.of(p.name) for p in f.params if p.name in self.aliases.parent}
        """Classes of what the caller sees."""

    def function(self) -> Function:
        body = self.block(self.f.body)
        return self.f if body == self.f.body else replace(self.f, body=body)

    def block(self, block: Block) -> Block:
        out: list[Stmt] = []
        group = _Group()
        for s in block:
            if not self._joins(group, s):
                out += self._made(group)
                group = _Group()
                if not self._joins(group, s):
                    out.append(rebuild(s, block=self.block))
        out += self._made(group)
        made = tuple(out)
        return block if made == block else made

    # -- legality

    def _joins(self, group: _Group, s: Stmt) -> bool:
        """Add a statement to a group, if it may be."""
        if isinstance(s, Loop):
            member = self._member(group, s)
            if member is None:
                return False
            group.members.append(member)
        elif not self._goes_before(group, s):
            return False
        else:
            group.before.append(s)
        group.original.append(s)
        return True

    def _goes_before(self, group: _Group, s: Stmt) -> bool:
        if not self._may_move(group, s):
            return False
        if not group.members:
            return True
        mine = effects(s, self.aliases, self.calls)
        return not any(m.effects.before(mine) for m in group.members)

    def _may_move(self, group: _Group, s: Stmt) -> bool:
        """Whether a statement names or checks something, and may come before the group as far as failures go."""
        if isinstance(s, (Alloc, Let)):
            return cannot_fail(s)
        if not isinstance(s, If) or not all(isinstance(x, (If, Fail)) for x in statements((s,))):
            return False
        written = {c for m in group.members for c, both in m.touched.items() if any(x.writes for x in both)}
        return not written & self.seen

    def _member(self, group: _Group, nest: Loop) -> _Member | None:
        if nest.cond is not None or nest.stop is None or nest.step != 1 or looks(nest.start) or looks(nest.stop):
            return None
        inside = list(statements(nest.body))
        if not any(isinstance(s, Loop) for s in inside) or not all(is_simple(s) for s in inside):
            return None
        if any(isinstance(s, Alloc) and s.buffer.shape for s in inside):
            return None
        local = definitions(nest.body) | {nest.var}
        touched: dict[str, list[Access]] = {}
        for x in dict.fromkeys(accesses(nest.body)):
            if x.storage not in local:
                touched.setdefault(self.aliases.of(x.storage), []).append(x)
        for c, both in touched.items():
            if nest.order != "any" and any(x.writes for x in both):
                return None  # its own rows are in order, but a strip of them is not worth it
            if c in self.folded and any(x.writes for x in both):
                return None
        member = _Member(nest, 0, touched, local, effects(nest, self.aliases, self.calls))
        shift = 0
        for other in group.members:
            behind = self._behind(other, member)
            if behind is None:
                return None
            shift = max(shift, other.shift + behind)
        return replace(member, shift=shift) if shift <= REACH else None

    def _behind(self, a: _Member, c: _Member) -> int | None:
        """How many rows the second nest must run behind the first; None if that is not bounded."""
        found = -REACH
        for name in a.touched.keys() & c.touched.keys():
            for x in a.touched[name]:
                for y in c.touched[name]:
                    if not (x.writes or y.writes) or (x.adds and y.adds):
                        continue
                    gap = self._gap(x, a, y, c)
                    if gap is None:
                        return None
                    found = max(found, gap)
        return found

    def _gap(self, x: Access, a: _Member, y: Access, c: _Member) -> int | None:
        """By how many rows, at most, the row of the first nest is ahead where both touch one element."""
        if x.storage != y.storage:
            return None
        for i, j in zip(x.index, y.index, strict=True):
            mine, theirs = offset(i, a.nest.var, a.local), offset(j, c.nest.var, c.local)
            if mine is not None and theirs is not None:
                return self.ranges.of(isub(theirs, mine))[1]
        return None

    # -- rewriting

    def _made(self, group: _Group) -> Sequence[Stmt]:
        if not self._pays(group):
            return [rebuild(s, block=self.block) for s in group.original]
        before = list(group.before)
        members = self._zeroed(group.members, before)
        folds = self._folds(members, before, group.original)
        starts = _distinct(iadd(m.nest.start, Const(m.shift, I64)) for m in members)
        stops = _distinct(iadd(m.nest.stop, Const(m.shift, I64)) for m in members if m.nest.stop is not None)
        low = self._least(before, "low", starts, "min")
        high = self._least(before, "high", stops, "max")
        rows = self._named(before, "rows", self._rows(members))
        for name, fold in folds.items():
            fold.count = self._named(
                before, "kept", b.max_(ONE, b.min_(iadd(rows, Const(fold.span, I64)), fold.extent))
            )
            before[:] = [x for x in before if not (isinstance(x, Alloc) and x.buffer.name == name)]
            before.append(_folded(fold.alloc, fold.axis, fold.count))
        count = Op("floordiv", (isub(iadd(high, rows), iadd(low, ONE)), rows), I64)
        turn = Var(self._fresh("strip"), I64)
        first = Let(self._fresh("first"), iadd(low, Op("mul", (turn, rows), I64)))
        body: list[Stmt] = [first]
        for m in members:
            assert m.nest.stop is not None
            start = isub(first.var, Const(m.shift, I64))
            if len(starts) > 1:
                start = b.max_(m.nest.start, start)
            stop = b.min_(m.nest.stop, isub(iadd(first.var, rows), Const(m.shift, I64)))
            body.append(self._wrapped(replace(m.nest, start=start, stop=stop), m, folds))
        return [*before, Loop(turn.name, ZERO, count, tuple(body), span=members[0].nest.span)]

    def _pays(self, group: _Group) -> bool:
        """Whether a nest reads or adds to again what an earlier one has touched, and not all surely fits the cache."""
        trips = [constant(isub(m.nest.stop, m.nest.start)) for m in group.members if m.nest.stop is not None]
        row = constant(self._row(group.members))
        if row is not None and all(n is not None and row * n <= CACHE for n in trips):
            return False
        if sum(_most_bytes(m) for m in group.members) <= CACHE:
            return False
        for k, m in enumerate(group.members):
            for c, both in m.touched.items():
                if any(c in o.touched for o in group.members[:k]) and any(len(x.index) > 1 for x in both):
                    return True
        return False

    def _zeroed(self, members: Sequence[_Member], before: list[Stmt]) -> list[_Member]:
        """The nests with those that fill new arrays with zeros, a strip at a time, before the first that uses them."""
        made = list(members)
        for k, s in enumerate(before):
            if not isinstance(s, Alloc) or not s.zero or s.buffer.rank < 2:
                continue
            name = s.buffer.name
            rows = self._offsets(name, made)
            if rows is None or any(name in _mentioned(x) for x in before if x is not s):
                continue
            shift = min(m.shift - high for m, _, high in rows.offsets)
            place = next(n for n, m in enumerate(made) if self.aliases.of(name) in m.touched)
            made.insert(place, self._zeros(s.buffer, rows.axis, shift))
            before[k] = replace(s, zero=False)
        return made

    def _zeros(self, buffer: Buffer, axis: int, shift: int) -> _Member:
        names = [Var(self._fresh("i"), I64) for _ in buffer.shape]
        body: Block = (Store(buffer.name, tuple(names), b.zero(buffer.dtype)),)
        order = [k for k in range(buffer.rank - 1, -1, -1) if k != axis] + [axis]
        for k in order:
            body = (Loop(names[k].name, ZERO, buffer.shape[k], body, order="any"),)
        nest = body[0]
        assert isinstance(nest, Loop)
        touched = {self.aliases.of(buffer.name): list(accesses(nest.body))}
        local = definitions(nest.body) | {nest.var}
        return _Member(nest, shift, touched, local, effects(nest, self.aliases, self.calls))

    def _offsets(self, name: str, members: Iterable[_Member]) -> _Rows | None:
        """Which rows of an array the nests touch."""
        c = self.aliases.of(name)
        users = [m for m in members if c in m.touched]
        both = [(m, x) for m in users for x in m.touched[c]]
        if not both or any(x.storage != name for _, x in both):
            return None
        for axis in range(len(both[0][1].index)):
            found: list[tuple[_Member, int, int]] = []
            for m, x in both:
                e = offset(x.index[axis], m.nest.var, m.local)
                low, high = (None, None) if e is None else self.ranges.of(e)
                if low is None or high is None:
                    break
                found.append((m, low, high))
            else:
                return _Rows(axis, found)
        return None

    def _folds(self, members: Sequence[_Member], before: Sequence[Stmt], original: Sequence[Stmt]) -> dict[str, _Fold]:
        """The arrays that live in the strips alone: they need only as many rows as are in use at once."""
        found: dict[str, _Fold] = {}
        here = _uses(original)
        for s in before:
            if not isinstance(s, Alloc) or s.zero or s.buffer.rank < 2 or s.buffer.name in self.f.results:
                continue
            name = s.buffer.name
            rows = self._offsets(name, members)
            if rows is None or name in self.asked or self.uses[name] != here[name]:
                continue
            if sum(self.aliases.of(x) == self.aliases.of(name) for x in self.aliases.parent) > 1:
                continue
            low = min(low - m.shift for m, low, _ in rows.offsets)
            high = max(high - m.shift for m, _, high in rows.offsets)
            found[name] = _Fold(s, rows.axis, s.buffer.shape[rows.axis], high - low, ONE)
        return found

    def _wrapped(self, nest: Loop, m: _Member, folds: dict[str, _Fold]) -> Loop:
        """A nest whose rows of folded arrays are counted round."""
        if not any(x.storage in folds for both in m.touched.values() for x in both):
            return nest
        places: list[tuple[Expr, str, Let]] = []

        def round_(name: str, index: tuple[Expr, ...]) -> tuple[Expr, ...]:
            fold = folds[name]
            row = index[fold.axis]
            let = next((let for e, n, let in places if n == name and same(e, row)), None)
            if let is None:
                let = Let(self._fresh("row"), Op("mod", (row, fold.count), I64))
                places.append((row, name, let))
            return (*index[: fold.axis], let.var, *index[fold.axis + 1 :])

        def load(e: Expr) -> Expr:
            return replace(e, index=round_(e.storage, e.index)) if isinstance(e, Load) and e.storage in folds else e

        def statement(s: Stmt) -> Stmt:
            made = rebuild(s, expr=lambda e: map_expr(load, e), block=lambda inner: tuple(map(statement, inner)))
            if isinstance(made, (Store, Accumulate)) and made.storage in folds:
                return replace(made, index=round_(made.storage, made.index))
            return made

        body = tuple(map(statement, nest.body))
        return replace(nest, body=(*(let for _, _, let in places), *body), order="sequential")

    def _rows(self, members: Sequence[_Member]) -> Expr:
        """How many rows of all the arrays that move with the rows fit into the cache."""
        return b.max_(ONE, Op("floordiv", (Const(CACHE, I64), b.max_(ONE, self._row(members))), I64))

    def _row(self, members: Sequence[_Member]) -> Expr:
        """The bytes of one row of all the arrays that move with the rows."""
        total: Expr = ZERO
        seen: set[str] = set()
        for m in members:
            for both in m.touched.values():
                x = both[0]
                buffer = self.storages.get(x.storage)
                if x.storage in seen or not isinstance(buffer, Buffer):
                    continue
                axis = next((k for k, e in enumerate(x.index) if offset(e, m.nest.var, m.local) is not None), None)
                if axis is None:
                    continue
                seen.add(x.storage)
                size: Expr = Const(buffer.dtype.numpy.itemsize, I64)
                for k, e in enumerate(buffer.shape):
                    if k != axis:
                        size = Op("mul", (size, e), I64)
                total = iadd(total, size)
        return total

    def _least(self, before: list[Stmt], hint: str, values: Sequence[Expr], op: str) -> Expr:
        found = values[0]
        for e in values[1:]:
            found = b.op(op, found, e)
        return self._named(before, hint, found)

    def _named(self, before: list[Stmt], hint: str, value: Expr) -> Expr:
        if isinstance(value, (Const, Var)):
            return value
        made = Let(self._fresh(hint), value)
        before.append(made)
        return made.var

    def _fresh(self, name: str) -> str:
        made = unused(name, self.names)
        self.names.add(made)
        return made


def _most_bytes(member: _Member) -> float:
    """What a nest touches at most, however large its arrays are: an element per access in each turn of its loops."""
    loops = [s for s in statements((member.nest,)) if isinstance(s, Loop)]
    turns = [None if s.stop is None else constant(isub(s.stop, s.start)) for s in loops]
    count = prod(float("inf") if t is None else float(t) for t in turns)
    return count * LARGEST * sum(map(len, member.touched.values()))


def _distinct(values: Iterable[Expr]) -> list[Expr]:
    found: list[Expr] = []
    for e in values:
        if not any(same(e, x) for x in found):
            found.append(e)
    return found


def _folded(alloc: Alloc, axis: int, count: Expr) -> Alloc:
    shape = (*alloc.buffer.shape[:axis], count, *alloc.buffer.shape[axis + 1 :])
    return replace(alloc, buffer=replace(alloc.buffer, shape=shape))


def _uses(block: Iterable[Stmt]) -> Counter[str]:
    """In how many statements each storage is touched or looked at."""
    return Counter(name for s in statements(tuple(block)) for name in _mentioned(s))


def _mentioned(s: Stmt) -> set[str]:
    """The storages that a statement itself touches or looks at; an allocation does not touch what it makes."""
    if isinstance(s, Alloc):
        return set()
    names = used(s) | {x.storage for e in expressions(s) for x in subexpressions(e) if isinstance(x, (Load, Extent))}
    return names | ({s.storage} if isinstance(s, (Store, Accumulate)) else set())
