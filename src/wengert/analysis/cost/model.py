"""The cost model: what a module, a function or a statement takes, in seconds and bytes, before it runs.

A pure function of the IR, of the values of its scalar parameters, of a `Machine` and, where sizes do not decide, of a
`Profile`. What is predicted is the C that the backend writes for exactly this IR: loops in vector lanes
(`analysis.lanes`) and on threads (`analysis.parallel`). docs/cost_model.md has the formulas.

Sources: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore
architectures", CACM 52 (2009); J. Treibig, G. Hager, "Introducing a performance model for bandwidth-limited loop
kernels" (2009), from which the execution-cache-memory model grew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import sqrt

from wengert.analysis.access import folded
from wengert.analysis.alias import AliasAnalysis, Aliases, analyse
from wengert.analysis.cost import library
from wengert.analysis.cost.chains import wait
from wengert.analysis.cost.counts import MANY, itemsize
from wengert.analysis.cost.effort import WORTH, total
from wengert.analysis.cost.instructions import Parts, Tally, has_vector_code
from wengert.analysis.cost.machine import DEFAULT, OVERLAP, Machine
from wengert.analysis.cost.parts import (
    Cost,
    Spent,
    all_beyond,
    has_inner,
    is_innermost,
    mean,
    shapes_inner,
    sums,
    touched,
)
from wengert.analysis.cost.profile import Profile, branches
from wengert.analysis.cost.regions import (
    Linear,
    Regions,
    Reuse,
    again,
    footprint,
    nothing,
    repeated,
    union,
)
from wengert.analysis.cost.scope import Scope
from wengert.analysis.lanes import in_lanes
from wengert.analysis.parallel import sharing
from wengert.analysis.ranges import Ranges
from wengert.ir.nodes import (
    Alloc,
    Block,
    Buffer,
    Call,
    Const,
    Declare,
    Function,
    Growable,
    If,
    Let,
    LibCall,
    Loop,
    Module,
    Reshape,
    Scalar,
    Stmt,
    Var,
    View,
)
from wengert.ir.walk import statements

FRESH = 384 * 2.0**20
"""Bytes from which on a result has new memory at every call (see `runtime/recycling.py`)."""
KEPT = 256 * 2.0**20
"""Bytes up to which scratch memory is kept between calls (`WG_CACHE_MOST` of the run-time library)."""
LOCAL = 512.0
"""Bytes of a buffer up to which it may lie on the stack."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """`seconds` of a call; `peak`: bytes allocated at the most; `moved`: bytes from beyond each cache, main memory
    last; `statements`: seconds of all runs of each statement together, and how often it runs, by function and
    statement's identity (statements of an innermost loop share its time by what they do)."""

    seconds: float
    core: float
    peak: float
    moved: tuple[float, ...]
    statements: Mapping[tuple[str, int], Spent]


def predict(
    module: Module,
    known: Mapping[str, float] | None = None,
    machine: Machine = DEFAULT,
    profile: Profile | None = None,
    threads: int = 1,
    warm: bool = True,
) -> Prediction:
    """A call of the root. `known`: values of its scalar parameters (extents are such; nominal where they are not
    known); `warm`: the caches hold what they can of the data, from a call before."""
    model = Model(module, machine, profile, threads)
    cost = model.function(module.entry, known or {})
    seconds, traffic = cost.seconds, cost.traffic
    if warm:
        left = again(cost.parts, "", machine)
        seconds = max(cost.core, seconds - traffic.seconds(machine) + left.seconds(machine))
        traffic = left
    seconds += model.fresh(module.root, known or {}) + machine.entered
    return Prediction(seconds, cost.core, cost.peak, tuple(t.total for t in traffic.beyond), model.spent)


@dataclass
class _Frame:
    """One function while it is walked through."""

    f: Function
    scope: Scope
    aliases: Aliases
    ifs: Mapping[int, str]
    shared: tuple[set[str], Ranges] | None = None
    regions: dict[str, str] = field(default_factory=dict[str, str])


