"""Operators, comparisons and truth, on values of every kind."""

from __future__ import annotations

import ast
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import FALSE, ZERO, Const, Expr, Var
from wengert.ir.types import BOOL

from . import builtin, numeric, subclasses, texts
from .frame import PyRaise
from .interp import Interp
from .live import current
from .python_values import class_of, is_dict, is_list, is_ndarray, is_sequence, python_method
from .subclasses import SubArray
from .values import BoundMethod, Choice, Closure, MaybeUnbound, RArray, RList, RScalar, RuntimeString, contains_runtime

SYMBOLS: dict[type[ast.operator], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.MatMult: "@",
}  # fmt: skip
_UNARY = {"-": "__neg__", "+": "__pos__", "~": "__invert__"}
_NATIVE_UNARY: dict[str, Callable[[Any], Any]] = {"-": operator.neg, "+": operator.pos, "~": operator.invert}
_RELATIONS = {"==": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}
_MIRRORED = {"==": "==", "!=": "!=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
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


class Operators(Interp):
    """Operators on values of every kind. A part of the interpreter."""

    def binary(self, symbol: str, a: Any, b: Any) -> Any:
        a, b = self.resolve(a), self.resolve(b)
        if isinstance(a, Choice) or isinstance(b, Choice):
            return self.over_choices(lambda x, y: self.binary(symbol, x, y), a, b)
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
                raise self.stage.refuse(
                    f"{symbol} of a list that grows at run time", "use np.array(list)", Code.CONTAINER
                )
        if _staged_number(a) or _staged_number(b):
            if is_sequence(a) and isinstance(b, RScalar) and b.python and symbol == "*":
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
            operands: list[Any] = [a, b]
            foreign = any(is_ndarray(v) and v.dtype.kind not in "biufc" for v in operands)  # dates and text
            if foreign or all(numeric.is_number(v) for v in operands):
                return self.native(lambda: numeric.OPERATORS[symbol][0](a, b))
            return self.binary(symbol, self.as_array(a) if isinstance(a, np.ndarray) else a, self.as_array(b))
        result = self.native(lambda: numeric.OPERATORS[symbol][0](a, b))
        return self.stage.note_created(result) if is_list(result) or is_dict(result) else result

    def binary_of_instances(self, symbol: str, a: Any, b: Any) -> Any:
        """An operation with an instance of an ndarray subclass on a side."""
        forward, reflected = _METHODS[symbol]
        order = [(a, forward, b), (b, reflected, a)]
        if not isinstance(a, SubArray) and (isinstance(a, RArray) or numeric.is_number(a)):
            order.reverse()  # a subclass goes before ndarray, and numbers don't know arrays
        for owner, name, other in order:
            fn = subclasses.defined(self, owner, name)
            if fn is None and not isinstance(owner, SubArray):
                fn = python_method(owner, name)
            if fn is not None:
                return self.call(fn, [owner, other], {})
        result = self.binary(symbol, subclasses.array_of(a), subclasses.array_of(b))
        return subclasses.like(self, result, subclasses.source_of([a, b]))

    def over_choice(self, fn: Callable[[Any], Any], operand: Any) -> Any:
        """Apply an operation to a value of several possible kinds: a branch per kind."""
        return self._over_choices(lambda o: fn(o[0]), [operand])

    def over_choices(self, fn: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
        return self._over_choices(lambda o: fn(o[0], o[1]), [a, b])

    def _over_choices(self, fn: Callable[[list[Any]], Any], operands: list[Any]) -> Any:
        k, choice = next(((k, o) for k, o in enumerate(operands) if isinstance(o, Choice)), (0, None))
        if choice is None:
            return fn(operands)
        first, *rest = self.possible(choice)
        if not rest:
            return fn([*operands[:k], choice.alternatives[first], *operands[k + 1 :]])
        is_first = self.stage.let(build.eq(choice.tag, build.i64(first)))

        def among(*alternatives: int) -> Any:
            before = self.assumed.get(id(choice))
            self.assumed[id(choice)] = alternatives
            try:
                return fn(operands)
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
            fn = python_method(owner, name)
            if fn is not None:
                return functools.partial(self.call, fn, [owner, other], {})
        return None

    def unary(self, op: ast.unaryop, value: Any) -> Any:
        value = self.resolve(value)
        if isinstance(op, ast.Not):
            cond = self.truth(value)
            return (not cond) if isinstance(cond, bool) else RScalar(self.stage.let(build.not_(cond)), True)
        symbol = "-" if isinstance(op, ast.USub) else "+" if isinstance(op, ast.UAdd) else "~"
        if isinstance(value, Choice):
            return self.over_choice(lambda v: self.unary(op, v), value)
        if isinstance(value, SubArray) and subclasses.defined(self, value, _UNARY[symbol]) is None:
            return subclasses.like(self, self.unary(op, subclasses.array_of(value)), value)
        if isinstance(value, (RScalar, RArray)):
            return numeric.unary(self.stage, symbol, value)
        if (method := python_method(value, _UNARY[symbol])) is not None:
            return self.call(method, [value], {})
        return self.native(lambda: _NATIVE_UNARY[symbol](value))

    def matmul(self, a: Any, b: Any) -> Any:
        if not isinstance(a, (RArray, np.ndarray, list, tuple)) or python_method(b, "__rmatmul__") is not None:
            method = self.operator_method("@", a, b)
            if method is not None:
                return method()
        from .numpy_api import products

        return products.matmul(self, a, b)

    def as_array(self, value: Any, dtype: Any = None) -> RArray:
        from .numpy_api import create

        return create.as_array(self, value, dtype)

    def compare(self, node: ast.Compare) -> Any:
        left = self.eval(node.left)
        result: Any = True
        for k, (op, right_node) in enumerate(zip(node.ops, node.comparators, strict=True)):
            if isinstance(op, (ast.In, ast.NotIn)) and isinstance(right_node, ast.Set):
                right: Any = tuple(self.settle(v) for v in self.sequence(right_node.elts))  # looked through one by one
            else:
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
        a, b = current(self.resolve(a)), current(self.resolve(b))
        if isinstance(a, Choice) or isinstance(b, Choice):
            return self.over_choices(lambda x, y: self.relation(symbol, x, y), a, b)
        if isinstance(a, RuntimeString) or isinstance(b, RuntimeString):
            other = b if isinstance(a, RuntimeString) else a
            if isinstance(other, (str, RuntimeString)):
                return self.relation(symbol, texts.known(self, a), texts.known(self, b))
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
            if (compared := self.compared(symbol, a, b)) is not NotImplemented:
                return compared
            if symbol in ("==", "!="):
                return symbol == "!="
            if a is None or b is None:
                kinds = [builtin.type_of(v).__name__ for v in (a, b)]
                reason = f"'{symbol}' not supported between instances of '{kinds[0]}' and '{kinds[1]}'"
                raise PyRaise(TypeError(reason))
        if is_sequence(a) and is_sequence(b) and (contains_runtime(a) or contains_runtime(b)):
            if is_list(a) is not is_list(b) and symbol not in ("==", "!="):
                kinds = [builtin.type_of(v).__name__ for v in (a, b)]
                reason = f"'{symbol}' not supported between instances of '{kinds[0]}' and '{kinds[1]}'"
                raise PyRaise(TypeError(reason))
            if symbol not in ("==", "!="):
                return self.in_order(symbol, a, b)
            result: Any = len(a) == len(b) and is_list(a) is is_list(b)
            if result:
                for x, y in zip(a, b, strict=True):
                    result = self.both(result, self.relation("==", x, y))
            return result if symbol == "==" else self.unary(ast.Not(), result)
        if (compared := self.compared(symbol, a, b)) is not NotImplemented:
            return compared
        return self.native(lambda: numeric.OPERATORS[symbol][0](a, b))

    def compared(self, symbol: str, a: Any, b: Any) -> Any:
        """A comparison by what the class of an operand says, the other one's first if it is more special."""
        order = [(a, symbol, b), (b, _MIRRORED[symbol], a)]
        if class_of(b) is not class_of(a) and issubclass(class_of(b), class_of(a)):
            order.reverse()
        for owner, as_, other in order:
            negated = as_ == "!=" and python_method(owner, "__ne__") is None
            method = python_method(owner, _RELATIONS["==" if negated else as_])
            if method is not None and (found := self.call(method, [owner, other], {})) is not NotImplemented:
                return self.unary(ast.Not(), found) if negated else found
        return NotImplemented

    def in_order(self, symbol: str, a: Sequence[Any], b: Sequence[Any]) -> Any:
        """Whether a stands before (after) b: the first elements that differ decide."""
        if not a or not b:
            return self.native(lambda: numeric.OPERATORS[symbol][0](len(a), len(b)))
        equal = self.relation("==", a[0], b[0])
        if equal is True:
            return self.in_order(symbol, a[1:], b[1:])
        before = self.relation(symbol[0], a[0], b[0])
        if equal is False:
            return before
        try:
            beyond = self.both(equal, self.in_order(symbol, a[1:], b[1:]))
        except PyRaise as error:
            reason = f"sequences are ordered whose elements cannot be where the first are equal ({error.error})"
            raise self.stage.refuse(reason, "compare their elements", Code.CONTAINER) from None
        return self.unary(ast.Not(), self.both(self.unary(ast.Not(), before), self.unary(ast.Not(), beyond)))

    def identical(self, a: Any, b: Any) -> Any:
        for x, y in ((a, b), (b, a)):
            if isinstance(x, Choice) and not isinstance(y, Choice):
                possible = self.possible(x)
                matches = [k for k in possible if self.identical(x.alternatives[k], y) is True]
                if len(matches) in (0, len(possible)):
                    return bool(matches)
                return self.tag_test(x, matches)
        self.externals.identity(a, b)
        return a is b

    def tag_test(self, choice: Choice, matches: Iterable[int]) -> RScalar:
        """Whether one of these alternatives holds: a test that branches on it learn from."""
        cond: Expr = FALSE
        for k in matches:
            cond = build.or_(cond, build.eq(choice.tag, build.i64(k)))
        named = self.stage.let(cond)
        if isinstance(named, Var):
            self.stage.tag_tests[named.name] = (choice, tuple(matches))
        return RScalar(named, True)

    def contains(self, item: Any, container: Any) -> Any:
        container = subclasses.array_of(texts.known(self, current(self.resolve(container))))
        item = texts.known(self, item)
        if isinstance(container, RArray) or (isinstance(container, RList) and not container.parts):
            equal = self.relation("==", self.as_array(container), item)
            return self.call(np.any, [equal], {})
        item = self.resolve(item)
        if isinstance(item, Choice):
            return self.over_choice(lambda k: self.contains(k, container), item)
        if is_dict(container):
            item = self.static_key(item)
            present = container.get(item)
            if isinstance(present, MaybeUnbound):
                return RScalar(present.flag, True)
            return self.native(lambda: item in container)
        varying = is_sequence(container) and contains_runtime(container)
        if varying or (contains_runtime(item) and not isinstance(item, Closure)):
            found: Any = False
            for candidate in self.static_iterable(container):
                same = self.relation("==", item, candidate)
                if same is True:
                    return True
                if same is not False:
                    found = same if found is False else self._either(found, same)
            return found
        if (method := python_method(container, "__contains__")) is not None:
            return self.call(method, [container, item], {})
        plain: Any = container
        return self.native(lambda: item in plain)

    def _either(self, a: Any, b: Any) -> RScalar:
        x, y = (build.const(t, BOOL) if isinstance(t, bool) else t for t in (self.truth(a), self.truth(b)))
        return RScalar(self.stage.let(build.or_(x, y)), True)

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
            if (method := python_method(value, name)) is not None:
                return self.truth(self.call(method, [value], {}))
        return bool(self.native(lambda: bool(value)))

    def _truth_scalar(self, value: Any) -> Any:
        cond = self.truth(value)
        return cond if isinstance(cond, bool) else RScalar(cond, True)


def _staged_number(value: Any) -> bool:
    return isinstance(value, (RScalar, RArray))
