"""Comprehensions, as the loops they abbreviate."""

from __future__ import annotations

import ast
from typing import Any

from .frame import Frame
from .interp import Interp


class Comprehensions(Interp):
    """Makes lists and dicts by comprehension. A part of the interpreter."""

    def comprehension(self, node: Any) -> Any:
        """List comprehensions and generator expressions, as the loops they abbreviate."""
        name = _located(node, ast.Name("$list", ast.Load()))
        append = _located(node, ast.Attribute(name, "append", ast.Load()))
        body = _located(node, ast.Expr(_located(node, ast.Call(append, [node.elt], []))))
        return self._comprehend(node, node.generators, name, self.new_list(node, []), body)

    def dict_comprehension(self, node: ast.DictComp) -> Any:
        name = _located(node, ast.Name("$dict", ast.Load()))
        target = _located(node, ast.Subscript(name, node.key, ast.Store()))
        body = _located(node, ast.Assign([target], node.value))
        return self._comprehend(node, node.generators, name, self.stage.note_created({}), body)

    def _comprehend(
        self, node: ast.expr, generators: list[ast.comprehension], result: ast.Name, value: Any, body: ast.stmt
    ) -> Any:
        """Run `body` for every turn of the generators in a scope of its own, in which `result` is `value`."""
        cached = self.comprehensions.get(node)
        if cached is None:
            for g in reversed(generators):
                for test in reversed(g.ifs):
                    body = _located(node, ast.If(test, [body], []))
                body = _located(node, ast.For(g.target, g.iter, [body], []))
            arguments = ast.arguments([], [ast.arg(result.id)], None, [], [], None, [])
            cached = _located(node, ast.FunctionDef("<comprehension>", arguments, [body], []))
            self.comprehensions[node] = cached
        if node in self.stage.decisions.static_lists:
            self.stage.unrolled.update(n for n in ast.walk(cached) if isinstance(n, ast.For))
        outer = self.frame
        frame = Frame("<comprehension>", cached, outer.source, outer.globals, len(self.frames), None, outer, outer.cls)
        frame.locals[result.id] = value
        self.run_frame(frame)
        return value


def _located(at: ast.AST, node: Any) -> Any:
    ast.copy_location(node, at)
    return node
