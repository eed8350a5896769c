"""with statements: managers that are classes, functions that yield once, and those of the standard library."""

from __future__ import annotations

import ast
import contextlib
from typing import Any

from wengert.ir import build
from wengert.ir.nodes import FALSE, TRUE, Load
from wengert.ir.types import BOOL

from .generators import Consumer
from .interp import Interp
from .python_values import class_of, python_method
from .source import find
from .values import Closure, RGenerator

_rest: dict[ast.With, ast.With] = {}


class Contexts(Interp):
    """Runs with statements. A part of the interpreter."""

    def exec_with(self, node: ast.With) -> bool:
        item, *others = node.items
        manager = self.resolve(self.eval(item.context_expr))
        body: list[ast.stmt] = node.body
        if others:
            if node not in _rest:
                _rest[node] = ast.copy_location(ast.With(others, node.body), node)
            body = [_rest[node]]

        def inside() -> bool:
            return self.exec_block(body)

        if isinstance(manager, contextlib._GeneratorContextManager):  # pyright: ignore[reportPrivateUsage]
            return self._with_generator(item.optional_vars, manager.__dict__["gen"], body)
        if isinstance(manager, contextlib.suppress):
            kinds: Any = manager.__dict__["_exceptions"]
            return self.attempt([tuple(kinds)], [False], None, inside, lambda k, error: True)
        harmless = _harmless(manager)
        enter, leave = (None if harmless else python_method(manager, name) for name in ("__enter__", "__exit__"))
        value = manager if enter is None else self.call(enter, [manager], {})
        if item.optional_vars is not None:
            self.assign(item.optional_vars, value)
        if leave is None:
            return inside()

        def end() -> bool:
            self.call(leave, [manager, None, None, None], {})
            return True

        if not _looks(leave):
            return self.finally_(inside, lambda: self.contained(end))
        hit = self.stage.cell(BOOL, "raised", init=FALSE)
        hits: list[Any] = []

        def again() -> bool:
            return self.contained(lambda: self.exec_raise(None))

        def catch(k: int, error: Any) -> bool:
            hits.append(error)
            self.stage.store_cell(hit, TRUE)
            stops = self.truth(self.call(leave, [manager, self.call(type, [error], {}), error, None], {}))
            if isinstance(stops, bool):
                return stops or again()
            return self.branch(stops, lambda: True, again)

        def ended() -> bool:
            if not hits:
                return self.contained(end)
            unhurt = self.stage.let(build.not_(Load(hit.name, (), BOOL)))
            return self.branch(unhurt, lambda: self.contained(end), lambda: True)

        def tried() -> bool:
            everything = [(BaseException,)]
            return self.attempt(everything, [True], None, inside, lambda k, e: self.contained(lambda: catch(k, e)))

        return self.finally_(tried, ended)

    def _with_generator(self, target: ast.expr | None, generator: RGenerator, body: list[ast.stmt]) -> bool:
        """The body runs where the generator yields: what it raises is raised there, and when it is left by a return or
        a break the generator goes on."""
        consumer = Consumer(self.frame, lambda item: True, None, len(self.handlers), self.loops, None)

        def take(item: Any) -> bool:
            if target is not None:
                self.assign(target, item)
            return self.exec_block(body)

        def run() -> bool:
            consumer.take = take
            self.run_generator(generator, consumer)
            return True

        path = self.body(lambda: self.contained(run))
        exits = path.exits | consumer.left
        self.bodies[-1].exits |= exits
        if path.falls and consumer.falls:
            self.guard(exits)
        return path.falls and consumer.falls


def _looks(leave: Any) -> bool:
    """Whether an __exit__ looks at the exception, or may stop it."""
    node = leave.node if isinstance(leave, Closure) else (find(leave) or (None, None))[1]
    if not isinstance(node, ast.FunctionDef):
        return True
    named = {a.arg for a in (*node.args.args[1:], *node.args.posonlyargs, node.args.vararg) if a is not None}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id in named:
            return True
        if isinstance(inner, ast.Return) and not (inner.value is None or _is_false(inner.value)):
            return True
    return False


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _harmless(manager: Any) -> bool:
    """Whether a manager is about what is shown, or is dealt with elsewhere."""
    kind = class_of(manager)
    return kind.__module__.split(".")[0] in ("numpy", "warnings") or kind.__name__.startswith("redirect_")
