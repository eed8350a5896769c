"""Control flow under run-time conditions: branches, exits, loops, handlers.

Every construct's body is staged as a `Body`. When one side of a branch leaves the body for good (return, break, continue, an
exception caught further out), whatever follows in the body is staged inside the other side; when a side leaves only
perhaps, it sets a flag and what follows is staged under the flag's negation. Such *regions* stay open until the body ends.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from wengert.errors import Problem, Unsupported
from wengert.ir import build
from wengert.ir.nodes import FALSE, ONE, TRUE, ZERO, Const, Expr, If, Let, Load, Loop, Op, Select, Stmt, Cast, Var
from wengert.ir.types import BOOL, I64

from . import arrays, structs
from wengert.analysis.affine import constant
from .frame import USER_ERRORS, PyRaise
from .slots import (
    ArraySlot, ArraySpec, CannotJoin, ChoiceSpec, RefSlot, Slot, Spec, StaticSpec, StructSpec, UnboundSpec, allocate, spec_of, widen,
)
from .stage import _WHOLE, NeedStatic, Stage, Trial
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
    """Where an exit leads: the end of a function, loop, iteration or try body. `depth` is that of the frame that owns it;
    locals of deeper frames are dead on arrival (and, for a return, the frame's own)."""

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


@dataclass
class Region:
    cond: Expr
    other: Trial | None
    swapped: bool
    undo: Callable[[], None] = lambda: None


@dataclass
class Body:
    regions: list[Region] = field(default_factory=list)
    exits: set[Target] = field(default_factory=set)


class Control:
    """Mixed into the interpreter."""

    stage: Stage
    bodies: list[Body]

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
        self._flush()
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

    def _flush(self) -> None:
        for array in list(self.stage.pending.values()):
            arrays.stored(self.stage, array)
        self.stage.pending.clear()

    # -- branches ----------------------------------------------------------------------------------------

    def branch(self, cond: Expr, then: Callable[[], bool], orelse: Callable[[], bool]) -> bool:
        """An if under a run-time condition; whether control goes on in the current body."""
        return self._join_sides(cond, *self._sides(cond, then, orelse))

    def _sides(self, cond: Expr, then: Callable[[], bool], orelse: Callable[[], bool]) -> tuple[Trial, Trial]:
        """Both sides of a branch, staged and rolled back."""
        self._flush()
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
                try:
                    value = self.settle(run())
                except ExitNow:
                    return False
                except PyRaise as error:
                    return self.raise_(error)
                except USER_ERRORS as error:
                    return self.raise_(PyRaise(error))
                self.stage.write(box, "value", value)
                return True

            return staged

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
        self.boxes.remove(box)
        self.stage.forgotten.add(id(box))
        if not falls:
            raise ExitNow
        return self.settled(box["value"])

    @staticmethod
    def _pure(t: Trial) -> bool:
        return t.result.falls and not t.result.exits and len(t.writes) == 1 and all(
            isinstance(s, Let) and total(s.value) for s in t.stmts
        )

    @staticmethod
    def _written(t: Trial, box: dict[str, Any]) -> Any:
        return next(new for c, _, _, new in t.writes.values() if c is box)

    # -- joining ------------------------------------------------------------------------------------------

    def _merge(self, cond: Expr, a: Trial, b: Trial) -> None:
        """Emit the If and give every location written on a side its joined value."""
        stage = self.stage
        after: list[Callable[[], None]] = []
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
            if key is _WHOLE:
                self._merge_lists(container, x, y, dead_a, dead_b, a, b, after)
                continue
            self._join(container, key, x, y, dead_a, dead_b, a, b, after)
        stage.emit(If(cond, tuple(a.stmts), tuple(b.stmts), stage.span))
        for finish in after:
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
        return all(t.forgets(frame, key) for t in path.exits)

    def _join(
        self, container: Any, key: Any, x: Any, y: Any, dead_a: bool, dead_b: bool, a: Trial, b: Trial,
        after: list[Callable[[], None]],
    ) -> None:
        stage = self.stage
        if dead_a or dead_b:
            value = y if dead_a else x
            if self._reaches(value):
                after.append(lambda: stage.put(container, key, value))
                return
        try:
            if dead_a or dead_b:
                spec = spec_of(stage, value, by_value=False)  # type: ignore[possibly-undefined]
            else:
                if x is not y:
                    parts = self._parts(x, a), self._parts(y, b)
                    x, y = (x, y) if structs.any_shared(parts) else parts
                if x is y or (_static(x) and _static(y) and spec_of(stage, x, True) == spec_of(stage, y, True)):
                    if self._reaches(x):
                        after.append(lambda: stage.put(container, key, x))
                        return
                by_value = self._may_copy(x, a) and self._may_copy(y, b)
                spec = widen(stage, spec_of(stage, x, by_value), spec_of(stage, y, by_value))
            slot = allocate(stage, spec, _hint(key))
            if isinstance(slot, ArraySlot):
                for v in (x, y):
                    for place in stage.lent.get(v.root, ()) if isinstance(v, RArray) else ():
                        stage.lend(slot.array.root, place)
            if not dead_a:
                self._write_in(a, slot, x)
            if not dead_b:
                self._write_in(b, slot, y)
        except CannotJoin as problem:
            poison = Poison(
                f"{_hint(key)!r} has different kinds of values on the two sides of this branch ({problem})",
                "give it the same kind of value on both sides", stage.span,
            )
            after.append(lambda: stage.put(container, key, poison))
            return
        after.append(lambda: stage.put(container, key, slot.read(stage)))

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
        self, items: list[Any], x: list[Any], y: list[Any], dead_a: bool, dead_b: bool, a: Trial, b: Trial,
        after: list[Callable[[], None]],
    ) -> None:
        if dead_a or dead_b:
            x = y = y if dead_a else x
        if len(x) != len(y):
            self.needs_growing(items, [*x, *y], "a list has different lengths on the two sides of this branch")
            return
        box: dict[Any, Any] = {}
        for k in range(len(x)):
            self._join(box, k, x[k], y[k], dead_a, dead_b, a, b, after)
        after.append(lambda: self.stage.put(items, _WHOLE, [box[k] for k in range(len(x))]))

    def _reaches(self, value: Any) -> bool:
        """Whether the value's names are all in scope in the current block."""
        stage = self.stage
        match value:
            case RScalar():
                return stage.visible(value.expr)
            case RArray():
                return value.lazy is None and stage.in_scope(value.storage) and all(
                    stage.visible(e) for e in (*value.shape, *value.start, *(s for _, s in value.axes))
                )
            case tuple() | list():
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

    # -- loops --------------------------------------------------------------------------------------------

    def loop(
        self,
        node: ast.AST,
        start: Expr,
        stop: Expr | None,
        step: int,
        enter: Callable[[Expr], None],
        test: Callable[[], Expr | None] | None,
        run: Callable[[], bool],
        live_head: set[str],
        live_after: set[str],
        assigned: frozenset[str],
    ) -> Path:
        """A loop at run time. `enter(index)` binds the target, `test` stages the condition of a while."""
        self._flush()
        stage, short = self.stage, self.short
        for _ in range(24):
            snap, opened, bodies = stage.snapshot(), len(stage.opened), len(self.bodies)
            try:
                done = self._try_loop(node, start, stop, step, enter, test, run, live_head, live_after, assigned)
                self.short = short
            except BaseException:
                self.short = short
                stage.restore(snap)
                del stage.opened[opened:]
                del self.bodies[bodies:]
                raise
            if done is not None:
                return done
            stage.restore(snap)
            del stage.opened[opened:]
        raise stage.refuse("the variables of this loop do not settle", "keep each variable's type the same in every iteration")

    def _try_loop(
        self, node: ast.AST, start: Expr, stop: Expr | None, step: int, enter: Callable[[Expr], None],
        test: Callable[[], Expr | None] | None, run: Callable[[], bool], live_head: set[str], live_after: set[str],
        assigned: frozenset[str],
    ) -> Path | None:
        stage = self.stage
        locals_ = self.frame.locals
        hints: dict[tuple[Any, Any], Spec] = self.carried.setdefault(node, {})
        serial = stage.serial
        slots: dict[tuple[int, Any], tuple[Any, Any, Slot, Spec]] = {}
        runs = stop is not None and stage.facts.less(start, stop) if step > 0 else stop is not None and stage.facts.less(stop, start)
        wanted: list[tuple[Any, Any, Spec]] = []
        for (owner, key), spec in list(hints.items()):
            container = locals_ if owner == "local" else self.containers.get(owner)
            if container is None:
                continue
            if runs and container is locals_ and key not in live_head:
                wanted.append((container, key, spec))  # its value before the loop is never seen again
                continue
            old = structs.struct_of(stage, tuple(container) if key is _WHOLE else container.get(key, MISSING))
            wanted.append((container, key, spec if old is MISSING else self._carry_spec(spec, old)))
        for name in sorted(assigned):
            if ("local", name) in hints or (name not in live_head and name not in live_after):
                continue
            value = locals_.get(name, MISSING)
            if value is MISSING or name not in live_head or isinstance(value, RArray):
                continue  # an array may only be changed in place: whether it is rebound shows when the body is staged
            wanted.append((locals_, name, self._carry_spec(None, value)))
        for container, key, spec in wanted:
            if spec is None:
                continue
            if isinstance(spec, ArraySpec) and (node, key) in stage.decisions.by_reference:
                spec = replace(spec, shape=None)
            slot = allocate(stage, spec, _hint(key))
            slots[(id(container), key)] = (container, key, slot, spec)
            if isinstance(slot, ArraySlot):
                slot.place = (node, key)
                before = container.get(key) if key is not _WHOLE else None
                if isinstance(before, RArray) and not self._ours(before):
                    stage.lend(slot.array.root, slot.place)
                    stage.lend(before.root, slot.place)
            value = tuple(container) if key is _WHOLE else container.get(key, MISSING)
            if runs and container is locals_ and key not in live_head:
                continue
            if not (isinstance(value, Poison) or (value is MISSING and not isinstance(spec, UnboundSpec))):
                slot.write(stage, value)
        leaving, ending = self.target("break"), self.target("stop")
        index_name = stage.fresh(self.index_hint(node))
        index = Var(index_name, I64)
        if stop is not None:
            last = build.sub(stop, build.i64(1 if step > 0 else -1))
            stage.facts.assume(index, start if step > 0 else last, last if step > 0 else start)
        else:
            stage.facts.assume(index, start)
        stage.loop_vars[index_name] = node
        turns = None if stop is None else constant(build.sub(stop, start))
        self.short = node if turns is not None and abs(turns) <= 64 else None
        retry: list[tuple[Any, Any, Spec]] = []
        condition: list[Expr] = []

        def iteration() -> Path:
            for container, key, slot, spec in slots.values():
                value = slot.read(stage)
                stage.put(container, key, list(value) if key is _WHOLE else value)
            for name in assigned:
                if (id(locals_), name) not in slots and name in locals_ and name not in live_head:
                    stage.write(locals_, name, MISSING)
                    stage.delete(locals_, name)
            if test is not None:
                condition.extend(self._loop_condition(test))
                if not condition:
                    return self._tested_body(test, ending, lambda: self._iteration(leaving, enter, index, run))
            return self._iteration(leaving, enter, index, run)

        with stage.log_stores() as stored, stage.log_copies() as copied:
            body = stage.trial(lambda: self.body_path(iteration))
        if any(root in stored and (root.is_ref or stage.in_scope(root.name)) for root in copied):
            raise stage.refuse_copied()
        self.short = node if turns is not None and abs(turns) <= 64 else None
        path: Path = body.result
        parts = self._parts_after(body)
        exits = path.exits
        outer = frozenset(t for t in exits if t is not leaving and t is not ending)
        sure = runs and not exits
        for root in stored:
            if root in stage.lent and (root.is_ref or stage.in_scope(root.name)):
                stage.reclaim(root)
        # What the body wrote decides what is carried.
        bound = [
            new for loc, (container, key, _, new) in body.writes.items()
            if not (container is locals_ and key not in live_head and key not in live_after and loc not in slots)
        ]
        for loc, (container, key, old, new) in body.writes.items():
            if stage.created_since(container, serial) or self._dead_local(container, live_head, live_after, key, loc in slots):
                continue
            if loc in slots:
                spec = slots[loc][3]
                if isinstance(slots[loc][2], ArraySlot) and self._kept_elsewhere(slots, loc, body):
                    stage.decisions.by_reference.add((node, key))
                better = self._carry_spec(spec, parts.get(loc, new), slots[loc][2], stored, old_of(container, key), bound, sure)
                if better != spec and better is not None:
                    retry.append((container, key, better))
            elif key is _WHOLE and len(old) != len(new):
                self.needs_growing(container, [*old, *new], "a list changes its length in a loop")
            elif not (new is old or _same_value(new, old)):
                was = structs.struct_of(stage, tuple(old) if key is _WHOLE else old)
                now = parts.get(loc, new)
                first = None if (runs and container is locals_ and key not in live_head) else was
                spec = self._carry_spec(None, now) if first is None else self._carry_spec(self._carry_spec(None, was), now)
                if spec is not None:
                    retry.append((container, key, spec))
        if retry:
            if turns is not None and abs(turns) <= 64 and any(isinstance(spec, ChoiceSpec) for _, _, spec in retry):
                raise PreferUnroll(node)
            if any(self._made_inside(spec, serial) for _, _, spec in retry):
                if self.short is not None:
                    raise PreferUnroll(node)
                raise stage.refuse(
                    "an object made in this loop replaces one of another kind", "give the variable the same kind of object throughout"
                )
            for container, key, spec in retry:
                hints[("local" if container is locals_ else id(container), key)] = spec
                if container is not locals_:
                    self.containers[id(container)] = container
            return None
        stmts = self._back_edge(body, slots)
        cond: Expr | None = condition[0] if condition else None
        for t in sorted(exits, key=lambda t: t.flag.name):
            stay = build.not_(Load(t.flag.name, (), BOOL))
            cond = stay if cond is None else build.and_(cond, stay)
        if stop is None and cond is None:
            raise stage.refuse("this loop never ends", "add a condition or a break")
        stage.emit(Loop(index_name, start, stop, tuple(stmts), step, "sequential", cond, stage.span))
        for container, key, slot, spec in slots.values():
            value = slot.read(stage)
            stage.put(container, key, list(value) if key is _WHOLE else value)
        for (_, name), (container, key, old, new) in body.writes.items():
            if container is locals_ and (id(container), key) not in slots and new is not MISSING and not _same_value(new, old):
                stage.put(locals_, key, Poison(
                    f"{key!r} is assigned in this loop and its last value is not kept", "assign it before the loop too", stage.span))
        self.loop_left = leaving if leaving in exits else None
        return Path(True, outer)

    def _kept_elsewhere(self, slots: dict[Any, Any], loc: Any, body: Trial) -> bool:
        """Whether the memory of an array's slot, about to be overwritten, goes on under another name by identity."""
        mine = slots[loc][2].array.root
        new = body.writes[loc][3]
        if isinstance(new, RArray) and new.root is mine:
            return False
        return any(
            other != loc and not (other in slots and isinstance(slots[other][2], ArraySlot))
            and any(isinstance(v, RArray) and v.root is mine for v in structs.parts_of(self, value))
            for other, (_, _, _, value) in body.writes.items()
        )

    def _parts_after(self, body: Trial) -> dict[tuple[int, Any], Any]:
        """What the body's writes leave, lists, dicts and instances as their parts."""
        stage = self.stage
        stage.redo(body)
        found = {
            loc: structs.struct_of(stage, tuple(new) if key is _WHOLE else new)
            for loc, (_, key, _, new) in body.writes.items()
        }
        again = stage.close(body.result)
        body.writes.update(again.writes)
        return found

    def _made_inside(self, spec: Spec, serial: int) -> bool:
        """Whether a choice among objects includes one made after `serial`."""
        match spec:
            case ChoiceSpec(alternatives):
                return any(
                    isinstance(a, StaticSpec) and structs.is_struct(self.stage, a.value)
                    and self.stage.created_since(structs.container_of(a.value), serial)
                    for a in alternatives
                )
            case UnboundSpec(inner):
                return inner is not None and self._made_inside(inner, serial)
            case _:
                return False

    def body_path(self, run: Callable[[], Path]) -> Path:
        """A body whose inner run reports its own path."""
        result: list[Path] = []

        def staged() -> bool:
            p = run()
            result.append(p)
            return p.falls

        path = self.body(staged)
        return Path(path.falls, path.exits | result[0].exits)

    def _iteration(self, leaving: Target, enter: Callable[[Expr], None], index: Expr, run: Callable[[], bool]) -> Path:
        turn = self.target("continue")

        def staged() -> bool:
            enter(index)
            self.loops.append((leaving, turn))
            try:
                return run()
            finally:
                self.loops.pop()

        path = self.body(staged)
        exits = frozenset(t for t in path.exits if t is not turn)
        return Path(path.falls or turn in path.exits, exits)

    def _loop_condition(self, test: Callable[[], Expr | None]) -> list[Expr]:
        """The condition as one expression over cells, if evaluating it does nothing else."""
        probe = self.stage.trial(test)
        if probe.result is None or probe.writes:
            return []
        values: dict[str, Expr] = {}
        heads = {s.name: s.value for s in self.stage.blocks[-1] if isinstance(s, Let) and isinstance(s.value, Load) and not s.value.index}
        for s in probe.stmts:
            if not isinstance(s, Let) or not total(s.value):
                return []
            values[s.name] = s.value
        values.update({k: v for k, v in heads.items()})
        expr = _inline(probe.result, values)
        inside = {id(self.stage.blocks[-1])}
        names = _names(expr)
        if any(id(self.stage.owner.get(n)) in inside for n in names):
            return []
        return [expr]

    def _tested_body(self, test: Callable[[], Expr | None], ending: Target, run: Callable[[], Path]) -> Path:
        """Evaluate the condition at the head of the iteration and leave when it fails."""
        exits: set[Target] = set()

        def go_on() -> bool:
            p = run()
            exits.update(p.exits)
            return p.falls

        def stop() -> bool:
            self.leave(ending)
            return False

        cond = test()
        assert cond is not None
        falls = self.branch(cond, go_on, stop)
        return Path(falls, frozenset(exits | {ending}))

    def _carry_spec(
        self, have: Spec | None, value: Any, slot: Slot | None = None, stored: set[Root] | None = None, initial: Any = None,
        bound: list[Any] | None = None, sure: bool = False,
    ) -> Any:
        """The description of a carried location that also covers `value`."""
        stage = self.stage
        if isinstance(value, Poison):
            return have
        by_value = True
        if isinstance(value, RArray) and slot is not None and stored is not None:
            by_value = self._carry_by_value(value, slot, stored, initial, bound or [], sure)
            if by_value and isinstance(have, ArraySpec) and have.shape is not None:
                same = len(have.shape) == value.rank and value.dtype is have.dtype and all(
                    stage.same(m, n) for m, n in zip(have.shape, value.shape, strict=True)
                )
                if same:
                    return have
        elif isinstance(value, RArray) and have is not None and isinstance(have, ArraySpec) and have.shape is None:
            by_value = False
        try:
            spec = _flexible(spec_of(stage, value, by_value))
            return spec if have is None else widen(stage, have, spec)
        except CannotJoin as problem:
            if self.short is not None:
                raise PreferUnroll(self.short) from None
            raise stage.refuse(f"a variable of this loop changes its kind: {problem}", "keep its kind the same") from None

    def _carry_by_value(self, value: RArray, slot: Slot, stored: set[Root], initial: Any, bound: list[Any], sure: bool) -> bool:
        """Whether copying at the back edge cannot be told from rebinding: here for sure, and after the loop unless the
        memory involved is written (`lent`), which starts staging again. `bound`: what the body binds that lives on;
        `sure`: the body runs to its end at least once."""
        if not isinstance(slot, ArraySlot):
            return not isinstance(slot, RefSlot)
        stage, mine, root = self.stage, slot.array.root, value.root
        assert mine is not None
        if root is None or root is mine:
            return True
        if root.is_ref or slot.place in stage.decisions.by_reference:
            return False
        if mine in stored and not self._ours(initial):
            return False
        exclusive = (
            root.fresh and not stage.in_scope(root.name) and root not in stage.lent and self.holders(root, bound) <= 1
        )
        if not exclusive:
            if mine in stored or root in stored:
                return False
            stage.lend(mine, slot.place)
            stage.lend(root, slot.place)
        elif sure:
            stage.lent.pop(mine, None)
        return True

    def _ours(self, initial: Any) -> bool:
        """Whether nothing else holds the array that a location holds before a loop."""
        root = initial.root if isinstance(initial, RArray) else None
        return root is None or (root.fresh and not root.is_ref and root not in self.stage.lent and self.holders(root) <= 1)

    def _dead_local(self, container: Any, live_head: set[str], live_after: set[str], key: Any, carried: bool) -> bool:
        if container is not self.frame.locals or carried:
            return False
        return key not in live_head and key not in live_after and key != "$ret"

    def _back_edge(self, body: Trial, slots: dict[tuple[int, Any], tuple[Any, Any, Slot, Spec]]) -> list[Stmt]:
        """Write the carried values at the end of the body, as if all at once."""
        stage = self.stage
        stage.redo(body)
        todo = []
        for loc, (container, key, slot, _) in slots.items():
            if loc in body.writes:
                new = body.writes[loc][3]
                todo.append((slot, tuple(new) if key is _WHOLE else new))
        while todo:
            for k, (slot, value) in enumerate(todo):
                mine = _slot_root(slot)
                if mine is None or not any(
                    _reads(v, mine) for j, (s, v) in enumerate(todo) if j != k
                ):
                    slot.write(stage, value)
                    todo.pop(k)
                    break
            else:
                slot, value = todo[0]
                if isinstance(slot, RefSlot):
                    spare = RefSlot(stage, ArraySpec(slot.dtype, slot.rank, None), slot.hint)
                    spare.write(stage, value)
                    todo[0] = (slot, spare.read(stage))
                else:
                    todo[0] = (slot, arrays.copy(stage, value))
                todo = [*todo[1:], todo[0]]
        return stage.close().stmts


