"""Which elements still hold, when the reverse sweep runs, what they held at a point of the forward sweep.

An element is *final* at a point if no write that may run after the point, within the lifetime of its storage, can touch
it. A write may run after it later in the same iteration of the loops around both, or in a later iteration of one of
these loops; in another iteration of an `any` loop it may not touch the element (a rule of the IR). Two accesses of one
storage are told apart by proving that their subscripts differ at some axis, from the bounds of the loops (`Facts`).
So the columns of an in-place factorisation are final once the outer loop has passed them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeAlias

from wengert.ad.reverse.regions import Prepared, Region
from wengert.analysis.affine import Facts, constant, isub
from wengert.ir import build as b
from wengert.ir.nodes import Accumulate, Alloc, Buffer, Call, Expr, Load, Loop, Reshape, Stmt, Store, Var
from wengert.ir.types import I64
from wengert.ir.walk import names_in, statements, substitute

Index = tuple[Expr, ...]
MAX_WRITES = 64
"""Beyond this number of writes to a storage, subscripts are not compared."""


Direction: TypeAlias = Literal[1, -1]
AFTER: Direction = 1
BEFORE: Direction = -1
Meeting: TypeAlias = tuple[Region, int]
"""A region around a point and a write, and 0 if both are in the same iteration of all loops around it, or 1 (-1) if the
write is in a later (earlier) iteration of the loop whose body the region is."""


@dataclass(frozen=True, slots=True)
class Write:
    stmt: Stmt
    region: Region
    position: int


class Kept:
    """Finality in one function. With `shared_top`, what is declared at the top level lives until the end of the reverse
    sweep; what is declared below is there in the reverse sweep only if it is stored or rebuilt."""

    def __init__(self, p: Prepared, shared_top: bool) -> None:
        self.p, self.shared_top = p, shared_top
        self.writes: dict[str, list[Write]] = {}
        for region in p.root.tree():
            for k, stmt in enumerate(region.stmts):
                for target in () if k in region.inner else p.flow.aliases.targets(stmt):
                    self.writes.setdefault(p.aliases.of(target), []).append(Write(stmt, region, k))
        self.contiguous = _must_be_contiguous(p)
        self._situations: dict[tuple[Region, Region, Meeting], tuple[Facts, dict[str, Expr]]] = {}
        self._operations: dict[str, Expr | None] = {}

    # -- questions

    def facts(self, region: Region) -> Facts:
        """What is known about integers in a region: extents, and the loops around it."""
        facts = Facts()
        for name in sorted(self.p.nonnegative):
            facts.assume(Var(name, I64), 0)
        for r in region.loops():
            if r.loop is not None:
                _assume(facts, r.loop, r.loop.var, self.inlined)
        return facts

    def values(self) -> dict[str, Load]:
        """For lets that memory will hold to the end, the loads that give their value: of those that are loads, the same
        load; of those that are stored where they are defined, a load of what was stored."""
        found: dict[str, Load] = {}
        for definition in self.p.definitions.values():
            value = definition.value
            if isinstance(value, Load):
                load = self._final_load(value, definition.region, definition.position)
                if load is not None:
                    found[definition.name] = load
        for region in self.p.root.tree():
            for k, stmt in enumerate(region.stmts):
                if isinstance(stmt, Store) and isinstance(stmt.value, Var):
                    definition = self.p.definitions.get(stmt.value.name)
                    if definition is not None and definition.region is region and definition.name not in found:
                        load = self._final_load(Load(stmt.storage, stmt.index, stmt.value.dtype), region, k + 1)
                        if load is not None:
                            found[definition.name] = load
        return found

    def buffer(self, storage: str, region: Region, position: int) -> bool:
        """Whether all of a buffer is final just before the statement at `position`, and can be read in reverse."""
        return (
            isinstance(self.p.storages[storage], Buffer)
            and self._is_readable(storage)
            and self.is_final(storage, None, region, position)
        )

    def is_top(self, storage: str) -> bool:
        """Whether what a name stands for lives until the end of the reverse sweep."""
        return self.shared_top and self.p.home[storage] is self.p.root

    def allocation(self, storage: str) -> Alloc | None:
        """The allocation of a buffer that lives shorter, and that no ref may name."""
        if self.is_top(storage) or self.p.aliases.is_rebindable(storage):
            return None
        stmts = self.p.home[storage].stmts
        return next((s for s in stmts if isinstance(s, Alloc) and s.buffer.name == storage), None)

    def hoistable(self, storage: str) -> Alloc | None:
        """The allocation of a buffer below the top level that could be a part of a buffer at the top level."""
        alloc = self.allocation(storage) if self.shared_top and storage not in self.contiguous else None
        return None if alloc is None or not alloc.buffer.shape else alloc

    def untouched_within(
        self,
        storage: str,
        index: Index,
        region: Region,
        position: int,
        outer: Region,
        outer_position: int,
        direction: Direction,
    ) -> bool:
        """Whether no write inside statement `outer_position` of `outer` may touch the element before (or after)
        `position` of `region`, which is nested in that statement."""
        inside = [w for w in self.writes.get(self.p.aliases.of(storage), ()) if _contains(outer, outer_position, w)]
        if len(inside) > MAX_WRITES:
            return False
        place = self.resolve_fully(storage, index)
        return all(
            self.apart(place, region, w, meeting)
            for w in inside
            for meeting in meetings(region, position, outer, w, direction)
        )

    def is_written_in(self, storage: str, region: Region, position: int) -> bool:
        """Whether a statement of a region, or what is nested in it, may write (or rebind, or allocate) the storage."""
        return any(_contains(region, position, w) for w in self.writes.get(self.p.aliases.of(storage), ()))

    def after_last_write(self, storage: str, region: Region, position: int) -> int:
        """The position after the last statement before `position` of a region that may write the storage."""
        writes = [w for w in self.writes.get(self.p.aliases.of(storage), ()) if region in w.region.ancestors()]
        entries = [entry(w.region, w.position, region) for w in writes]
        return max((k + 1 for k in entries if k < position), default=0)

    def before_next_write(self, storage: str, region: Region, position: int) -> int:
        """The position of the first statement after `position` of a region that may write the storage."""
        writes = [w for w in self.writes.get(self.p.aliases.of(storage), ()) if region in w.region.ancestors()]
        entries = [entry(w.region, w.position, region) for w in writes]
        return min((k for k in entries if k > position), default=len(region.stmts))

    def is_unwritten_after(self, storage: str, region: Region, position: int) -> bool:
        """Whether nothing in the rest of a region may write the storage."""
        return self.after_last_write(storage, region, len(region.stmts)) <= position

    def _final_load(self, load: Load, region: Region, position: int) -> Load | None:
        storage, index = self.resolve(load.storage, load.index)
        if self._is_readable(storage) and self.is_final(storage, index, region, position):
            return Load(storage, index, load.dtype)
        return None

    def _is_readable(self, storage: str) -> bool:
        if self.is_top(storage):
            return not self.p.aliases.is_rebindable(storage)
        return self.allocation(storage) is not None

    # -- finality

    def is_final(self, storage: str, index: Index | None, region: Region, position: int) -> bool:
        """Whether no write after `position` of `region`, in the lifetime of `storage`, may touch the element (or, with
        no index, any element). The storage is visible in the region and no ref names it."""
        return self._is_untouched(storage, index, region, position, AFTER)

    def is_first(self, storage: str, index: Index | None, region: Region, position: int) -> bool:
        """Whether no write before `position` of `region` may touch the element (or any), and nothing but this function
        can have written it before: the reverse sweep does not look at its adjoint any more."""
        base = self._base(storage)
        local = any(isinstance(s, Alloc) and s.buffer.name == base for s in self.p.home[base].stmts)
        return (
            local
            and not self.p.aliases.is_rebindable(storage)
            and self._is_untouched(storage, index, region, position, BEFORE)
        )

    def _is_untouched(
        self, storage: str, index: Index | None, region: Region, position: int, direction: Direction
    ) -> bool:
        writes = self.writes.get(self.p.aliases.of(storage), [])
        if len(writes) > MAX_WRITES:
            index = None
        home = self.p.home[full := self._base(storage)]
        place = None if index is None else self.resolve_fully(storage, index)
        for w in writes:
            if isinstance(w.stmt, Alloc) and w.stmt.buffer.name == full:
                continue
            for meeting in meetings(region, position, home, w, direction):
                if place is None or not self.apart(place, region, w, meeting):
                    return False
        return True

    def apart(self, place: tuple[str, Index], region: Region, w: Write, meeting: Meeting) -> bool:
        """Whether the write cannot touch the element at `place`."""
        if not isinstance(w.stmt, (Store, Accumulate)):
            return False
        storage, index = self.resolve_fully(w.stmt.storage, w.stmt.index)
        if storage != place[0]:
            return False
        facts, renamed = self._situation(region, w.region, meeting)
        pairs: list[tuple[Expr, Expr]] = []
        for mine, other in zip(place[1], index, strict=True):
            x, y = self.inlined(mine), self._elsewhere(other, renamed, meeting)
            distance = constant(isub(x, y))
            if distance is not None and distance != 0:
                return True
            pairs.append((x, y))
        return any(facts.less(x, y) or facts.less(y, x) for x, y in pairs)

    def _situation(self, region: Region, other: Region, meeting: Meeting) -> tuple[Facts, dict[str, Expr]]:
        """What is known about the loop variables around a point and a write, and other names for what has another value
        at the write."""
        key = region, other, meeting
        if key not in self._situations:
            common, shift = meeting
            facts, renamed = self.facts(region), dict[str, Expr]()
            for r in other.loops():
                if r.loop is not None and common in r.ancestors() and (shift or r is not common):
                    name = f"{r.loop.var}'"
                    bound = partial(self._elsewhere, renamed=renamed, meeting=meeting)
                    _assume(facts, r.loop, name, bound, shift if r is common else 0)
                    renamed[r.loop.var] = Var(name, I64)
            self._situations[key] = facts, renamed
        return self._situations[key]

    def _elsewhere(self, e: Expr, renamed: dict[str, Expr], meeting: Meeting) -> Expr:
        """An integer atom at the write: lets that may have another value there than at the point get other names, those
        defined below the common region, or in it if the iterations differ."""
        common, shift = meeting
        e = self.inlined(e)
        for name in names_in(e) - renamed.keys():
            definition = self.p.definitions.get(name)
            if definition is None or common not in definition.region.ancestors():
                continue
            if shift or definition.region is not common:
                renamed[name] = Var(f"{name}'", I64)
        return substitute(e, renamed)

    def inlined(self, e: Expr) -> Expr:
        """An integer atom with lets replaced by their integer operations."""
        values = {n: v for n in names_in(e) if (v := self._operation(n)) is not None}
        return substitute(e, values) if values else e

    def _operation(self, name: str) -> Expr | None:
        """The integer operation, over names that are none, that a let is."""
        if name not in self._operations:
            definition = self.p.definitions.get(name)
            value = None if definition is None else definition.value
            self._operations[name] = None if value is None or not self._is_pure(value) else self.inlined(value)
        return self._operations[name]

    def _is_pure(self, value: Expr) -> bool:
        """Whether a value is an integer operation on integers."""
        if isinstance(value, Load) or value.dtype.is_inexact:
            return False
        return all(self._is_integer(n) for n in names_in(value))

    def _is_integer(self, name: str) -> bool:
        definition = self.p.definitions.get(name)
        return name not in self.p.storages and (definition is None or definition.dtype.is_integer)

    def _base(self, storage: str) -> str:
        while storage in self.p.bases:
            storage = self.p.bases[storage]
        return storage

    def resolve(self, storage: str, index: Index) -> tuple[str, Index]:
        """The element seen through views that are gone in the reverse sweep."""
        while not self.is_top(storage) and storage in self.p.views:
            if not isinstance(self.p.storages[self.p.views[storage].base], Buffer):
                break
            storage, index = through_view(self.p, storage, index)
        return storage, index

    def resolve_fully(self, storage: str, index: Index) -> tuple[str, Index]:
        """The element of the storage that a chain of views (not reshapes) is of."""
        while storage in self.p.views:
            storage, index = through_view(self.p, storage, index)
        return storage, index


def meetings(region: Region, position: int, home: Region, w: Write, direction: Direction) -> Iterator[Meeting]:
    """How a write may run after (or before) the point in the lifetime of what `home` declares."""
    if home not in w.region.ancestors():
        return  # of another lifetime, or not of this storage
    around = set(w.region.ancestors())
    common = next(r for r in region.ancestors() if r in around)
    here, there = entry(region, position, common), entry(w.region, w.position, common)
    if there < here if direction == BEFORE else there >= here + (region is not common):
        yield common, 0
    for r in common.ancestors():
        if r is home:
            return
        if r.loop is not None and r.loop.order != "any":
            yield r, direction


def _assume(facts: Facts, loop: Loop, name: str, bound: Callable[[Expr], Expr], shift: int = 0) -> None:
    """Bounds of a loop variable, called `name`, inside the loop; with a shift, of iterations after (1) or before (-1)
    the one in which the loop's own variable has its value."""
    start = bound(loop.start)
    stop = None if loop.stop is None else bound(loop.stop)
    last = None if stop is None else b.sub(stop, 1) if loop.step > 0 else b.add(stop, 1)
    other = b.add(Var(loop.var, I64), shift * loop.step)
    first, last = (other if shift > 0 else start), (other if shift < 0 else last)
    low, high = (first, last) if loop.step > 0 else (last, first)
    facts.assume(Var(name, I64), low, high)


