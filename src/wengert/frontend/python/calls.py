"""Calls: of staged functions (in place), handlers, classes and plain Python; arguments."""

from __future__ import annotations

import ast
import copy
import dataclasses
import datetime
import functools
import importlib
import inspect
import math
import types
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from wengert.codes import Code
from wengert.ir.types import I64

from . import builtin, cached, numeric, texts
from .control import ExitNow
from .externals import Held
from .frame import Frame, PyRaise
from .generators import is_generator
from .interp import Interp
from .outside import in_library
from .python_values import cell_contents, class_of, is_dict, is_function, is_iterator, is_list, is_ndarray, is_tuple
from .registry import CALLABLES, HANDLERS
from .source import AT_ONCE, called, find, scope_of
from .subclasses import SubArray, array_of, call_numpy, like, source_of
from .values import BoundMethod, Choice, Closure, MaybeUnbound, RArray, RGenerator, RIter, RScalar, contains_runtime

MAX_DEPTH = 200
_OF_KINDS = (isinstance, type, hasattr, getattr, callable, print)  # functions that take any kind of value
_NO_INSTANCES = (type, types.ModuleType, types.FunctionType)
_OF_INTEGERS = (math.factorial, math.comb, math.perm, math.gcd, math.lcm, math.isqrt)  # computed while staging