def old_of(container: Any, key: Any) -> Any:
    return None if key is _WHOLE else container.get(key)


def _slot_root(slot: Slot) -> Any:
    if isinstance(slot, ArraySlot):
        return slot.array.root.name if slot.array.root is not None else None
    return slot.name if isinstance(slot, RefSlot) else None


def _reads(value: Any, name: str) -> bool:
    if isinstance(value, RArray):
        return value.root is not None and value.root.name == name
    if isinstance(value, (tuple, list)):
        return any(_reads(v, name) for v in value)
    return False


def is_plain_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex))


def _flexible(spec: Spec) -> Spec:
    """Numbers in a loop are runtime values from the start."""
    from .slots import StaticSpec, _as_number

    if isinstance(spec, StaticSpec) and isinstance(spec.value, (int, float, complex, bool)):
        return _as_number(spec)
    return spec


def _static(value: Any) -> bool:
    """Whether equal descriptions of such values mean equal values."""
    return all(_static(v) for v in value) if isinstance(value, tuple) else not is_runtime(value) and not isinstance(value, structs.Struct)


def _same_value(a: Any, b: Any) -> bool:
    from .slots import equal_static

    if isinstance(a, RArray) and isinstance(b, RArray):
        return a.lazy is None and b.lazy is None and (
            (a.storage, a.shape, a.start, a.axes, a.part) == (b.storage, b.shape, b.start, b.axes, b.part)
        )
    if isinstance(a, RScalar) and isinstance(b, RScalar):
        return a.expr == b.expr and a.python == b.python
    if isinstance(a, tuple) and isinstance(b, tuple):
        return type(a) is type(b) and len(a) == len(b) and all(_same_value(x, y) for x, y in zip(a, b, strict=True))
    return equal_static(a, b)