def _contains(region: Region, position: int, w: Write) -> bool:
    return region in w.region.ancestors() and entry(w.region, w.position, region) == position


def entry(region: Region, position: int, common: Region) -> int:
    """The position, in the region `common` around it, of what leads to `position` of `region`."""
    while region is not common:
        assert region.parent is not None
        region, position = region.parent, region.position
    return position


def _must_be_contiguous(p: Prepared) -> frozenset[str]:
    """Storages that something requires to be contiguous: bases of reshapes, arguments for parameters that are."""
    found: set[str] = set()
    for stmt in statements(p.function.body):
        match stmt:
            case Reshape(base=base):
                found.add(base)
            case Call(function, args):
                params = p.flow.module.functions[function].params
                pairs = zip(args, params, strict=True)
                found |= {a for a, q in pairs if isinstance(a, str) and not (isinstance(q, Buffer) and q.strided)}
            case _:
                pass
    return frozenset(found)


def through_view(p: Prepared, storage: str, index: Index) -> tuple[str, Index]:
    """The element of a view's base that an element of the view is."""
    view = p.views[storage]
    places = list(view.start)
    for (axis, step), i in zip(view.axes, index, strict=True):
        if axis is not None:
            places[axis] = b.add(places[axis], b.mul(step, i))
    return view.base, tuple(places)
