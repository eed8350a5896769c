"""Exceptions: raise, try, and what Python itself raises while staging."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from wengert.codes import Code
from wengert.errors import WengertError, exception_name
from wengert.ir import build
from wengert.ir.nodes import Const, Expr, Fail, Load
from wengert.ir.types import I64

from . import texts
from .control import ExitNow, Target
from .decisions import NeedLeafStatic, NeedStatic, Restage
from .frame import USER_ERRORS, PyRaise
from .interp import Interp
from .python_values import class_of, is_function, is_tuple, python_method, tuple_like
from .registry import handles
from .source import liveness_of
from .values import Choice, MaybeUnbound, Poison, RuntimeString, template_of


@dataclass(eq=False)
class Handler:
    """An active try: the exceptions it catches and where they lead."""

    kinds: list[tuple[type[BaseException], ...]]
    target: Target
    which: Any  # cell holding the number of the handler taken
    looks: list[bool]  # whether a handler looks at the exception
    raised: dict[int, Any]  # the exception that a handler looks at, as the journal knows it
    seen: dict[int, PyRaise]


_STAGED = re.compile(
    r"\b(RScalar|RArray|RList|RRange|RIter|RuntimeString|Choice|MaybeUnbound|Poison|BoundMethod|Closure)\b"
)


class Exceptions(Interp):
    """Raises, catches, fails. A part of the interpreter."""

    def exception(self, node: ast.expr | None) -> PyRaise | Choice:
        """The exception that a raise statement raises; one of several, if run-time data decide."""
        if node is None:
            if not self.caught:
                return PyRaise(RuntimeError("No active exception to reraise"))
            value = self.resolve(self.caught[-1])
        else:
            value = self.resolve(self.eval(node))
        if isinstance(value, (PyRaise, Choice)):
            return value
        if isinstance(value, type) and issubclass(value, BaseException):
            return PyRaise(self.instantiate(value, [], {}) if is_function(value.__init__) else value)
        if isinstance(value, BaseException):
            return PyRaise(value)
        raise self.stage.refuse("this raise is not supported", "raise an exception class with a message", Code.SYNTAX)

    def exec_raise(self, node: ast.expr | None) -> bool:
        error = self.exception(node)
        if isinstance(error, PyRaise):
            raise error
        return self._raise_one_of(error, self.possible(error))

    def _raise_one_of(self, errors: Choice, left: tuple[int, ...]) -> bool:
        """Raise the alternative that holds, of those left."""
        value = errors.alternatives[left[0]]
        error = PyRaise(value if isinstance(value, (type, BaseException)) else TypeError(NO_EXCEPTION))
        if len(left) == 1:
            return self.raise_(error)
        holds = self.stage.let(build.eq(errors.tag, Const(left[0], I64)))
        return self.branch(holds, lambda: self.raise_(error), lambda: self._raise_one_of(errors, left[1:]))

    def new_exception(self, kind: type[BaseException], args: list[Any], kwargs: dict[str, Any]) -> BaseException:
        """An exception that holds run-time data, or whose constructor is one of the program."""
        make: Any = kind.__new__
        made: BaseException = make(kind)
        self.stage.note_created(made.__dict__)
        self.stage.keep_alive.append(made)
        set_args(self, made, *args)
        init: Any = kind.__init__
        if is_function(init):
            self.call(init, [made, *args], kwargs)
        return made

    def raise_(self, error: PyRaise) -> bool:
        """The current path raises: to a handler that matches, or out of the program."""
        for handler in reversed(self.handlers):
            for k, kinds in enumerate(handler.kinds):
                if issubclass(error.kind, kinds):
                    handler.seen[k] = error
                    if handler.looks[k]:
                        self.stage.write(handler.raised, k, self._handed(error))
                    self.stage.store_cell(handler.which, Const(k, I64))
                    self.leave(handler.target)
                    return False
        self.fail(error)
        return False

    def _handed(self, error: PyRaise) -> BaseException:
        """The exception as a handler gets it: numbers in its texts stay where they are."""
        made = error.error
        if error.message is not None:
            text = error.message
            known = text.template if not text.args else None
            made = error.kind(known) if known is not None else self.new_exception(error.kind, [text], {})
        elif isinstance(made, type):
            made = made()
        if not self.stage.is_created(made):
            return self.known_exceptions.setdefault((type(made), str(made)), made)
        for name, value in list(made.__dict__.items()):
            if contains_text(value):
                self.stage.write(made.__dict__, name, without_numbers(value))
        return made

    def exec_try(self, node: ast.Try) -> bool:
        kinds = [self._caught_kinds(h) for h in node.handlers]
        looks = [looks_at_exception(h) for h in node.handlers]

        def run() -> bool:
            return self.exec_block(node.body)

        def otherwise() -> bool:
            return self.exec_block(node.orelse)

        def catch(k: int, error: Any) -> bool:
            h = node.handlers[k]
            if h.name:
                self.store_name(h.name, error)
            falls = self.exec_block(h.body)
            if falls and h.name in self.frame.locals:  # as Python does
                self.stage.delete(self.frame.locals, h.name)
            return falls

        def handled() -> bool:
            live = liveness_of(self.frame.node).caught.get(node)
            return self.attempt(kinds, looks, live, run, catch, otherwise if node.orelse else None)

        if not node.finalbody:
            return handled()
        return self.finally_(handled, lambda: self.exec_block(node.finalbody))

    def contained(self, run: Callable[[], bool]) -> bool:
        """Run something as a statement: what it raises is raised here."""
        try:
            return run()
        except ExitNow:
            return False
        except PyRaise as error:
            return self.raise_(error)
        except USER_ERRORS as error:
            return self.raise_(PyRaise(error))

    def finally_(self, run: Callable[[], bool], end: Callable[[], bool]) -> bool:
        """Run something, and whatever comes of it something else at the end."""
        path = self.body(run)
        if not path.falls and not path.exits:
            return False
        if not end():
            return False
        self.bodies[-1].exits |= path.exits
        if path.falls:
            self.guard(path.exits)
        return path.falls

    def attempt(
        self,
        kinds: list[tuple[type[BaseException], ...]],
        looks: list[bool],
        live: set[str] | None,
        body: Callable[[], bool],
        catch: Callable[[int, Any], bool],
        otherwise: Callable[[], bool] | None = None,
    ) -> bool:
        """Run `body` with handlers of these kinds of exceptions; `catch` runs one of them, `otherwise` what follows if
        there was none. `looks`: which want the exception itself; `live`: names read where they are, if known."""
        which = self.stage.cell(I64, "handler", init=Const(-1, I64))
        raised = self.stage.note_created(dict[int, Any]())
        handler = Handler(kinds, self.target("raise", live), which, looks, raised, {})
        if any(looks):
            self.boxes.append(raised)
        try:
            return self._attempt(handler, body, catch, otherwise)
        finally:
            if any(looks):
                self.boxes = [b for b in self.boxes if b is not raised]
                self.stage.forgotten.add(id(raised))

    def _attempt(
        self,
        handler: Handler,
        body: Callable[[], bool],
        catch: Callable[[int, Any], bool],
        otherwise: Callable[[], bool] | None,
    ) -> bool:
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
                falls = body()
            finally:
                self.handlers.remove(handler)
                if escape in self.stage.escapes:
                    self.stage.escapes.remove(escape)
                del self.frames[frames:], self.loops[loops:]
            return otherwise() if falls and otherwise is not None else falls

        path = self.body(run)
        others = frozenset(t for t in path.exits if t is not handler.target)
        if handler.target not in path.exits:
            self.bodies[-1].exits |= others
            if path.falls:
                self.guard(others)
            return path.falls

        def caught() -> bool:
            return self._dispatch(handler, sorted(handler.seen), catch)

        if not path.falls and not others:
            return caught()
        taken = self.stage.let(Load(handler.target.flag.name, (), handler.target.flag.dtype))

        def passed() -> bool:
            self.bodies[-1].exits |= others  # the side where no handler runs may have left, with values of its own
            return path.falls

        return self.branch(taken, caught, passed)

    def _caught_kinds(self, h: ast.ExceptHandler) -> tuple[type[BaseException], ...]:
        kind: Any = BaseException if h.type is None else self.eval(h.type)
        return kind if is_tuple(kind) else (kind,)

    def _dispatch(self, handler: Handler, taken: list[int], catch: Callable[[int, Any], bool]) -> bool:
        k = taken[0]

        def run() -> bool:
            error = handler.raised.get(k, handler.seen[k])
            error = self.resolve(error.value if isinstance(error, MaybeUnbound) else error)  # it is there if we are
            if isinstance(error, Poison):
                raise self.stage.refuse(error.reason, error.way_out, error.code)
            self.caught.append(error)
            try:
                return catch(k, error)
            finally:
                self.caught.pop()

        if len(taken) == 1:
            return run()
        is_k = self.stage.let(build.eq(Load(handler.which.name, (), I64), Const(k, I64)))
        return self.branch(is_k, run, lambda: self._dispatch(handler, taken[1:], catch))

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
        if isinstance(error.error, type):
            return "", ()
        text = text_of(self, error.error)
        return (text.template, text.args) if isinstance(text, RuntimeString) else (template_of(text), ())


NO_EXCEPTION = "exceptions must derive from BaseException"


def looks_at_exception(handler: ast.ExceptHandler) -> bool:
    """Whether a handler names the exception that it handles, or raises it again."""
    again = (isinstance(n, ast.Raise) and n.exc is None for n in ast.walk(handler))
    return handler.name is not None or any(again)


@handles(BaseException.__init__)
def set_args(interp: Interp, error: BaseException, *args: Any) -> None:
    """What the constructor of exceptions does."""
    interp.stage.write(error.__dict__, "args", tuple(interp.settle(a) for a in args))


def text_of(interp: Interp, error: BaseException) -> str | RuntimeString:
    """str() of an exception."""
    if (method := python_method(error, "__str__")) is not None:
        return interp.call(method, [error], {})
    if "args" not in error.__dict__:
        if isinstance(error, KeyError) and error.args:
            return repr(error.args[0])
        return str(error)
    args = error.__dict__["args"]
    if not args:
        return ""
    return interp.call(str, [args[0]], {}) if len(args) == 1 else texts.VAGUE


def contains_text(value: Any) -> bool:
    """Whether run-time numbers are in a text in this value."""
    if isinstance(value, RuntimeString):
        return bool(value.args)
    return is_tuple(value) and any(map(contains_text, value))


def without_numbers(value: Any) -> Any:
    """The same with "..." for run-time numbers in texts."""
    if isinstance(value, RuntimeString):
        return value.template.format(*["..."] * len(value.args))
    return tuple_like(class_of(value), [without_numbers(v) for v in value]) if is_tuple(value) else value
