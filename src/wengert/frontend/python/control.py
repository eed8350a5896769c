"""Control flow under run-time conditions: branches and exits, and how values meet after them.

Every construct's body is staged as a `Body`. When one side of a branch leaves the body for good (return, break,
continue, an exception caught further out), whatever follows in the body is staged inside the other side; when a side
leaves only perhaps, it sets a flag and what follows is staged under the flag's negation. Such *regions* stay open until
the body ends.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from typing import Any

from wengert.ir import build
from wengert.ir.nodes import FALSE, TRUE, Cast, Expr, If, Let, Load, Op, Select, Var
from wengert.ir.ops import CHECKED
from wengert.ir.types import BOOL, I64

from . import arrays, structs
from .interp import Interp
from .python_values import class_of, is_dict, is_sequence, is_tuple
from .slots import ArraySlot, CannotJoin, ScalarSlot, Slot, allocate, spec_of, statics, widen
from .source import scope_of
from .stage import WHOLE, Snapshot, Trial
from .values import MISSING, MaybeUnbound, Poison, RArray, Root, RScalar, is_runtime


class ExitNow(Exception):
    """Unwinds the evaluation of an expression whose path has definitely left the body."""


class PreferUnroll(Exception):
    """A short loop of constant length carries Python objects that differ from turn to turn: unroll it."""

    def __init__(self, node: ast.AST) -> None:
        super().__init__()
        self.node = node


@dataclass(eq=False)
class Target:
    """Where an exit leads: the end of a function, loop, iteration or try body. `depth` is that of the frame that owns
    it; locals of deeper frames are dead on arrival (and, for a return, the frame's own)."""

    kind: str
    depth: int
    frame: Any
    flag: Root
    live: frozenset[str] | None = None  # the frame's names that may be read on arrival, if known

    def kills(self, frame: Any) -> bool:
        return frame.depth > self.depth or (self.kind == "return" and frame is self.frame)

    def forgets(self, frame: Any, name: Any) -> bool:
        """Whether nothing reads this local of the frame on arrival."""
        return self.kills(frame) or (frame is self.frame and self.live is not None and name not in self.live)


@dataclass(frozen=True)
class Path:
    """A staged side of a branch: does it reach its end, and which targets may it have left for?"""

    falls: bool
    exits: frozenset[Target]


@dataclass(frozen=True)
class Turns:
    """A loop at run time: the values its index takes, how an iteration begins and what it runs, and which locals are
    read at its head, after it, and assigned in it."""

    node: ast.AST
    start: Expr
    stop: Expr | None
    step: int
    enter: Callable[[Expr], None]
    """Binds the target to the element at an index."""
    test: Callable[[], Expr | None] | None
    """Stages the condition of a while."""
    run: Callable[[], bool]
    live_head: set[str]
    live_after: set[str]
    assigned: frozenset[str]


@dataclass
class Region:
    cond: Expr
    other: Trial | None
    swapped: bool
    undo: Callable[[], None] = lambda: None


@dataclass
class Body:
    regions: list[Region] = field(default_factory=list[Region])
    exits: set[Target] = field(default_factory=set[Target])


@dataclass
class Meeting:
    """Two sides of a branch that are being joined: what is left to do once it is emitted, and the objects (ids of
    their containers) made on one side that have been seen to."""

    a: Trial
    b: Trial
    after: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    kept: set[int] = field(default_factory=set[int])


@dataclass(frozen=True)
class Mark:
    """A point in staging to go back to: the stage's state and the depths of the interpreter's stacks."""

    snapshot: Snapshot
    depths: tuple[int, ...]


class Control(Interp):
    """Stages bodies and branches, and joins what they leave. A part of the interpreter."""

    # -- bodies and regions ------------------------------------------------------------------------------

    def body(self, run: Callable[[], bool]) -> Path:
        """Stage a body; `run` says whether its end is reached."""
        depth = len(self.bodies)
        here = Body()
        self.bodies.append(here)
        try:
            falls = run()
            while here.regions:
                self._close_region(here, falls)
        finally:
            del self.bodies[depth:]
        return Path(falls, frozenset(here.exits))

    def target(self, kind: str, live: set[str] | None = None) -> Target:
        """A place to leave for, with its flag, owned by the current frame."""
        flag = self.stage.cell(BOOL, f"{kind}_taken", init=FALSE)
        return Target(kind, self.frame.depth, self.frame, flag, None if live is None else frozenset(live))

    def leave(self, target: Target) -> None:
        """Exit to the target from here."""
        self.stage.store_cell(target.flag, TRUE)
        self.bodies[-1].exits.add(target)

    def _left(self, exits: frozenset[Target]) -> Expr:
        cond: Expr = FALSE
        for t in sorted(exits, key=lambda t: t.flag.name):
            cond = build.or_(cond, Load(t.flag.name, (), BOOL))
        return self.stage.let(cond, "left")

    def guard(self, exits: frozenset[Target]) -> None:
        """What follows in the current body runs only if none of these exits was taken."""
        if not exits:
            return
        self.bodies[-1].exits |= exits
        cond = self._left(exits)
        self.flush()
        self.bodies[-1].regions.append(Region(cond, None, True))
        self.stage.open()

    def _close_region(self, body: Body, falls: bool) -> None:
        region = body.regions.pop()
        here = self.stage.close(Path(falls, frozenset(body.exits)))
        region.undo()
        other = region.other or Trial([], {}, Path(False, frozenset(body.exits)))
        if region.swapped:
            self._merge(region.cond, other, here)
        else:
            self._merge(region.cond, here, other)

    def flush(self) -> None:
        for array in list(self.stage.pending.values()):
            arrays.stored(self.stage, array)
        self.stage.pending.clear()

    # -- branches ----------------------------------------------------------------------------------------

    def branch(self, cond: Expr, then: Callable[[], bool], orelse: Callable[[], bool]) -> bool:
        """An if under a run-time condition; whether control goes on in the current body."""
        return self._join_sides(cond, *self._sides(cond, then, orelse))

    def _sides(self, cond: Expr, then: Callable[[], bool], orelse: Callable[[], bool]) -> tuple[Trial, Trial]:
        """Both sides of a branch, staged and rolled back."""
        self.flush()
        undo = self._assume(cond, True)
        a = self.stage.trial(lambda: self.body(then))
        undo()
        undo = self._assume(cond, False)
        b = self.stage.trial(lambda: self.body(orelse))
        undo()
        return a, b

    def _join_sides(self, cond: Expr, a: Trial, b: Trial) -> bool:
        """Emit a branch and go on after it; whether control does."""
        pa, pb = a.result, b.result
        here = self.bodies[-1]
        here.exits |= pa.exits | pb.exits
        if pa.falls and pb.falls:
            self._merge(cond, a, b)
            self.guard(pa.exits | pb.exits)
            return True
        if pa.falls or pb.falls:
            stays, leaves = (a, b) if pa.falls else (b, a)
            here.regions.append(Region(cond, leaves, pb.falls, self._assume(cond, pa.falls)))
            self.stage.redo(stays)
            self.guard(stays.result.exits)
            return True
        self._merge(cond, a, b)
        return False

    def _assume(self, cond: Expr, holds: bool) -> Callable[[], None]:
        """Use an integer comparison as a fact inside a branch."""
        definition = self.stage.definitions.get(cond.name, cond) if isinstance(cond, Var) else cond
        facts = self.stage.facts
        before = dict(facts.bounds)
        test = self.stage.tag_tests.get(cond.name) if isinstance(cond, Var) else None
        assumed = dict(self.assumed)
        if test is not None:
            choice, matches = test
            possible = self.possible(choice)
            self.assumed[id(choice)] = tuple(k for k in possible if (k in matches) == holds)
        match definition:
            case Op(name, (x, y)) if x.dtype is I64 and name in ("lt", "le", "gt", "ge"):
                if name in ("gt", "ge"):
                    x, y, name = y, x, {"gt": "lt", "ge": "le"}[name]
                strict = (name == "lt") == holds
                small, large = (x, y) if holds else (y, x)
                self._bound(small, large, 1 if strict else 0)
            case _:
                pass

        def undo() -> None:
            facts.bounds.clear()
            facts.bounds.update(before)
            self.assumed = assumed

        return undo

    def _bound(self, small: Expr, large: Expr, gap: int) -> None:
        """small + gap <= large: as a bound of a lone variable on either side without bounds of its own."""
        facts = self.stage.facts
        if isinstance(small, Var) and facts.bounds.get(small, (None, None))[1] is None:
            facts.assume(small, facts.bounds.get(small, (None, None))[0], build.sub(large, gap))
        elif isinstance(large, Var) and facts.bounds.get(large, (None, None))[0] is None:
            facts.assume(large, build.add(small, gap), facts.bounds.get(large, (None, None))[1])

    def conditional(self, cond: Expr, then: Callable[[], Any], orelse: Callable[[], Any]) -> Any:
        """A conditional expression under a run-time condition."""
        box: dict[str, Any] = {}
        self.stage.note_created(box)

        def side(run: Callable[[], Any]) -> Callable[[], bool]:
            def staged() -> bool:
                self.stage.write(box, "value", self.settle(run()))
                return True

            return lambda: self.contained(staged)

        self.boxes.append(box)
        a, b = self._sides(cond, side(then), side(orelse))
        if self._pure(a) and self._pure(b):
            x, y = self._written(a, box), self._written(b, box)
            if all(isinstance(v, RScalar) or is_plain_number(v) for v in (x, y)):
                for s in (*a.stmts, *b.stmts):
                    self.stage.emit(s)
                from .numeric import as_scalar, select

                return select(self.stage, cond, as_scalar(x), as_scalar(y))
        falls = self._join_sides(cond, a, b)
        self.boxes = [other for other in self.boxes if other is not box]
        self.stage.forgotten.add(id(box))
        if not falls:
            raise ExitNow
        return self.settled(box["value"])

    def mark(self) -> Mark:
        """Where the interpreter stands, for `rollback`."""
        depths = tuple(len(stack) for stack in self._stacks())
        return Mark(self.stage.snapshot(), depths)

    def rollback(self, mark: Mark) -> None:
        """Abandon everything staged since `mark`."""
        self.stage.restore(mark.snapshot)
        for stack, depth in zip(self._stacks(), mark.depths, strict=True):
            del stack[depth:]

    def _stacks(self) -> tuple[list[Any], ...]:
        return self.stage.opened, self.bodies, self.frames, self.loops, self.handlers

    def _pure(self, t: Trial) -> bool:
        if not t.result.falls or t.result.exits or len(t.writes) != 1:
            return False
        return all(isinstance(s, Let) and total(s.value, self.stage.ref_targets) for s in t.stmts)

    @staticmethod
    def _written(t: Trial, box: dict[str, Any]) -> Any:
        return next(new for c, _, _, new in t.writes.values() if c is box)

    # -- joining ------------------------------------------------------------------------------------------

    def _merge(self, cond: Expr, a: Trial, b: Trial) -> None:
        """Emit the If and give every location written on a side its joined value."""
        stage, meeting = self.stage, Meeting(a, b)
        for loc in list(dict.fromkeys([*a.writes, *b.writes])):
            if loc[0] in stage.forgotten:
                continue
            container, key, old, _ = a.writes.get(loc) or b.writes[loc]
            x = a.writes[loc][3] if loc in a.writes else old
            y = b.writes[loc][3] if loc in b.writes else old
            dead_a, dead_b = self._dead(a.result, container, key, x), self._dead(b.result, container, key, y)
            if dead_a and dead_b:
                continue
            dead_a = dead_a or (id(container) in b.made and loc not in a.writes)  # it exists on the other side only
            dead_b = dead_b or (id(container) in a.made and loc not in b.writes)
            if key is WHOLE:
                self._merge_lists(meeting, container, x, y, dead_a, dead_b)
                continue
            self._join(meeting, container, key, x, y, dead_a, dead_b)
        stage.emit(If(cond, tuple(a.stmts), tuple(b.stmts), stage.span))
        for finish in meeting.after:
            finish()

    def _dead(self, path: Path, container: Any, key: Any, value: Any) -> bool:
        """Whether nothing can read this location after the path."""
        if key == "$ret" and value is MISSING:
            return True
        if path.falls:
            return False
        frame = self.frames_by_locals.get(id(container))
        if frame is None:
            return not path.exits
        if key == "$ret":
            return not any(t.kind == "return" and t.frame is frame for t in path.exits)
        captured = key in scope_of(frame.node).captured  # a function that escapes may read it
        return all(t.forgets(frame, key) and not (captured and t.kills(frame)) for t in path.exits)

    def _join(self, meeting: Meeting, container: Any, key: Any, x: Any, y: Any, dead_a: bool, dead_b: bool) -> None:
        stage, a, b, after = self.stage, meeting.a, meeting.b, meeting.after
        value = y if dead_a else x
        if (dead_a or dead_b) and self._reaches(value):
            self._keep(meeting, value)
            after.append(lambda: stage.put(container, key, value))
            return
        try:
            if dead_a or dead_b:
                spec = spec_of(stage, value, by_value=False)
            else:
                if x is not y:
                    parts = self._parts(x, a), self._parts(y, b)
                    x, y = (x, y) if structs.any_shared(parts) else parts
                if self._equal(x, y) and self._reaches(x):
                    after.append(lambda: stage.put(container, key, x))
                    return
                by_value = self._may_copy(x, a) and self._may_copy(y, b)
                spec = widen(stage, spec_of(stage, x, by_value), spec_of(stage, y, by_value))
            for kept in statics(spec):
                self._keep(meeting, kept)
            slot = allocate(stage, spec, hint_of(key))
            if isinstance(slot, ArraySlot):
                for root in (v.root for v in (x, y) if isinstance(v, RArray) and v.root is not None):
                    for place in stage.lent.get(root, ()):
                        stage.lend(slot.root, place)
            if not dead_a:
                self._write_in(a, slot, x)
            if not dead_b:
                self._write_in(b, slot, y)
        except CannotJoin as problem:
            poison = Poison(
                f"{hint_of(key)!r} has different kinds of values on the two sides of this branch ({problem})",
                "give it the same kind of value on both sides",
                stage.span,
            )
            after.append(lambda: stage.put(container, key, poison))
            return

        def read() -> None:
            value = slot.read(stage)
            if isinstance(slot, ScalarSlot) and isinstance(value, RScalar) and isinstance(value.expr, Var):
                stage.magnitudes.know(value.expr.name, slot.written)  # nothing else is ever written to it
            stage.put(container, key, value)

        after.append(read)

    def _keep(self, meeting: Meeting, value: Any) -> None:
        """Objects made on one side live on as they are: what they hold becomes known here too."""
        a, b = meeting.a, meeting.b
        for container in structs.containers_of(self, value, lambda c: (id(c) in a.made) != (id(c) in b.made)):
            if id(container) in meeting.kept:
                continue
            meeting.kept.add(id(container))
            in_a = id(container) in a.made
            in_b, writes = not in_a, a.writes if in_a else b.writes
            if is_dict(container):
                for key, held in list(container.items()):
                    if (id(container), key) not in writes:
                        self._join(meeting, container, key, held, held, in_b, in_a)
            elif (id(container), WHOLE) not in writes:
                self._merge_lists(meeting, container, list(container), list(container), in_b, in_a)

    def _equal(self, x: Any, y: Any) -> bool:
        if x is y:
            return True
        return _static(x) and _static(y) and spec_of(self.stage, x, True) == spec_of(self.stage, y, True)

    def _parts(self, value: Any, side: Trial) -> Any:
        """A list, dict or instance as its parts at the end of a side."""
        stage = self.stage
        if not isinstance(value, tuple) and not structs.is_struct(stage, value):
            return value
        stage.redo(side)
        found = structs.struct_of(stage, value)
        stage.close(side.result)
        return found

    def _write_in(self, side: Trial, slot: Slot, value: Any) -> None:
        with self.stage.block(side.stmts):
            slot.write(self.stage, value)

    def _merge_lists(
        self, meeting: Meeting, items: list[Any], x: list[Any], y: list[Any], dead_a: bool, dead_b: bool
    ) -> None:
        if dead_a or dead_b:
            x = y = y if dead_a else x
        if len(x) != len(y):
            self.needs_growing(items, [*x, *y], "a list has different lengths on the two sides of this branch")
            return
        box: dict[Any, Any] = self.stage.note_created({})  # scratch: no variable of the program
        for k in range(len(x)):
            self._join(meeting, box, k, x[k], y[k], dead_a, dead_b)

        def finish() -> None:
            self.stage.put(items, WHOLE, [box[k] for k in range(len(x))])
            self.stage.forgotten.add(id(box))

        meeting.after.append(finish)

    def _reaches(self, value: Any) -> bool:
        """Whether the value's names are all in scope in the current block."""
        stage = self.stage
        match value:
            case RScalar():
                return stage.visible(value.expr)
            case RArray():
                if value.lazy is not None or not stage.in_scope(value.storage):
                    return False
                return all(stage.visible(e) for e in (*value.shape, *value.start, *(s for _, s in value.axes)))
            case _ if is_sequence(value):
                return all(self._reaches(v) for v in value)
            case MaybeUnbound():
                return stage.visible(value.flag) and self._reaches(value.value)
            case Poison():
                return True
            case _:
                return not hasattr(value, "tag") and not hasattr(value, "alternatives")

    def _may_copy(self, value: Any, side: Trial) -> bool:
        """Whether an array meeting another at a branch may be copied: nothing else holds it."""
        if not isinstance(value, RArray):
            return True
        root = value.root
        if root is None or not root.fresh or root.is_ref:
            return False
        return self.holders(root, [new for _, _, _, new in side.writes.values()]) <= 1


def is_plain_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex))


