"""Classes defined inside a program: Python's own classes, whose methods are functions of the program."""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import types
from typing import Any

from .closures import Closure
from .frame import Frame
from .interp import Interp
from .registry import handles
from .values import RArray, RList

LOCAL = "$local"
"""The attribute by which a class is known to be made by the program, so that its attributes are no outside data."""


class Classes(Interp):
    """Makes classes. A part of the interpreter."""

    def define_class(self, node: ast.ClassDef) -> None:
        outer = self.frame
        bases = tuple(self.resolve(self.eval(b)) for b in node.bases)
        keywords = {k.arg: self.eval(k.value) for k in node.keywords if k.arg is not None}
        frame = Frame(node.name, _body(node), outer.source, outer.globals, len(self.frames), None, outer, outer.cls)
        self.run_frame(frame)
        held = {k: v for k, v in frame.locals.items() if k != "$ret"}
        for name, value in held.items():
            if isinstance(value, (RArray, RList)):
                reason = f"an array is the attribute {name!r} of a class defined inside the program"
                raise self.stage.refuse(reason, "set it in __init__")
        annotations = {
            s.target.id: ast.unparse(s.annotation)
            for s in node.body
            if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
        }
        names = {"__module__": outer.globals.get("__name__", "__main__"), "__qualname__": f"{outer.name}.{node.name}"}
        marks = {} if any(isinstance(b, enum.EnumMeta) for b in bases) else {LOCAL: True}

        def fill(space: dict[str, Any]) -> None:
            for key, value in {**names, "__annotations__": annotations, **marks, **held}.items():
                space[key] = value

        made: Any = self.native(lambda: types.new_class(node.name, bases, keywords, fill))
        for value in held.values():
            for fn in _functions(value):
                if fn.frame is frame:  # names in methods are not those of the class body
                    fn.frame, fn.cls = outer, made
        for decorator in reversed(node.decorator_list):
            made = self.call(self.eval(decorator), [made], {})
        self.store_name(node.name, made)


@functools.lru_cache(maxsize=10_000)
def _body(node: ast.ClassDef) -> ast.FunctionDef:
    """The body of a class as one of a function that takes nothing."""
    arguments = ast.arguments([], [], None, [], [], None, [])
    return ast.copy_location(ast.FunctionDef(node.name, arguments, node.body, []), node)


def _functions(value: Any) -> list[Closure]:
    held: Any = value
    match value:
        case Closure():
            return [value]
        case property():
            return [f for f in (value.fget, value.fset, value.fdel) if isinstance(f, Closure)]
        case staticmethod() | classmethod():
            inner: Any = held.__func__
            return [inner] if isinstance(inner, Closure) else []
        case functools.cached_property():
            inner = held.func
            return [inner] if isinstance(inner, Closure) else []
        case _:
            return []


@handles(property)
def property_(interp: Interp, fget: Any = None, fset: Any = None, fdel: Any = None, doc: Any = None) -> Any:
    return property(fget, fset, fdel, doc)


@handles(staticmethod)
def staticmethod_(interp: Interp, fn: Any) -> Any:
    return staticmethod(fn)


@handles(classmethod)
def classmethod_(interp: Interp, fn: Any) -> Any:
    return classmethod(fn)


@handles(functools.cached_property)
def cached_property(interp: Interp, fn: Any) -> Any:
    return functools.cached_property(fn)


@handles(dataclasses.dataclass)
def dataclass(interp: Interp, cls: Any = None, /, **options: Any) -> Any:
    if cls is None:
        return functools.partial(dataclasses.dataclass, **options)
    return interp.native(lambda: dataclasses.dataclass(cls, **options))


@handles(dataclasses.field)
def field(interp: Interp, **options: Any) -> Any:
    return interp.native(lambda: dataclasses.field(**options))
