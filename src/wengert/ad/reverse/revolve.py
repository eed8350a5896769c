"""The sweeps over a loop whose iterations run again: which states are stored, and how the others are had again.

A loop of m segments (each of k iterations, the last of at most so many) with c slots. The state before segment i is
stored in a slot, or had by running from the nearest stored state before. With m known, the forward sweep and every run
from a state that is stored place their states binomially: between a state and what is to be reversed lie l segments,
and c slots are left; the next state is stored d segments further, where r is the least number with C(c + r, c) >= l and

    d = min(C(c + r - 1, c), l - C(c + r - 2, c - 1)),

which is optimal: l segments with c slots (the first state's included) take r l - C(c + r, c + 1) runs of a segment in
all, beside the one that each is reversed by. A. Griewank, A. Walther, "Algorithm 799: Revolve", ACM TOMS 26(1), 2000;
the last state is not stored but kept where the run ends, as there.

With m unknown (a `while` loop) the forward sweep stores every state, in place of one that it can do without: every
state has a level, a state is dispensable if a later one has a higher level, and if none is, the latest state gives its
slot, and its level plus one, to the next. No segment then runs more often than necessary for the m that it turns out to
be. Q. Wang, P. Moin, G. Iaccarino, "Minimal repetition dynamic checkpointing algorithm for unsteady adjoint
calculation", SIAM J. Sci. Comput. 31(4), 2009.

The reverse sweep is the same for both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wengert.ad.loops import each
from wengert.ad.reverse import dense
from wengert.ad.reverse.checkpoints import Checkpointed
from wengert.ad.reverse.regions import CallSite, Prepared, Region
from wengert.ad.reverse.trips import iteration
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Function, Scalar, Var
from wengert.ir.types import I64

if TYPE_CHECKING:
    from wengert.ad.reverse.sweep import Sweep

At = Callable[[Expr], Expr]
SPLIT = "binomial_split"
ENDLESS = 2**31
"""The level of the first state."""


def splitter(name: str) -> Function:
    """The function (l, c) -> d: how far from a state the next one is stored, if l segments are to be reversed (l >= 2)
    and c slots are there (the state's own included)."""
    n, c = Var("segments", I64), Var("slots", I64)
    e = Emitter({name, "segments", "slots", "distance"})
    distance = Buffer("distance", I64, (), intent="inout")
    repeats, reach, before = (
        e.cell(hint, b.i64(first)) for hint, first in (("repeats", 0), ("reach", 1), ("before", 0))
    )
    with e.loop("k", 0, None, cond=b.op("lt", b.load(reach, ()), n)):
        e.store(before, (), b.load(reach, ()))
        e.accumulate(repeats, (), b.i64(1))
        r = b.load(repeats, ())
        e.store(reach, (), b.op("floordiv", b.mul(b.load(reach, ()), b.add(c, r)), r))
    last = b.load(before, ())
    # C(c + r - 2, c - 1) of C(c + r - 1, c)
    inner = b.op("floordiv", b.mul(last, c), b.sub(b.add(c, b.load(repeats, ())), 1))
    e.store(distance, (), b.min_(last, b.sub(n, inner)))
    return Function(name, (Scalar("segments", I64), Scalar("slots", I64), distance), e.block())


@dataclass
class Slots:
    """The storages of one loop, declared in the forward sweep: by argument of the step that is state, the slots; where
    the states belong (`at`, the segment before which), how many there are (`top`, less one); the binomial placement's
    `next` segment and the kept last states; the online placement's `slot` and `level`."""

    states: dict[int, Buffer]
    at: Buffer
    top: Buffer
    distance: Buffer
    next: Buffer | None = None
    work: dict[int, Buffer] | None = None
    slot: Buffer | None = None
    level: Buffer | None = None


class Revolver:
    """What both sweeps over one loop need to know. `read`: by argument of the step, whether what it holds before is
    read."""

    def __init__(
        self, p: Prepared, body: Region, site: CallSite, loop: Checkpointed, read: Sequence[bool], split: str
    ) -> None:
        self.p, self.body, self.site, self.loop, self.split = p, body, site, loop, split
        assert body.loop is not None
        self.stmt = body.loop
        written = p.flow.aliases.written[site.stmt.function]
        storages = [k for k, a in enumerate(site.stmt.args) if isinstance(a, str)]
        self.state = [k for k in storages if k in written and read[k]]
        self.unread = [k for k in storages if k in written and not read[k]]
        self.fixed = [k for k in storages if k not in written]
        self.online = self.stmt.cond is not None or self.stmt.stop is None
        self.slots: Slots | None = None

    def _buffer(self, k: int) -> Buffer:
        found = self.p.storages[str(self.site.stmt.args[k])]
        assert isinstance(found, Buffer)
        return found

    def _count(self) -> Expr:
        return Var(self.loop.slots, I64)

    def _length(self) -> Expr:
        return b.i64(1) if self.loop.length is None else Var(self.loop.length, I64)

    def _segments(self, e: Emitter, steps: Expr) -> Expr:
        """How many segments so many steps are."""
        length = self._length()
        return e.let("segments", b.op("floordiv", b.add(steps, b.sub(length, 1)), length))

    def _steps(self, at: At) -> Expr:
        """How many iterations the loop has, of one whose header says it."""
        stmt = self.stmt
        assert stmt.stop is not None
        start, stop = at(stmt.start), at(stmt.stop)
        distance = b.sub(stop, start) if stmt.step > 0 else b.sub(start, stop)
        n = distance if abs(stmt.step) == 1 else b.op("floordiv", b.add(distance, abs(stmt.step) - 1), abs(stmt.step))
        return b.max_(n, b.i64(0))

    # -- the forward sweep

    def before(self, e: Emitter) -> None:
        """Before the loop: declare the slots."""
        count = self._count()
        states: dict[int, Buffer] = {}
        for k in self.state:
            buffer = self._buffer(k)
            states[k] = e.alloc(f"{buffer.name}_saved", buffer.dtype, (count, *buffer.shape))
        at = e.alloc(f"{self.stmt.var}_at", I64, (count,))
        top, distance = e.cell("top", b.i64(-1)), e.cell("distance", b.i64(0))
        slots = self.slots = Slots(states, at, top, distance)
        if self.online:
            slots.slot, slots.level = (e.alloc(f"{self.stmt.var}_{n}", I64, (count,)) for n in ("slot", "level"))
            with e.loop("k", 0, count, order="any") as k:
                e.store(slots.slot, (k,), k)
            return
        slots.next = e.cell("next", b.i64(0))
        slots.work = self._work(e, lambda x: x, self.state)
        self.segments = self._segments(e, self._steps(lambda x: x))

    def _work(self, e: Emitter, at: At, args: Sequence[int]) -> dict[int, Buffer]:
        found = ((k, self._buffer(k)) for k in args)
        return {k: e.alloc(s.name, s.dtype, tuple(map(at, s.shape))) for k, s in found}

    def segmented(self) -> bool:
        """Whether the forward sweep runs segment by segment: their number is known, and the loop does nothing else."""
        return self.loop.length is not None and not self.online and self.body.stmts == [self.site.stmt]

    def segments_of_program(self, e: Emitter) -> None:
        """The loop, by segments: store the states that are stored, and run."""
        stmt, length = self.stmt, self._length()
        with e.loop("segment", 0, self.segments) as s:
            self._reach(e, s, b.i64(1))
            first = e.let("first", b.add(stmt.start, b.mul(b.mul(s, length), stmt.step)))
            size = b.min_(length, b.sub(self._steps(lambda x: x), b.mul(s, length)))
            last = e.let("last", b.add(first, b.mul(size, stmt.step)))
            given = [a for a in self.site.stmt.args if not (isinstance(a, Var) and a.name == stmt.var)]
            e.call(self.loop.again, first, last, *given)

    def inside(self, e: Emitter) -> None:
        """At the start of an iteration: store the state, if it is one that is stored."""
        n, length = e.let("iteration", iteration(self.stmt)), self._length()
        segment = n if length == b.i64(1) else b.op("floordiv", n, length)
        if self.online:
            with e.if_(b.eq(b.op("mod", n, length), 0)):
                self._store_online(e, e.let("segment", segment))
            return
        self._reach(e, n, length)

    def _reach(self, e: Emitter, n: Expr, length: Expr) -> None:
        """Before the n-th iteration, or segment (`length`: how many of these a segment has): store the state, if it is
        one that is stored; keep it, if the last segment starts here."""
        slots = self.slots
        assert slots is not None and slots.next is not None and slots.work is not None
        following = b.load(slots.next, ())
        with e.if_(b.eq(n, b.mul(following, length))):
            here = e.let("segment", following)
            self._put(e, here, self._of_program())
            left = e.let("left", b.sub(self.segments, here))
            with e.if_(b.op("gt", left, 1)):
                self._split(e, left)
                e.store(slots.next, (), b.add(here, b.load(slots.distance, ())))
        end = b.sub(self.segments, 1)
        stored = b.load(slots.at, (b.load(slots.top, ()),))
        with e.if_(b.and_(b.eq(n, b.mul(end, length)), b.ne(stored, end))):
            for k, work in slots.work.items():
                source = self._buffer(k)
                each(e, work.shape, lambda i, w=work, s=source: e.store(w, i, b.load(s, i)))

    def _of_program(self) -> dict[int, Buffer]:
        return {k: self._buffer(k) for k in self.state}

    def _free(self) -> Expr:
        """The slots that are left, that of the latest state included."""
        assert self.slots is not None
        return b.sub(self._count(), b.load(self.slots.top, ()))

    def _split(self, e: Emitter, left: Expr) -> None:
        assert self.slots is not None
        e.call(self.split, left, e.let("free", self._free()), self.slots.distance)

    def _put(self, e: Emitter, segment: Expr, states: dict[int, Buffer]) -> None:
        """Store the state before a segment, after those that are stored, if there is a slot."""
        slots = self.slots
        assert slots is not None
        with e.if_(b.op("gt", self._free(), 1)):
            e.accumulate(slots.top, (), b.i64(1))
            top = e.let("top_now", b.load(slots.top, ()))
            e.store(slots.at, (top,), segment)
            self._copy_in(e, top, states)

    def _copy_in(self, e: Emitter, top: Expr, states: dict[int, Buffer]) -> None:
        slots = self.slots
        assert slots is not None
        place = top if slots.slot is None else e.let("place", b.load(slots.slot, (top,)))
        for k, saved in slots.states.items():
            source = states[k]
            each(e, saved.shape[1:], lambda i, s=saved, x=source, q=place: e.store(s, (q, *i), b.load(x, i)))

    def _store_online(self, e: Emitter, segment: Expr) -> None:
        slots = self.slots
        assert slots is not None and slots.slot is not None and slots.level is not None
        level, slot, at = slots.level, slots.slot, slots.at
        count = self._count()
        with e.if_(b.op("lt", b.add(b.load(slots.top, ()), 1), count)):
            first = b.eq(b.load(slots.top, ()), -1)
            e.accumulate(slots.top, (), b.i64(1))
            self._enter(e, segment, b.select(first, b.i64(ENDLESS), b.i64(0)))
        with e.else_():
            # The latest state that can be done without: one with a later one of a higher level.
            top = e.let("top_now", b.load(slots.top, ()))
            highest, gone = e.cell("highest", b.load(level, (top,))), e.cell("gone", b.i64(0))
            place = e.cell("looking", b.sub(top, 1))
            looking = b.load(place, ())
            with e.loop("k", 0, top, cond=b.and_(b.op("gt", looking, 0), b.eq(b.load(gone, ()), 0))):
                own = e.let("own", b.load(level, (b.load(place, ()),)))
                with e.if_(b.op("lt", own, b.load(highest, ()))):
                    e.store(gone, (), b.load(place, ()))
                e.store(highest, (), b.max_(b.load(highest, ()), own))
                e.accumulate(place, (), b.i64(-1))
            found = e.let("found", b.load(gone, ()))
            with e.if_(b.op("gt", found, 0)):
                freed = e.let("freed", b.load(slot, (found,)))
                with e.loop("k", found, top) as k:
                    for array in (slot, level, at):
                        e.store(array, (k,), b.load(array, (b.add(k, 1),)))
                e.store(slot, (top,), freed)
                self._enter(e, segment, b.i64(0))
            with e.else_(), e.if_(b.op("gt", top, 0)):
                self._enter(e, segment, b.add(b.load(level, (top,)), 1))

    def _enter(self, e: Emitter, segment: Expr, new_level: Expr) -> None:
        slots = self.slots
        assert slots is not None and slots.level is not None
        top = e.let("top_now", b.load(slots.top, ()))
        e.store(slots.level, (top,), new_level)
        e.store(slots.at, (top,), segment)
        self._copy_in(e, top, self._of_program())

    # -- the reverse sweep

    def reverse(self, sweep: Sweep, count: str | None, held: Sequence[Buffer | None], joint: str) -> None:
        """The reverse of the loop: run again, and reverse, segment by segment, from the last. `held`: by argument of
        the step that does not change in the loop, the storage that holds it."""
        e, stmt, slots = sweep.e, self.stmt, self.slots
        if slots is None:  # the sweep that finds demands
            with e.collect():
                self.before(e)
            slots = self.slots
            assert slots is not None
        start, length = sweep.at(stmt.start), self._length()
        steps = e.let("steps", self._steps(sweep.at) if count is None else sweep.at(Var(count, I64)))
        segments = self._segments(e, steps)
        work = dict(slots.work) if slots.work is not None else self._work(e, sweep.at, self.state)
        unread = self._work(e, sweep.at, self.unread)
        storages = {**work, **unread, **{k: x for k in self.fixed if (x := held[k]) is not None}}
        storages |= self._work(e, sweep.at, [k for k in self.fixed if k not in storages])
        adjoints, after = self._adjoints(sweep)

        def args(var: Expr | None) -> list[str | Expr]:
            """The step's arguments, of a segment without the loop variable."""
            found: list[str | Expr] = []
            for k, a in enumerate(self.site.stmt.args):
                if isinstance(a, str):
                    found.append(storages[k].name)
                elif isinstance(a, Var) and a.name == stmt.var:
                    found += [] if var is None else [var]
                else:
                    found.append(sweep.at(a))
            return found

        top, pos = slots.top, e.cell("position", b.i64(0))
        with e.loop("segment", b.sub(segments, 1), -1, step=-1) as s:
            now = e.let("top_now", b.load(top, ()))
            stored = e.let("stored_at", b.load(slots.at, (now,)))
            if slots.work is not None:
                kept = b.and_(b.eq(s, b.sub(segments, 1)), b.ne(stored, s))
                e.store(pos, (), b.select(kept, s, stored))
                with e.if_(b.not_(kept)):
                    self._copy_out(e, now, work)
            else:
                e.store(pos, (), stored)
                self._copy_out(e, now, work)
            with e.loop("k", 0, None, cond=b.op("lt", b.load(pos, ()), s)):
                here = e.let("here", b.load(pos, ()))
                self._split(e, e.let("left", b.sub(b.add(s, 1), here)))
                there = e.let("there", b.add(here, b.load(slots.distance, ())))
                first, last = (b.add(start, b.mul(b.mul(x, length), stmt.step)) for x in (here, there))
                if self.loop.length is None:
                    with e.loop(stmt.var, first, last, step=stmt.step) as t:
                        e.call(self.site.stmt.function, *args(t))
                else:
                    e.call(self.loop.again, first, last, *args(None))
                e.store(pos, (), there)
                with e.if_(b.op("lt", there, s)):
                    self._put(e, there, work)
            first = e.let("first", b.add(start, b.mul(b.mul(s, length), stmt.step)))
            if self.loop.length is None:
                e.call(joint, *args(first), *adjoints)
            else:
                size = b.min_(length, b.sub(steps, b.mul(s, length)))
                last = e.let("last", b.add(first, b.mul(size, stmt.step)))
                e.call(joint, first, last, *args(None), *adjoints)
            with e.if_(b.eq(b.load(slots.at, (b.load(top, ()),)), s)):
                e.accumulate(top, (), b.i64(-1))
        after()

    def _copy_out(self, e: Emitter, top: Expr, work: dict[int, Buffer]) -> None:
        slots = self.slots
        assert slots is not None
        place = top if slots.slot is None else e.let("place", b.load(slots.slot, (top,)))
        for k, saved in slots.states.items():
            target = work[k]
            each(e, target.shape, lambda i, s=saved, x=target, q=place: e.store(x, i, b.load(s, (q, *i))))

    def _adjoints(self, sweep: Sweep) -> tuple[list[str], Callable[[], None]]:
        """The adjoints of the active arguments, and what is done with them after the loop."""
        e, found = sweep.e, list[str]()
        cells: list[tuple[Expr, Buffer]] = []
        copies: list[tuple[str, Buffer]] = []
        for arg, is_active in zip(self.site.stmt.args, self.site.active, strict=True):
            if not is_active:
                continue
            if isinstance(arg, str):
                found.append(dense.adjoint(sweep, arg, copies).name)
            else:
                cell = e.alloc("arg_adj", arg.dtype, (), zero=True)
                cells.append((arg, cell))
                found.append(cell.name)

        def after() -> None:
            for arg, cell in cells:
                sweep.contribute_to(arg, e.let("arg_adj", b.load(cell, ())))
            dense.scatter(sweep, copies)

        return found, after
