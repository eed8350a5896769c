"""Comprehensions, as the loops they abbreviate."""

from __future__ import annotations

import ast
from typing import Any

from .frame import Frame
from .interp import Interp
from .values import RGenerator


class Comprehensions(Interp):
    """Makes lists and dicts by comprehension. A part of the interpreter."""

    def comprehension(self, node: Any) -> Any:
        """List comprehensions, and generator expressions that are taken whole at once: the loops they abbreviate."""
        name = _located(node, ast.Name("$list", ast.Load()))
        append = _located(node, ast.Attribute(name, "append", ast.Load()))
        body = _located(node, ast.Expr(_located(node, ast.Call(append, [node.elt], []))))
        return self._comprehend(node, node.generators, name, self.new_list(node, []), body)

    def dict_comprehension(self, node: ast.DictComp) -> Any:
        name = _located(node, ast.Name("$dict", ast.Load()))
        target = _located(node, ast.Subscript(name, node.key, ast.Store()))
        body = _located(node, ast.Assign([target], node.value))
        return self._comprehend(node, node.generators, name, self.stage.note_created({}), body)

    def generator_expression(self, node: ast.GeneratorExp) -> RGenerator:
        """A generator whose body has not begun; what it goes through first is known already."""
        first = _located(node, ast.Name("$first", ast.Load()))
        body = _located(node, ast.Expr(_located(node, ast.Yield(node.elt))))
        over = node.generators[0]
        rest = [ast.comprehension(over.target, first, over.ifs, over.is_async), *node.generators[1:]]
        frame = self._scope(node, rest, first, self.eval(over.iter), body)
        return self.make_generator(frame)

    def _comprehend(
        self, node: ast.expr, generators: list[ast.comprehension], result: ast.Name, value: Any, body: ast.stmt
    ) -> Any:
        """Run `body` for every turn of the generators in a scope of its own, in which `result` is `value`."""
        self.run_frame(self._scope(node, generators, result, value, body))
        return value

    def _scope(
        self, node: ast.expr, generators: list[ast.comprehension], given: ast.Name, value: Any, body: ast.stmt
    ) -> Frame:
        """An activation that runs `body` for every turn of the generators, with `given` bound to `value`."""
        cached = self.comprehensions.get(node)
        if cached is None:
            for g in reversed(generators):
                for test in reversed(g.ifs):
                    body = _located(node, ast.If(test, [body], []))
                body = _located(node, ast.For(g.target, g.iter, [body], []))
            arguments = ast.arguments([], [ast.arg(given.id)], None, [], [], None, [])
            outside = [_located(node, ast.Nonlocal(names))] if (names := _named(generators, body)) else []
            cached = _located(node, ast.FunctionDef("<comprehension>", arguments, [*outside, body], []))
            self.comprehensions[node] = cached
        if node in self.stage.decisions.static_lists:
            self.stage.unrolled.update(n for n in ast.walk(cached) if isinstance(n, ast.For))
        outer = self.frame
        frame = Frame("<comprehension>", cached, outer.source, outer.globals, len(self.frames), None, outer, outer.cls)
        frame.locals[given.id] = value
        return frame


def _named(generators: list[ast.comprehension], body: ast.stmt) -> list[str]:
    """What `:=` binds inside a comprehension: names of the function around it."""
    inside = (n for part in (*generators, body) for n in ast.walk(part))
    return sorted({n.target.id for n in inside if isinstance(n, ast.NamedExpr)})


def _located(at: ast.AST, node: Any) -> Any:
    ast.copy_location(node, at)
    return node
