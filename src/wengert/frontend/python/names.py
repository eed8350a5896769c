"""Names: how a function's locals, enclosing functions, globals and builtins are read and bound."""

from __future__ import annotations

import builtins
import types
from typing import Any

from wengert.codes import Code
from wengert.errors import Unsupported
from wengert.ir import build
from wengert.ir.nodes import Var

from . import arrays
from .externals import Held
from .frame import Frame, PyRaise
from .interp import Interp
from .outside import in_library
from .python_values import cell_contents
from .source import scope_of
from .values import REPORTED, Choice, MaybeUnbound, Poison, RArray, RScalar, template_of

_UNBOUND = "cannot access local variable '{}' where it is not associated with a value"


class Names(Interp):
    """Reads and binds names. A part of the interpreter."""

    def load_name(self, name: str) -> Any:
        frame = self.frame
        while True:
            scope = scope_of(frame.node)
            if name in frame.locals and (name not in scope.global_):
                return self.use(frame.locals[name], name)
            if name in scope.local:
                raise PyRaise(UnboundLocalError(_UNBOUND.format(name)))
            if frame.parent is None:
                break
            frame = frame.parent
        function = frame.function
        if isinstance(function, types.FunctionType) and name in function.__code__.co_freevars:
            position = function.__code__.co_freevars.index(name)
            value = self.externals.wrap(cell_contents(function, name), ("cell", Held(function), position), name)
            return self.use(value, name)
        return self.load_global(frame, name)

    def load_global(self, frame: Frame, name: str) -> Any:
        if name in frame.globals:
            value = frame.globals[name]
            return self.use(self.externals.wrap(value, ("global", Held(frame.globals), name), name), name)
        if not in_library(frame.globals.get("__name__")):
            self.externals.note(("held", Held(frame.globals)), "without", name)
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
            raise self.stage.refuse(value.reason, value.way_out, value.code)
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
        named = name.isidentifier()  # else it is one of ours
        if named and isinstance(value, RArray) and value.root is not None:
            self.stage.user_names.setdefault(value.root.name, name)
        elif named and isinstance(value, RScalar) and isinstance(value.expr, Var):
            self.stage.user_names.setdefault(value.expr.name, name)
        scope = scope_of(frame.node)
        if name in scope.nonlocal_:
            owner = frame.parent
            while owner is not None and name not in scope_of(owner.node).local:
                owner = owner.parent
            if owner is None:
                reason = f"nonlocal {name!r} belongs to a function that has returned"
                raise self.stage.refuse(reason, "return the value instead", Code.WORLD)
            self.stage.write(owner.locals, name, value)
        elif name in scope.global_:
            raise self.stage.refuse(f"the global {name!r} is assigned", "return the value instead", Code.WORLD)
        else:
            self.stage.write(frame.locals, name, value)

    def settle(self, value: Any, hint: str = "t") -> Any:
        """A value fit to be bound: lazy arrays are stored."""
        if isinstance(value, RArray) and value.lazy is not None:
            return arrays.stored(self.stage, value, hint)
        return value

    def settled(self, value: Any) -> Any:
        return self.use(value, "value")
