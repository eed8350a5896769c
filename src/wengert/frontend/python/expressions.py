"""Expressions: one case per node of the syntax tree."""

from __future__ import annotations

import ast
from typing import Any

from wengert.codes import Code

from . import texts
from .interp import Interp
from .operators import SYMBOLS
from .values import Choice, RList, RuntimeString, contains_runtime


class Expressions(Interp):
    """Evaluates expressions. A part of the interpreter."""

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
                return self.binary(SYMBOLS[type(op)], a, b)
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
                return self.new_set(self.sequence(elts))
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
            case ast.ListComp():
                return self.comprehension(node)
            case ast.GeneratorExp():
                return self.generator_expression(node)
            case ast.SetComp():
                return self.new_set(self.comprehension(node))
            case ast.DictComp():
                return self.dict_comprehension(node)
            case ast.NamedExpr(target=target, value=value):
                result = self.settle(self.eval(value), target.id)
                self.store_name(target.id, result)
                return result
            case ast.Starred(value=value):
                return self.eval(value)
            case ast.Yield(value=value):
                self.yielded(None if value is None else self.eval(value))
                return None
            case ast.YieldFrom():
                self.yield_from(node)
                return None
            case _:
                reason = f"{type(node).__name__} expressions are not supported"
                raise self.stage.refuse(reason, "write it with ordinary expressions and loops", Code.SYNTAX)

    def new_set(self, items: Any) -> set[Any]:
        """A set of what is known: which run-time numbers are equal is not."""
        if isinstance(items, RList) or any(contains_runtime(v) for v in items):
            raise self.stage.refuse("a set of run-time numbers", "use NumPy arrays", Code.CONTAINER)
        return set(items)

    def sequence(self, elts: list[ast.expr]) -> list[Any]:
        """The values of a display or argument list, starred parts expanded."""
        out: list[Any] = []
        for e in elts:
            if isinstance(e, ast.Starred):
                out.extend(self.static_iterable(self.eval(e.value)))
            else:
                out.append(self.eval(e))
        return out

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

    def format_string(self, values: list[ast.expr]) -> Any:
        parts: list[tuple[Any, str, str]] = []
        for part in values:
            match part:
                case ast.Constant(value=constant):
                    parts.append((str(constant), "", ""))
                case ast.FormattedValue(value=inner, conversion=conversion, format_spec=spec):
                    form = "" if spec is None else texts.known(self, self.eval(spec))
                    parts.append((self.resolve(self.eval(inner)), form, "r" if conversion == ord("r") else ""))
                case _:
                    parts.append((texts.VAGUE, "", ""))
        return self.joined(parts)

    def joined(self, parts: list[tuple[Any, str, str]]) -> Any:
        """A text of values, each with a form and a conversion."""
        for k, (value, form, conversion) in enumerate(parts):
            if isinstance(value, Choice) and all(isinstance(v, (str, int)) for v in value.alternatives):

                def among(v: Any, k: int = k, form: str = form, conversion: str = conversion) -> Any:
                    return self.joined([*parts[:k], (v, form, conversion), *parts[k + 1 :]])

                return self.over_choice(among, value)
        text = texts.Text()
        for value, form, conversion in parts:
            text.add(texts.piece(self, value, form, conversion))
        return text.result()

    def format_percent(self, symbol: str, a: Any, b: Any) -> Any:
        """a % b of a text, or another operation with texts."""
        if symbol == "%" and isinstance(a, str):
            return texts.percent(self, a, b)
        if symbol == "+" and all(isinstance(v, (str, RuntimeString)) for v in (a, b)):
            text = texts.Text()
            for v in (a, b):
                text.add(texts.piece(self, v))
            return text.result()
        return self.binary(symbol, texts.known(self, a), texts.known(self, b))
