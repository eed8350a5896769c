"""for and while: unrolled or as loops at run time; what can be iterated over."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import numpy as np

from wengert.analysis.affine import constant, evaluate, iadd, imul, isub
from wengert.codes import Code
from wengert.errors import Unsupported
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr, Load, Var
from wengert.ir.types import BOOL, F64, I64

from . import arrays, index
from .control import ExitNow, Path, PreferUnroll, Target, Turns
from .decisions import NeedLeafStatic, NeedStatic, Restage
from .frame import PyRaise
from .interp import Interp
from .lists import sure_keys
from .live import Live, begins, items_of, reader, rest
from .python_values import class_of, is_dict, is_iterator, is_list, python_method
from .slots import CannotJoin
from .source import assigned, liveness_of, scope_of
from .subclasses import SubArray, array_of, defined, like
from .values import Choice, RArray, RGenerator, RIter, RList, RRange, RScalar

MAX_UNROLL = 4096
FEW = 16  # a list of floats longer than this is looped over at run time


class Iteration(Interp):
    """Stages loops, and knows what can be looped over. A part of the interpreter."""

    def index_hint(self, node: ast.AST) -> str:
        match node:
            case ast.For(target=ast.Name(id=name)):
                return name if name != "_" else "i"
            case _:
                return "it"

    def loop_sets(self, node: ast.For | ast.While) -> tuple[set[str], set[str], frozenset[str]]:
        live = liveness_of(self.frame.node)
        everything = scope_of(self.frame.node).local
        return live.head.get(node, everything), live.after.get(node, everything), assigned(node)

    def exec_for(self, node: ast.For) -> bool:
        source = self.opened(self.eval(node.iter))
        if isinstance(source, RGenerator):
            return self.generator_for(node, source)
        iterable: Any = source if is_list(source) else self.iterable(source)
        first: int | None = 0
        if isinstance(iterable, (Live, RIter)) and not isinstance(node.iter, ast.Call):
            leaves = any(isinstance(n, (ast.Break, ast.Return, ast.Raise)) for n in ast.walk(node))
            first = begins(self, iterable.state, not leaves)
            if first is None:
                iterable = []
            elif isinstance(iterable, RIter):
                iterable = rest(iterable, first)
        if isinstance(iterable, RRange) and self._tiny(iterable):
            count = constant(self.range_length(iterable)) or 0
            iterable = [RScalar(iterable.start, True)] * count
        elif isinstance(iterable, RRange) and node in self.stage.unrolled:
            step = self.stage.static_int(iterable.step_expr, "the step of an unrolled range")
            start = self.stage.static_int(iterable.start, "a bound of an unrolled range")
            stop = self.stage.static_int(iterable.stop, "a bound of an unrolled range")
            iterable = list(range(start, stop, step))
        elif isinstance(iterable, RIter) and (node in self.stage.unrolled or constant(iterable.length) in (0, 1)):
            n = self.stage.static_int(iterable.length, "the length of an unrolled loop")
            rows = iterable
            return self.unrolled_for(node, n, (rows.get(Const(k, I64)) for k in range(n)))
        if isinstance(iterable, (RRange, RIter)):
            return self.runtime_for(node, iterable)
        if len(iterable) > FEW and node not in self.stage.unrolled and all(_is_float(v) for v in iterable):
            done = self.attempt_rolled(node, iterable)
            if done is not None:
                return done
        turns = items_of(iterable.item, first or 0) if isinstance(iterable, Live) else iterable
        return self.unrolled_for(node, len(iterable), turns)

    def attempt_rolled(self, node: ast.For, items: list[Any]) -> bool | None:
        """Loop over a longer list of floats as over an array, if the body allows it."""
        stage = self.stage
        mark, problems = self.mark(), len(stage.problems)
        array, before = self.as_array(list(items)), list(map(reader(items), range(len(items))))

        def element(i: Expr) -> RScalar:
            cell = index.getitem(stage, array, RScalar(i, True))
            assert isinstance(cell, RScalar)
            return RScalar(cell.expr, True)

        try:
            falls = self.runtime_for(node, RIter(array.shape[0], element))
        except (Restage, NeedStatic, NeedLeafStatic, PreferUnroll, ExitNow, PyRaise):
            raise
        except Exception as error:
            if not isinstance(error, Unsupported) and len(stage.problems) == problems:
                raise
            falls = None  # what fails after a first problem is not news
        changed = len(list(items_of(reader(items)))) != len(before)
        changed = changed or any(a is not b for a, b in zip(items_of(reader(items)), before, strict=True))
        if falls is None or changed or len(stage.problems) > problems:
            self.rollback(mark)
            del stage.problems[problems:]
            stage.unrolled.add(node)
            return None
        return falls

    def _tiny(self, r: RRange) -> bool:
        if r.step is None or constant(isub(r.stop, r.start)) is None:
            return False
        n = constant(self.range_length(r))
        return n is not None and n <= 1

    def unrolled_for(self, node: ast.For, expected: int, items: Iterable[Any]) -> bool:
        if expected > MAX_UNROLL:
            reason = f"this loop over {expected} Python objects would be unrolled"
            raise self.stage.refuse(reason, "loop over an array or a range instead", Code.ENDLESS)

        def turns() -> Iterator[Callable[[], None]]:
            for count, item in enumerate(items):
                if count > MAX_UNROLL:
                    raise self.stage.refuse(
                        "a list grows while it is iterated over", "iterate over a copy", Code.CONTAINER
                    )
                yield lambda item=item: self.assign(node.target, item)

        return self._unrolled(node, turns())

    def _unrolled(self, node: ast.For | ast.While, turns: Iterator[Callable[[], None]]) -> bool:
        """The turns of a loop one after another, each begun by what `turns` gives."""
        leaving = self.target("break")

        def run() -> bool:
            for enter in turns:
                turn = self.target("continue")

                def iteration(enter: Callable[[], None] = enter, turn: Target = turn) -> bool:
                    enter()
                    self.loops.append((leaving, turn))
                    try:
                        return self.exec_block(node.body)
                    finally:
                        self.loops.pop()

                path = self.body(iteration)
                outer = frozenset(t for t in path.exits if t is not turn)
                if not path.falls and turn not in path.exits:
                    self.bodies[-1].exits |= outer
                    return False
                self.guard(outer)
            if node.orelse:
                return self.exec_block(node.orelse)
            return True

        path = self.body(run)
        return self.after(path, leaving)

    def after(self, path: Path, *inner: Target) -> bool:
        """Go on after a construct whose own targets are `inner`."""
        outer = frozenset(t for t in path.exits if t not in inner)
        if not path.falls and not any(t in path.exits for t in inner):
            self.bodies[-1].exits |= outer
            return False
        self.guard(outer)
        return True

    def runtime_for(self, node: ast.For, iterable: RRange | RIter) -> bool:
        live_head, live_after, names = self.loop_sets(node)
        stage = self.stage
        mark = self.mark()
        start, stop, step, item = self.turns(iterable)

        def enter(i: Expr) -> None:
            self.assign(node.target, item(i))

        def body() -> bool:
            self.iterated.append(iterable.source if isinstance(iterable, RIter) else None)
            try:
                return self.exec_block(node.body)
            finally:
                self.iterated.pop()

        try:
            path = self.loop(Turns(node, start, stop, step, enter, None, body, live_head, live_after, names))
        except PreferUnroll as wish:
            if wish.node is not node:
                raise
            self.rollback(mark)
            stage.unrolled.add(node)
            return self.exec_for(node)
        except NeedStatic as need:
            if stage.loop_vars.get(need.variable) is not node:
                raise
            if constant(isub(stop, start)) is None and not self._known(isub(stop, start)):
                outer = stage.loop_index_in(isub(stop, start))
                if outer is not None:
                    raise NeedStatic(outer, need.reason) from None
                raise stage.refuse(
                    f"{need.reason} must be known before the program runs, but it depends on this loop's index",
                    "use arrays instead of Python lists inside the loop, or a loop over a constant range",
                    Code.STATIC,
                ) from None
            self.rollback(mark)
            stage.unrolled.add(node)
            return self.exec_for(node)
        return self.loop_end(node, path)

    def turns(self, iterable: RRange | RIter) -> tuple[Expr, Expr, int, Callable[[Expr], Any]]:
        """Start, stop and step of the loop over an iterable, and the element for a loop index."""
        if isinstance(iterable, RIter):
            return ZERO, iterable.length, 1, iterable.get
        if iterable.step is not None:
            return iterable.start, iterable.stop, iterable.step, lambda i: RScalar(i, True)
        first, stride, end = iterable.start, iterable.step_expr, iterable.stop

        def item(i: Expr) -> RScalar:
            self.stage.magnitudes.know_product(imul(stride, i), first, end)
            return RScalar(iadd(first, imul(stride, i)), True)

        return ZERO, self.range_length(iterable), 1, item

    def _known(self, expr: Expr) -> bool:
        return evaluate(self.stage.expand(expr), self.stage.concrete) is not None

    def loop_end(self, node: ast.For | ast.While, path: Path) -> bool:
        """The else clause and what exits of the loop lead further out."""
        broke = self.loop_left
        if not path.falls:
            self.bodies[-1].exits |= path.exits
            return False
        self.guard(path.exits)
        if not node.orelse:
            return True
        if broke is None:
            return self.exec_block(node.orelse)
        flag = self.stage.let(Load(broke.flag.name, (), broke.flag.dtype))
        return self.branch(flag, lambda: True, lambda: self.exec_block(node.orelse))

    def exec_while(self, node: ast.While) -> bool:
        live_head, live_after, names = self.loop_sets(node)

        def enter(_: Expr) -> None:
            """A while loop has no target."""

        def test() -> Expr:
            cond = self.truth(self.eval(node.test))
            return Const(cond, BOOL) if isinstance(cond, bool) else cond

        def body() -> bool:
            return self.exec_block(node.body)

        always = isinstance(node.test, ast.Constant) and bool(node.test.value)
        tested = None if always else test

        def rolled() -> bool:
            path = self.loop(Turns(node, ZERO, None, 1, enter, tested, body, live_head, live_after, names))
            return self.loop_end(node, path)

        if always or not isinstance(self.stage.trial(test).result, Const):
            return rolled()
        return self._rolled_or_unrolled(node, rolled)

    def _rolled_or_unrolled(self, node: ast.While, rolled: Callable[[], bool]) -> bool:
        """A loop whose test staging decides at first (a walk along linked objects, a stack of objects): a loop at run
        time, or if it cannot be one, turn after turn while the test is decided; problems are those of the first way."""
        stage = self.stage
        mark, before = self.mark(), list(stage.problems)
        caught: Exception | None = None
        try:
            falls = rolled()
            if len(stage.problems) == len(before):
                return falls
        except (Unsupported, CannotJoin) as error:
            caught = error
        problems = list(stage.problems)
        self.rollback(mark)
        stage.problems[:] = before
        try:
            falls = self._unrolled(node, self._while_turns(node))
            if len(stage.problems) == len(before):
                return falls
        except (Unsupported, CannotJoin):
            pass
        self.rollback(mark)
        stage.problems[:] = problems
        if isinstance(caught, CannotJoin):
            reason = f"a variable of this loop changes its kind: {caught}"
            raise stage.refuse(reason, "keep its kind the same", Code.KIND) from None
        raise caught or Unsupported([])

    def _while_turns(self, node: ast.While) -> Iterator[Callable[[], None]]:
        for _ in range(MAX_UNROLL):
            cond = self.truth(self.eval(node.test))
            if not isinstance(cond, bool):
                reason = "run-time data decide how often this loop runs, and its variables change their kinds"
                raise self.stage.refuse(reason, "keep the kinds of its variables the same", Code.KIND)
            if not cond:
                return
            yield lambda: None
        raise self.stage.refuse(
            "this loop would be unrolled too often", "loop over an array or a range instead", Code.ENDLESS
        )

    def positions(self, it: RRange | RIter) -> tuple[Expr, Callable[[Expr], Any]]:
        """The length and the elements by position."""
        if isinstance(it, RRange):
            return self.range_length(it), lambda i: RScalar(iadd(it.start, imul(it.step_expr, i)), True)
        return it.length, it.get

    def range_length(self, r: RRange) -> Expr:
        """The number of elements of a run-time range."""
        stage = self.stage
        if r.step == 1:
            distance = isub(r.stop, r.start)
            return distance if stage.nonnegative(distance) else self.counted(build.max_(distance, ZERO))
        if r.step is not None:
            distance = isub(r.stop, r.start) if r.step > 0 else isub(r.start, r.stop)
            size = abs(r.step)
            value = constant(distance)
            if value is not None:
                return Const(max(0, -(-value // size)), I64)
            turns = build.op("floordiv", iadd(distance, Const(size - 1, I64)), Const(size, I64))
            return self.counted(build.max_(turns, ZERO))
        step = stage.let(r.step_expr, "step")
        stage.fail_if(stage.let(build.eq(step, ZERO)), "ValueError", "range() arg 3 must not be zero")
        up = build.gt(step, ZERO)
        distance = build.select(up, isub(r.stop, r.start), isub(r.start, r.stop))
        size_ = build.op("abs", step)
        turns = build.op("floordiv", build.sub(build.add(distance, size_), ONE), build.max_(size_, ONE))
        return self.counted(build.max_(turns, ZERO))

    def counted(self, value: Expr) -> Expr:
        named = self.stage.let(value, "count")
        if isinstance(named, Var):
            self.stage.facts.assume(named, 0)
        return named

    def length(self, value: RArray | RList) -> Expr:
        if isinstance(value, RArray):
            if value.rank == 0:
                raise PyRaise(TypeError("len() of unsized object"))
            return value.shape[0]
        return self.list_length(value)

    def iterable(self, value: Any) -> RRange | RIter | list[Any]:
        """What to loop over."""
        value = self.resolve(value)
        match value:
            case RRange() | RIter():
                return value
            case range():
                if len(value) <= 1:
                    return list(value)
                return RRange(Const(value.start, I64), Const(value.stop, I64), value.step, Const(value.step, I64))
            case RArray():
                if value.rank == 0:
                    raise PyRaise(TypeError("iteration over a 0-d array"))
                array = arrays.stored(self.stage, value)
                return RIter(array.shape[0], lambda i: index.getitem(self.stage, array, RScalar(i, True)))
            case RList():
                return RIter(self.list_length(value), lambda i: self.list_item(value, RScalar(i, True)), value)
            case np.ndarray():
                return self.iterable(self.as_array(value))
            case SubArray() if defined(self, value, "__iter__") is None:
                rows = self.iterable(array_of(value))
                assert isinstance(rows, RIter)
                return RIter(rows.length, lambda i: like(self, rows.get(i), value))
            case Choice():
                raise self.stage.refuse(
                    "a value of several possible kinds is iterated over", "test its kind first", Code.KIND
                )
            case RGenerator():
                return self.iterable(self.listed(value))
            case _:
                return self.static_iterable(value)

    def static_iterable(self, value: Any) -> list[Any]:
        """The elements of something whose length staging must know."""
        value = self.resolve(value)
        match value:
            case _ if is_dict(value):
                sure_keys(self.stage, value)
                return list(value)
            case Live():
                first = begins(self, value.state, True)
                return [] if first is None else list(items_of(value.item, first))
            case _ if isinstance(value, (list, tuple, set, frozenset, str, range)):
                return list(cast("Iterable[Any]", value))
            case RArray() | RList() | RRange() | RIter() | SubArray() if defined(self, value, "__iter__") is None:
                it = self.iterable(value)
                assert not isinstance(it, list)
                if isinstance(it, RIter):
                    first = begins(self, it.state, True)
                    it = rest(it, first) if first is not None else RIter(ZERO, it.get)
                if isinstance(it, RRange):
                    n = self.stage.static_int(self.range_length(it), "the number of elements")
                    return [RScalar(iadd(it.start, imul(it.step_expr, Const(k, I64))), True) for k in range(n)]
                try:
                    n = self.stage.static_int(it.length, "the number of elements")
                except Unsupported:
                    if isinstance(value, RList):
                        self.make_static(value)
                    raise
                return [it.get(Const(k, I64)) for k in range(n)]
            case RGenerator():
                return self.static_iterable(self.listed(value))
            case _:
                method = python_method(value, "__iter__")
                if method is not None and not hasattr(value, "_fields"):
                    return self.static_iterable(self.call(method, [value], {}))
                if is_iterator(value) and not self.stage.may_change(value):
                    reason = f"a {class_of(value).__name__} made earlier is used up under run-time control"
                    raise self.stage.refuse(reason, "make it here, or make a list of it")
                return self.native(lambda: list(value))


def _is_float(value: Any) -> bool:
    return type(value) is float or (isinstance(value, RScalar) and value.python and value.dtype is F64)
