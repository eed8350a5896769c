"""The table of functions and methods with a meaning of their own on runtime values.

A handler takes the interpreter and the staged arguments, and returns a staged value:

    @handles(np.trace)
    def trace(interp: Interp, a: Any, offset: Any = 0) -> Any: ...

Handlers are found by the function object; `method("sum")` registers a method of runtime arrays and NumPy scalars.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Handler = Callable[..., Any]

HANDLERS: dict[Any, Handler] = {}
METHODS: dict[str, Handler] = {}
ATTRIBUTES: dict[str, Handler] = {}
CALLABLES: dict[type, Handler] = {}  # callable objects by their type: handler(interp, object, args, kwargs)


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """Register the handler of Python or NumPy functions."""

    def register(handler: Handler) -> Handler:
        for function in functions:
            HANDLERS[function] = handler
        return handler

    return register


def method(*names: str) -> Callable[[Handler], Handler]:
    """Register a method of runtime arrays: handler(interp, array, *args, **kwargs)."""

    def register(handler: Handler) -> Handler:
        for name in names:
            METHODS[name] = handler
        return handler

    return register


def attribute(*names: str) -> Callable[[Handler], Handler]:
    """Register an attribute of runtime arrays: handler(interp, array)."""

    def register(handler: Handler) -> Handler:
        for name in names:
            ATTRIBUTES[name] = handler
        return handler

    return register
