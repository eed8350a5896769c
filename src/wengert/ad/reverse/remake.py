"""Values that memory held only for a while, computed again at the index of the load that read them.

A nest stores f(i) to A[i], a later nest of the same block loads A[j] and needs the value in the reverse sweep, but A[j]
is overwritten by then (a column that is scaled in place, a pivot of which a part was stored first). If that load can
only read what one store wrote, at the iteration i = s(j), its value is f(s(j)). Preparation puts the operations of f,
over s(j), before the load: lets like any others, which the plan may store, load or compute again. What the plan does
not use is dead code of the forward sweep.

Legality. For a load of A[j] in a region R, and a store to A[i] = v in a region S, with C the innermost region around
both:

- the store's statement in C comes before the load's, and nothing but counted loops lies between C and the store;
- each variable of these loops is, but for a summand, a subscript of the store: so s exists, different iterations write
  different elements, and s(j) is proved to lie within the loops' bounds;
- no other write that may run after the store and before the load can touch A[j] (but those before the store, in its
  own block, to the same subscripts);
- what v is computed from is visible at the load, or an operation or load in the store's loops. Loads must find there
  what they found at the store: no write at all in between, an element that is final, or again one of these values.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field, replace

from wengert.ad.reverse.kept import BEFORE, MAX_WRITES, Index, Kept, Write, entry, meetings
from wengert.ad.reverse.regions import Definition, Prepared, Region
from wengert.analysis.affine import isub, same
from wengert.ir import build as b
from wengert.ir.nodes import Accumulate, Block, Expr, Extent, Function, Let, Load, Loop, Stmt, Store, Var
from wengert.ir.types import I64
from wengert.ir.walk import function_names, map_statements, names_in, subexpressions, substitute, unused

MAX_LETS = 32
"""How many lets one value may take."""


class Impossible(Exception):
    """The value cannot be computed at the load."""


@dataclass(frozen=True, slots=True)
class Source:
    """The store that a load reads, the innermost region around both, and the iteration, by loop variable."""

    write: Write
    around: Region
    at: Mapping[str, Expr]


@dataclass
class Frame:
    """What names in a store's loops stand for at the load; names from outside `around` stand for what they do in
    `outer` (None: at the load itself)."""

    around: Region
    env: dict[str, Expr]
    outer: Frame | None


@dataclass
class Remade:
    """A function with lets before some loads, and the value of each of these loads in terms of them."""

    function: Function
    values: dict[str, Expr] = field(default_factory=dict[str, Expr])


def remake(function: Function, p: Prepared, kept: Kept) -> Remade | None:
    """The function with the values of loads that memory does not keep; None if there are none. `p` is the function,
    prepared: names that preparation made are not used."""
    names, final = function_names(function), kept.values()
    taken = names | p.names
    lets: dict[str, Block] = {}
    values: dict[str, Expr] = {}
    for d in list(p.definitions.values()):
        if d.name not in names or d.name in final or not isinstance(d.value, Load) or not d.dtype.is_inexact:
            continue
        made = _Remaking(p, kept, final, names, taken, d)
        try:
            values[d.name] = made.load(d, None)
        except Impossible:
            continue
        lets[d.name] = tuple(made.lets)
        taken |= {s.name for s in made.lets}
    if not values:
        return None

    def visit(stmt: Stmt) -> Block:
        return (*lets.get(stmt.name, ()), stmt) if isinstance(stmt, Let) else (stmt,)

    return Remade(replace(function, body=map_statements(function.body, visit)), values)


class _Remaking:
    """The lets for one load, the `target`."""

    def __init__(
        self, p: Prepared, kept: Kept, final: Container[str], names: Container[str], taken: set[str], target: Definition
    ) -> None:
        self.p, self.kept, self.final, self.names, self.target = p, kept, final, names, target
        self.taken = set(taken)
        self.lets: list[Let] = []

    def load(self, d: Definition, frame: Frame | None) -> Expr:
        """The value that a load finds which a store has left for it."""
        source = self._source(d)
        stmt = source.write.stmt
        assert isinstance(stmt, Store)
        if stmt.value.dtype is not d.dtype:
            raise Impossible
        env = {var: self._expr(e, frame) for var, e in source.at.items()}
        return self._expr(stmt.value, Frame(source.around, env, frame))

    # -- operations over names of the store's loops, at the load

    def _expr(self, e: Expr, frame: Frame | None) -> Expr:
        if any(isinstance(x, (Load, Extent)) for x in subexpressions(e)):
            raise Impossible
        return substitute(e, {n: self._name(n, frame) for n in sorted(names_in(e))})

    def _name(self, name: str, frame: Frame | None) -> Expr:
        d = self.p.definitions.get(name)
        while frame is not None and name not in frame.env:
            if d is not None and d.region is not frame.around and frame.around in d.region.ancestors():
                frame.env[name] = self._let(d, frame)
                break
            frame = frame.outer
        if frame is not None:
            return frame.env[name]
        if d is None:
            return Var(name, I64)  # the variable of a loop around the target
        if name not in self.names:
            raise Impossible
        return Var(name, d.dtype)

    def _let(self, d: Definition, frame: Frame) -> Expr:
        match d.value:
            case None:
                raise Impossible
            case Load(storage, index, dtype):
                base, index = self.kept.resolve_fully(storage, index)
                if d.name not in self.final and not self._is_steady(base, d):
                    return self.load(d, frame)
                if self.p.home[base] not in self.target.region.ancestors():
                    return self.load(d, frame)
                value: Expr = Load(base, tuple(self._expr(i, frame) for i in index), dtype)
            case operation:
                value = self._expr(operation, frame)
        if len(self.lets) == MAX_LETS:
            raise Impossible
        name = unused(f"{d.name}_again", self.taken)
        self.taken.add(name)
        self.lets.append(Let(name, value, d.region.stmts[d.position].span))
        return Var(name, d.dtype)

    def _is_steady(self, base: str, d: Definition) -> bool:
        """Whether nothing writes a storage from a load, in the store's loops, to the target."""
        if self.p.aliases.is_rebindable(base):
            return False
        common = _common(d.region, self.target.region)
        first = entry(d.region, d.position, common)
        last = entry(self.target.region, self.target.position, common)
        return not any(self.kept.is_written_in(base, common, k) for k in range(first, last + 1))

    # -- the store that a load reads

    def _source(self, d: Definition) -> Source:
        assert isinstance(d.value, Load)
        storage, index = self.kept.resolve_fully(d.value.storage, d.value.index)
        writes = self.kept.writes.get(self.p.aliases.of(storage), ())
        if self.p.aliases.is_rebindable(storage) or len(writes) > MAX_WRITES:
            raise Impossible
        index = tuple(map(self.kept.inlined, index))
        for w in writes:
            found = self._match(d, storage, index, w)
            if found is not None and self._is_last(d, storage, index, found):
                return found
        raise Impossible

    def _match(self, d: Definition, storage: str, index: Index, w: Write) -> Source | None:
        """The iteration of a store that writes the element, if it surely runs before the load, in the same iteration of
        what is around both."""
        if not isinstance(w.stmt, Store):
            return None
        written, subscripts = self.kept.resolve_fully(w.stmt.storage, w.stmt.index)
        around = _common(d.region, w.region)
        if written != storage or self.p.home[storage] not in around.ancestors():
            return None
        if entry(w.region, w.position, around) >= entry(d.region, d.position, around):
            return None
        loops = _loops(w.region, around)
        if loops is None:
            return None
        subscripts = tuple(map(self.kept.inlined, subscripts))
        at: dict[str, Expr] = {}
        inside = {loop.var for loop in loops}
        for loop in loops:
            var = Var(loop.var, I64)
            for mine, other in zip(index, subscripts, strict=True):
                rest = isub(other, var)
                if not names_in(rest) & inside:
                    at.setdefault(loop.var, isub(mine, rest))
        if len(at) < len(loops):
            return None
        for mine, other in zip(index, subscripts, strict=True):
            there = substitute(other, at)
            if not same(there, mine) or not self._is_visible(there, around):
                return None
        facts = self.kept.facts(d.region)
        for loop in loops:
            assert loop.stop is not None
            start, stop = (substitute(self.kept.inlined(e), at) for e in (loop.start, loop.stop))
            i = at[loop.var]
            if abs(loop.step) != 1 or not all(self._is_visible(e, around) for e in (i, start, stop)):
                return None
            first, beyond = (start, stop) if loop.step > 0 else (stop, start)
            below, above = isub(i, first), isub(beyond, i)
            low, high = (0, 1) if loop.step > 0 else (1, 0)
            if not facts.nonnegative(b.sub(below, low)) or not facts.nonnegative(b.sub(above, high)):
                return None
        return Source(w, around, at)

    def _is_visible(self, e: Expr, around: Region) -> bool:
        """Whether no scalar in an expression is defined inside a region, or from memory."""
        if any(isinstance(x, (Load, Extent)) for x in subexpressions(e)):
            return False
        found = (self.p.definitions[n].region for n in names_in(e) if n in self.p.definitions)
        return all(r in around.ancestors() for r in found)

    def _is_last(self, d: Definition, storage: str, index: Index, source: Source) -> bool:
        """Whether no other write may touch the element between the store and the load."""
        mine, around = source.write, source.around
        first, last = (entry(x.region, x.position, around) for x in (mine, d))
        for w in self.kept.writes[self.p.aliases.of(storage)]:
            if w is mine or around not in w.region.ancestors():
                continue
            if not first <= entry(w.region, w.position, around) <= last:
                continue
            if w.region is mine.region and w.position < mine.position and self._is_same_place(w, mine):
                continue
            for meeting in meetings(d.region, d.position, around, w, BEFORE):
                if not self.kept.apart((storage, index), d.region, w, meeting):
                    return False
        return True

    def _is_same_place(self, w: Write, other: Write) -> bool:
        if not isinstance(w.stmt, (Store, Accumulate)) or not isinstance(other.stmt, Store):
            return False
        a, x = self.kept.resolve_fully(w.stmt.storage, w.stmt.index)
        c, y = self.kept.resolve_fully(other.stmt.storage, other.stmt.index)
        return a == c and all(same(self.kept.inlined(i), self.kept.inlined(j)) for i, j in zip(x, y, strict=True))


def _common(a: Region, c: Region) -> Region:
    around = set(c.ancestors())
    return next(r for r in a.ancestors() if r in around)


def _loops(region: Region, around: Region) -> list[Loop] | None:
    """The loops, outermost first, between a region and one around it, None if there is anything else, or one may end
    early."""
    found: list[Loop] = []
    while region is not around:
        if region.loop is None or region.loop.cond is not None or region.loop.stop is None:
            return None
        found.append(region.loop)
        assert region.parent is not None
        region = region.parent
    return found[::-1]
