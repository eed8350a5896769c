"""The staging interpreter: evaluates syntax trees over static and runtime values."""

from __future__ import annotations

import ast
import builtins
import re
import types
from collections.abc import Callable
from typing import Any

import numpy as np

from wengert.errors import Unsupported, WengertError, exception_name
from wengert.ir import build
from wengert.ir.nodes import FALSE, ZERO, Const, Expr, Fail, Var
from wengert.ir.types import BOOL, I64

from . import arrays, builtin, index, mathlib, numeric, numpy_api, subclasses
from .calls import Calls
from .control import Body, ExitNow, Target
from .externals import Externals, Held
from .frame import Frame, PyRaise
from .functions import Functions, Staging
from .lists import Lists
from .loops import Loops
from .slots import MAX_KINDS
from .source import scope_of
from .stage import NeedLeafStatic, NeedStatic, Restage, Stage
from .statements import Statements
from .subclasses import SubArray
from .values import (
    REPORTED,
    BoundMethod,
    Choice,
    Closure,
    MaybeUnbound,
    Poison,
    RArray,
    RList,
    RRange,
    RScalar,
    RuntimeString,
    contains_runtime,
    template_of,
)


class Interp(Loops, Statements, Calls, Functions, Lists):
    """Evaluates one call. `externals` wraps what exists before it."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        stage.interp = self
        self.externals = Externals(stage, lambda reason, way_out: stage.refuse(reason, way_out))
        self.frames: list[Frame] = []
        self.frames_by_locals: dict[int, Frame] = {}
        self.bodies: list[Body] = []
        self.loops: list[tuple[Target, Target]] = []
        self.handlers: list[Any] = []
        self.carried: dict[ast.AST, dict[tuple[Any, Any], Any]] = {}
        self.containers: dict[int, Any] = {}
        self.list_nodes: dict[int, ast.AST] = {}
        self.assumed: dict[int, tuple[int, ...]] = {}
        self.short: ast.AST | None = None
        self.iterated: list[Any] = []
        self.boxes: list[dict[str, Any]] = []
        self.nesting: dict[Any, int] = {}
        self.active: list[Any] = []
        self.sizes: dict[Any, int] = {}
        self.ir_functions: dict[Any, Staging] = {}
        self.caught: list[PyRaise] = []
        self.loop_left: Target | None = None
        self.has_subclasses = False
        self.changed_outside: list[tuple[Any, str]] = []
        self.sources: dict[types.CodeType, types.FunctionType] = {}
        self.comprehensions = _comprehensions
        self.call_node: ast.AST | None = None
        self.name_hint = "t"  # what the value of the expression at hand will be called
        self.current_list_node: ast.AST | None = None

    def call_method(self, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return builtin.call_method(self, owner, name, args, kwargs)

    @property
    def frame(self) -> Frame:
        return self.frames[-1]

    # -- expressions -----------------------------------------------------------------------------------------

    def eval(self, node: ast.expr, hint: str = "t") -> Any:
        """The value of an expression."""
        previous = self.stage.span
        self.stage.span = self.frame.source.span(node, self.frame.name)
        try:
            return self._eval(node, hint)
        finally:
            self.stage.span = previous

    def _eval(self, node: ast.expr, hint: str) -> Any:
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name(id=name):
                return self.load_name(name)
            case ast.BinOp(left=left, op=op, right=right):
                a, b = self.eval(left), self.eval(right)
                self.name_hint = hint
                return self.binary(_SYMBOLS[type(op)], a, b)
            case ast.UnaryOp(op=op, operand=operand):
                return self.unary(op, self.eval(operand))
            case ast.Compare():
                return self.compare(node)
            case ast.BoolOp(op=op, values=values):
                return self.bool_op(isinstance(op, ast.And), values)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                cond = self.truth(self.eval(test))
                if isinstance(cond, bool):
                    return self.eval(body if cond else orelse)
                return self.conditional(cond, lambda: self.eval(body), lambda: self.eval(orelse))
            case ast.Attribute(value=value, attr=attr):
                return self.get_attribute(self.eval(value), attr)
            case ast.Subscript(value=value, slice=key):
                return self.get_item(self.eval(value), self.eval(key))
            case ast.Slice(lower=lower, upper=upper, step=step):
                return slice(*(None if p is None else self.eval(p) for p in (lower, upper, step)))
            case ast.Tuple(elts=elts):
                return tuple(self.settle(v) for v in self.sequence(elts))
            case ast.List(elts=elts):
                return self.new_list(node, [self.settle(v) for v in self.sequence(elts)])
            case ast.Set(elts=elts):
                return set(self.sequence(elts))
            case ast.Dict(keys=keys, values=values):
                result: dict[Any, Any] = {}
                for k, v in zip(keys, values, strict=True):
                    if k is None:
                        result.update(self.resolve(self.eval(v)))
                    else:
                        key = self.static_key(self.eval(k))
                        result[key] = self.settle(self.eval(v))
                return self.stage.note_created(result)
            case ast.Call():
                return self.eval_call(node, hint)
            case ast.Lambda():
                return self.make_closure(node, "<lambda>")
            case ast.JoinedStr(values=values):
                return self.format_string(values)
            case ast.ListComp() | ast.GeneratorExp():
                return self.comprehension(node)
            case ast.SetComp():
                return set(self.comprehension(node))
            case ast.DictComp():
                return self.dict_comprehension(node)
            case ast.NamedExpr(target=target, value=value):
                result = self.settle(self.eval(value), target.id)
                self.store_name(target.id, result)
                return result
            case ast.Starred(value=value):
                return self.eval(value)
            case _:
                reason = f"{type(node).__name__} expressions are not supported"
                raise self.stage.refuse(reason, "write it with ordinary expressions and loops")

    def sequence(self, elts: list[ast.expr]) -> list[Any]:
        """The values of a display or argument list, starred parts expanded."""
        out: list[Any] = []
        for e in elts:
            if isinstance(e, ast.Starred):
                out.extend(self.static_iterable(self.eval(e.value)))
            else:
                out.append(self.eval(e))
        return out

    # -- names -----------------------------------------------------------------------------------------------

    def load_name(self, name: str) -> Any:
        frame: Frame | None = self.frame
        while frame is not None:
            scope = scope_of(frame.node)
            if name in frame.locals and (name not in scope.global_):
                return self.use(frame.locals[name], name)
            if name in scope.local:
                raise PyRaise(UnboundLocalError(_UNBOUND.format(name)))
            if frame.parent is None:
                break
            frame = frame.parent
        assert frame is not None
        function = frame.function
        if isinstance(function, types.FunctionType) and name in function.__code__.co_freevars:
            position = function.__code__.co_freevars.index(name)
            cell = function.__closure__[position]  # type: ignore[index]
            return self.externals.wrap(cell.cell_contents, ("cell", Held(function), position), name)
        return self.load_global(frame, name)

    def load_global(self, frame: Frame, name: str) -> Any:
        if name in frame.globals:
            value = frame.globals[name]
            return self.externals.wrap(value, ("global", Held(frame.globals), name), name)
        if hasattr(builtins, name):
            return getattr(builtins, name)
        raise PyRaise(NameError(f"name '{name}' is not defined"))

    def use(self, value: Any, name: str, missing: tuple[str, str] | None = None) -> Any:
        """A value read from a location: checks that it is bound and usable, resolves choices that are decided.
        `missing`: the exception and message if it is not bound, for what is not a local variable."""
        if isinstance(value, MaybeUnbound):
            kind, message = missing or ("UnboundLocalError", _UNBOUND.format(name))
            self.stage.fail_if(self.stage.let(build.not_(value.flag)), kind, template_of(message))
            value = value.value
        if value is REPORTED:
            raise Unsupported([])
        if isinstance(value, Poison):
            raise self.stage.refuse(value.reason, value.way_out)
        return self.resolve(value) if isinstance(value, Choice) else value

    def resolve(self, value: Any) -> Any:
        """The alternative of a choice, if only one is possible here."""
        if isinstance(value, Choice):
            possible = self.possible(value)
            if len(possible) == 1:
                return value.alternatives[possible[0]]
        return value

    def possible(self, value: Choice) -> tuple[int, ...]:
        return self.assumed.get(id(value), tuple(range(len(value.alternatives))))

    def store_name(self, name: str, value: Any) -> None:
        frame = self.frame
        if isinstance(value, RArray) and value.root is not None:
            self.stage.user_names.setdefault(value.root.name, name)
        elif isinstance(value, RScalar) and isinstance(value.expr, Var):
            self.stage.user_names.setdefault(value.expr.name, name)
        scope = scope_of(frame.node)
        if name in scope.nonlocal_:
            owner = frame.parent
            while owner is not None and name not in scope_of(owner.node).local:
                owner = owner.parent
            if owner is None:
                reason = f"nonlocal {name!r} belongs to a function that has returned"
                raise self.stage.refuse(reason, "return the value instead")
            self.stage.write(owner.locals, name, value)
        elif name in scope.global_:
            raise self.stage.refuse(f"the global {name!r} is assigned", "return the value instead")
        else:
            self.stage.write(frame.locals, name, value)

    def settle(self, value: Any, hint: str = "t") -> Any:
        """A value fit to be bound: lazy arrays are stored."""
        if isinstance(value, RArray) and value.lazy is not None:
            return arrays.stored(self.stage, value, hint)
        return value

    def settled(self, value: Any) -> Any:
        return self.use(value, "value")

    # -- operators -------------------------------------------------------------------------------------------

    def binary(self, symbol: str, a: Any, b: Any) -> Any:
        a, b = self.resolve(a), self.resolve(b)
        if isinstance(a, Choice) or isinstance(b, Choice):
            return self.over_choice(lambda x, y: self.binary(symbol, x, y), a, b)
        if isinstance(a, SubArray) or isinstance(b, SubArray):
            return self.binary_of_instances(symbol, a, b)
        if symbol == "@":
            return self.matmul(a, b)
        if isinstance(a, RList) or isinstance(b, RList):
            other = b if isinstance(a, RList) else a
            of_numpy = isinstance(other, RArray) or (isinstance(other, RScalar) and not other.python)
            if symbol == "+" and not of_numpy:
                return self.list_concatenation(a, b)
            if not of_numpy:
                raise self.stage.refuse(f"{symbol} of a list that grows at run time", "use np.array(list)")
        if _staged_number(a) or _staged_number(b):
            if isinstance(a, (list, tuple)) and isinstance(b, RScalar) and b.python and symbol == "*":
                count = self.stage.static_int(b.expr, "the length of a repeated list")
                return self.native(lambda: a * count)
            if isinstance(b, (list, tuple, np.ndarray, RList)):
                b = self.as_array(b)
            if isinstance(a, (list, tuple, np.ndarray, RList)):
                a = self.as_array(a)
            if (_staged_number(a) or numeric.is_number(a)) and (_staged_number(b) or numeric.is_number(b)):
                return numeric.binary(self.stage, symbol, a, b)
        if isinstance(a, RuntimeString) or isinstance(b, RuntimeString) or (isinstance(a, str) and symbol == "%"):
            return self.format_percent(symbol, a, b)
        method = self.operator_method(symbol, a, b)
        if method is not None:
            return method()
        if a is None or b is None:
            kinds = [builtin.type_of(v).__name__ for v in (a, b)]
            raise PyRaise(TypeError(f"unsupported operand type(s) for {symbol}: '{kinds[0]}' and '{kinds[1]}'"))
        if isinstance(a, (np.ndarray, np.generic)) or isinstance(b, (np.ndarray, np.generic)):
            foreign = any(isinstance(v, np.ndarray) and v.dtype.kind not in "biufc" for v in (a, b))  # dates and text
            if foreign or all(numeric.is_number(v) for v in (a, b)):
                return self.native(lambda: numeric.OPERATORS[symbol][0](a, b))
            return self.binary(symbol, self.as_array(a) if isinstance(a, np.ndarray) else a, self.as_array(b))
        result = self.native(lambda: numeric.OPERATORS[symbol][0](a, b))
        if isinstance(result, (list, dict)):
            self.stage.note_created(result)
        return result

    def binary_of_instances(self, symbol: str, a: Any, b: Any) -> Any:
        """An operation with an instance of an ndarray subclass on a side."""
        forward, reflected = _METHODS[symbol]
        order = [(a, forward, b), (b, reflected, a)]
        if not isinstance(a, SubArray) and (isinstance(a, RArray) or numeric.is_number(a)):
            order.reverse()  # a subclass goes before ndarray, and numbers don't know arrays
        for owner, name, other in order:
            fn = subclasses.defined(self, owner, name)
            if fn is None and not isinstance(owner, SubArray):
                fn = getattr(type(owner), name, None)
            if isinstance(fn, types.FunctionType):
                return self.call(fn, [owner, other], {})
        result = self.binary(symbol, subclasses.array_of(a), subclasses.array_of(b))
        return subclasses.like(self, result, subclasses.source_of([a, b]))

    def over_choice(self, fn: Callable[..., Any], *operands: Any) -> Any:
        """Apply an operation to a value of several possible kinds: a branch per kind."""
        k, choice = next(((k, o) for k, o in enumerate(operands) if isinstance(o, Choice)), (0, None))
        if choice is None:
            return fn(*operands)
        first, *rest = self.possible(choice)
        if not rest:
            return fn(*operands[:k], choice.alternatives[first], *operands[k + 1 :])
        is_first = self.stage.let(build.eq(choice.tag, build.i64(first)))

        def among(*alternatives: int) -> Any:
            before = self.assumed.get(id(choice))
            self.assumed[id(choice)] = alternatives
            try:
                return fn(*operands)
            finally:
                if before is None:
                    self.assumed.pop(id(choice), None)
                else:
                    self.assumed[id(choice)] = before

        return self.conditional(is_first, lambda: among(first), lambda: among(*rest))

    def operator_method(self, symbol: str, a: Any, b: Any) -> Callable[[], Any] | None:
        """A staged __add__ or __radd__ and so on of an instance of a user's class."""
        forward, reflected = _METHODS[symbol]
        for owner, name, other in ((a, forward, b), (b, reflected, a)):
            fn = getattr(type(owner), name, None) if name else None
            if isinstance(fn, types.FunctionType):
                return lambda fn=fn, owner=owner, other=other: self.call(fn, [owner, other], {})
        return None

    def unary(self, op: ast.unaryop, value: Any) -> Any:
        value = self.resolve(value)
        if isinstance(op, ast.Not):
            cond = self.truth(value)
            return (not cond) if isinstance(cond, bool) else RScalar(self.stage.let(build.not_(cond)), True)
        symbol = {ast.USub: "-", ast.UAdd: "+", ast.Invert: "~"}[type(op)]
        if isinstance(value, Choice):
            return self.over_choice(lambda v: self.unary(op, v), value)
        if isinstance(value, SubArray) and subclasses.defined(self, value, _UNARY[symbol]) is None:
            return subclasses.like(self, self.unary(op, subclasses.array_of(value)), value)
        if isinstance(value, (RScalar, RArray)):
            return numeric.unary(self.stage, symbol, value)
        method = getattr(type(value), _UNARY[symbol], None)
        if isinstance(method, types.FunctionType):
            return self.call(method, [value], {})
        return self.native(lambda: {"-": lambda: -value, "+": lambda: +value, "~": lambda: ~value}[symbol]())

    def compare(self, node: ast.Compare) -> Any:
        left = self.eval(node.left)
        result: Any = True
        for k, (op, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
            right = self.eval(right_node)
            part = self.compare_one(op, left, right)
            result = part if k == 0 else self.both(result, part)
            if result is False:
                return False
            left = right
        return result

    def both(self, a: Any, b: Any) -> Any:
        x, y = self.truth(a), self.truth(b)
        if isinstance(x, bool):
            return b if x else a
        if isinstance(y, bool):
            return a if y else b
        return RScalar(self.stage.let(build.and_(x, y)), True)

    def compare_one(self, op: ast.cmpop, a: Any, b: Any) -> Any:
        match op:
            case ast.Is() | ast.IsNot():
                same = self.identical(a, b)
                return same if isinstance(op, ast.Is) else self.unary(ast.Not(), same)
            case ast.In() | ast.NotIn():
                found = self.contains(a, b)
                return found if isinstance(op, ast.In) else self.unary(ast.Not(), found)
            case _:
                return self.relation(_COMPARISONS[type(op)], a, b)

    def relation(self, symbol: str, a: Any, b: Any) -> Any:
        a, b = self.resolve(a), self.resolve(b)
        if isinstance(a, Choice) or isinstance(b, Choice):
            return self.over_choice(lambda x, y: self.relation(symbol, x, y), a, b)
        if isinstance(a, SubArray) or isinstance(b, SubArray):
            fn = subclasses.defined(self, a, _RELATIONS[symbol])
            if fn is not None:
                return self.call(fn, [a, b], {})
            result = self.relation(symbol, subclasses.array_of(a), subclasses.array_of(b))
            return subclasses.like(self, result, subclasses.source_of([a, b]))
        if _staged_number(a) or _staged_number(b):
            if isinstance(a, RArray) and isinstance(b, (list, tuple)):
                b = self.as_array(b)
            if isinstance(b, RArray) and isinstance(a, (list, tuple)):
                a = self.as_array(a)
            if (_staged_number(a) or numeric.is_number(a)) and (_staged_number(b) or numeric.is_number(b)):
                return numeric.binary(self.stage, symbol, a, b)
            if symbol in ("==", "!="):
                return symbol == "!="
            if a is None or b is None:
                kinds = [builtin.type_of(v).__name__ for v in (a, b)]
                reason = f"'{symbol}' not supported between instances of '{kinds[0]}' and '{kinds[1]}'"
                raise PyRaise(TypeError(reason))
        sequences = isinstance(a, (tuple, list)) and isinstance(b, (tuple, list))
        if sequences and (contains_runtime(a) or contains_runtime(b)):
            if symbol not in ("==", "!=") or type(a) is not type(b):
                reason = "ordering sequences of run-time numbers is not supported"
                raise self.stage.refuse(reason, "compare their elements")
            result: Any = len(a) == len(b)
            if result:
                for x, y in zip(a, b, strict=True):
                    result = self.both(result, self.relation("==", x, y))
            return result if symbol == "==" else self.unary(ast.Not(), result)
        method = getattr(type(a), _RELATIONS[symbol], None)
        if isinstance(method, types.FunctionType):
            return self.call(method, [a, b], {})
        return self.native(lambda: numeric.OPERATORS[symbol][0](a, b))

    def identical(self, a: Any, b: Any) -> Any:
        for x, y in ((a, b), (b, a)):
            if isinstance(x, Choice) and not isinstance(y, Choice):
                possible = self.possible(x)
                matches = [k for k in possible if self.identical(x.alternatives[k], y) is True]
                if len(matches) in (0, len(possible)):
                    return bool(matches)
                cond: Expr = FALSE
                for k in matches:
                    cond = build.or_(cond, build.eq(x.tag, build.i64(k)))
                result = RScalar(self.stage.let(cond), True)
                self.stage.tag_tests[result.expr.name] = (x, tuple(matches))  # type: ignore[union-attr]
                return result
        return a is b

    def contains(self, item: Any, container: Any) -> Any:
        container = subclasses.array_of(self.resolve(container))
        if isinstance(container, RArray):
            raise self.stage.refuse("`in` on an array is not supported", "use (array == value).any()")
        if isinstance(container, dict):
            item = self.static_key(item)
            if isinstance(container.get(item), MaybeUnbound):
                return RScalar(container[item].flag, True)
            return self.native(lambda: item in container)
        varying = isinstance(container, (list, tuple)) and contains_runtime(container)
        if varying or (contains_runtime(item) and not isinstance(item, Closure)):
            found: Any = False
            for candidate in self.static_iterable(container):
                same = self.relation("==", item, candidate)
                if same is True:
                    return True
                if same is not False:
                    found = same if found is False else self._either(found, same)
            return found
        method = getattr(type(container), "__contains__", None)
        if isinstance(method, types.FunctionType):
            return self.call(method, [container, item], {})
        return self.native(lambda: item in container)

    def _either(self, a: Any, b: Any) -> RScalar:
        x, y = (build.const(t, BOOL) if isinstance(t, bool) else t for t in (self.truth(a), self.truth(b)))
        return RScalar(self.stage.let(build.or_(x, y)), True)

    def bool_op(self, conjunction: bool, values: list[ast.expr]) -> Any:
        value = self.eval(values[0])
        if len(values) == 1:
            return value
        cond = self.truth(value)
        if isinstance(cond, bool):
            return self.bool_op(conjunction, values[1:]) if cond == conjunction else value
        return self.conditional(
            cond,
            (lambda: self.bool_op(True, values[1:])) if conjunction else (lambda: value),
            (lambda: value) if conjunction else (lambda: self.bool_op(False, values[1:])),
        )

    def truth(self, value: Any) -> bool | Expr:
        """The truth of a value: a bool if static, else an expression."""
        value = subclasses.array_of(self.resolve(value))
        if isinstance(value, Choice):
            return self.truth(self.over_choice(lambda v: self._truth_scalar(v), value))
        if isinstance(value, (RScalar, RArray)):
            cond = numeric.truth_value(self.stage, value)
            return bool(cond.value) if isinstance(cond, Const) else cond
        if isinstance(value, RList):
            return self.stage.let(build.gt(self.list_length(value), ZERO))
        if isinstance(value, (Closure, BoundMethod)):
            return True
        for name in ("__bool__", "__len__"):
            method = getattr(type(value), name, None)
            if isinstance(method, types.FunctionType):
                return self.truth(self.call(method, [value], {}))
        return bool(self.native(lambda: bool(value)))

    def _truth_scalar(self, value: Any) -> Any:
        cond = self.truth(value)
        return cond if isinstance(cond, bool) else RScalar(cond, True)

    # -- items -----------------------------------------------------------------------------------------------

    def get_item(self, owner: Any, key: Any) -> Any:
        owner, key = self.resolve(owner), self.resolve(key)
        if isinstance(owner, Choice):
            return self.over_choice(lambda o: self.get_item(o, key), owner)
        inner = _choice_in(key) if isinstance(owner, RArray) else None
        if inner is not None:
            return self.over_choice(lambda c: self.get_item(owner, _replaced(key, inner, c)), inner)
        key = subclasses.array_of(key)
        match owner:
            case SubArray() if subclasses.defined(self, owner, "__getitem__") is None:
                return subclasses.like(self, self.get_item(subclasses.array_of(owner), key), owner)
            case RArray():
                return index.getitem(self.stage, owner, key)
            case RList():
                return self.list_item(owner, key)
            case RScalar():
                return self.item_of_number(owner, key)
            case RRange():
                at = index.normalise(self.stage, index.as_index(key), self.range_length(owner))
                return RScalar(build.add(owner.start, build.mul(at, owner.step_expr)), True, owner.wild)
            case np.ndarray():
                return self.get_item(self.as_array(owner), key)
            case _:
                pass
        if isinstance(key, RScalar) and isinstance(owner, (list, tuple, str, range)):
            try:
                key = self.stage.static_int(build.cast(key.expr, I64), "the position in a Python list or tuple")
            except Unsupported:
                if len(owner) > MAX_KINDS or not hasattr(owner, "__len__"):
                    raise
                return self.selected(owner, key)
        elif isinstance(key, slice) and isinstance(owner, (list, tuple, str)):
            key = self.static_slice(key)
        elif isinstance(owner, dict):
            key = self.static_key(key)
        method = getattr(type(owner), "__getitem__", None)
        if isinstance(method, types.FunctionType):
            return self.call(method, [owner, key], {})
        result = self.native(lambda: owner[key])
        if isinstance(result, list) and isinstance(key, slice):
            self.stage.note_created(result)
        return self.use(result, "item", ("KeyError", repr(key)))

    def item_of_number(self, owner: RScalar, key: Any) -> Any:
        """A NumPy scalar takes a mask of one bool, Ellipsis or an empty tuple as index."""
        if owner.python:
            raise PyRaise(TypeError(f"'{builtin.type_of(owner).__name__}' object is not subscriptable"))
        if key == () or key is Ellipsis:
            return owner if key == () else self.as_array(owner)
        if isinstance(key, (bool, np.bool_)) or (isinstance(key, RScalar) and key.dtype is BOOL):
            array, mask = (self.call(np.reshape, [self.as_array(v), (1,)], {}) for v in (owner, key))
            return self.get_item(array, mask)
        raise PyRaise(IndexError("invalid index to scalar variable."))

    def selected(self, owner: Any, key: RScalar) -> Any:
        """The element of a static sequence at a position computed from run-time data."""
        at = index.normalise(self.stage, index.as_index(key), build.i64(len(owner)))
        items = [self.resolve(v) for v in owner]
        numbers = [numeric.as_scalar(v) for v in items if isinstance(v, RScalar) or numeric.is_number(v)]
        if items and len(numbers) == len(items) and len({(n.dtype, n.python) for n in numbers}) == 1:
            cell = index.getitem(self.stage, self.as_array(items), RScalar(at, True))
            return RScalar(cell.expr, numbers[0].python, numbers[0].python and numbers[0].dtype is I64)
        return Choice(self.stage.let(at, "place"), tuple(items))

    def static_slice(self, s: slice) -> slice:
        return slice(*(self.known_int(p, "a slice bound of a Python list") for p in (s.start, s.stop, s.step)))

    def static_key(self, key: Any) -> Any:
        """A dictionary key: must be static."""
        key = self.resolve(key)
        if isinstance(key, RScalar):
            if key.dtype is I64:
                return self.stage.static_int(key.expr, "a dictionary key")
            reason = "a dictionary is indexed by a run-time number"
            raise self.stage.refuse(reason, "use strings or integers known beforehand as keys")
        if isinstance(key, tuple):
            return tuple(self.static_key(k) for k in key)
        return key

    def set_item(self, owner: Any, key: Any, value: Any) -> None:
        owner, key = self.resolve(owner), subclasses.array_of(self.resolve(key))
        if isinstance(owner, SubArray) and subclasses.defined(self, owner, "__setitem__") is None:
            owner = subclasses.array_of(owner)
        match owner:
            case RArray():
                value = subclasses.array_of(self.resolve(value))
                if isinstance(value, (list, tuple, RList)):
                    value = self.as_array(value)
                value = self.resolve(value)
                if isinstance(value, Choice):
                    self.over_choice(lambda v: self.set_item(owner, key, v), value)
                    return
                index.setitem(self.stage, owner, key, value)
            case RList():
                self.set_list_item(owner, key, value)
            case list():
                if isinstance(key, RScalar):
                    try:
                        key = self.stage.static_int(key.expr, "the position in a Python list")
                    except Unsupported:
                        if len(owner) > MAX_KINDS:
                            raise
                        self.set_selected(owner, key, value)
                        return
                if isinstance(key, slice):
                    key = self.static_slice(key)
                    value = self.static_iterable(value)
                items = list(owner)
                self.native(lambda: items.__setitem__(key, self.settle(value) if not isinstance(key, slice) else value))
                self.stage.mutate(owner)[:] = items
            case dict():
                self.stage.write(owner, self.static_key(key), self.settle(value))
            case _:
                method = getattr(type(owner), "__setitem__", None)
                if not isinstance(method, types.FunctionType):
                    raise PyRaise(TypeError(f"'{type(owner).__name__}' object does not support item assignment"))
                self.call(method, [owner, key, value], {})

    def set_selected(self, owner: list[Any], key: RScalar, value: Any) -> None:
        """Assign to the element of a static list at a position computed from run-time data."""
        at = self.stage.let(index.normalise(self.stage, index.as_index(key), build.i64(len(owner))), "place")
        value = self.settle(value)
        items = [
            self.conditional(self.stage.let(build.eq(at, build.i64(k))), lambda: value, lambda old=old: old)  # type: ignore[misc]
            for k, old in enumerate(owner)
        ]
        self.stage.mutate(owner)[:] = items

    # -- native evaluation -----------------------------------------------------------------------------------

    def native(self, run: Callable[[], Any]) -> Any:
        """Run Python itself on static values; its exceptions are the program's."""
        try:
            return run()
        except (WengertError, PyRaise, Restage, NeedStatic, NeedLeafStatic, ExitNow):
            raise
        except Exception as error:
            if _STAGED.search(str(error)):
                raise self.stage.refuse(
                    "Python itself meets a run-time value here", "use arrays, numbers and loops instead"
                ) from error
            raise PyRaise(error) from error

    def fail(self, error: PyRaise) -> None:
        """Emit the failure of a program path."""
        template, args = self.error_text(error)
        self.stage.emit(Fail(exception_name(error.kind), template, args, self.stage.span))

    def error_text(self, error: PyRaise) -> tuple[str, tuple[Expr, ...]]:
        if error.message is not None:
            return error.message.template, error.message.args
        text = "" if isinstance(error.error, type) else str(error.error)
        if isinstance(error.error, KeyError) and error.error.args:
            text = repr(error.error.args[0])
        return template_of(text), ()

    def format_string(self, values: list[ast.expr]) -> Any:
        template, args = "", []
        for part in values:
            match part:
                case ast.Constant(value=text):
                    template += template_of(str(text))
                case ast.FormattedValue(value=inner):
                    value = self.resolve(self.eval(inner))
                    if isinstance(value, RScalar):
                        template += "{}"
                        args.append(value.expr)
                    elif isinstance(value, RuntimeString):
                        template += value.template
                        args.extend(value.args)
                    elif isinstance(value, (RArray, RList, Choice)) or contains_runtime(value):
                        template += "..."
                    else:
                        spec = "" if part.format_spec is None else self.eval(part.format_spec)
                        text = self.native(lambda v=value, s=spec: format(v, s))
                        if part.conversion == 114:
                            text = repr(value)
                        template += template_of(text)
                case _:
                    template += "..."
        if args:
            return RuntimeString(template, tuple(args))
        return template.replace("{{", "{").replace("}}", "}")

    def format_percent(self, symbol: str, a: Any, b: Any) -> Any:
        if isinstance(a, str) and symbol == "%" and not contains_runtime(b) and not isinstance(b, RuntimeString):
            return self.native(lambda: a % b)
        parts: list[Expr] = []
        text = ""
        for v in (a, b):
            if isinstance(v, RuntimeString):
                text += v.template
                parts.extend(v.args)
            elif isinstance(v, RScalar):
                text += " {}"
                parts.append(v.expr)
            else:
                text += template_of(v) if isinstance(v, str) else " ..."
        return RuntimeString(text, tuple(parts))


_comprehensions: dict[ast.AST, ast.FunctionDef] = {}
_UNBOUND = "cannot access local variable '{}' where it is not associated with a value"
_STAGED = re.compile(
    r"\b(RScalar|RArray|RList|RRange|RIter|RuntimeString|Choice|MaybeUnbound|Poison|BoundMethod|Closure)\b"
)


def _choice_in(key: Any) -> Choice | None:
    """A value of several possible kinds in an index."""
    if isinstance(key, Choice):
        return key
    parts = key if isinstance(key, tuple) else (key.start, key.stop, key.step) if isinstance(key, slice) else ()
    return next((found for p in parts if (found := _choice_in(p)) is not None), None)


def _replaced(key: Any, old: Choice, new: Any) -> Any:
    """The index with `new` in place of `old`."""
    if key is old:
        return new
    if isinstance(key, tuple):
        return tuple(_replaced(k, old, new) for k in key)
    if isinstance(key, slice):
        return slice(*(_replaced(k, old, new) for k in (key.start, key.stop, key.step)))
    return key


def _staged_number(value: Any) -> bool:
    return isinstance(value, (RScalar, RArray))


_SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.MatMult: "@",
}  # fmt: skip
_UNARY = {"-": "__neg__", "+": "__pos__", "~": "__invert__"}
_RELATIONS = {"==": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}
_COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
}  # fmt: skip
_METHODS: dict[str, tuple[str, str]] = {
    "+": ("__add__", "__radd__"), "-": ("__sub__", "__rsub__"), "*": ("__mul__", "__rmul__"),
    "/": ("__truediv__", "__rtruediv__"), "//": ("__floordiv__", "__rfloordiv__"), "%": ("__mod__", "__rmod__"),
    "**": ("__pow__", "__rpow__"), "@": ("__matmul__", "__rmatmul__"), "&": ("__and__", "__rand__"),
    "|": ("__or__", "__ror__"), "^": ("__xor__", "__rxor__"), "<<": ("__lshift__", "__rlshift__"),
    ">>": ("__rshift__", "__rrshift__"),
}  # fmt: skip


__all__ = ["Interp", "mathlib", "numpy_api"]