class Calls(Interp):
    """Calls, and binds arguments. A part of the interpreter."""

    def call_method(self, owner: Any, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
        return builtin.call_method(self, owner, name, args, kwargs)

    def eval_call(self, node: ast.Call, hint: str) -> Any:
        if isinstance(node.func, ast.Name) and node.func.id == "super" and not node.args:
            return self.super_object()
        fn = self.eval(node.func)
        args: list[Any] = []
        for a in node.args:
            if isinstance(a, ast.Starred):
                args.extend(self.static_iterable(self.eval(a.value)))
            elif isinstance(a, ast.GeneratorExp) and called(node) in AT_ONCE and not is_function(fn):
                args.append(self.comprehension(a))
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

    def super_object(self) -> Any:
        frame = self.frame
        while frame.cls is None and frame.parent is not None:
            frame = frame.parent
        first = frame.node.args.args[0].arg if frame.node.args.args else None
        if frame.cls is None or first is None:
            raise PyRaise(RuntimeError("super(): no arguments"))
        owner = frame.locals[first]
        if isinstance(owner, SubArray):
            reason = "super() in a method of a subclass of ndarray is not supported"
            raise self.stage.refuse(reason, "name the base class's method", Code.OBJECT)
        return cast("Any", super(frame.cls, owner))

    def call(self, fn: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
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
            case types.WrapperDescriptorType(__name__="__init__") if args and isinstance(args[0], BaseException):
                return self.handled(HANDLERS[BaseException.__init__], args, kwargs)
            case types.MethodWrapperType():
                return self.call(getattr(type(fn.__self__), fn.__name__), [fn.__self__, *args], kwargs)
            case _:
                pass
        if isinstance(getattr(fn, "__self__", None), str):  # a method of a text
            if fn.__name__ == "format":
                return texts.formatted(self, fn.__self__, args, kwargs)
            args = [self.known_parts(a) for a in args]
        if self.has_subclasses and (_of_arrays(fn)) and source_of([*args, *kwargs.values()]) is not None:
            return call_numpy(self, fn, args, kwargs)
        special = CALLABLES.get(class_of(fn))
        if special is not None:
            return special(self, fn, args, kwargs)
        handler = _lookup(fn)
        if handler is not None or isinstance(fn, np.ufunc):
            for k, a in enumerate(args):
                if not isinstance(a, Choice) or fn in _OF_KINDS:
                    continue
                if fn in (np.iscomplexobj, np.isrealobj):
                    matches = [j for j in self.possible(a) if self.call(fn, [a.alternatives[j]], {})]
                    return self.tag_test(a, matches) if 0 < len(matches) < len(self.possible(a)) else bool(matches)
                if all(isinstance(v, RArray) or numeric.is_number(v) for v in a.alternatives):
                    return self.over_choice(lambda v, k=k: self.call(fn, [*args[:k], v, *args[k + 1 :]], kwargs), a)
        if handler is not None:
            return self.handled(handler, args, kwargs)
        if isinstance(fn, np.ufunc):
            from .numpy_api import ufuncs

            return ufuncs.call_ufunc(self, fn, *args, **kwargs)
        if isinstance(fn, type):
            return self.instantiate(fn, args, kwargs)
        if _impure(fn):
            raise self.stage.refuse(
                f"{getattr(fn, '__qualname__', fn)} depends on or changes the world outside the program",
                "call it outside and pass the result as an argument",
                Code.WORLD,
            )
        if isinstance(fn, types.FunctionType):
            return self.call_function(fn, args, kwargs)
        if class_of(fn).__module__ == "uarray":  # what it wraps picks the arrays out of the arguments
            raise self.stage.refuse(f"{fn.__module__}.{fn.__name__} is not supported", "use another transform")
        if isinstance(fn, cached.CACHED):
            return cached.call(self, fn, args, kwargs)
        inner = getattr(fn, "_implementation", None) or getattr(fn, "__wrapped__", None)
        if isinstance(inner, types.FunctionType):
            return self.call(inner, args, kwargs)
        if fn is None or isinstance(fn, (int, float, complex, str, list, tuple, dict, RScalar, RArray)):
            raise PyRaise(TypeError(f"'{builtin.type_of(fn).__name__}' object is not callable"))
        method = inspect.getattr_static(class_of(fn), "__call__", None)
        if is_function(method):
            return self.call(method, [fn, *args], kwargs)
        if isinstance(getattr(fn, "__self__", None), property):  # setter, deleter
            return self.native(lambda: fn(*args))
        if not contains_runtime(args) and not contains_runtime(kwargs):
            return self.adopt(self.native(lambda: self.unchanging(fn, args, kwargs)))
        if fn in _OF_INTEGERS and all(isinstance(a, int) or (isinstance(a, RScalar) and a.dtype is I64) for a in args):
            known = [self.known_int(a, f"the argument of {fn.__name__}") for a in args]
            return self.native(lambda: fn(*known))
        name = getattr(fn, "__qualname__", None) or getattr(fn, "__name__", None) or type(fn).__name__
        module = getattr(fn, "__module__", None)
        raise self.stage.refuse(
            f"{module + '.' if module else ''}{name} has no counterpart for run-time data",
            "use the NumPy functions listed in the documentation, or write it out in Python",
        )

    def unchanging(self, fn: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        """Python's own call of a function that is not staged: it must not change its object or arguments where the
        change would have to be undone or repeated."""
        involved = [getattr(fn, "__self__", None), *args, *kwargs.values()]
        held = [(v, copy.copy(v)) for v in involved if _is_changeable(v) and not self.stage.may_change(v)]
        result = fn(*args, **kwargs)
        for value, before in held:
            if not _same(before, value):
                reason = f"a {class_of(value).__name__} is changed under run-time control"
                raise self.stage.refuse(reason, "use a list, a dict or an array")
        return result

    def known_parts(self, value: Any) -> Any:
        """An argument of a method of a text, with texts in it as Python's own."""
        if is_list(value) or is_tuple(value) or isinstance(value, (RGenerator, RIter)):
            return [texts.known(self, v) for v in self.static_iterable(value)]
        return texts.known(self, value)

    def known_int(self, value: Any, reason: str) -> Any:
        """A value, known while staging if it is a run-time integer."""
        return self.stage.static_int(value.expr, reason) if isinstance(value, RScalar) else value

    def handled(self, handler: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        try:
            bound = inspect.signature(handler).bind(self, *args, **kwargs)
        except TypeError as error:
            if not any(p.kind is p.VAR_KEYWORD for p in inspect.signature(handler).parameters.values()):
                reason = f"this call is not supported with these arguments ({error})"
                raise self.stage.refuse(reason, "use the arguments listed in the documentation") from None
            raise
        return handler(*bound.args, **bound.kwargs)

    def adopt(self, value: Any) -> Any:
        """A value that Python itself computed from static ones."""
        if is_ndarray(value):
            return self.as_array(value) if value.dtype.kind in "biufc" else value
        if is_list(value) or is_dict(value) or is_iterator(value) or isinstance(value, bytearray):
            self.stage.note_created(value)
        elif hasattr(value, "__dict__") and not issubclass(class_of(value), _NO_INSTANCES):
            self.stage.note_created(value.__dict__)
        return value

    def make_closure(self, node: Any, name: str) -> Closure:
        defaults = tuple(self.settle(self.eval(d)) for d in node.args.defaults)
        kw = {
            a.arg: self.settle(self.eval(d))
            for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
            if d is not None
        }
        return Closure(node, self.frame, name, defaults, kw, self.frame.source)

    def call_closure(self, fn: Closure, args: list[Any], kwargs: dict[str, Any]) -> Any:
        parent: Frame = fn.frame
        frame = Frame(fn.name, fn.node, fn.source, parent.globals, len(self.frames), None, parent, fn.cls or parent.cls)
        frame.site = self.call_node
        self.bind(frame, fn.defaults, fn.kw_defaults, args, kwargs)
        result = self.run_bound(fn, frame)
        return cached.kept(self, fn.name, result) if fn.cached else result

    def call_function(self, fn: types.FunctionType, args: list[Any], kwargs: dict[str, Any]) -> Any:
        found = find(fn)
        if found is None:
            wrapped = getattr(fn, "__wrapped__", None)
            if isinstance(wrapped, types.FunctionType):
                return self.call_function(wrapped, args, kwargs)
            static = not contains_runtime(args) and not contains_runtime(kwargs)
            if static or _only_sorts_arguments(fn, args):
                return self.adopt(self.native(lambda: fn(*args, **kwargs)))
            raise self.stage.refuse(
                f"the source of {fn.__qualname__} cannot be found", "define it in a file", Code.SOURCE
            )
        if _of_numpy(fn) and all(map(_is_plain, (*args, *kwargs.values()))):
            return self.adopt(self.native(lambda: fn(*args, **kwargs)))
        source, node = found
        if isinstance(node, ast.AsyncFunctionDef):
            raise self.stage.refuse(f"{fn.__qualname__} is a coroutine", "write an ordinary function", Code.SYNTAX)
        frame = Frame(fn.__qualname__, node, source, fn.__globals__, len(self.frames), fn, None, _class_of(fn, args))
        frame.site = self.call_node
        self.bind(frame, fn.__defaults__ or (), fn.__kwdefaults__ or {}, args, kwargs)
        self.record_source(fn)
        return self.run_bound(fn, frame)

    def run_bound(self, identity: Any, frame: Frame) -> Any:
        """Run a frame whose arguments are bound: in place, or as a call of an IR function."""
        if is_generator(frame.node):
            return self.make_generator(frame)
        names = list(frame.locals)

        def inline(values: list[Any]) -> Any:
            bound = dict(zip(names, values, strict=True))
            return self.run_frame(dataclasses.replace(frame, locals=bound, depth=len(self.frames), returns=None))

        return self.maybe_function(identity, frame.name, list(frame.locals.values()), inline)

    def run_frame(self, frame: Frame) -> Any:
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
            body, returns = frame.node.body, self.target("return")
            frame.returns = returns

            def run() -> bool:
                if self.exec_block(body):
                    self.stage.write(frame.locals, "$ret", None)
                    self.bodies[-1].exits.add(returns)
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
        self,
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

    def default(self, frame: Frame, value: Any, name: str) -> Any:
        if frame.function is None or in_library(frame.globals.get("__name__")):
            return value
        return self.externals.wrap(value, ("default", Held(frame.function), name), name)

    def record_source(self, fn: types.FunctionType) -> None:
        """Remember a staged function: its code is part of what a compilation depends on."""
        self.sources[fn.__code__] = fn


def _is_changeable(owner: Any) -> bool:
    unchanging = (type, types.ModuleType, str, bytes, tuple, frozenset, int, float, complex, range, slice, np.generic)
    return not isinstance(owner, (*unchanging, np.dtype, np.ufunc, np.ndarray, property)) and hasattr(owner, "__len__")


def _same(before: Any, after: Any) -> bool:
    """Whether a container holds what it held, object by object."""
    if is_dict(before):
        return list(before) == list(after) and all(a is b for a, b in zip(before.values(), after.values(), strict=True))
    return len(before) == len(after) and all(a is b or a == b for a, b in zip(before, after, strict=True))


def _impure(fn: Any) -> bool:
    """Whether a call of library code would not give the same every time."""
    owner = getattr(fn, "__self__", None)
    if isinstance(owner, cached.CACHED):  # cache_clear, cache_info
        return True
    modules = {str(getattr(fn, "__module__", None)), type(owner).__module__, type(fn).__module__}
    if isinstance(owner, types.ModuleType):
        modules.add(owner.__name__)
    impure = ("numpy.random", "random", "time", "os", "posix", "io", "_io", "socket", "subprocess", "secrets", "uuid")
    if any(m == i or m.startswith(i + ".") for m in modules for i in impure):
        return True
    if isinstance(owner, type) and issubclass(owner, datetime.date):
        return fn.__name__ in ("now", "today", "utcnow")
    return fn in (open, input, exec, eval, compile, globals, locals, vars, __import__)


def _of_numpy(fn: Any) -> bool:
    """Whether a function is NumPy's or SciPy's: of what staging knows, Python itself computes its results."""
    return str(getattr(fn, "__module__", None)).partition(".")[0] in ("numpy", "scipy")


def _is_plain(value: Any) -> bool:
    """Whether a value is a constant through and through: no run-time data, no objects, no functions of the user's."""
    if is_list(value) or is_tuple(value):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic, np.dtype))


def _of_arrays(fn: Any) -> bool:
    """Whether a function takes an instance of an ndarray subclass as the array it is."""
    if isinstance(fn, np.ufunc) or fn in (len, abs, float, int, bool, complex, round, max, min, sum, any, all):
        return True
    return fn is not np.ndarray.__new__ and _of_numpy(fn)


_SCIPY = {
    "sparse": "scipy_sparse", "_lib": "scipy_sparse", "fft": "scipy_fft", "ndimage": "scipy_filters",
    "signal": "scipy_filters", "spatial": "scipy_distances", "interpolate": "scipy_interpolation",
    "optimize": "scipy_optimize",
}  # fmt: skip
"""Where the handlers of SciPy's packages are; of the others in scipy_api."""


def _lookup(fn: Any) -> Any:
    """The handler of a function; those of SciPy are registered when its first function is met."""
    try:
        handler = HANDLERS.get(fn)
    except TypeError:
        return None
    module: str = getattr(fn, "__module__", None) or ""
    if handler is None and module.startswith("scipy."):
        importlib.import_module(f"{__package__}.{_SCIPY.get(module.split('.')[1], 'scipy_api')}")
        handler = HANDLERS.get(fn)
    return handler


def _only_sorts_arguments(fn: types.FunctionType, args: list[Any]) -> bool:
    """Whether a function without source is the one of scipy.stats that separates shapes, location and scale."""
    return fn.__name__ == "_parse_args" and class_of(args[0]).__module__.startswith("scipy.stats.")


def _class_of(fn: types.FunctionType, args: list[Any]) -> type | None:
    """The class whose body defines a method, for super()."""
    if "__class__" in fn.__code__.co_freevars:
        return cell_contents(fn, "__class__")
    return None
