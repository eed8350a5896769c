"""Loops at run time: what an iteration hands on to the next, and in which memory.

A loop's body is staged, rolled back, and staged again with what it was seen to change in slots, until nothing more is
found (a fixpoint). Arrays are handed on by value where nobody can tell, else by identity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from wengert.analysis.affine import constant
from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import Cast, Expr, Let, Load, Loop, Op, Select, Stmt, Var
from wengert.ir.types import BOOL, I64

from . import arrays, structs
from .control import Control, Path, PreferUnroll, Target, Turns, hint_of, same_value, total
from .lists import Deque
from .magnitude import TURNS
from .python_values import is_sequence
from .slots import (
    ArraySlot,
    ArraySpec,
    CannotJoin,
    ChoiceSpec,
    RefSlot,
    Slot,
    Spec,
    UnboundSpec,
    allocate,
    spec_of,
    statics,
    widen,
)
from .stage import WHOLE, Trial
from .values import MISSING, Choice, MaybeUnbound, Poison, RArray, Root

CHANGES_LENGTH = "a list changes its length in a loop"


class Loops(Control):
    """Stages loops that run at run time. A part of the interpreter."""

    def loop(self, turns: Turns) -> Path:
        """A loop at run time."""
        self.flush()
        stage, short = self.stage, self.short
        for _ in range(24):
            mark = self.mark()
            try:
                done = self._try_loop(turns)
                self.short = short
            except BaseException:
                self.short = short
                self.rollback(mark)
                raise
            if done is not None:
                return done
            self.rollback(mark)
        reason = "the variables of this loop do not settle"
        raise stage.refuse(reason, "keep each variable's type the same in every iteration", Code.ENDLESS)

    def _try_loop(self, turns: Turns) -> Path | None:
        stage, node = self.stage, turns.node
        start, stop, step = turns.start, turns.stop, turns.step
        live_head, live_after, assigned = turns.live_head, turns.live_after, turns.assigned
        locals_ = self.frame.locals
        hints: dict[tuple[Any, Any], Spec] = self.carried.setdefault(node, {})
        serial = stage.serial
        slots: dict[tuple[int, Any], tuple[Any, Any, Slot, Spec]] = {}
        runs = stop is not None and (stage.facts.less(start, stop) if step > 0 else stage.facts.less(stop, start))
        wanted: list[tuple[Any, Any, Spec | None]] = []
        for (owner, key), spec in list(hints.items()):
            container = locals_ if owner == "local" else self.containers.get(owner)
            if container is None:
                continue
            if stage.is_abandoned(container):
                del hints[owner, key]
                continue
            if runs and container is locals_ and key not in live_head:
                wanted.append((container, key, spec))  # its value before the loop is never seen again
                continue
            old = structs.struct_of(stage, tuple(container) if key is WHOLE else container.get(key, MISSING))
            joined = spec if old is MISSING else self._carry_spec(spec, old)
            if key is WHOLE and isinstance(joined, ChoiceSpec):  # it was shorter or longer when the loop ran before
                joined = self._carry_spec(None, old)
            wanted.append((container, key, joined))
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
            slot = allocate(stage, spec, hint_of(key))
            slots[(id(container), key)] = (container, key, slot, spec)
            if isinstance(slot, ArraySlot):
                slot.place = (node, key)
                before = container.get(key) if key is not WHOLE else None
                if isinstance(before, RArray) and before.root is not None and not self._ours(before):
                    stage.lend(slot.root, slot.place)
                    stage.lend(before.root, slot.place)
            value = tuple(container) if key is WHOLE else container.get(key, MISSING)
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
        stage.magnitudes.know(index_name, stage.magnitudes.of(start) + abs(step) * TURNS)
        stage.loop_vars[index_name] = node
        count = None if stop is None else constant(build.sub(stop, start))
        short = count is not None and abs(count) <= 64
        self.short = node if short else None
        retry: list[tuple[Any, Any, Spec]] = []
        condition: list[Expr] = []

        def iteration() -> Path:
            for container, key, slot, _ in slots.values():
                value = slot.read(stage)
                stage.put(container, key, list(value) if key is WHOLE else value)
            for name in assigned:
                if (id(locals_), name) not in slots and name in locals_ and name not in live_head:
                    stage.write(locals_, name, MISSING)
                    stage.delete(locals_, name)
            if turns.test is not None:
                condition.extend(self._loop_condition(turns.test))
                if not condition:
                    return self._tested_body(turns.test, ending, lambda: self._iteration(leaving, turns, index))
            return self._iteration(leaving, turns, index)

        with stage.log_stores() as stored, stage.log_copies() as copied:
            body = stage.trial(lambda: self.body_path(iteration))
        if any(root in stored and (root.is_ref or stage.in_scope(root.name)) for root in copied):
            raise stage.refuse_copied()
        self.short = node if short else None
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
            new
            for loc, (container, key, _, new) in body.writes.items()
            if not (container is locals_ and key not in live_head and key not in live_after and loc not in slots)
        ]
        for loc, (container, key, old, new) in body.writes.items():
            if stage.created_since(container, serial):
                continue
            if self._dead_local(container, live_head, live_after, key, loc in slots):
                continue
            if loc in slots:
                _, _, slot, spec = slots[loc]
                if isinstance(slot, ArraySlot) and self._kept_elsewhere(slots, loc, body):
                    stage.decisions.by_reference.add((node, key))
                now, before = parts.get(loc, new), None if key is WHOLE else container.get(key)
                better = self._carry_spec(spec, now, slot, stored, before, bound, sure)
                if better != spec and better is not None:
                    retry.append((container, key, better))
            elif key is WHOLE and len(old) != len(new) and isinstance(container, Deque):
                if short:
                    raise PreferUnroll(node)
                raise stage.refuse("a deque changes its length in a loop", "fill it before, or keep an array")
            elif key is WHOLE and len(old) != len(new):
                self.needs_growing(container, [*old, *new], CHANGES_LENGTH)
            elif not (new is old or same_value(new, old)):
                was = structs.struct_of(stage, tuple(old) if key is WHOLE else old)
                unseen = was is None or (runs and container is locals_ and key not in live_head)
                spec = self._carry_spec(None if unseen else self._carry_spec(None, was), parts.get(loc, new))
                if spec is not None:
                    retry.append((container, key, spec))
        for container, key, spec in retry:
            if key is WHOLE and isinstance(spec, ChoiceSpec):
                _, _, old, new = body.writes[id(container), key]
                self.needs_growing(container, [*old, *new], CHANGES_LENGTH)
        if retry:
            if short and any(isinstance(spec, ChoiceSpec) for _, _, spec in retry):
                raise PreferUnroll(node)
            if any(self._made_inside(spec, serial) for _, _, spec in retry):
                if self.short is not None:
                    raise PreferUnroll(node)
                reason = "an object made in this loop replaces one of another kind"
                raise stage.refuse(reason, "give the variable the same kind of object throughout", Code.KIND)
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
            raise stage.refuse("this loop never ends", "add a condition or a break", Code.ENDLESS)
        stage.emit(Loop(index_name, start, stop, tuple(stmts), step, "sequential", cond, stage.span))
        for container, key, slot, _ in slots.values():
            value = slot.read(stage)
            stage.put(container, key, list(value) if key is WHOLE else value)
        for loc, (container, key, old, new) in body.writes.items():
            own = container is locals_ or self.consumed(container, key)
            if own and loc not in slots and new is not MISSING and not same_value(new, old):
                reason = f"{key!r} is assigned in this loop and its last value is not kept"
                stage.put(container, key, Poison(reason, "assign it before the loop too", stage.span))
        self.loop_left = leaving if leaving in exits else None
        return Path(True, outer)

    def _kept_elsewhere(self, slots: dict[Any, Any], loc: Any, body: Trial) -> bool:
        """Whether the memory of an array's slot, about to be overwritten, goes on under another name by identity."""
        mine = slots[loc][2].root
        new = body.writes[loc][3]
        if isinstance(new, RArray) and new.root is mine:
            return False
        return any(
            other != loc
            and not (other in slots and isinstance(slots[other][2], ArraySlot))
            and any(isinstance(v, RArray) and self.stage.may_name(v.root, mine) for v in structs.parts_of(self, value))
            for other, (_, _, _, value) in body.writes.items()
        )

    def _parts_after(self, body: Trial) -> dict[tuple[int, Any], Any]:
        """What the body's writes leave, lists, dicts and instances as their parts."""
        stage = self.stage
        stage.redo(body)
        found = {
            loc: structs.struct_of(stage, tuple(new) if key is WHOLE else new)
            for loc, (_, key, _, new) in body.writes.items()
        }
        again = stage.close(body.result)
        body.writes.update(again.writes)
        return found

    def _made_inside(self, spec: Spec, serial: int) -> bool:
        """Whether what is kept as it is includes an object or function made after `serial`."""
        stage = self.stage
        made = (structs.containers_of(self, v, lambda c: stage.created_since(c, serial)) for v in statics(spec))
        return any(True for found in made for _ in found)

    def body_path(self, run: Callable[[], Path]) -> Path:
        """A body whose inner run reports its own path."""
        result: list[Path] = []

        def staged() -> bool:
            p = run()
            result.append(p)
            return p.falls

        path = self.body(staged)
        return Path(path.falls, path.exits | result[0].exits)

    def _iteration(self, leaving: Target, turns: Turns, index: Expr) -> Path:
        turn = self.target("continue")

        def staged() -> bool:
            turns.enter(index)
            self.loops.append((leaving, turn))
            try:
                return turns.run()
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
        for s in probe.stmts:
            if not isinstance(s, Let) or not total(s.value, self.stage.ref_targets):
                return []
            values[s.name] = s.value
        here = self.stage.blocks[-1]
        for s in here:
            if isinstance(s, Let) and isinstance(s.value, Load) and not s.value.index:
                values[s.name] = s.value
        expr = _inline(probe.result, values)
        return [] if any(self.stage.owner.get(n) is here for n in _names(expr)) else [expr]

    def _tested_body(self, test: Callable[[], Expr | None], ending: Target, run: Callable[[], Path]) -> Path:
        """Evaluate the condition at the head of the iteration and leave when it fails."""
        exits: set[Target] = set()

        def go_on() -> bool:
            p = run()
            exits.update(p.exits)
            self.bodies[-1].exits |= p.exits  # what is live where they lead must survive the branch
            return p.falls

        def stop() -> bool:
            self.leave(ending)
            return False

        cond = test()
        assert cond is not None
        falls = self.branch(cond, go_on, stop)
        return Path(falls, frozenset(exits | {ending}))

    def _carry_spec(
        self,
        have: Spec | None,
        value: Any,
        slot: Slot | None = None,
        stored: set[Root] | None = None,
        initial: Any = None,
        bound: list[Any] | None = None,
        sure: bool = False,
    ) -> Any:
        """The description of a carried location that also covers `value`."""
        stage = self.stage
        if isinstance(value, Poison):
            return have
        by_value = True
        if isinstance(value, RArray) and slot is not None and stored is not None:
            by_value = self._carry_by_value(value, slot, stored, initial, bound or [], sure)
            shape = have.shape if by_value and isinstance(have, ArraySpec) and value.dtype is have.dtype else None
            if shape is not None and stage.same_shape(shape, value.shape):
                return have
        elif isinstance(value, RArray) and isinstance(have, ArraySpec) and have.shape is None:
            by_value = False
        try:
            spec = _flexible(spec_of(stage, value, by_value))
            return spec if have is None else widen(stage, have, spec)
        except CannotJoin as problem:
            if self.short is not None:
                raise PreferUnroll(self.short) from None
            reason = f"a variable of this loop changes its kind: {problem}"
            raise stage.refuse(reason, "keep its kind the same", Code.KIND) from None

    def _carry_by_value(
        self, value: RArray, slot: Slot, stored: set[Root], initial: Any, bound: list[Any], sure: bool
    ) -> bool:
        """Whether copying at the back edge cannot be told from rebinding: here for sure, and after the loop unless the
        memory involved is written (`lent`), which starts staging again. `bound`: what the body binds that lives on;
        `sure`: the body runs to its end at least once."""
        if not isinstance(slot, ArraySlot):
            return not isinstance(slot, RefSlot)
        stage, mine, root = self.stage, slot.root, value.root
        if root is None or root is mine:
            return True
        if root.is_ref or slot.place in stage.decisions.by_reference:
            return False
        if mine in stored and not self._ours(initial):
            return False
        if isinstance(initial, RArray) and any(stage.may_name(initial.root, other) for other in stored):
            return False  # the body changes it under another name
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
        if root is None:
            return True
        return root.fresh and not root.is_ref and root not in self.stage.lent and self.holders(root) <= 1

    def _dead_local(self, container: Any, live_head: set[str], live_after: set[str], key: Any, carried: bool) -> bool:
        if carried:
            return False
        if container is not self.frame.locals:
            return self.consumed(container, key)
        return key not in live_head and key not in live_after and key != "$ret"

    def _back_edge(self, body: Trial, slots: dict[tuple[int, Any], tuple[Any, Any, Slot, Spec]]) -> list[Stmt]:
        """Write the carried values at the end of the body, as if all at once."""
        stage = self.stage
        stage.redo(body)
        todo: list[tuple[Slot, Any]] = []
        for loc, (_, key, slot, _) in slots.items():
            if loc in body.writes:
                new = body.writes[loc][3]
                todo.extend(slot.writes(stage, tuple(new) if key is WHOLE else new))
        while todo:
            for k, (slot, value) in enumerate(todo):
                mine = slot.memory()
                if not any(mine & _read(v) for j, (_, v) in enumerate(todo) if j != k):
                    slot.write(stage, value)
                    todo.pop(k)
                    break
            else:
                k, (slot, value) = next(((k, p) for k, p in enumerate(todo) if isinstance(p[1], RArray)), (-1, todo[0]))
                if k < 0:
                    reason = "values of several kinds change places in a loop"
                    raise stage.refuse(reason, "copy one of their arrays first", Code.KIND)
                if isinstance(slot, RefSlot):
                    spare = RefSlot(stage, ArraySpec(slot.dtype, slot.rank, None), slot.hint)
                    spare.write(stage, value)
                    copied = spare.read(stage)
                else:
                    copied = arrays.copy(stage, value)
                todo = [*todo[:k], *todo[k + 1 :], (slot, copied)]
        return stage.close().stmts


def _read(value: Any) -> frozenset[str]:
    """The names of the arrays that a value lies in."""
    match value:
        case RArray():
            return frozenset() if value.root is None else frozenset({value.root.name})
        case Choice():
            parts: Any = value.alternatives
        case MaybeUnbound():
            parts = (value.value,)
        case structs.Struct():
            parts = value.values
        case _:
            parts = value if is_sequence(value) else ()
    return frozenset[str]().union(*(_read(part) for part in parts))


def _flexible(spec: Spec) -> Spec:
    """Numbers in a loop are runtime values from the start."""
    from .slots import StaticSpec, as_number

    if isinstance(spec, StaticSpec) and isinstance(spec.value, (int, float, complex, bool)):
        return as_number(spec)
    return spec


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
