"""Calls: of staged functions (inlined), handlers, classes and plain Python; attributes; comprehensions."""

from __future__ import annotations

import ast
import dataclasses
import enum
import functools
import importlib
import inspect
import math
import types
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.ir.nodes import ZERO, Extent
from wengert.ir.types import I64

from . import arrays, structs
from .control import ExitNow
from .externals import Held, Outside
from .frame import Frame, PyRaise
from .registry import ATTRIBUTES, CALLABLES, HANDLERS, METHODS
from .source import FunctionNode, find, scope_of
from .stage import Stage
from .subclasses import SubArray, array_of, call_numpy, check_sure, like, source_of
from .subclasses import attribute as instance_attribute
from .values import (
    MISSING,
    BoundMethod,
    Choice,
    Closure,
    MaybeUnbound,
    RArray,
    RList,
    RScalar,
    RuntimeString,
    contains_runtime,
)

if TYPE_CHECKING:
    from .interp import Interp

MAX_DEPTH = 200
_LIBRARIES = {
    "numpy", "scipy", "math", "cmath", "builtins", "operator", "itertools", "functools", "collections", "dataclasses",
    "enum", "abc", "copy", "types", "typing", "warnings", "logging", "sys", "os", "datetime", "wengert",
}  # fmt: skip
_OF_INTEGERS = (math.factorial, math.comb, math.perm, math.gcd, math.lcm, math.isqrt)  # computed while staging