class Model:
    """Costs of the functions of one module."""

    def __init__(
        self, module: Module, machine: Machine = DEFAULT, profile: Profile | None = None, threads: int = 1
    ) -> None:
        self.module, self.machine, self.threads = module, machine, threads
        self.profile = profile or Profile()
        self.spent: dict[tuple[str, int], Spent] = {}
        self._calls: AliasAnalysis | None = None
        self._functions: dict[tuple[str, tuple[tuple[str, float], ...]], Cost] = {}
        self._open: list[str] = []
        self._lanes: dict[int, bool] = {}
        self._times = 1.0
        self._in_threads = False

    # -- entry points

    def function(self, name: str, known: Mapping[str, float]) -> Cost:
        """One run of a function with these scalar arguments."""
        f = self.module.functions[name]
        key = name, tuple(sorted(known.items()))
        if key in self._functions or name in self._open:  # a recursion is followed once
            found = self._functions.get(key)
            return found or Cost(MANY * self.machine.call, 0.0, nothing(self.machine), {})
        self._open.append(name)
        frame = self._frame(f, known)
        found = self._functions[key] = self.block(f.body, frame)
        self._open.pop()
        return found

    def _frame(self, f: Function, known: Mapping[str, float]) -> _Frame:
        self._calls = self._calls or analyse(self.module)
        lengths = {name: n for (function, name), n in self.profile.lengths.items() if function == f.name}
        turns = {name: n for (function, name), n in self.profile.turns.items() if function == f.name}
        return _Frame(f, Scope(f, known, lengths, turns), self._calls.aliases[f.name], branches(f))

    def of(self, function: str, stmt: Stmt, known: Mapping[str, float]) -> Cost:
        """One run of a statement of a function, nested ones included; `known`: names that it uses."""
        return self.statement(stmt, self._frame(self.module.functions[function], known))

    def along(
        self, name: str, known: Mapping[str, float], asked: Mapping[int, Sequence[Block]]
    ) -> dict[int, list[Cost]]:
        """One run of each of further blocks that could stand behind the statements of a function's top level at these
        positions."""
        f = self.module.functions[name]
        frame, found = self._frame(f, known), dict[int, list[Cost]]()
        for k, s in enumerate(f.body):
            self._declare(s, frame)
            if k in asked:
                found[k] = [self.block(b, frame) for b in asked[k]]
        return found

    def _declare(self, s: Stmt, frame: _Frame) -> None:
        """Let a frame know what a statement declares."""
        match s:
            case Alloc(buffer) | Reshape(buffer):
                frame.scope.declare(buffer)
            case View():
                frame.scope.view(s)
            case Let():
                frame.scope.let(s)
            case _:
                pass

    # -- blocks

    def block(self, block: Block, frame: _Frame) -> Cost:
        """Statements in a row. What one leaves in a cache, the next need not fetch."""
        seconds = core = peak = scratch = work = 0.0
        traffic = nothing(self.machine)
        regions: Regions = {}
        straight: list[Stmt] = []
        reuse = Reuse(self.machine)
        taken: list[Cost] = []

        def take(c: Cost) -> None:
            nonlocal seconds, core, traffic, regions, peak, work
            left = reuse.next(c.regions, c.traffic)
            saved = c.traffic.seconds(self.machine) - left.seconds(self.machine)
            seconds, core, work = seconds + max(c.core, c.seconds - saved), core + c.core, work + c.work
            traffic = traffic.plus(left)
            taken.append(c)
            regions = union([*regions.values(), *c.regions.values()])
            peak = max(peak, c.peak)

        for s in block:
            self._declare(s, frame)
            if isinstance(s, Alloc):
                size = frame.scope.counts.size(s.buffer)
                scratch += size if s.buffer.shape else 0.0
                take(self._alloc(s, size, frame))
            elif isinstance(s, (Loop, Call, LibCall)) or (isinstance(s, If) and has_inner(s)):
                if straight:
                    take(self._straight(straight, frame))
                    straight = []
                take(self.statement(s, frame))
            else:
                if isinstance(s, Declare):
                    scratch += self._list(s, frame)
                straight.append(s)
        if straight:
            take(self._straight(straight, frame))
        parts = tuple((c.regions, c.traffic) for c in taken)
        return Cost(seconds, core, traffic, regions, peak + scratch, work, parts)

    def _alloc(self, s: Alloc, size: float, frame: _Frame) -> Cost:
        """Small ones cost nothing; memory that is not kept between calls is the system's."""
        m = self.machine
        if not s.buffer.shape or (size <= LOCAL and all(isinstance(e, Const) for e in s.buffer.shape)):
            return Cost(m.store * size / m.vector_bytes if s.zero else 0.0, 0.0, nothing(m), {})
        seconds = m.allocation + (m.fresh(size) if size > KEPT and s.buffer.name not in frame.f.results else 0.0)
        if not s.zero:
            return self._spend(s, frame, Cost(seconds, seconds, nothing(m), {}))
        regions = union([frame.scope.whole(s.buffer.name, True)])
        traffic = all_beyond(footprint(regions), m)
        seconds += max(size / m.vector_bytes * m.store, traffic.seconds(m))
        return self._spend(s, frame, Cost(seconds, size / m.vector_bytes * m.store, traffic, regions))

    def _list(self, s: Declare, frame: _Frame) -> float:
        """Bytes of a list at its longest, if a run has told that."""
        if not isinstance(s.storage, Growable) or s.storage.ref_rank is not None:
            return 0.0
        return self.profile.lengths.get((frame.f.name, s.storage.name), 0.0) * itemsize(s.storage.dtype)

    def fresh(self, root: Function, known: Mapping[str, float]) -> float:
        """Seconds that the system takes to give memory for the root's results."""
        scope = Scope(root, known, {})
        found = [s for name in root.results if isinstance(s := scope.counts.storages.get(name), Buffer)]
        made = [scope.counts.size(s) for s in found if s.intent == "local"]
        return sum(self.machine.fresh(size) for size in made if size > FRESH)

    # -- statements

    def statement(self, s: Stmt, frame: _Frame) -> Cost:
        match s:
            case Loop():
                return self._spend(s, frame, self._loop(s, frame))
            case LibCall():
                return self._spend(s, frame, self._library(s, frame))
            case Call():
                return self._spend(s, frame, self._call(s, frame))
            case If() if has_inner(s):
                return self._if(s, frame)
            case _:
                return self._straight([s], frame)

    def _spend(self, s: Stmt, frame: _Frame, cost: Cost) -> Cost:
        spent = self.spent.setdefault((frame.f.name, id(s)), Spent())
        spent.seconds += cost.seconds * self._times
        spent.times += self._times
        return cost

    def _straight(self, stmts: list[Stmt], frame: _Frame) -> Cost:
        """Statements between loops."""
        tally = Tally(frame.scope, self.machine, None, False, lambda s: self.chance(s, frame))
        parts = Parts()
        for s in stmts:
            mine = tally.statement(s)
            parts.plus(mine)
            self._spend(s, frame, Cost(mine.seconds(), 0.0, nothing(self.machine), {}))
        seconds = parts.seconds()
        regions = touched(tuple(stmts), frame.scope)
        traffic = all_beyond(footprint(regions), self.machine)
        return Cost(seconds + traffic.seconds(self.machine), seconds, traffic, regions, 0.0, total(stmts))

    def chance(self, s: If, frame: _Frame) -> float:
        """How likely a condition holds."""
        known = self.profile.taken.get((frame.f.name, frame.ifs.get(id(s), "")))
        if known is not None:
            return known
        found = frame.scope.counts.value(s.cond)
        return 0.5 if found is None else float(bool(found))

    def _if(self, s: If, frame: _Frame) -> Cost:
        chance = self.chance(s, frame)
        total = self._straight([If(s.cond, (), (), s.span)], frame)
        for part, inner in ((chance, s.then), (1.0 - chance, s.orelse)):
            if not part or not inner:
                continue
            outer, self._times = self._times, self._times * part
            c = self.block(inner, frame)
            self._times = outer
            regions = union([*total.regions.values(), *c.regions.values()])
            traffic = total.traffic.plus(c.traffic, part)
            core, seconds = total.core + part * c.core, total.seconds + part * c.seconds
            total = Cost(seconds, core, traffic, regions, max(total.peak, c.peak), total.work + part * c.work)
        return total

    def _library(self, s: LibCall, frame: _Frame) -> Cost:
        regions = union(
            [
                *(frame.scope.whole(n, False) for n in s.ins if isinstance(n, str)),
                *(frame.scope.whole(n, True) for n in s.outs),
            ]
        )
        core = library.seconds(s, frame.scope, self.machine)
        traffic = all_beyond(footprint(regions), self.machine)
        seconds = max(core, traffic.seconds(self.machine))
        return Cost(seconds, core, traffic, regions, 0.0, core / self.machine.rate("add").scalar)

    def _call(self, s: Call, frame: _Frame) -> Cost:
        callee = self.module.functions[s.function]
        known: dict[str, float] = {}
        names: dict[str, str] = {}
        for p, a in zip(callee.params, s.args, strict=True):
            if isinstance(p, Scalar) and not isinstance(a, str):
                found = frame.scope.counts.value(a)
                if found is not None:
                    known[p.name] = found
            elif isinstance(a, str):
                names[p.name] = a
                if isinstance(p, Buffer):
                    for e, n in zip(p.shape, frame.scope.shape(a), strict=False):
                        if isinstance(e, Var):
                            known.setdefault(e.name, n)
        c = self.function(s.function, known)
        regions = union(
            r
            for name, passed in names.items()
            for r in [frame.scope.whole(passed, any(x.root == name and x.written for x in c.regions.values()))]
            if any(x.root == name for x in c.regions.values())
        )
        own = [replace(r, root=f"{s.function}.{r.root}") for r in c.regions.values() if r.root not in names]
        regions = union([*regions.values(), *own])
        return Cost(c.seconds + self.machine.call, c.core + self.machine.call, c.traffic, regions, c.peak, c.work)

    # -- loops

    def trips(self, loop: Loop, frame: _Frame) -> float:
        known = self.profile.turns.get((frame.f.name, loop.var))
        if known is not None:
            return known
        if loop.stop is None or loop.cond is not None:
            return MANY
        start, stop = frame.scope.counts.value(loop.start), frame.scope.counts.value(loop.stop)
        if start is None or stop is None:
            return frame.scope.counts.trips(loop)
        return max(0.0, -((start - stop) // abs(loop.step)) if loop.step > 0 else -((stop - start) // abs(loop.step)))

    def _loop(self, loop: Loop, frame: _Frame) -> Cost:
        trips = self.trips(loop, frame)
        start = frame.scope.form(loop.start) or Linear((), 0.0)
        first = frame.scope.counts.value(loop.start)
        before = dict(frame.scope.counts.known)
        samples = [0.5] if not shapes_inner(loop) or trips < 2 else [0.5 - 0.5 / sqrt(3), 0.5 + 0.5 / sqrt(3)]
        costs: list[Cost] = []
        outer = self._times
        self._times = outer * trips / len(samples)
        for at in samples:
            typical = None if first is None else first + loop.step * (trips - 1) * at
            frame.scope.open(loop, typical)
            costs.append(self._turn(loop, frame, trips) if is_innermost(loop) else self._outer_turn(loop, frame))
        frame.scope.close(loop)
        frame.scope.counts.known.clear()
        frame.scope.counts.known.update(before)
        self._times = outer
        body = mean(costs)
        regions = union(r.closed(loop.var, start, loop.step, trips) for r in body.regions.values())
        per_turn, all_turns = footprint(body.regions), footprint(regions)
        later = again(body.parts, loop.var, self.machine) if body.parts else body.traffic
        traffic = repeated(body.traffic, later, all_turns, per_turn, trips, self.machine)
        m = self.machine
        if is_innermost(loop):
            core = m.entry + body.core * trips
            seconds = core + max(0.0, traffic.seconds(m) - (1 - OVERLAP) * (body.core * trips))
        else:
            core = m.entry + trips * body.core
            saved = trips * body.traffic.seconds(m) - traffic.seconds(m)
            seconds = max(core, m.entry + trips * body.seconds - saved)
        made = Cost(seconds, core, traffic, regions, body.peak, trips * body.work)
        return self._on_threads(loop, frame, made)

    def _outer_turn(self, loop: Loop, frame: _Frame) -> Cost:
        made = self.block(loop.body, frame)
        return replace(made, seconds=made.seconds + self.machine.turn, core=made.core + self.machine.turn)

    def _turn(self, loop: Loop, frame: _Frame, trips: float) -> Cost:
        """A turn of an innermost loop, on average: only the processor's part."""
        m = self.machine
        vector = self.is_vector(loop, frame)
        for s in statements(loop.body):
            if isinstance(s, Alloc):
                frame.scope.declare(s.buffer)
        tally = Tally(frame.scope, m, loop, vector, lambda s: self.chance(s, frame))
        seconds = self._spread(loop.body, tally, frame)
        if vector:
            if sums(loop):
                seconds = max(seconds, m.rate("add").latency / tally.lanes)
            rest = trips % tally.lanes if trips == int(trips) else (tally.lanes - 1) / 2
            if rest and trips:
                alone = Tally(frame.scope, m, loop, False, lambda s: self.chance(s, frame))
                single = max(alone.block(loop.body).seconds(), m.turn)
                seconds = (seconds * (trips - rest) + single * rest) / trips
        else:
            frame.scope.open(loop, frame.scope.counts.known.get(loop.var))
            seconds = max(seconds, wait(loop, frame.scope, m))
        regions = touched(loop.body, frame.scope)
        return Cost(seconds, seconds, all_beyond(footprint(regions), m), regions, 0.0, total(loop.body))

    def _spread(self, block: Block, tally: Tally, frame: _Frame) -> float:
        """The seconds of a turn, shared among its statements as each would take alone."""
        total = Parts()
        for s in block:
            mine = tally.statement(s)
            total.plus(mine)
            self._spend(s, frame, Cost(mine.seconds(), 0.0, nothing(self.machine), {}))
        total.turn = 0.0 if tally.vector else self.machine.turn
        return total.seconds()

    def is_vector(self, loop: Loop, frame: _Frame) -> bool:
        """Whether the C compiler runs a loop in vector lanes."""
        known = self._lanes.get(id(loop))
        if known is None:
            known = (
                loop.order == "any"
                and loop.cond is None
                and loop.stop is not None
                and is_innermost(loop)
                and in_lanes(loop, frame.aliases)
                and has_vector_code(loop, self.machine)
            )
            self._lanes[id(loop)] = known
        return known

    def _on_threads(self, loop: Loop, frame: _Frame, cost: Cost) -> Cost:
        if self.threads == 1 or cost.work < WORTH or loop.order != "any" or not self._is_shared(loop, frame):
            return cost
        m = self.machine
        memory = cost.seconds - cost.core
        seconds = m.region + cost.core / self.threads + memory / min(self.threads, m.shared)
        return replace(cost, seconds=seconds, core=m.region + cost.core / self.threads, work=0.0)

    def _is_shared(self, loop: Loop, frame: _Frame) -> bool:
        if frame.shared is None:
            frame.shared = folded(frame.f.body, frame.aliases), Ranges(frame.f)
        shapes = frame.scope.counts.storages
        return sharing(loop, shapes, frame.aliases, *frame.shared, lambda b: not b.shape) is not None