def _static(value: Any) -> bool:
    """Whether equal descriptions of such values mean equal values."""
    if is_tuple(value):
        return all(_static(v) for v in value)
    return not is_runtime(value) and not isinstance(value, structs.Struct)


def same_value(a: Any, b: Any) -> bool:
    from .slots import equal_static

    if isinstance(a, RArray) and isinstance(b, RArray):
        if a.lazy is not None or b.lazy is not None:
            return False
        return (a.storage, a.shape, a.start, a.axes, a.part) == (b.storage, b.shape, b.start, b.axes, b.part)
    if isinstance(a, RScalar) and isinstance(b, RScalar):
        return a.expr == b.expr and a.python == b.python
    if is_tuple(a) and is_tuple(b):
        if class_of(a) is not class_of(b) or len(a) != len(b):
            return False
        return all(same_value(x, y) for x, y in zip(a, b, strict=True))
    return equal_static(a, b)


def hint_of(key: Any) -> str:
    return "list" if key is WHOLE else "result" if key == "$ret" else str(key)


def total(expr: Expr, refs: Container[str]) -> bool:
    """Whether an expression may be evaluated whether or not its result is needed: no element access, no overflow, and
    nothing that a ref names, which names no memory where another kind of value holds."""
    match expr:
        case Load(storage, index, _):
            return not index and storage not in refs
        case Op(name, args, _):
            return name not in CHECKED and all(total(a, refs) for a in args)
        case Select(c, x, y):
            return total(c, refs) and total(x, refs) and total(y, refs)
        case Cast(v, _):
            return total(v, refs)
        case _:
            return True
