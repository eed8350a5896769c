"""Statements: assignment, loops, exceptions."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.errors import Unsupported
from wengert.ir import build
from wengert.ir.nodes import FALSE, ONE, ZERO, Const, Expr, Load, Var
from wengert.ir.types import BOOL, F64, I64

from . import arrays, index, numeric
from .control import ExitNow, Path, PreferUnroll, Target
from .externals import Held
from .frame import USER_ERRORS, PyRaise
from .lists import sure_keys
from .source import assigned, liveness_of, names_used, scope_of
from .stage import NeedLeafStatic, NeedStatic, Restage, Stage
from .subclasses import SubArray, array_of, defined, like
from .values import (
    MISSING,
    REPORTED,
    Choice,
    RArray,
    RList,
    RRange,
    RScalar,
    RuntimeString,
    contains_runtime,
    template_of,
)

if TYPE_CHECKING:
    from .interp import Interp

MAX_UNROLL = 4096
_ITEM_METHODS = ("__getitem__", "__setitem__")
FEW = 16  # a list of floats longer than this is looped over at run time


@dataclass(frozen=True, eq=False)
class RIter:
    """An iterable of run-time length: its length and its elements by position."""

    length: Expr
    get: Callable[[Expr], Any]
    source: RList | None = None  # a growing list: it must not change its length meanwhile


@dataclass(eq=False)
class Handler:
    """An active try: the exceptions it catches and where they lead."""

    kinds: list[tuple[type[BaseException], ...]]
    target: Target
    which: Any  # cell holding the number of the handler taken
    seen: dict[int, PyRaise]


class Statements:
    """Mixed into the interpreter."""

    stage: Stage

    def exec_block(self: Interp, stmts: list[ast.stmt]) -> bool:
        """Run statements; whether control reaches their end."""
        for stmt in stmts:
            previous, self.stage.span = self.stage.span, self.frame.source.span(stmt, self.frame.name)
            try:
                falls = self.exec(stmt)
            except ExitNow:
                falls = False
            except PyRaise as error:
                falls = self.raise_(error)
            except USER_ERRORS as error:
                falls = self.raise_(PyRaise(error))
            except Unsupported as error:
                self.report(error, stmt)
                falls = not isinstance(stmt, ast.Return)
            finally:
                self.stage.span = previous
            if not falls:
                return False
        return True

    def report(self: Interp, error: Unsupported, stmt: ast.stmt) -> None:
        """Note what cannot be staged and go on with the next statement, so that everything is reported at once."""
        self.stage.problems.extend(p for p in error.problems if p not in self.stage.problems)
        for name in (*assigned(stmt), *(["$ret"] if isinstance(stmt, ast.Return) else [])):
            self.stage.write(self.frame.locals, name, REPORTED)
        if isinstance(stmt, ast.Return):
            assert self.frame.returns is not None
            self.leave(self.frame.returns)

    def exec(self: Interp, node: ast.stmt) -> bool:
        match node:
            case ast.Expr(value=ast.Constant()) | ast.Pass() | ast.Global() | ast.Nonlocal():
                return True
            case ast.Expr(value=value):
                self.eval(value)
                return True
            case ast.Assign(targets=targets, value=value):
                hint = targets[0].id if isinstance(targets[0], ast.Name) else "t"
                plain = isinstance(targets[0], ast.Name) or len(targets) > 1
                result = self.eval(value, hint)
                if plain or not isinstance(targets[0], ast.Subscript):
                    result = self.settle(result, hint)
                for target in targets:
                    self.assign(target, result)
                return True
            case ast.AnnAssign(target=target, value=value):
                if value is not None:
                    self.assign(target, self.settle(self.eval(value)))
                return True
            case ast.AugAssign(target=target, op=op, value=value):
                self.aug_assign(target, op, value)
                return True
            case ast.Return(value=value):
                result = None if value is None else self.settle(self.eval(value, "result"), "result")
                self.stage.write(self.frame.locals, "$ret", result)
                assert self.frame.returns is not None
                self.leave(self.frame.returns)
                return False
            case ast.If(test=test, body=body, orelse=orelse):
                cond = self.truth(self.eval(test))
                if isinstance(cond, bool):
                    return self.exec_block(body if cond else orelse)
                return self.branch(cond, lambda: self.exec_block(body), lambda: self.exec_block(orelse))
            case ast.For():
                return self.exec_for(node)
            case ast.While():
                return self.exec_while(node)
            case ast.Break():
                self.leave(self.loops[-1][0])
                return False
            case ast.Continue():
                self.leave(self.loops[-1][1])
                return False
            case ast.Raise(exc=exc):
                raise self.exception(exc)
            case ast.Try():
                return self.exec_try(node)
            case ast.With():
                return self.exec_with(node)
            case ast.Match():
                from .patterns import exec_match

                return exec_match(self, node)
            case ast.Assert(test=test, msg=msg):
                cond = self.truth(self.eval(test))
                text = "" if msg is None else self.resolve(self.eval(msg))
                template, args = (text.template, text.args) if isinstance(text, RuntimeString) else (str(text), ())
                if isinstance(cond, bool):
                    if not cond:
                        raise PyRaise(AssertionError(template))
                else:
                    self.stage.fail_if(self.stage.let(build.not_(cond)), "AssertionError", template, args)
                return True
            case ast.FunctionDef():
                value: Any = self.make_closure(node, node.name)
                for decorator in reversed(node.decorator_list):
                    value = self.call(self.eval(decorator), [value], {})
                self.store_name(node.name, value)
                return True
            case ast.ClassDef():
                raise self.stage.refuse("a class is defined inside the program", "define it at module level")
            case ast.Delete(targets=targets):
                for target in targets:
                    self.delete(target)
                return True
            case ast.Import(names=names):
                for a in names:
                    module = __import__(a.name)
                    if a.asname:
                        self.store_name(a.asname, _submodule(module, a.name))
                    else:
                        self.store_name(a.name.split(".")[0], module)
                return True
            case ast.ImportFrom():
                return self.import_from(node)
            case _:
                reason = f"{type(node).__name__} statements are not supported"
                raise self.stage.refuse(reason, "write it with loops, branches and functions")

    def import_from(self: Interp, node: ast.ImportFrom) -> bool:
        import importlib

        package = self.frame.globals.get("__package__")
        module = importlib.import_module("." * node.level + (node.module or ""), package)
        for a in node.names:
            value = getattr(module, a.name, None) or importlib.import_module(f"{module.__name__}.{a.name}")
            wrapped = self.externals.wrap(value, ("global", Held(vars(module)), a.name), a.name)
            self.store_name(a.asname or a.name, wrapped)
        return True

    # -- assignment ------------------------------------------------------------------------------------------

    def assign(self: Interp, target: ast.expr, value: Any) -> None:
        match target:
            case ast.Name(id=name):
                self.store_name(name, self.settle(value, name))
            case ast.Tuple(elts=elts) | ast.List(elts=elts):
                self.unpack(elts, value)
            case ast.Attribute(value=owner, attr=attr):
                self.set_attribute(self.eval(owner), attr, value)
            case ast.Subscript(value=owner, slice=key):
                self.set_item(self.eval(owner), self.eval(key), value)
            case ast.Starred(value=inner):
                self.assign(inner, self.new_list(inner, list(value)))
            case _:
                raise self.stage.refuse("this assignment target is not supported", "assign to a name first")

    def unpack(self: Interp, elts: list[ast.expr], value: Any) -> None:
        value = self.resolve(value)
        if isinstance(value, Choice):
            raise self.stage.refuse("a value of several possible kinds is unpacked", "test its kind first")
        if isinstance(value, (RArray, RList)):
            n = self.stage.static_int(self.length(value), "the number of values to unpack")
            items = [self.get_item(value, k) for k in range(n)]
        else:
            items = self.static_iterable(value)
        stars = [k for k, e in enumerate(elts) if isinstance(e, ast.Starred)]
        if stars:
            k, rest = stars[0], len(elts) - stars[0] - 1
            if len(items) < len(elts) - 1:
                counts = f"expected at least {len(elts) - 1}, got {len(items)}"
                raise PyRaise(ValueError(f"not enough values to unpack ({counts})"))
            middle = items[k : len(items) - rest]
            items = [*items[:k], self.new_list(elts[k], middle), *items[len(items) - rest :]]
            elts = [e.value if isinstance(e, ast.Starred) else e for e in elts]
        if len(items) != len(elts):
            word = "too many" if len(items) > len(elts) else "not enough"
            raise PyRaise(ValueError(f"{word} values to unpack (expected {len(elts)}, got {len(items)})"))
        for e, v in zip(elts, items, strict=True):
            self.assign(e, v)

    def aug_assign(self: Interp, target: ast.expr, op: ast.operator, value_node: ast.expr) -> None:
        from .interp import _SYMBOLS

        symbol = _SYMBOLS[type(op)]
        match target:
            case ast.Name(id=name):
                old = self.load_name(name)
                new = self.in_place(symbol, old, self.eval(value_node))
                if new is not old or not isinstance(old, (RArray, list)):
                    self.store_name(name, self.settle(new, name))
            case ast.Attribute(value=owner_node, attr=attr):
                owner = self.eval(owner_node)
                old = self.get_attribute(owner, attr)
                new = self.in_place(symbol, old, self.eval(value_node))
                if new is not old or not isinstance(old, RArray):
                    self.set_attribute(owner, attr, self.settle(new, attr))
            case ast.Subscript(value=owner_node, slice=key_node):
                owner, key = self.resolve(self.eval(owner_node)), array_of(self.resolve(self.eval(key_node)))
                if isinstance(owner, SubArray) and not any(defined(self, owner, n) for n in _ITEM_METHODS):
                    owner = array_of(owner)
                if isinstance(owner, RArray) and symbol != "@" and not index.is_advanced(key):
                    self.update_elements(owner, key, symbol, value_node)
                    return
                old = self.settle(self.get_item(owner, key))
                self.set_item(owner, key, self.in_place(symbol, old, self.eval(value_node)))
            case _:
                raise self.stage.refuse("this assignment target is not supported", "assign to a name first")

    def update_elements(self: Interp, owner: RArray, key: Any, symbol: str, value_node: ast.expr) -> None:
        """owner[key] symbol= value, for a key that gives a view. Python reads the old elements before it evaluates the
        value: that shows only for a single element that the value's evaluation changes."""
        view = index.getitem_for_update(self.stage, owner, key)
        calls = view.rank == 0 and any(isinstance(n, (ast.Call, ast.Attribute)) for n in ast.walk(value_node))
        old = self.get_item(owner, key) if calls else None
        with self.stage.log_stores() as stored:
            value = array_of(self.resolve(self.eval(value_node)))
        if calls and any(arrays.may_alias(view.root, root) for root in stored):
            self.set_item(owner, key, self.in_place(symbol, old, value))
            return
        if isinstance(value, (list, tuple, np.ndarray)):
            value = self.as_array(value)
        if isinstance(value, Choice):
            reason = "a value of several possible kinds is stored into an array"
            raise self.stage.refuse(reason, "test its kind first")
        index.update(self.stage, view, symbol, value)

    def in_place(self: Interp, symbol: str, old: Any, value: Any) -> Any:
        """old symbol= value: arrays and lists change in place, anything else gives a new value."""
        old, value = self.resolve(old), self.resolve(value)
        names = {"+": "__iadd__", "-": "__isub__", "*": "__imul__", "/": "__itruediv__"}
        if isinstance(old, SubArray) and symbol != "@" and defined(self, old, names.get(symbol, "")) is None:
            self.in_place(symbol, array_of(old), value)
            return old
        if isinstance(old, RArray) and symbol != "@":
            value = array_of(value)
            if isinstance(value, (list, tuple, np.ndarray, RList)):
                value = self.as_array(value)
            if isinstance(value, (RArray, RScalar)) or numeric.is_number(value):
                index.update(self.stage, old, symbol, value)
                return old
        if isinstance(old, list) and symbol == "+":
            self.call_method(old, "extend", [value], {})
            return old
        if isinstance(old, RList):
            if symbol != "+":
                raise self.stage.refuse(f"{symbol}= of a list that grows at run time", "use np.array(list)")
            self.call_method(old, "extend", [value], {})
            return old
        method = getattr(type(old), names.get(symbol, ""), None)
        if isinstance(method, types.FunctionType):
            return self.call(method, [old, value], {})
        return self.binary(symbol, old, value)

    def delete(self: Interp, target: ast.expr) -> None:
        match target:
            case ast.Name(id=name):
                self.load_name(name)
                self.stage.delete(self.frame.locals, name)
            case ast.Subscript(value=owner_node, slice=key_node):
                owner, key = self.eval(owner_node), self.eval(key_node)
                if isinstance(owner, dict):
                    self.native(lambda: owner[key])
                    self.stage.delete(owner, self.static_key(key))
                elif isinstance(owner, list):
                    items = list(owner)
                    self.native(lambda: items.__delitem__(key))
                    self.stage.mutate(owner)[:] = items
                else:
                    raise self.stage.refuse("deleting from this object is not supported", "build a new one instead")
            case ast.Attribute(value=owner_node, attr=attr):
                owner = self.eval(owner_node)
                self.get_attribute(owner, attr)
                self.stage.delete(owner.__dict__, attr)
            case _:
                raise self.stage.refuse("this del is not supported", "assign None instead")

    # -- loops -----------------------------------------------------------------------------------------------

    def index_hint(self: Interp, node: ast.AST) -> str:
        match node:
            case ast.For(target=ast.Name(id=name)):
                return name if name != "_" else "i"
            case _:
                return "it"

    def loop_sets(self: Interp, node: ast.For | ast.While) -> tuple[set[str], set[str], frozenset[str]]:
        live = liveness_of(self.frame.node)
        everything = scope_of(self.frame.node).local
        return live.head.get(node, everything), live.after.get(node, everything), assigned(node)

    def exec_for(self: Interp, node: ast.For) -> bool:
        source = self.resolve(self.eval(node.iter))
        iterable = self.iterable(source)
        if isinstance(source, list):
            iterable = source  # what the body appends is iterated over too
        if isinstance(iterable, RRange) and (node in self.stage.unrolled or self._tiny(iterable)):
            step = self.stage.static_int(iterable.step_expr, "the step of an unrolled range")
            start = self.stage.static_int(iterable.start, "a bound of an unrolled range")
            stop = self.stage.static_int(iterable.stop, "a bound of an unrolled range")
            iterable = list(range(start, stop, step))
        elif isinstance(iterable, RIter) and (node in self.stage.unrolled or constant(iterable.length) in (0, 1)):
            n = self.stage.static_int(iterable.length, "the length of an unrolled loop")
            iterable = [iterable.get(Const(k, I64)) for k in range(n)]
        if isinstance(iterable, (RRange, RIter)):
            return self.runtime_for(node, iterable)
        if len(iterable) > FEW and node not in self.stage.unrolled and all(_is_float(v) for v in iterable):
            done = self.attempt_rolled(node, iterable)
            if done is not None:
                return done
        return self.unrolled_for(node, iterable)

    def attempt_rolled(self: Interp, node: ast.For, items: list[Any]) -> bool | None:
        """Loop over a longer list of floats as over an array, if the body allows it."""
        stage = self.stage
        mark, problems = self.mark(), len(stage.problems)
        array = self.as_array(list(items))

        def element(i: Expr) -> RScalar:
            return RScalar(index.getitem(stage, array, RScalar(i, True)).expr, True)

        try:
            falls = self.runtime_for(node, RIter(array.shape[0], element))
        except (Restage, NeedStatic, NeedLeafStatic, PreferUnroll, ExitNow, PyRaise):
            raise
        except Exception as error:
            if not isinstance(error, Unsupported) and len(stage.problems) == problems:
                raise
            falls = None  # what fails after a first problem is not news
        if falls is None or len(stage.problems) > problems:
            self.rollback(mark)
            del stage.problems[problems:]
            stage.unrolled.add(node)
            return None
        return falls

    def _tiny(self: Interp, r: RRange) -> bool:
        if r.step is None or constant(isub(r.stop, r.start)) is None:
            return False
        n = constant(self.range_length(r))
        return n is not None and n <= 1

    def unrolled_for(self: Interp, node: ast.For, items: list[Any]) -> bool:
        if len(items) > MAX_UNROLL:
            reason = f"this loop over {len(items)} Python objects would be unrolled"
            raise self.stage.refuse(reason, "loop over an array or a range instead")
        leaving = self.target("break")

        def run() -> bool:
            for count, item in enumerate(items):
                if count > MAX_UNROLL:
                    raise self.stage.refuse("a list grows while it is iterated over", "iterate over a copy")
                turn = self.target("continue")

                def iteration(item: Any = item, turn: Target = turn) -> bool:
                    self.assign(node.target, item)
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

    def after(self: Interp, path: Path, *inner: Target) -> bool:
        """Go on after a construct whose own targets are `inner`."""
        outer = frozenset(t for t in path.exits if t not in inner)
        if not path.falls and not any(t in path.exits for t in inner):
            self.bodies[-1].exits |= outer
            return False
        self.guard(outer)
        return True

    def runtime_for(self: Interp, node: ast.For, iterable: RRange | RIter) -> bool:
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
            path = self.loop(node, start, stop, step, enter, None, body, live_head, live_after, names)
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
                ) from None
            self.rollback(mark)
            stage.unrolled.add(node)
            return self.exec_for(node)
        return self.loop_end(node, path)

    def turns(self: Interp, iterable: RRange | RIter) -> tuple[Expr, Expr, int, Callable[[Expr], Any]]:
        """Start, stop and step of the loop over an iterable, and the element for a loop index."""
        if isinstance(iterable, RIter):
            return ZERO, iterable.length, 1, iterable.get
        if iterable.step is not None:
            return iterable.start, iterable.stop, iterable.step, lambda i: RScalar(i, True)
        first, stride = iterable.start, iterable.step_expr
        return ZERO, self.range_length(iterable), 1, lambda i: RScalar(iadd(first, imul(stride, i)), True)

    def _known(self: Interp, expr: Expr) -> bool:
        from wengert.analysis.affine import evaluate

        return evaluate(self.stage.expand(expr), self.stage.concrete) is not None

    def loop_end(self: Interp, node: ast.For | ast.While, path: Path) -> bool:
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

    def exec_while(self: Interp, node: ast.While) -> bool:
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
        path = self.loop(node, ZERO, None, 1, enter, tested, body, live_head, live_after, names)
        return self.loop_end(node, path)

    # -- iterables -------------------------------------------------------------------------------------------

    def positions(self: Interp, it: RRange | RIter) -> tuple[Expr, Callable[[Expr], Any]]:
        """The length and the elements by position."""
        if isinstance(it, RRange):
            return self.range_length(it), lambda i: RScalar(iadd(it.start, imul(it.step_expr, i)), True, it.wild)
        return it.length, it.get

    def range_length(self: Interp, r: RRange) -> Expr:
        """The number of elements of a run-time range."""
        stage = self.stage
        if r.step == 1:
            distance = isub(r.stop, r.start)
            return distance if stage.nonnegative(distance) else self._counted(build.max_(distance, ZERO))
        if r.step is not None:
            distance = isub(r.stop, r.start) if r.step > 0 else isub(r.start, r.stop)
            size = abs(r.step)
            value = constant(distance)
            if value is not None:
                return Const(max(0, -(-value // size)), I64)
            turns = build.op("floordiv", iadd(distance, Const(size - 1, I64)), Const(size, I64))
            return self._counted(build.max_(turns, ZERO))
        step = stage.let(r.step_expr, "step")
        stage.fail_if(stage.let(build.eq(step, ZERO)), "ValueError", "range() arg 3 must not be zero")
        up = build.gt(step, ZERO)
        distance = build.select(up, isub(r.stop, r.start), isub(r.start, r.stop))
        size_ = build.op("abs", step)
        turns = build.op("floordiv", build.sub(build.add(distance, size_), ONE), build.max_(size_, ONE))
        return self._counted(build.max_(turns, ZERO))

    def _counted(self: Interp, value: Expr) -> Expr:
        named = self.stage.let(value, "count")
        if isinstance(named, Var):
            self.stage.facts.assume(named, 0)
        return named

    def iterable(self: Interp, value: Any) -> Any:
        """A RRange, RIter or Python list to loop over."""
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
                value = arrays.stored(self.stage, value)
                return RIter(value.shape[0], lambda i: index.getitem(self.stage, value, RScalar(i, True)))
            case RList():
                return RIter(self.list_length(value), lambda i: self.list_item(value, RScalar(i, True)), value)
            case np.ndarray():
                return self.iterable(self.as_array(value))
            case SubArray() if defined(self, value, "__iter__") is None:
                rows = self.iterable(array_of(value))
                return RIter(rows.length, lambda i: like(self, rows.get(i), value))
            case Choice():
                raise self.stage.refuse("a value of several possible kinds is iterated over", "test its kind first")
            case _:
                return self.static_iterable(value)

    def static_iterable(self: Interp, value: Any) -> list[Any]:
        """The elements of something whose length staging must know."""
        value = self.resolve(value)
        match value:
            case list() | tuple() | dict() | set() | frozenset() | str() | range():
                if isinstance(value, dict):
                    sure_keys(self.stage, value)
                return list(value)
            case RArray() | RList() | RRange() | RIter() | SubArray() if defined(self, value, "__iter__") is None:
                it = self.iterable(value)
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
            case _:
                method = getattr(type(value), "__iter__", None)
                if isinstance(method, types.FunctionType) and not hasattr(value, "_fields"):
                    return self.static_iterable(self.call(method, [value], {}))
                return self.native(lambda: list(value))

    # -- exceptions ------------------------------------------------------------------------------------------

    def exception(self: Interp, node: ast.expr | None) -> PyRaise:
        """The exception that a raise statement raises."""
        if node is None:
            if not self.caught:
                return PyRaise(RuntimeError("No active exception to reraise"))
            return self.caught[-1]
        if isinstance(node, ast.Call):
            kind = self.eval(node.func)
            if isinstance(kind, type) and issubclass(kind, BaseException) and type(kind).__call__ is type.__call__:
                args = [self.eval(a) for a in node.args]
                if args and isinstance(args[0], RuntimeString):
                    return PyRaise(kind, args[0])
                if contains_runtime(args):
                    text = next((a for a in args if isinstance(a, (str, RuntimeString))), "")
                    return PyRaise(kind, RuntimeString(template_of(text) if isinstance(text, str) else "", ()))
                if isinstance(kind.__init__, types.FunctionType):
                    return PyRaise(kind)
                return PyRaise(self.native(lambda: kind(*args)))
        value = self.resolve(self.eval(node))
        if isinstance(value, PyRaise):
            return value
        if isinstance(value, (BaseException, type)):
            return PyRaise(value)
        raise self.stage.refuse("this raise is not supported", "raise an exception class with a message")

    def raise_(self: Interp, error: PyRaise) -> bool:
        """The current path raises: to a handler that matches, or out of the program."""
        for handler in reversed(self.handlers):
            for k, kinds in enumerate(handler.kinds):
                if issubclass(error.kind, kinds):
                    handler.seen[k] = error
                    self.stage.store_cell(handler.which, Const(k, I64))
                    self.leave(handler.target)
                    return False
        self.fail(error)
        return False

    def exec_try(self: Interp, node: ast.Try) -> bool:
        kinds = [self._caught_kinds(h) for h in node.handlers]
        which = self.stage.cell(I64, "handler", init=Const(-1, I64))
        handler = Handler(kinds, self.target("raise", liveness_of(self.frame.node).caught.get(node)), which, {})
        frames, loops = len(self.frames), len(self.loops)

        def escape(cond: Expr, exception: str, message: str, args: tuple[Expr, ...]) -> bool:
            kind = getattr(__import__("builtins"), exception, np.linalg.LinAlgError)
            if not any(issubclass(kind, ks) for h in self.handlers for ks in h.kinds):
                return False
            error = PyRaise(kind, RuntimeString(message, args))
            if isinstance(cond, Const):
                raise error
            if not self.branch(cond, lambda: self.raise_(error), lambda: True):
                raise ExitNow
            return True

        def run() -> bool:
            self.handlers.append(handler)
            self.stage.escapes.append(escape)
            try:
                falls = self.exec_block(node.body)
            finally:
                self.handlers.remove(handler)
                if escape in self.stage.escapes:
                    self.stage.escapes.remove(escape)
                del self.frames[frames:], self.loops[loops:]
            return self.exec_block(node.orelse) if falls and node.orelse else falls

        def handled() -> bool:
            path = self.body(run)
            others = frozenset(t for t in path.exits if t is not handler.target)
            if handler.target not in path.exits:
                self.bodies[-1].exits |= others
                if path.falls:
                    self.guard(others)
                return path.falls
            catch = lambda: self._dispatch(node, handler, sorted(handler.seen))  # noqa: E731
            if not path.falls and not others:
                return catch()
            caught = self.stage.let(Load(handler.target.flag.name, (), handler.target.flag.dtype))

            def passed() -> bool:
                self.bodies[-1].exits |= others  # the side where no handler runs may have left, with values of its own
                return path.falls

            return self.branch(caught, catch, passed)

        if not node.finalbody:
            return handled()
        path = self.body(handled)
        if not path.falls and not path.exits:
            return False
        if not self.exec_block(node.finalbody):
            return False
        self.bodies[-1].exits |= path.exits
        if path.falls:
            self.guard(path.exits)
        return path.falls

    def _caught_kinds(self: Interp, h: ast.ExceptHandler) -> tuple[type[BaseException], ...]:
        kind = BaseException if h.type is None else self.eval(h.type)
        return kind if isinstance(kind, tuple) else (kind,)

    def _dispatch(self: Interp, node: ast.Try, handler: Handler, taken: list[int]) -> bool:
        k = taken[0]

        def run() -> bool:
            h = node.handlers[k]
            self.caught.append(handler.seen[k])
            try:
                if h.name:
                    self.store_name(h.name, handler.seen[k])
                return self.exec_block(h.body)
            finally:
                self.caught.pop()

        if len(taken) == 1:
            return run()
        is_k = self.stage.let(build.eq(Load(handler.which.name, (), I64), Const(k, I64)))
        return self.branch(is_k, run, lambda: self._dispatch(node, handler, taken[1:]))

    def exec_with(self: Interp, node: ast.With) -> bool:
        managers: list[Any] = []
        for item in node.items:
            manager = self.eval(item.context_expr)
            enter = getattr(type(manager), "__enter__", None)
            staged = isinstance(enter, types.FunctionType) and not _harmless(manager)
            value = self.call(enter, [manager], {}) if staged else manager
            managers.append(manager)
            if item.optional_vars is not None:
                self.assign(item.optional_vars, value)
        path = self.body(lambda: self.exec_block(node.body))
        for manager in reversed(managers):
            leave = getattr(type(manager), "__exit__", None)
            if isinstance(leave, types.FunctionType) and not _harmless(manager):
                self.call(leave, [manager, None, None, None], {})
        self.bodies[-1].exits |= path.exits
        if path.falls:
            self.guard(path.exits)
        return path.falls


def _is_float(value: Any) -> bool:
    return type(value) is float or (isinstance(value, RScalar) and value.python and value.dtype is F64)


def _harmless(manager: Any) -> bool:
    return type(manager).__module__.split(".")[0] in ("numpy", "warnings", "contextlib")


def _submodule(module: Any, dotted: str) -> Any:
    for part in dotted.split(".")[1:]:
        module = getattr(module, part)
    return module


__all__ = ["FALSE", "MISSING", "RIter", "Statements", "names_used"]
