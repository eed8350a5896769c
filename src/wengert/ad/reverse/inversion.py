"""Memory that the reverse sweep takes back: `A[i] += g` is undone by `A[i] -= g`.

A time step adds to its state (leapfrog: v += dt*a(x); x += dt*v), a factorisation subtracts from its columns. If the
reverse sweep undoes every such *update* when it comes to it, `A` holds at each point of the reverse sweep what it held
at that point of the forward sweep, as far as nothing else wrote it: a load needs no tape, and what is left to store is
the contents of `A` at the end, where these are overwritten or the caller has them.

An update is an accumulation by addition, or a store of what the element held plus something. It can be undone if the
reverse sweep comes to it at all (all loops around it have a known number of iterations then) and what was added can be
had again there; the planner sees to that. That may need other memory that is taken back, or the same: each load
finds its memory as it was at its own time.

Legality. A load in a region R, of an element of the buffer A, can be made from memory that is taken back if

- from the load to the place from which A is taken back (the end of the region that declares A, or before the first
  statement there that may write the element in another way), only updates that can be undone may touch the element;
- from the load to the points of the reverse sweep at which its value is needed (see `until`), nothing may touch it.

The second asks for memory neither too early nor too late: an update whose summand depends on the very element that it
changes fails it, since the summand is needed before the update is undone. What lives in R and depends on such a load
is not had at the start of the reverse of R, but *late*: at the first point where it is needed.

The same holds for all of a buffer (which only updates may touch, then) that a library operation reads.

Integers are exact, whatever their width. A float comes back up to rounding relative to the larger of the two summands,
and not at all after an infinity, so floats are taken back on request only, and count as inexact (see `exact`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from wengert.ad.reverse.kept import AFTER, MAX_WRITES, Index, Kept, Write, entry, meetings
from wengert.ad.reverse.regions import Prepared, Region, Snapshot
from wengert.ad.reverse.slices import Slice
from wengert.ad.reverse.until import Points, Uses
from wengert.analysis.affine import same
from wengert.ir.nodes import Accumulate, Alloc, Buffer, Expr, Let, Load, Op, Scalar, Store, Var
from wengert.ir.types import BOOL

MAX_TERMS = 16
"""How many summands a store may add to an element."""


Term: TypeAlias = tuple[Expr, bool]


@dataclass(frozen=True, slots=True)
class Update:
    """An element of a buffer plus a sum: `terms` are its summands, and whether each was added (or subtracted). `sums`:
    the lets that are what the element is after it."""

    write: Write
    index: Index
    terms: tuple[Term, ...]
    sums: tuple[str, ...] = ()


@dataclass(slots=True)
class Inverted:
    """A buffer that is taken back from a copy of it, from the copy's point on: the name of the node; the updates,
    none of them at a statement before `first` of the region that declares the buffer. `in_place`: it is no copy but the
    buffer. `stands_in`: it is read in place of the buffer, which would be there, and is not written after it."""

    name: str
    copy: Snapshot
    in_place: bool
    stands_in: bool
    updates: tuple[Update, ...] = ()
    first: int = 0


@dataclass(frozen=True, slots=True)
class _Wanted:
    """An element (no index: all) of a buffer that is wanted as it was at a place; `until` names the value for which."""

    until: str
    storage: str
    index: Index | None
    region: Region
    position: int


@dataclass
class Inversion:
    """What can be had from memory that is taken back: loads, by the name of the let; the contents of whole buffers, by
    the snapshot of a library operation; arrays that library operations rebuild from such contents. The memory that each
    needs is there by the name of its node; `points` says when what depends on it is had."""

    loads: dict[str, tuple[Load, str]] = field(default_factory=dict[str, tuple[Load, str]])
    snapshots: dict[str, str] = field(default_factory=dict[str, str])
    arrays: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    memory: dict[str, Inverted] = field(default_factory=dict[str, Inverted])
    points: dict[str, Points] = field(default_factory=dict[str, Points])


class Updates:
    """The updates of one function that can be undone; of floats only if `floats`."""

    def __init__(self, p: Prepared, kept: Kept, floats: bool) -> None:
        self.p, self.kept, self.floats = p, kept, floats
        self.of: dict[str, list[Update]] = {}
        self._made: dict[Region, list[str]] = {}
        for writes in kept.writes.values():
            if len(writes) <= MAX_WRITES:
                for w in writes:
                    self._find(w)
        self.by_write = {(u.write.region, u.write.position): u for found in self.of.values() for u in found}

    def __contains__(self, storage: str) -> bool:
        return storage in self.of

    def _find(self, w: Write) -> None:
        match w.stmt:
            case Accumulate(storage, index, value, "add") | Store(storage, index, Var() as value):
                storage, index = self.kept.resolve_fully(storage, index)
            case _:
                return
        if not self._is_suitable(storage, value) or not self._is_reached(w.region, self.p.home[storage]):
            return
        if isinstance(w.stmt, Accumulate):
            terms, sums = ((value, True),), self._sums(value, storage, index, w)
        else:
            assert isinstance(value, Var)
            terms, sums = self._added(value, storage, index, w), (value.name,)
        if terms:
            self.of.setdefault(storage, []).append(Update(w, index, terms, sums))

    def _is_suitable(self, storage: str, value: Expr) -> bool:
        """Whether a storage is a buffer that can be taken back."""
        s = self.p.storages[storage]
        if not isinstance(s, Buffer) or storage in self.p.bases or self.p.aliases.is_rebindable(storage):
            return False
        return s.dtype is not BOOL and (self.floats or not s.dtype.is_inexact) and value.dtype is s.dtype

    def _is_reached(self, region: Region, home: Region) -> bool:
        """Whether the reverse sweep can run the loops around an update."""
        while region is not home:
            assert region.parent is not None
            loop = region.loop
            counted = region.position in region.parent.notes
            if loop is not None and not counted and (loop.cond is not None or loop.stop is None):
                return False
            region = region.parent
        return True

    def _added(self, value: Expr, storage: str, index: Index, w: Write) -> tuple[Term, ...]:
        """The summands of a value that is a sum of them and of what the element holds up to a write of it in the same
        block; none if it is not."""
        terms, elements = list[Term](), 0
        for e, is_added in self._terms(value, w.region):
            if is_added and self._is_element(e, storage, index, w):
                elements += 1
            else:
                terms.append((e, is_added))
        return tuple(terms) if elements == 1 else ()

    def _terms(self, value: Expr, region: Region) -> list[Term]:
        """The summands of a sum made in a block; the value alone if it is none, or a long one."""
        done: list[Term] = []
        todo: list[Term] = [(value, True)]
        while todo:
            e, is_added = todo.pop()
            d = self.p.definitions.get(e.name) if isinstance(e, Var) else None
            match None if d is None or d.region is not region else d.value:
                case Op("add", (a, other)):
                    todo += [(other, is_added), (a, is_added)]
                case Op("sub", (a, other)):
                    todo += [(other, not is_added), (a, is_added)]
                case Op("neg", (a,)):
                    todo.append((a, not is_added))
                case _:
                    done.append((e, is_added))
            if len(done) + len(todo) > MAX_TERMS:
                return [(value, True)]
        return done

    def _is_element(self, e: Expr, storage: str, index: Index, w: Write) -> bool:
        """Whether a scalar is a load, in the block of a write, of what the write changes."""
        d = self.p.definitions.get(e.name) if isinstance(e, Var) else None
        if d is None or d.region is not w.region or not isinstance(d.value, Load) or d.position > w.position:
            return False
        mine, at = self.kept.resolve_fully(d.value.storage, d.value.index)
        return mine == storage and self._is_same(at, index) and self._holds(mine, at, d.position, w)

    def _is_same(self, a: Index, other: Index) -> bool:
        return all(same(self.kept.inlined(i), self.kept.inlined(j)) for i, j in zip(a, other, strict=True))

    def _sums(self, value: Expr, storage: str, index: Index, w: Write) -> tuple[str, ...]:
        """The sums, made in the block of an accumulation, of what the element holds before and of what is added."""
        wanted = Counter(self._terms(value, w.region))
        if w.region not in self._made:
            self._made[w.region] = [
                s.name
                for s in w.region.stmts
                if isinstance(s, Let) and isinstance(s.value, Op) and s.value.name in ("add", "sub")
            ]
        return tuple(
            name
            for name in self._made[w.region]
            if (terms := self._added(Var(name, value.dtype), storage, index, w)) and Counter(terms) == wanted
        )

    def _holds(self, storage: str, index: Index, position: int, w: Write) -> bool:
        """Whether the element is untouched from a place to the write, in the same block."""
        for other in self.kept.writes[self.p.aliases.of(storage)]:
            for meeting in meetings(w.region, position, w.region, other, AFTER):
                at = entry(other.region, other.position, w.region)
                if at < w.position and not self.kept.apart((storage, index), w.region, other, meeting):
                    return False
        return True


def inversion(
    p: Prepared,
    kept: Kept,
    final: Mapping[str, Load],
    updates: Updates,
    visible: frozenset[str],
    slices: Callable[[str], Slice | None],
) -> Inversion:
    """What can be had from memory that is taken back. `final` and `visible` need not; `slices`: how arrays of regions
    are rebuilt, if whatever `updates` has may be read."""
    return _Search(p, kept, final, updates, visible, slices).found() if updates.of else Inversion()


class _Search:
    def __init__(
        self,
        p: Prepared,
        kept: Kept,
        final: Mapping[str, Load],
        updates: Updates,
        visible: frozenset[str],
        slices: Callable[[str], Slice | None],
    ) -> None:
        self.p, self.kept, self.updates = p, kept, updates
        self.wanted: dict[_Wanted, int] = {}
        """What may be had, and the place from which its buffer is taken back."""
        self.places: dict[tuple[str, int], Inverted] = {}
        arrays = {
            s.buffer.name: made
            for r in p.root.tree()
            for s in r.stmts
            if isinstance(s, Alloc) and (made := slices(s.buffer.name)) is not None
        }
        self.loads = {w.until: w for w in self._loads(set(final) | visible) if self._may(w)}
        self.snapshots = {
            s.name: w
            for r in p.root.tree()
            for k, roles in r.snapshots.items()
            for s in roles.values()
            if self._is_seen(s.storage) and self._may(w := _Wanted("", self._base(s.storage), None, r, k + 1))
        }
        self.inputs = {
            array: [_Wanted(array, self._base(n), None, r, k) for n, r, k in made.restored]
            for array, made in arrays.items()
            if made.restored
        }
        for array in [a for a, ws in self.inputs.items() if not all(map(self._may, ws))]:
            del self.inputs[array]
        further = [(u.write.region, u.write.position, self._named(u)) for found in updates.of.values() for u in found]
        self.uses = Uses(p, kept, final, {a: made.together for a, made in arrays.items()}, further)

    def found(self) -> Inversion:
        """What is left when all that would be asked for too early or too late is given up."""
        while True:
            points = self.uses.points({name: w.index for name, w in self.loads.items() if w.index is not None})
            late = [name for name, w in self.loads.items() if not self._is_timely(w, points)]
            arrays = [a for a, ws in self.inputs.items() if not all(self._is_timely(w, points) for w in ws)]
            for name in late:
                del self.loads[name]
            for array in arrays:
                del self.inputs[array]
            if not late:
                break
        made = Inversion(points=points)
        for name, w in self.loads.items():
            assert w.index is not None
            memory = self._memory(w)
            made.loads[name] = Load(memory.copy.name, w.index, memory.copy.dtype), memory.name
        made.snapshots = {name: self._memory(w).name for name, w in self.snapshots.items()}
        made.arrays = {a: frozenset(self._memory(w).name for w in ws) for a, ws in self.inputs.items()}
        for memory in self.places.values():
            memory.updates = tuple(self._undone(memory))
            made.memory[memory.name] = memory
        return made

    def _named(self, u: Update) -> Iterable[Expr]:
        """What undoing an update takes, and what must not be asked for only after that."""
        return (*u.index, *(e for e, _ in u.terms), *(Var(name, u.terms[0][0].dtype) for name in u.sums))

    def _loads(self, others: set[str]) -> Iterable[_Wanted]:
        """Loads, and sums that are what an element is after an update: those are there after that."""
        for name, d in self.p.definitions.items():
            if name not in others and isinstance(d.value, Load):
                storage, index = self.kept.resolve_fully(d.value.storage, d.value.index)
                yield _Wanted(name, storage, index, d.region, d.position)
        for storage, found in self.updates.of.items():
            for u in found:
                for name in u.sums:
                    if name not in others:
                        yield _Wanted(name, storage, u.index, u.write.region, u.write.position + 1)

    def _base(self, storage: str) -> str:
        while storage in self.p.bases:
            storage = self.p.bases[storage]
        return storage

    def _is_seen(self, storage: str) -> bool:
        """Whether a storage is all of a buffer, or a view that is made again in the reverse sweep."""
        while storage in self.p.bases:
            if self.kept.is_top(storage):
                return False
            storage = self.p.bases[storage]
        return True

    # -- from the load to the end

    def _may(self, w: _Wanted) -> bool:
        """Whether nothing but updates may touch what is wanted, up to some place; notes that."""
        if w.storage not in self.updates:
            return False
        home = self.p.home[w.storage]
        here, end, updated = entry(w.region, w.position, home), len(home.stmts), list[int]()
        for other in self.kept.writes[self.p.aliases.of(w.storage)]:
            if not self._touches(w, other, home):
                continue
            at = entry(other.region, other.position, home)
            if (other.region, other.position) in self.updates.by_write:
                updated.append(at)
            elif at <= here:
                return False
            else:
                end = min(end, at)
        if not any(at < end for at in updated):
            return False
        place = self.kept.after_last_write(w.storage, home, end)
        if w.index is None and not self._stands_in(w.storage, place):
            return False
        self.wanted[w] = place
        return True

    def _touches(self, w: _Wanted, other: Write, around: Region, before: int | None = None) -> bool:
        """Whether a write may touch what is wanted after its place, in the same turn of a region around it (and before
        a point of that)."""
        if isinstance(other.stmt, Alloc) and other.stmt.buffer.name == w.storage:
            return False
        if around not in other.region.ancestors():
            return False
        if before is not None and entry(other.region, other.position, around) >= before:
            return False
        return any(
            w.index is None or not self.kept.apart((w.storage, w.index), w.region, other, meeting)
            for meeting in meetings(w.region, w.position, around, other, AFTER)
        )

    # -- from the load to where its value is needed

    def _is_timely(self, w: _Wanted, points: Mapping[str, Points]) -> bool:
        """Whether nothing touches what is wanted before it is needed."""
        home = self.p.home[w.storage]
        for region, point in points.get(w.until, {}).items():
            if home not in region.ancestors():
                return False
            if any(self._touches(w, o, region, point) for o in self.kept.writes[self.p.aliases.of(w.storage)]):
                return False
        return True

    # -- memory

    def _memory(self, w: _Wanted) -> Inverted:
        """The buffer, taken back from where all that is wanted of it is left by updates."""
        home, position = self.p.home[w.storage], self.wanted[w]
        key = w.storage, position
        if key not in self.places:
            buffer = self.p.storages[w.storage]
            assert isinstance(buffer, Buffer)
            copy = Snapshot(self.p.fresh(f"{w.storage}_back"), w.storage, buffer.dtype, buffer.shape, home, position)
            self.p.snapshots[copy.name] = copy
            name = self.p.fresh(f"{w.storage}_inverted")
            stands_in = self._stands_in(w.storage, position)
            in_place = stands_in and not self._is_outside(w.storage)
            self.places[key] = Inverted(name, copy, in_place, stands_in, first=position)
        memory = self.places[key]
        memory.first = min(memory.first, entry(w.region, w.position, home))
        return memory

    def _stands_in(self, storage: str, position: int) -> bool:
        """Whether a buffer would be there in the reverse sweep, and holds to the end what it holds at a place."""
        return self.kept.is_top(storage) and self.kept.is_final(storage, None, self.p.root, position)

    def _is_outside(self, storage: str) -> bool:
        """Whether the caller has (a part of) a buffer."""
        outside = {*self.p.function.results, *(p.name for p in self.p.function.params if not isinstance(p, Scalar))}
        return any(self.p.aliases.may_overlap(storage, name) for name in outside)

    def _undone(self, memory: Inverted) -> Iterable[Update]:
        """The updates between what is wanted first and the place from which memory is taken back."""
        home = memory.copy.region
        for u in self.updates.of[memory.copy.storage]:
            if memory.first <= entry(u.write.region, u.write.position, home) < memory.copy.position:
                yield u
