"""Reverse mode of a module: the root, and a pair of functions for each function called with active arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from wengert.ad.attach import attach, detach
from wengert.ad.extrema import name_choices
from wengert.ad.loops import each
from wengert.ad.names import reachable
from wengert.ad.reverse.augment import Augment
from wengert.ad.reverse.call import Callee
from wengert.ad.reverse.capture import capture
from wengert.ad.reverse.checkpoints import (
    Checkpointed,
    Checkpoints,
    Choice,
    LoopOf,
    NotCheckpointable,
    sequential_loops,
    with_checkpoints,
)
from wengert.ad.reverse.inversion import Updates
from wengert.ad.reverse.kept import Kept
from wengert.ad.reverse.outline import outlinings
from wengert.ad.reverse.pins import NO_PINS, Obeyed, Pins, check
from wengert.ad.reverse.plan import Plan
from wengert.ad.reverse.planners import minimum_cut
from wengert.ad.reverse.problem import Cost, Planner, with_dear_tapes
from wengert.ad.reverse.record import Record, Sizes, decisions
from wengert.ad.reverse.regions import CallSite, Region, prepare
from wengert.ad.reverse.remake import remake
from wengert.ad.reverse.revolve import SPLIT, Revolver, splitter
from wengert.ad.reverse.solve import make_plan
from wengert.ad.reverse.stacks import StackKey, Stacks, in_order
from wengert.ad.reverse.sweep import Revolving, Sweep, Tapes
from wengert.ad.reverse.tape import Layout, Restorer
from wengert.ad.reverse.trips import Trips
from wengert.ad.reverse.values import Rerun, Values
from wengert.ad.roots import smooth_roots
from wengert.analysis.activity import Activity, Flow
from wengert.analysis.cost.nominal import Work
from wengert.analysis.entry import EntryReads
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.depth import deep
from wengert.ir.libops import LIBOPS
from wengert.ir.nodes import (
    Buffer,
    Call,
    Declare,
    Expr,
    Extent,
    Function,
    Growable,
    LibCall,
    Module,
    Param,
    Scalar,
    Var,
)
from wengert.ir.types import I64
from wengert.ir.walk import free_names, names_in, statements, unused
from wengert.optimise.flatten import flatten

Pattern: TypeAlias = tuple[bool, ...]
Key: TypeAlias = tuple[str, Pattern]
"""A function and the set of its active parameters."""
MAX_OUTLININGS = 4
"""How many plans with the body of a loop as a function are made at most."""


@deep()
def vjp(
    module: Module,
    name: str,
    wrt: Sequence[str],
    of: Sequence[str],
    record: Record | None = None,
    planner: Planner = minimum_cut,
    choices: Sequence[Choice] = (),
    pins: Pins = NO_PINS,
) -> Module:
    """The pullback of the function `name`: from adjoints of the outputs `of` to those of the parameters `wrt`.

    Parameters: the primal's, then for each r in `of`, in order, the seed `r_adj_seed` (a buffer of intent "in"),
    preceded by its extents `r_adj_n0`, `r_adj_n1` ... (i64) unless they are expressions of the primal's parameters.
    Results: the primal's, then for each x in wrt the gradient `x_adj` of the sum over `of` of Re <seed, r> (rank 0 for
    a scalar x). The `planner` decides what is stored. With a `record`, its decisions are recorded and the sizes of the
    tapes are a last result.

    With `choices`, the iterations of these loops (see `loops_of`) run again from stored states, and nothing else is
    decided but by the planner; each has further parameters, after all others: how many states are stored (at least 1)
    and, if it is segmented, how many iterations a segment has (at least 1).

    `pins`: values that are to be stored, or recomputed, and whether floats may be had by undoing updates (see `pins`).

    Raises NotDifferentiable if an active operation has no derivative, PinError for a pin that
    cannot be obeyed, NotCheckpointable if iterations of a chosen loop cannot run again.
    """
    original = reachable(module.functions, name)
    primal = attach(original)
    f = primal.root
    missing = set(wrt) - {p.name for p in f.params if p.dtype.is_inexact and not isinstance(p, Growable)}
    if missing:
        raise ValueError(f"not inexact parameters of {name}: {', '.join(sorted(missing))}")
    outputs = {*f.results, *(p.name for p in f.params if isinstance(p, Buffer) and p.intent == "inout")}
    if not set(of) <= outputs:
        raise ValueError(f"not outputs of {name}: {', '.join(sorted(set(of) - outputs))}")
    flat = _flat(primal)
    if choices:
        made = with_checkpoints(flat, choices)
        state, root = _with_choices(primal, made, wrt, of, planner, pins)
    else:
        made = Checkpoints(flat)
        state, root = _planned(primal, flat, wrt, of, planner, pins)
    for key, stacks in state.stack_keys().items():
        state.callees[key].stacks = stacks
    entry = unused(f"{name}_vjp", state.functions)
    state.functions[entry] = root.root(entry, wrt, of, record, made.counts)
    split, joint = state.used_by(root)
    if pins and not choices:
        check(pins, state.obeyed(root))
    for key in split:
        state.split[key].pair(state.callees[key])
    for key in joint:
        state.joint[key].joint(state.callees[key])
    if record is not None:
        for planned in (*(state.split[k] for k in split), *(state.joint[k] for k in joint)):
            record.decisions += decisions(planned.p, planned.plan, {}, planned.shared_top)
    found = reachable(state.functions, entry)
    return found if primal is original else detach(found)


def _flat(primal: Module) -> Module:
    return smooth_roots(name_choices(flatten(capture(primal))))


@deep()
def loops_of(module: Module, name: str, wrt: Sequence[str], of: Sequence[str]) -> tuple[Module, list[LoopOf]]:
    """The flat program, and its loops that could be chosen: what they write is active (in the root; elsewhere it may
    be)."""
    flat = _flat(attach(reachable(module.functions, name)))
    flow = Flow(flat)
    activity = flow.activity(name, wrt, of)
    found: list[LoopOf] = []
    for f in flat.functions.values():
        for loop in sequential_loops(f):
            written = {n for s in statements(loop.stmt.body) for n in flow.aliases.targets(s)}
            if f.name != name or any(n in activity.storages for n in written):
                found.append(loop)
    return flat, found


def _planned(
    primal: Module, flat: Module, wrt: Sequence[str], of: Sequence[str], planner: Planner, pins: Pins
) -> tuple[_Reverse, _Planned]:
    """The root, planned; the bodies of loops are functions where that makes it cheaper."""

    def planned(flat: Module) -> tuple[_Reverse, _Planned]:
        state = _Reverse(flat, Flow(flat), {**flat.functions, **primal.functions}, planner, pins)
        activity = state.flow.activity(flat.entry, wrt, of)
        return state, _Planned(state, flat.root, wrt, activity, frozenset(), shared_top=True)

    state, root = planned(flat)
    trials = 0
    todo = outlinings(root.p, root.plan, state.flow)
    # What runs again as a whole is neither stored nor recomputed: pins would mean nothing there.
    while not pins and trials < MAX_OUTLININGS and (other := next(todo, None)) is not None:
        trials += 1
        found = planned(other)
        if found[1].plan.cost.total < root.plan.cost.total:
            state, root = found
            todo = outlinings(root.p, root.plan, state.flow)
    return state, root


def _with_choices(
    primal: Module, made: Checkpoints, wrt: Sequence[str], of: Sequence[str], planner: Planner, pins: Pins
) -> tuple[_Reverse, _Planned]:
    """The root, planned, with loops whose iterations run again."""
    flat = made.module
    flow = Flow(flat)
    before = Flow(made.before)
    for name, origin in made.origin.items():
        flow.inherited[name] = before.left_out(origin)
    functions = {**flat.functions, **{n: f for n, f in primal.functions.items() if n not in made.changed}}
    state = _Reverse(flat, flow, functions, planner, pins, made)
    root = _Planned(state, flat.root, wrt, state.flow.activity(flat.entry, wrt, of), frozenset(), shared_top=True)
    unused_choices = {loop.choice for loop in made.loops.values()} - state.chosen
    if unused_choices:
        names = ", ".join(sorted(c.var for c in unused_choices))
        raise NotCheckpointable(f"the loops over {names} are not reversed, or not at the top of what runs again")
    return state, root


@dataclass
class _Reverse:
    """The derivative module as it grows: first every function is planned, callees before callers, then emitted."""

    flat: Module
    flow: Flow
    functions: dict[str, Function]
    planner: Planner
    pins: Pins
    checkpoints: Checkpoints = field(default_factory=lambda: Checkpoints(Module()))
    callees: dict[Key, Callee] = field(default_factory=dict[Key, Callee])
    split: dict[Key, _Planned] = field(default_factory=dict[Key, "_Planned"])
    joint: dict[Key, _Planned] = field(default_factory=dict[Key, "_Planned"])
    _joining: set[Key] = field(default_factory=set[Key])
    _splitting: set[Key] = field(default_factory=set[Key])
    chosen: set[Choice] = field(default_factory=set[Choice])
    """The choices that were met."""
    splitter: str = ""

    def __post_init__(self) -> None:
        self.work, self.entry = Work(self.flat), EntryReads(self.flat, self.flow.aliases)
        if self.checkpoints.loops:
            self.splitter = unused(SPLIT, self.functions)
            self.functions[self.splitter] = splitter(self.splitter)

    def callee(self, function: str, active: Pattern) -> Callee:
        """The functions for one function and its active parameters; split reversal is planned the first time."""
        key = function, active
        self._reserve(key)
        if key not in self._splitting:
            self._splitting.add(key)
            visible = frozenset(self.flat.functions[function].params[k].name for k in self.callees[key].scalars)
            self.split[key] = self._planned(key, visible, shared_top=False)
        return self.callees[key]

    def _reserve(self, key: Key) -> Callee:
        """Names for the functions of a callee."""
        function, active = key
        if key not in self.callees:
            params = self.flat.functions[function].params
            aliases = self.flow.aliases.aliases[function]
            augmented = unused(f"{function}_aug", self.functions)
            self.functions[augmented] = self.flat.functions[function]  # reserves the name
            reverse = unused(f"{function}_rev", self.functions)
            self.functions[reverse] = self.flat.functions[function]
            joint = unused(f"{function}_joint", self.functions)
            self.functions[joint] = self.flat.functions[function]
            extents = {
                n
                for p, is_active in zip(params, active, strict=True)
                if is_active and isinstance(p, Buffer)
                for e in p.shape
                for n in names_in(e)
            }
            scalars = tuple(k for k, p in enumerate(params) if isinstance(p, Scalar) and p.name in extents)
            shadowed = tuple(
                k
                for k, p in enumerate(params)
                if active[k] and not isinstance(p, Scalar) and aliases.is_rebindable(p.name)
            )
            self.callees[key] = Callee(augmented, reverse, joint, scalars, shadowed, [])
        return self.callees[key]

    def _planned(self, key: Key, visible: frozenset[str], shared_top: bool) -> _Planned:
        function, active = key
        f = self.flat.functions[function]
        names = [p.name for p, is_active in zip(f.params, active, strict=True) if is_active]
        outputs = [p.name for p in f.params if not isinstance(p, Scalar) and p.name in names]
        activity = self.flow.activity(function, names, outputs)
        return _Planned(self, f, names, activity, visible, shared_top)

    def rerun(self, site: CallSite) -> Rerun | None:
        """What a call costs; None if it cannot run again: in a recursion, if it has effects beyond its buffers, or refs
        may be bound to them."""
        key = site.stmt.function, site.active
        callee, params = self.callees[key], self.flat.functions[site.stmt.function].params
        if key not in self.split or key in self._joining or callee.shadowed or not self._is_pure(site.stmt.function):
            return None
        if any(isinstance(p, Growable) for p in params):
            return None
        if key not in self.joint:
            self._joining.add(key)
            self.joint[key] = self._planned(key, frozenset(), shared_top=True)
            self._joining.remove(key)
        read = self.entry.of(site.stmt.function)
        costs = self.split[key].plan.cost, self.joint[key].plan.cost
        reads = tuple(k in read for k in range(len(params)))
        only = bool(self.checkpoints.loops) and self.checkpoints.inside(site.stmt.function)
        return Rerun(*costs, self.work.of(site.stmt.function), reads, only)

    def again(self, site: CallSite, reversed_: CallSite) -> Rerun:
        """What the body of a loop costs whose iterations run again; `reversed_`: the call that is reversed jointly."""
        key = reversed_.stmt.function, reversed_.active
        params = self.flat.functions[site.stmt.function].params
        callee = self._reserve(key)
        if callee.shadowed or not self._is_pure(key[0]) or any(isinstance(p, Growable) for p in params):
            raise NotCheckpointable(f"{site.stmt.function} has effects beyond its arrays")
        if key not in self.joint:
            self.joint[key] = self._planned(key, frozenset(), shared_top=True)
        read = self.entry.of(site.stmt.function)
        more = self.entry.of(key[0])
        names = {p.name for k, p in enumerate(self.flat.functions[key[0]].params) if k in more}
        reads = tuple(k in read or p.name in names for k, p in enumerate(params))
        return Rerun(Cost(0.0, 0.0), self.joint[key].plan.cost, self.work.of(site.stmt.function), reads)

    def _is_pure(self, function: str) -> bool:
        found = reachable(self.flat.functions, function).functions.values()
        ops = (LIBOPS[s.op] for f in found for s in statements(f.body) if isinstance(s, LibCall))
        return all(row.effects == "pure" for row in ops)

    def stack_keys(self) -> dict[Key, list[StackKey]]:
        """The stacks that the split reversal of each function needs, for itself and for what it calls."""
        needs = {key: set(planned.stack_keys) for key, planned in self.split.items()}
        changed = True
        while changed:
            changed = False
            for key, planned in self.split.items():
                more = set[StackKey]().union(*(needs[c] for c in planned.calls(joint=False))) - needs[key]
                changed |= bool(more)
                needs[key] |= more
        return {key: in_order(keys) for key, keys in needs.items()}

    def used_by(self, root: _Planned) -> tuple[list[Key], list[Key]]:
        """The functions whose split, and those whose joint reversal is called, directly or not."""
        found: dict[tuple[Key, bool], None] = {}
        todo = [root]
        while todo:
            planned = todo.pop()
            for joint in (False, True):
                for key in planned.calls(joint):
                    if (key, joint) not in found:
                        found[key, joint] = None
                        todo.append((self.joint if joint else self.split)[key])
        return [k for k, joint in found if not joint], [k for k, joint in found if joint]

    def obeyed(self, root: _Planned) -> list[Obeyed]:
        """What has become of pins, in all functions that are used."""
        split, joint = self.used_by(root)
        plans = [root, *(self.split[k] for k in split), *(self.joint[k] for k in joint)]
        return [planned.plan.obeyed for planned in plans]


class _Planned:
    """One function, planned."""

    def __init__(
        self,
        state: _Reverse,
        f: Function,
        chosen: Sequence[str],
        activity: Activity,
        visible: frozenset[str],
        shared_top: bool,
    ) -> None:
        self.state, self.f, self.chosen, self.shared_top = state, f, chosen, shared_top
        self.p = prepare(f, activity, state.flow)
        self.kept = Kept(self.p, shared_top)
        if (made := remake(f, self.p, self.kept)) is not None:
            self.p = prepare(made.function, activity, state.flow)
            self.p.remade = made.values
            self.kept = Kept(self.p, shared_top)
        self._find_checkpointed()
        top = {n for n, d in self.p.definitions.items() if d.region is self.p.root} if shared_top else set[str]()
        self.visible = visible | top
        self.plan, self.stack_keys = self._plan()

    def calls(self, joint: bool) -> list[Key]:
        """The functions called for joint (or split) reversal."""
        sites = (
            self.p.checkpointed.get(s.name, s) for s in self.p.calls.values() if (s.name in self.plan.reruns) == joint
        )
        return list(dict.fromkeys((s.stmt.function, s.active) for s in sites))

    def _find_checkpointed(self) -> None:
        """The loops, at the top level that both sweeps share, whose iterations run again."""
        self.loops: dict[Region, tuple[CallSite, Checkpointed]] = {}
        for site in self.p.calls.values() if self.shared_top else ():
            loop = site.region.loop
            found = None if loop is None else self.state.checkpoints.loops.get((self.f.name, loop.var))
            if found is None or loop is None or site.region.parent is not self.p.root:
                continue
            stmt, active = site.stmt, site.active
            if found.length is not None:
                kept = [k for k, p in enumerate(self._params(stmt.function)) if p.name != loop.var]
                given = (loop.start, loop.start, *(stmt.args[k] for k in kept))
                stmt, active = Call(found.again, given, stmt.span), (False, False, *(active[k] for k in kept))
            self.p.checkpointed[site.name] = CallSite(site.name, stmt, active, site.region, site.position)
            self.loops[site.region] = site, found
            self.state.chosen.add(found.choice)

    def _params(self, function: str) -> tuple[Param, ...]:
        return self.state.flat.functions[function].params

    def _rerun(self, site: CallSite) -> Rerun | None:
        reversed_ = self.p.checkpointed.get(site.name)
        return self.state.rerun(site) if reversed_ is None else self.state.again(site, reversed_)

    def _revolving(self) -> dict[Region, Revolving]:
        """What emits the sweeps over these loops; both sweeps must be given the same."""
        found: dict[Region, Revolving] = {}
        for region, (site, loop) in self.loops.items():
            made = self.p.checkpointed[site.name]
            joint = self.state.callees[made.stmt.function, made.active].joint
            read = self.state.again(site, made).read
            found[region] = Revolving(Revolver(self.p, region, site, loop, read, self.state.splitter), joint)
        return found

    def _plan(self) -> tuple[Plan, set[StackKey]]:
        """Find the demands by a sweep in which every name stands for itself, and plan how they are met."""
        stacks = Stacks(Emitter(self.p.names))
        for site, _ in self.loops.values():
            self._rerun(site)
        trial = Sweep(self.p, self.kept, Tapes(), stacks, set(), self.state.callee, self.shared_top, self._revolving())
        self._give_params(trial)
        used = free_names(trial.region(self.p.root))
        demands = frozenset(n for n in used if n in self.p.definitions or n in self.p.snapshots)
        plan = self._cheapest(demands | self.p.calls.keys())
        return plan, {key for key in stacks.found if key.refs} | Layout(self.p, plan).stack_keys()

    def _cheapest(self, demands: frozenset[str]) -> Plan:
        """The plan with memory that is taken back, or the one without. Who allows that for floats wants small tapes: a
        plan that takes more time, but stores less than half, is preferred."""
        planner, pins = self.state.planner, self.state.pins

        def made(updates: Updates | None, planner: Planner = planner) -> Plan:
            values = Values(self.p, self.kept, self.visible, self._rerun, updates)
            return make_plan(values, demands, self.shared_top, planner, pins)

        plain, updates = made(None), Updates(self.p, self.kept, pins.invert)
        if not plain.stored or not updates.of:
            return plain
        best = min(plain, made(updates), key=lambda plan: plan.cost.total)
        if best.stored and pins.invert:
            lean = made(updates, lambda problem: planner(with_dear_tapes(problem)))
            best = lean if lean.inverted and 2 * lean.cost.stored < best.cost.stored else best
        return best

    def _give_params(self, sweep: Sweep, names: Mapping[str, str] | None = None) -> list[Param]:
        """Name the adjoints of the chosen parameters; the result lists them as parameters, in order."""
        found: list[Param] = []
        for p in self.f.params:
            if p.name not in self.chosen and not self.p.activity.param(p):
                continue
            name = (names or {}).get(p.name) or sweep.e.fresh(f"{p.name}_adj")
            match p:
                case Scalar():
                    cell = Buffer(name, p.dtype, (), intent="inout")
                    sweep.param_cells[p.name] = cell
                    found.append(cell)
                case Buffer() | Growable():
                    sweep.adj_names[p.name] = name
                    sweep.given.add(p.name)
                    found.append(_adjoint_param(p, name))
        return found

    def _sweep(
        self, stacks: Stacks, boxes: dict[str, Buffer], revolving: Mapping[Region, Revolving] | None = None
    ) -> Sweep:
        tapes = Restorer(self.p, self.kept, self.plan, stacks, boxes)
        sequential, callee = self.plan.sequential, self.state.callee
        return Sweep(self.p, self.kept, tapes, stacks, sequential, callee, self.shared_top, revolving)

    def pair(self, callee: Callee) -> None:
        """Emit the augmented and the reverse function of a callee."""
        f, functions = self.f, self.state.functions
        stacks = self._stacks(callee)
        augment = Augment(self.p, self.plan, stacks, self.state.callee, self.shared_top)
        extra: list[Param] = []
        for k in callee.shadowed:
            p = f.params[k]
            assert not isinstance(p, Scalar)
            augment.shadows.names[p.name] = stacks.e.fresh(f"{p.name}_adj")
            extra.append(_adjoint_param(p, augment.shadows.names[p.name]))
        body = augment.region(self.p.root)
        params = (*f.params, *extra, *map(stacks.get, callee.stacks))
        functions[callee.augmented] = Function(callee.augmented, params, body, (), f.span)

        stacks = self._stacks(callee)
        sweep = self._sweep(stacks, {})
        adjoints = self._give_params(sweep)
        body = sweep.region(self.p.root)
        scalars = [f.params[k] for k in callee.scalars]
        params = (*scalars, *adjoints, *map(stacks.get, callee.stacks))
        functions[callee.reverse] = Function(callee.reverse, params, body, (), f.span)

    def joint(self, callee: Callee) -> None:
        """Emit the function that runs a callee again and reverses it at once."""
        f, stacks, revolving = self.f, Stacks(Emitter(self.p.names)), self._revolving()
        augment = Augment(self.p, self.plan, stacks, self.state.callee, self.shared_top, None, revolving)
        forward = augment.region(self.p.root)
        sweep = self._sweep(stacks, augment.saver.boxes, revolving)
        self._give_shadows(sweep, augment)
        adjoints = self._give_params(sweep)
        backward = sweep.region(self.p.root)
        declared = [Declare(stack) for stack in stacks.found.values()]
        params = (*f.params, *adjoints)
        self.state.functions[callee.joint] = Function(
            callee.joint, params, (*declared, *forward, *backward), (), f.span
        )

    def _give_shadows(self, sweep: Sweep, augment: Augment) -> None:
        """The adjoints at the top level that the forward sweep has made."""
        for storage, shadow in augment.shadows.names.items():
            if self.p.home[storage] is self.p.root:
                sweep.adj_names[storage] = shadow
                sweep.given.add(storage)

    def _stacks(self, callee: Callee) -> Stacks:
        stacks = Stacks(Emitter(self.p.names))
        for key in callee.stacks:
            stacks.get(key)
        return stacks

    # -- the root

    def root(
        self, name: str, wrt: Sequence[str], of: Sequence[str], record: Record | None, counts: Sequence[str]
    ) -> Function:
        """The root of the derivative: forward sweep, seeds, reverse sweep. `counts`: parameters that come last."""
        stacks = Stacks(Emitter(self.p.names))
        e, f = stacks.e, self.f
        sizes = None if record is None else Sizes(record, e, self.p, self.plan)
        revolving = self._revolving()
        augment = Augment(self.p, self.plan, stacks, self.state.callee, self.shared_top, sizes, revolving)
        with e.collect() as start:
            for p in f.params:
                if not isinstance(p, Scalar) and self.p.is_shadowed(p.name):
                    augment.shadows.names[p.name] = self._declare_adjoint(e, p).name
        forward = augment.region(self.p.root)
        sweep = self._sweep(stacks, augment.saver.boxes, revolving)
        shadows = augment.shadows.names
        self._give_shadows(sweep, augment)
        adjoints: dict[str, str] = {}
        with e.collect() as declarations:
            for p in f.params:
                if p.name in shadows:
                    adjoints[p.name] = shadows[p.name]
                elif p.name in self.chosen or self.p.activity.param(p):
                    adjoints[p.name] = self._declare_adjoint(e, p).name
        self._give_params(sweep, adjoints)
        seeds = [self._seed(e, r) for r in of]

        def seed() -> None:
            for r, (params, checks) in zip(of, seeds, strict=True):
                if self.p.is_active(r):
                    self._add_seed(sweep, r, params, checks)

        backward = sweep.region(self.p.root, seed)
        declared = [Declare(stack) for stack in stacks.found.values()]
        own = [p for p in f.params if p.name not in counts]
        last = [p for n in counts for p in f.params if p.name == n]
        params = (*own, *(p for params, _ in seeds for p in params), *last)
        results = (*f.results, *(adjoints[x] for x in wrt))
        if sizes is None:
            body = (*declared, *start, *forward, *declarations, *backward)
            return Function(name, params, body, results, f.span)
        with e.collect() as lengths:
            sizes.note_stacks(s for k, s in stacks.found.items() if not k.refs)
        body = (sizes.declaration(), *declared, *start, *forward, *lengths, *declarations, *backward)
        return Function(name, params, body, (*results, sizes.record.result), f.span)

    def _declare_adjoint(self, e: Emitter, p: Param) -> Buffer | Growable:
        """Zeros of the shape of a parameter."""
        match p:
            case Scalar():
                return e.alloc(f"{p.name}_adj", p.dtype, (), zero=True)
            case Buffer():
                return e.alloc(f"{p.name}_adj", p.dtype, p.shape, zero=True)
            case Growable():
                adj = e.growable(f"{p.name}_adj", p.dtype, p.ref_rank)
                e.resize(adj, b.extent(p, 0))
                return adj

    def _seed(self, e: Emitter, result: str) -> tuple[list[Param], list[Expr]]:
        """The parameters for the seed of a result (the seed last), and the extents it must have if they are checked."""
        storage = self.p.storages[result]
        scalars = {p.name for p in self.f.params if isinstance(p, Scalar)}
        trips = Trips(self.p.definitions, lambda n: n in scalars, self.p.nonnegative)
        shape = [trips.hoisted(n) for n in storage.shape] if isinstance(storage, Buffer) else [None] * storage.rank
        if all(n is not None for n in shape):
            known = tuple(n for n in shape if n is not None)
            return [Buffer(e.fresh(f"{result}_adj_seed"), storage.dtype, known, intent="in")], []
        sizes = [Scalar(e.fresh(f"{result}_adj_n{k}"), I64) for k in range(storage.rank)]
        extents = tuple(Var(n.name, I64) for n in sizes)
        seed = Buffer(e.fresh(f"{result}_adj_seed"), storage.dtype, extents, intent="in")
        return [*sizes, seed], [Extent(result, k) for k in range(storage.rank)]

    def _add_seed(self, sweep: Sweep, result: str, params: list[Param], checks: list[Expr]) -> None:
        seed = params[-1]
        assert isinstance(seed, Buffer)
        for given, wanted in zip(seed.shape, checks, strict=False):
            with sweep.e.if_(b.ne(given, wanted)):
                sweep.e.fail("ValueError", f"the seed of {result} has extent {{}}, not {{}}", given, wanted)
        each(sweep.e, seed.shape, lambda i: sweep.add_to(result, i, b.load(seed, i)))


def _adjoint_param(p: Buffer | Growable, name: str) -> Buffer | Growable:
    """The parameter that passes the adjoint of a storage parameter."""
    if isinstance(p, Buffer):
        return Buffer(name, p.dtype, p.shape, p.strided, "inout")
    return Growable(name, p.dtype, p.ref_rank)