class Calls:
    """Mixed into the interpreter."""

    stage: Stage

    # -- calls -----------------------------------------------------------------------------------------------

    def eval_call(self: Interp, node: ast.Call, hint: str) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            return self.super_object()
        fn = self.eval(node.func)
        args: list[Any] = []
        for a in node.args:
            if isinstance(a, ast.Starred):
                args.extend(self.static_iterable(self.eval(a.value)))
            else:
                args.append(self.eval(a))
        kwargs: dict[str, Any] = {}
        for k in node.keywords:
            value = self.eval(k.value)
            if k.arg is None:
                kwargs.update(value)
            else:
                kwargs[k.arg] = value
        self.call_node, self.name_hint = node, hint
        return self.call(fn, args, kwargs)

    def super_object(self: Interp) -> Any:
        frame = self.frame
        while frame.cls is None and frame.parent is not None:
            frame = frame.parent
        first = frame.node.args.args[0].arg if frame.node.args.args else None
        if frame.cls is None or first is None:
            raise PyRaise(RuntimeError("super(): no arguments"))
        owner = frame.locals[first]
        if isinstance(owner, SubArray):
            reason = "super() in a method of a subclass of ndarray is not supported"
            raise self.stage.refuse(reason, "name the base class's method")
        return super(frame.cls, owner)

    def call(self: Interp, fn: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Call a staged value."""
        fn = self.resolve(fn)
        if isinstance(fn, Choice):
            return self.over_choice(lambda f: self.call(f, args, kwargs), fn)
        args = [self.resolve(a) for a in args]
        kwargs = {k: self.resolve(v) for k, v in kwargs.items()}
        match fn:
            case Closure():
                return self.call_closure(fn, args, kwargs)
            case BoundMethod(owner, name):
                several = self.has_subclasses and isinstance(owner, RArray)
                source = source_of([*args, *kwargs.values()]) if several else None
                if source is None:
                    return self.call_method(owner, name, args, kwargs)
                plain = {k: array_of(v) for k, v in kwargs.items()}
                result = self.call_method(owner, name, [array_of(a) for a in args], plain)
                return like(self, result, source, sure=False)
            case types.MethodType():
                return self.call(fn.__func__, [fn.__self__, *args], kwargs)
            case functools.partial():
                return self.call(fn.func, [*fn.args, *args], {**fn.keywords, **kwargs})
            case types.MethodWrapperType():
                return self.call(getattr(type(fn.__self__), fn.__name__), [fn.__self__, *args], kwargs)
            case _:
                pass
        if self.has_subclasses and (_of_arrays(fn)) and source_of([*args, *kwargs.values()]) is not None:
            return call_numpy(self, fn, args, kwargs)
        special = CALLABLES.get(type(fn))
        if special is not None:
            return special(self, fn, args, kwargs)
        handler = _lookup(fn)
        if handler is not None:
            return self.handled(handler, args, kwargs)
        if isinstance(fn, np.ufunc):
            from .numpy_api import ufuncs

            return ufuncs.call_ufunc(self, fn, *args, **kwargs)
        if isinstance(fn, type):
            return self.instantiate(fn, args, kwargs)
        if isinstance(fn, types.FunctionType):
            return self.call_function(fn, args, kwargs)
        inner = getattr(fn, "_implementation", None) or getattr(fn, "__wrapped__", None)
        if isinstance(inner, types.FunctionType):
            return self.call(inner, args, kwargs)
        if _impure(fn):
            raise self.stage.refuse(
                f"{getattr(fn, '__qualname__', fn)} depends on or changes the world outside the program",
                "call it outside and pass the result as an argument",
            )
        if not contains_runtime(args) and not contains_runtime(kwargs):
            return self.adopt(self.native(lambda: fn(*args, **kwargs)))
        method = inspect.getattr_static(type(fn), "__call__", None)
        if isinstance(method, types.FunctionType):
            return self.call(method, [fn, *args], kwargs)
        if fn in _OF_INTEGERS and all(isinstance(a, int) or (isinstance(a, RScalar) and a.dtype is I64) for a in args):
            known = [self.known_int(a, f"the argument of {fn.__name__}") for a in args]
            return self.native(lambda: fn(*known))
        name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None) or type(fn).__name__
        module = getattr(fn, "__module__", None)
        raise self.stage.refuse(
            f"{module + '.' if module else ''}{name} has no counterpart for run-time data",
            "use the NumPy functions listed in the documentation, or write it out in Python",
        )

    def known_int(self: Interp, value: Any, reason: str) -> Any:
        """A value, known while staging if it is a run-time integer."""
        return self.stage.static_int(value.expr, reason) if isinstance(value, RScalar) else value

    def handled(self: Interp, handler: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        try:
            bound = inspect.signature(handler).bind(self, *args, **kwargs)
        except TypeError as error:
            if not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(handler).parameters.values()):
                reason = f"this call is not supported with these arguments ({error})"
                raise self.stage.refuse(reason, "use the arguments listed in the documentation") from None
            raise
        return handler(*bound.args, **bound.kwargs)

    def adopt(self: Interp, value: Any) -> Any:
        """A value that Python itself computed from static ones."""
        if isinstance(value, np.ndarray):
            return self.as_array(value) if value.dtype.kind in "biufc" else value
        if isinstance(value, (list, dict)):
            self.stage.note_created(value)
        elif hasattr(value, "__dict__") and not isinstance(value, (type, types.ModuleType, types.FunctionType)):
            self.stage.note_created(value.__dict__)
        return value

    # -- functions -------------------------------------------------------------------------------------------

    def make_closure(self: Interp, node: Any, name: str) -> Closure:
        defaults = tuple(self.settle(self.eval(d)) for d in node.args.defaults)
        kw = {
            a.arg: self.settle(self.eval(d))
            for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if d is not None
        }
        return Closure(node, self.frame, name, defaults, kw, self.frame.source)

    def call_closure(self: Interp, fn: Closure, args: list[Any], kwargs: dict[str, Any]) -> Any:
        parent: Frame = fn.frame
        frame = Frame(fn.name, fn.node, fn.source, parent.globals, len(self.frames), None, parent, parent.cls)
        self.bind(frame, fn.defaults, fn.kw_defaults, args, kwargs)
        return self.run_bound(fn, frame)

    def call_function(self: Interp, fn: types.FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        found = find(fn)
        if found is None:
            wrapped = getattr(fn, "__wrapped__", None)
            if isinstance(wrapped, types.FunctionType):
                return self.call_function(wrapped, args, kwargs)
            if not contains_runtime(args) and not contains_runtime(kwargs):
                return self.adopt(self.native(lambda: fn(*args, **kwargs)))
            raise self.stage.refuse(f"the source of {fn.__qualname__} cannot be found", "define it in a file")
        source, node = found
        if any(isinstance(n, (ast.Yield, ast.YieldFrom, ast.Await)) for n in _own_nodes(node)):
            raise self.stage.refuse(f"{fn.__qualname__} is a generator", "return a list instead")
        frame = Frame(fn.__qualname__, node, source, fn.__globals__, len(self.frames), fn, None, _class_of(fn, args))
        self.bind(frame, fn.__defaults__ or (), fn.__kwdefaults__ or {}, args, kwargs)
        self.record_source(fn)
        return self.run_bound(fn, frame)

    def run_bound(self: Interp, identity: Any, frame: Frame) -> Any:
        """Run a frame whose arguments are bound: in place, or as a call of an IR function."""
        names = list(frame.locals)

        def inline(values: list[Any]) -> Any:
            bound = dict(zip(names, values, strict=True))
            return self.run_frame(dataclasses.replace(frame, locals=bound, depth=len(self.frames), returns=None))

        return self.maybe_function(identity, frame.name, list(frame.locals.values()), inline)

    def run_frame(self: Interp, frame: Frame) -> Any:
        """Stage the body of a function in place; its value, or ExitNow if it never returns here."""
        if len(self.frames) > MAX_DEPTH:
            raise PyRaise(RecursionError("maximum recursion depth exceeded"))
        self.stage.note_created(frame.locals)
        caller_span = self.stage.span
        loops, self.loops = self.loops, []
        self.frames.append(frame)
        self.frames_by_locals[id(frame.locals)] = frame
        try:
            if isinstance(frame.node, ast.Lambda):
                return self.eval(frame.node.body)
            frame.returns = self.target("return")

            def run() -> bool:
                if self.exec_block(frame.node.body):  # type: ignore[arg-type]
                    self.stage.write(frame.locals, "$ret", None)
                    self.bodies[-1].exits.add(frame.returns)  # type: ignore[arg-type]
                return False

            path = self.body(run)
        finally:
            self.frames.pop()
            self.loops = loops
            self.stage.span = caller_span
        outer = frozenset(t for t in path.exits if t is not frame.returns)
        result = frame.locals.get("$ret", None)
        if not scope_of(frame.node).captured:
            self.stage.forgotten.add(id(frame.locals))
        if frame.returns not in path.exits:
            self.bodies[-1].exits |= outer
            raise ExitNow
        self.guard(outer)
        if isinstance(result, MaybeUnbound):
            result = result.value  # every path that gets here has returned
        return self.use(result, "the result of " + frame.name)

    def bind(
        self: Interp,
        frame: Frame,
        defaults: Sequence[Any],
        kw_defaults: Mapping[str, Any],
        args: list[Any],
        kwargs: dict[str, Any],
    ) -> None:
        """Bind arguments to parameters as Python does."""
        a, name = frame.node.args, frame.name.rpartition(".")[2]
        positional = [*a.posonlyargs, *a.args]
        names = [p.arg for p in positional]
        kwargs = dict(kwargs)
        if len(args) > len(names) and a.vararg is None:
            raise PyRaise(TypeError(f"{name}() takes {len(names)} positional arguments but {len(args)} were given"))
        values = dict(zip(names, args, strict=False))
        extra = tuple(args[len(names) :])
        keyword_names = {p.arg for p in [*a.args, *a.kwonlyargs]}
        rest: dict[str, Any] = {}
        for k, v in kwargs.items():
            if k in keyword_names:
                if k in values:
                    raise PyRaise(TypeError(f"{name}() got multiple values for argument '{k}'"))
                values[k] = v
            elif a.kwarg is not None:
                rest[k] = v
            else:
                raise PyRaise(TypeError(f"{name}() got an unexpected keyword argument '{k}'"))
        for k, d in zip(names[len(names) - len(defaults) :], defaults, strict=True):
            if k not in values:
                values[k] = self.default(frame, d, k)
        for p in a.kwonlyargs:
            if p.arg not in values and p.arg in kw_defaults:
                values[p.arg] = self.default(frame, kw_defaults[p.arg], p.arg)
        missing = [n for n in [*names, *(p.arg for p in a.kwonlyargs)] if n not in values]
        if missing:
            quoted = ", ".join(f"'{m}'" for m in missing)
            raise PyRaise(TypeError(f"{name}() missing {len(missing)} required argument(s): {quoted}"))
        for k, v in values.items():
            frame.locals[k] = self.settle(v, k)
        if a.vararg is not None:
            frame.locals[a.vararg.arg] = tuple(self.settle(v) for v in extra)
        if a.kwarg is not None:
            frame.locals[a.kwarg.arg] = self.stage.note_created({k: self.settle(v, k) for k, v in rest.items()})

    def default(self: Interp, frame: Frame, value: Any, name: str) -> Any:
        if frame.function is None or value is None or frame.globals.get("__name__", "").split(".")[0] in _LIBRARIES:
            return value
        return self.externals.wrap(value, ("default", Held(frame.function), name), name)

    # -- classes and attributes ------------------------------------------------------------------------------

    def instantiate(self: Interp, cls: type, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if issubclass(cls, enum.Enum) or (issubclass(cls, tuple) and cls is not tuple):
            if issubclass(cls, enum.Enum):
                args = [self.known_int(a, "the value of an enum") for a in args]
            return self.native(lambda: cls(*[self.settle(a) for a in args], **kwargs))
        if issubclass(cls, BaseException):
            if contains_runtime(args) or any(isinstance(a, RuntimeString) for a in args):
                text = next((a for a in args if isinstance(a, RuntimeString)), RuntimeString("", ()))
                return PyRaise(cls, text)
            return self.native(lambda: cls(*args, **kwargs))
        init, new = cls.__init__, cls.__new__
        static = not contains_runtime(args) and not contains_runtime(kwargs)
        if static and of_library(cls) and not isinstance(init, types.FunctionType):
            return self.adopt(self.native(lambda: cls(*args, **kwargs)))
        if isinstance(new, types.FunctionType):
            obj = self.call(new, [cls, *args], kwargs)
        elif new is object.__new__:
            obj = self.native(lambda: object.__new__(cls))
        else:
            reason = f"a {cls.__module__}.{cls.__qualname__} is made of run-time data"
            raise self.stage.refuse(reason, "use arrays, numbers, lists and tuples")
        if hasattr(obj, "__dict__"):
            self.stage.note_created(obj.__dict__)
        self.stage.keep_alive.append(obj)
        if dataclasses.is_dataclass(cls) and isinstance(init, types.FunctionType) and find(init) is None:
            self.dataclass_init(cls, obj, args, kwargs)
        elif isinstance(init, types.FunctionType):
            self.call(init, [obj, *args], kwargs)
        elif (args or kwargs) and not isinstance(new, types.FunctionType):
            raise PyRaise(TypeError(f"{cls.__name__}() takes no arguments"))
        return obj

    def dataclass_init(self: Interp, cls: Any, obj: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        """The generated __init__ of a dataclass."""
        fields = [f for f in dataclasses.fields(cls) if f.init]
        positional = [f.name for f in fields if not f.kw_only]
        if len(args) > len(positional):
            counts = f"takes {len(positional)} positional arguments but {len(args)} were given"
            raise PyRaise(TypeError(f"{cls.__name__}() {counts}"))
        values = {**dict(zip(positional, args, strict=False)), **kwargs}
        for f in dataclasses.fields(cls):
            if f.name in values and f.init:
                value = values.pop(f.name)
            elif f.default is not dataclasses.MISSING:
                value = f.default
                if not isinstance(value, (int, float, str)):
                    value = self.externals.wrap(value, ("default", Held(cls), f.name), f.name)
            elif f.default_factory is not dataclasses.MISSING:
                value = self.call(f.default_factory, [], {})
            elif f.init:
                raise PyRaise(TypeError(f"{cls.__name__}() missing required argument: '{f.name}'"))
            else:
                continue
            self.stage.write(obj.__dict__, f.name, self.settle(value, f.name))
        if values:
            raise PyRaise(TypeError(f"{cls.__name__}() got an unexpected keyword argument '{next(iter(values))}'"))
        post = getattr(cls, "__post_init__", None)
        if post is not None:
            self.call(post, [obj], {})

    def get_attribute(self: Interp, owner: Any, name: str) -> Any:
        owner = self.resolve(owner)
        match owner:
            case Choice():
                return self.over_choice(lambda o: self.get_attribute(o, name), owner)
            case SubArray() if name not in owner.__dict__ and name not in type(owner).__dict__:
                return instance_attribute(self, owner, name)
            case SubArray():
                check_sure(self, owner, f"the attribute {name!r}")
            case RArray() | RScalar():
                if name in ATTRIBUTES:
                    return ATTRIBUTES[name](self, owner)
                if name in METHODS or isinstance(owner, RScalar):
                    return BoundMethod(owner, name)
                if hasattr(np.ndarray, name):
                    reason = f"the attribute .{name} of an array is not supported"
                    raise self.stage.refuse(reason, "use NumPy's functions")
                raise PyRaise(AttributeError(f"'numpy.ndarray' object has no attribute '{name}'"))
            case RList() | np.ufunc() | list() | dict() | set():
                if isinstance(owner, np.ufunc) and name not in ("outer", "reduce", "accumulate", "at", "reduceat"):
                    return getattr(owner, name)
                if type(owner) in (list, dict, set, RList) or isinstance(owner, np.ufunc):
                    return BoundMethod(owner, name)
            case np.ndarray():
                return self.get_attribute(self.as_array(owner), name)
            case Closure():
                if name in owner.attributes:
                    return owner.attributes[name]
                if name in ("__name__", "__qualname__"):
                    return owner.name
                raise PyRaise(AttributeError(f"'function' object has no attribute '{name}'"))
            case types.ModuleType():
                value = self.native(lambda: getattr(owner, name))
                if owner.__name__.split(".")[0] in _LIBRARIES or name not in vars(owner):
                    return value
                return self.externals.wrap(value, ("global", Held(vars(owner)), name), name)
            case _:
                pass
        return self.object_attribute(owner, name)

    def object_attribute(self: Interp, owner: Any, name: str) -> Any:
        if isinstance(owner, super):
            return self.native(lambda: getattr(owner, name))
        cls = owner if isinstance(owner, type) else type(owner)
        raw = inspect.getattr_static(cls, name, MISSING)
        if isinstance(owner, type):
            value = self.native(lambda: getattr(owner, name))
            if _is_data(value) and not isinstance(value, enum.Enum) and not of_library(cls):
                return self.externals.wrap(value, ("static", Held(owner), name), name)
            return value
        if isinstance(raw, property) and isinstance(raw.fget, types.FunctionType):
            return self.call(raw.fget, [owner], {})
        if isinstance(raw, functools.cached_property):
            if name not in owner.__dict__:
                self.stage.write(owner.__dict__, name, self.settle(self.call(raw.func, [owner], {}), name))
            return owner.__dict__[name]
        attributes = getattr(owner, "__dict__", None)
        if attributes is not None and name in attributes:
            return self.use(attributes[name], name, _no_attribute(owner, name))
        source: Outside | None = self.externals.outside.get(id(owner))
        if source is not None and name in getattr(source.original, "__dict__", {}):
            return self.use(self.externals.attribute(owner, name), name)
        if raw is MISSING:
            method = getattr(cls, "__getattr__", None)
            if isinstance(method, types.FunctionType):
                return self.call(method, [owner, name], {})
            return self.native(lambda: getattr(owner, name))
        if isinstance(raw, types.FunctionType):
            return types.MethodType(raw, owner)
        if _is_data(raw):
            return self.externals.wrap(raw, ("static", Held(cls), name), name)
        return self.native(lambda: getattr(owner, name))

    def set_attribute(self: Interp, owner: Any, name: str, value: Any, plain: bool = False) -> None:
        """owner.name = value; `plain`: as object.__setattr__ does, whatever the class defines."""
        owner = self.resolve(owner)
        if isinstance(owner, RArray):
            if name in ("real", "imag"):
                self.in_part(owner, name, value)
                return
            if name != "shape":
                raise self.stage.refuse(f"assigning .{name} of an array is not supported", "make a new array")
            from .numpy_api import reshaping

            self.replace(owner, reshaping.reshape(self, owner, value))
            return
        if isinstance(owner, Closure):
            owner.attributes[name] = value
            return
        if isinstance(owner, (type, types.ModuleType, types.FunctionType)):
            reason = f"the attribute {name!r} of {owner.__name__} is assigned"
            raise self.stage.refuse(reason, "keep such state in an instance")
        if isinstance(owner, Choice):
            reason = "an attribute of a value of several possible kinds is assigned"
            raise self.stage.refuse(reason, "test its kind first")
        cls = type(owner)
        raw = inspect.getattr_static(cls, name, MISSING)
        if isinstance(raw, property):
            if raw.fset is None:
                raise PyRaise(AttributeError(f"property '{name}' of '{cls.__name__}' object has no setter"))
            self.call(raw.fset, [owner, value], {})
            return
        setter = getattr(cls, "__setattr__", None)
        if isinstance(setter, types.FunctionType) and find(setter) is not None and not plain:
            self.call(setter, [owner, name, value], {})
            return
        if not plain and dataclasses.is_dataclass(cls) and cls.__dataclass_params__.frozen:
            raise PyRaise(dataclasses.FrozenInstanceError(f"cannot assign to field '{name}'"))
        if isinstance(raw, types.MemberDescriptorType):
            reason = f"the class {cls.__name__} keeps its attributes in __slots__"
            raise self.stage.refuse(reason, "leave __slots__ out")
        if not hasattr(owner, "__dict__"):
            raise PyRaise(AttributeError(f"'{cls.__name__}' object has no attribute '{name}'"))
        if id(owner) in self.externals.outside:
            source = self.externals.outside[id(owner)]
            if name not in owner.__dict__ and name in source.original.__dict__:
                self.externals.attribute(owner, name)
            self.changed_outside.append((owner, name))
        self.stage.write(owner.__dict__, name, self.settle(value, name))

    def in_part(self: Interp, owner: RArray, name: str, value: Any) -> None:
        part = self.get_attribute(owner, name)
        if part.lazy is not None:
            raise self.stage.refuse(f"assigning .{name} of this array is not supported", "make a complex array")
        self.set_item(part, ..., value)

    def replace(self: Interp, old: RArray, new: RArray) -> None:
        """The array object changes (its shape was assigned): rebind the names that hold it."""
        for frame in self.frames:
            for key, value in list(frame.locals.items()):
                if value is old:
                    self.stage.write(frame.locals, key, new)

    def holders(self: Interp, root: Any, more: Iterable[Any] = ()) -> int:
        """How many static locations (and values about to be bound) hold an array in this memory."""
        return sum(isinstance(item, RArray) and item.root is root for item in structs.held(self, more))

    # -- lists, comprehensions -------------------------------------------------------------------------------

    def as_array(self: Interp, value: Any, dtype: Any = None) -> RArray:
        from .numpy_api import create

        return create.as_array(self, value, dtype)

    def matmul(self: Interp, a: Any, b: Any) -> Any:
        if not isinstance(a, (RArray, np.ndarray, list, tuple)):
            method = self.operator_method("@", a, b)
            if method is not None:
                return method()
        from .numpy_api import products

        return products.matmul(self, a, b)

    def new_list(self: Interp, node: ast.AST, items: list[Any]) -> Any:
        """A list made by the program: static, or growable if an earlier attempt saw it grow under run-time control."""
        spec = self.stage.decisions.growable.get(node)
        if spec is not None:
            self.current_list_node = node
            return self.growable(spec, items)
        self.stage.note_created(items)
        self.list_nodes[id(items)] = node
        return items

    def comprehension(self: Interp, node: Any) -> Any:
        """List comprehensions and generator expressions, as the loops they abbreviate."""
        name = _located(node, ast.Name("$list", ast.Load()))
        append = _located(node, ast.Attribute(name, "append", ast.Load()))
        body = _located(node, ast.Expr(_located(node, ast.Call(append, [node.elt], []))))
        return self._comprehend(node, node.generators, name, self.new_list(node, []), body)

    def dict_comprehension(self: Interp, node: ast.DictComp) -> Any:
        name = _located(node, ast.Name("$dict", ast.Load()))
        target = _located(node, ast.Subscript(name, node.key, ast.Store()))
        body = _located(node, ast.Assign([target], node.value))
        return self._comprehend(node, node.generators, name, self.stage.note_created({}), body)

    def _comprehend(
        self: Interp, node: ast.expr, generators: list[ast.comprehension], result: ast.Name, value: Any, body: ast.stmt
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

    def record_source(self: Interp, fn: types.FunctionType) -> None:
        """Remember a staged function: its code is part of what a compilation depends on."""
        self.sources[fn.__code__] = fn

    def length(self: Interp, value: Any) -> Any:
        if isinstance(value, RArray):
            if value.rank == 0:
                raise PyRaise(TypeError("len() of unsized object"))
            return value.shape[0]
        return self.list_length(value)


def of_library(cls: type) -> bool:
    return cls.__module__.split(".")[0] in _LIBRARIES


def _is_data(value: Any) -> bool:
    """Whether a class attribute is a number or container that is read anew at every call."""
    return isinstance(value, (int, float, complex, np.ndarray, list, dict)) and not isinstance(value, bool)


def _impure(fn: Any) -> bool:
    """Whether a call of library code would not give the same every time."""
    owner = getattr(fn, "__self__", None)
    modules = {str(getattr(fn, "__module__", None)), type(owner).__module__, type(fn).__module__}
    if isinstance(owner, types.ModuleType):
        modules.add(owner.__name__)
    impure = ("numpy.random", "random", "time", "os", "posix", "io", "_io", "socket", "subprocess", "secrets", "uuid")
    if any(m == i or m.startswith(i + ".") for m in modules for i in impure):
        return True
    return fn in (open, input, exec, eval, compile, globals, locals, vars, __import__)


def _of_arrays(fn: Any) -> bool:
    """Whether a function takes an instance of an ndarray subclass as the array it is."""
    if isinstance(fn, np.ufunc) or fn in (len, abs, float, int, bool, complex, round, max, min, sum, any, all):
        return True
    return fn is not np.ndarray.__new__ and str(getattr(fn, "__module__", None)).partition(".")[0] in ("numpy", "scipy")


def _lookup(fn: Any) -> Any:
    """The handler of a function; those of SciPy are registered when its first function is met."""
    try:
        handler = HANDLERS.get(fn)
    except TypeError:
        return None
    if handler is None and (getattr(fn, "__module__", None) or "").startswith("scipy."):
        importlib.import_module("wengert.frontend.python.scipy_api")
        handler = HANDLERS.get(fn)
    return handler


def _no_attribute(owner: Any, name: str) -> tuple[str, str]:
    return "AttributeError", f"'{type(owner).__name__}' object has no attribute '{name}'"


def _located(at: ast.AST, node: Any) -> Any:
    ast.copy_location(node, at)
    return node


def _own_nodes(node: FunctionNode) -> list[ast.AST]:
    """The nodes of a function's body without those of inner functions."""
    out: list[ast.AST] = []
    todo: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    while todo:
        n = todo.pop()
        out.append(n)
        if not isinstance(n, (ast.FunctionDef, ast.Lambda, ast.GeneratorExp, ast.ClassDef)):
            todo.extend(ast.iter_child_nodes(n))
    return out


def _class_of(fn: types.FunctionType, args: list[Any]) -> type | None:
    """The class whose body defines a method, for super()."""
    if "__class__" in fn.__code__.co_freevars:
        cell = fn.__closure__[fn.__code__.co_freevars.index("__class__")]  # type: ignore[index]
        return cell.cell_contents
    return None


__all__ = ["I64", "ZERO", "Calls", "Extent", "arrays", "scope_of"]
