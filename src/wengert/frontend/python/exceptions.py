"""Exceptions: raise, try, and what Python itself raises while staging."""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.codes import Code
from wengert.errors import WengertError, exception_name
from wengert.ir import build
from wengert.ir.nodes import Const, Expr, Fail, Load
from wengert.ir.types import I64

from .control import ExitNow, Target
from .decisions import NeedLeafStatic, NeedStatic, Restage
from .frame import PyRaise
from .interp import Interp
from .python_values import is_tuple
from .source import liveness_of
from .values import RuntimeString, contains_runtime, template_of


@dataclass(eq=False)
class Handler:
    """An active try: the exceptions it catches and where they lead."""

    kinds: list[tuple[type[BaseException], ...]]
    target: Target
    which: Any  # cell holding the number of the handler taken
    seen: dict[int, PyRaise]


_STAGED = re.compile(
    r"\b(RScalar|RArray|RList|RRange|RIter|RuntimeString|Choice|MaybeUnbound|Poison|BoundMethod|Closure)\b"
)


class Exceptions(Interp):
    """Raises, catches, fails. A part of the interpreter."""

    def exception(self, node: ast.expr | None) -> PyRaise:
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
        raise self.stage.refuse("this raise is not supported", "raise an exception class with a message", Code.SYNTAX)

    def raise_(self, error: PyRaise) -> bool:
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

    def exec_try(self, node: ast.Try) -> bool:
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

            def catch() -> bool:
                return self._dispatch(node, handler, sorted(handler.seen))

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

    def _caught_kinds(self, h: ast.ExceptHandler) -> tuple[type[BaseException], ...]:
        kind: Any = BaseException if h.type is None else self.eval(h.type)
        return kind if is_tuple(kind) else (kind,)

    def _dispatch(self, node: ast.Try, handler: Handler, taken: list[int]) -> bool:
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

    def native(self, run: Callable[[], Any]) -> Any:
        """Run Python itself on static values; its exceptions are the program's."""
        try:
            result = run()
            self.externals.check_copies()
            return result
        except (WengertError, PyRaise, Restage, NeedStatic, NeedLeafStatic, ExitNow):
            raise
        except Exception as error:
            if _STAGED.search(str(error)):
                raise self.stage.refuse(
                    "Python itself meets a run-time value here", "use arrays, numbers and loops instead", Code.OBJECT
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