def _hint(key: Any) -> str:
    return "list" if key is _WHOLE else "result" if key == "$ret" else str(key)


def total(expr: Expr) -> bool:
    """Whether an expression may be evaluated whether or not its result is needed (no element access, no overflow)."""
    match expr:
        case Load(_, index, _):
            return not index
        case Op(name, args, _):
            return name not in ("addc", "subc", "mulc") and all(total(a) for a in args)
        case Select(c, x, y):
            return total(c) and total(x) and total(y)
        case Cast(v, _):
            return total(v)
        case _:
            return True


def _inline(expr: Expr, values: dict[str, Expr]) -> Expr:
    match expr:
        case Var(name) if name in values:
            return _inline(values[name], {k: v for k, v in values.items() if k != name})
        case Op(name, args, dtype):
            return Op(name, tuple(_inline(a, values) for a in args), dtype)
        case Select(c, x, y):
            return Select(_inline(c, values), _inline(x, values), _inline(y, values))
        case Cast(v, dtype):
            return Cast(_inline(v, values), dtype)
        case _:
            return expr


def _names(expr: Expr) -> set[str]:
    match expr:
        case Var(name):
            return {name}
        case Op(_, args):
            return {n for a in args for n in _names(a)}
        case Select(c, x, y):
            return _names(c) | _names(x) | _names(y)
        case Cast(v, _):
            return _names(v)
        case _:
            return set()


__all__ = ["Control", "ExitNow", "NeedStatic", "Path", "Target", "Problem", "Unsupported", "Const", "ONE", "ZERO"]
