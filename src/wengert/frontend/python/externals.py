"""Objects that exist before the call: arguments, captured variables, globals. Numbers and arrays among them become
leaves (inputs read anew at every call); everything else is static and guarded."""

from __future__ import annotations

import copy
import enum
import io
import os
import types
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wengert.analysis.affine import constant, iadd, imul
from wengert.codes import Code
from wengert.ir.nodes import Buffer, Const, Expr, Param, Scalar, Var
from wengert.ir.types import C128, F64, I64, DType

from .python_values import (
    attribute_step,
    attributes_of,
    class_of,
    dict_like,
    has_attributes,
    is_dict,
    is_list,
    is_ndarray,
    is_numpy_scalar,
    is_set,
    is_tuple,
    staged_class,
    tuple_like,
)
from .registry import CALLABLES
from .stage import Stage
from .values import Poison, RArray, Root, RScalar

Step = tuple[str, Any]  # ("attr", name), ("item", key), ("dict", name)
# ("arg", k) | ("kw", name) | ("self",) | ("global", Held(dict), name) | ("cell", Held(function), k) |
# ("static", Held(class), name) | ("class", Held(class), name): as it is in the class itself |
# ("default", Held(function or dataclass), name), then steps
Access = tuple[Any, ...]

_BY_IDENTITY = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type, np.ufunc, np.dtype)
_BY_VALUE = (frozenset, range, slice)
_PYTHON_DTYPES: dict[type[Any], DType] = {int: I64, float: F64, complex: C128}
SMALL = 8  # extents up to this are part of the specialisation; larger ones are symbolic


@dataclass(frozen=True)
class Held:
    """An object that an access path starts from, hashed by identity."""

    value: Any

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Held) and self.value is other.value

    def __hash__(self) -> int:
        return id(self.value)


@dataclass(eq=False)
class Leaf:
    """A number or array of the outside world. `names` are the IR parameters it fills."""

    access: Access
    value: Any
    name: str
    key: Any
    scalar: Scalar | None = None
    buffer: Buffer | None = None
    extents: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    root: Root | None = None
    runtime: Any = None


@dataclass(frozen=True, eq=False)
class Guard:
    """A static fact that must still hold: `kind` is "is", "equal", "type", "keys", "len" or "value"."""

    access: Access
    kind: str
    expected: Any


@dataclass(eq=False)
class Outside:
    """Where a proxy of an outside object comes from."""

    original: Any
    access: Access


def leaf_key(value: Any) -> Any:
    """What a compilation depends on about a leaf: its type, dtype, rank and small extents, the sign of an int."""
    if type(value) is int:
        return ("i", (value > 0) - (value < 0))
    if type(value) is float:
        return "f"
    if is_ndarray(value):
        return (value.dtype.str, *[n if n <= SMALL else -1 for n in value.shape])
    if is_numpy_scalar(value):
        return ("s", value.dtype.str)
    return "c" if type(value) is complex else class_of(value)


class Externals:
    """Wraps outside values; one per staging attempt."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.leaves: list[Leaf] = []
        self.by_access: dict[Access, Any] = {}
        self.guards: list[Guard] = []
        self.proxies: dict[int, Any] = {}
        self.outside: dict[int, Outside] = {}
        self.holders: dict[int, Outside] = {}  # by the dict of a proxy's attributes
        self.copies: list[tuple[Any, Any]] = []  # copies of outside objects that Python itself works on: now, before
        self.arrays: dict[int, Leaf] = {}

    def guard(self, access: Access, kind: str, expected: Any) -> None:
        self.guards.append(Guard(access, kind, expected))

    def wrap(self, value: Any, access: Access, name: str) -> Any:
        """The staged counterpart of an outside value."""
        if access in self.by_access:
            return self.by_access[access]
        wrapped = self._wrap(value, access, name)
        self.by_access[access] = wrapped
        return wrapped

    def _wrap(self, value: Any, access: Access, name: str) -> Any:
        if value is None or isinstance(value, (bool, str, bytes, enum.Enum)):
            self.guard(access, "is" if value is None or isinstance(value, (bool, enum.Enum)) else "equal", value)
            return value
        if isinstance(value, (int, float, complex)) and access[0] == "default":
            self.guard(access, "equal", value)
            return value
        if isinstance(value, (int, float, complex, np.generic)):
            return self._number(value, access, name)
        if is_ndarray(value):
            return self._array(value, access, name)
        if issubclass(class_of(value), _BY_IDENTITY) or class_of(value) in CALLABLES:
            self.guard(access, "is", value)
            return value
        if id(value) in self.proxies:
            self.guard(access, "is", value)
            return self.proxies[id(value)]
        if is_tuple(value):
            self.guard(access, "type", (class_of(value), len(value)))
            parts = [self.wrap(v, (*access, ("item", k)), f"{name}_{k}") for k, v in enumerate(value)]
            return tuple_like(class_of(value), parts)
        if is_list(value) and class_of(value) is list:
            self.guard(access, "type", (list, len(value)))
            items = [self.wrap(v, (*access, ("item", k)), f"{name}_{k}") for k, v in enumerate(value)]
            return self._proxy(value, items, access)
        if is_dict(value):
            self.stage.interp.check_items(class_of(value))
            self.guard(access, "type", (class_of(value), len(value)))
            self.guard(access, "keys", tuple(value))
            made = {k: self.wrap(v, (*access, ("item", k)), f"{name}_{k}") for k, v in value.items()}
            if getattr(value, "__dict__", None):
                reason = f"a {class_of(value).__qualname__} is a dict with attributes beside its items"
                raise self.stage.refuse(reason, "keep them as items", Code.OBJECT)
            return self._proxy(value, dict_like(value, made), access)
        if class_of(value) is set:
            self.guard(access, "equal", set(value))
            return self._proxy(value, set(value), access)
        if issubclass(class_of(value), _BY_VALUE):
            self.guard(access, "equal", value)
            return value
        if isinstance(value, types.MethodType):
            self.guard(access, "type", (types.MethodType, -1))
            owner = self.wrap(value.__self__, (*access, ("attr", "__self__")), name)
            return types.MethodType(value.__func__, owner) if not isinstance(owner, (RScalar, RArray)) else value
        kind = class_of(value)
        if (
            has_attributes(value)
            and value is not os.environ
            and kind.__module__ != "builtins"
            and not callable_static(value)
        ):
            self.guard(access, "type", (kind, -1))
            try:
                made = object.__new__(staged_class(kind))
            except TypeError:
                self.guard(access, "is", value)
                return value
            return self._proxy(value, made, access)
        return self._opaque(value, access)

    def _opaque(self, value: Any, access: Access) -> Any:
        """An object that is used as it is: what it holds is part of the specialisation, if it can be compared."""
        kind = class_of(value)
        if value is os.environ:
            reason = "os.environ may be different at every call"
            return Poison(reason, "read it outside and pass the value as an argument", self.stage.span, Code.WORLD)
        if issubclass(kind, Iterator) and not issubclass(kind, io.IOBase):
            return Poison(
                f"a {kind.__name__} that exists outside would give something else at every call",
                "make it inside the function, or pass a list",
                self.stage.span,
                Code.WORLD,
            )
        if kind.__eq__ is object.__eq__:
            self.guard(access, "is", value)
            return value
        if kind.__hash__ is not None:
            self.guard(access, "equal", value)
            return value
        try:
            made, found = copy.deepcopy(value), copy.deepcopy(value)
        except Exception:
            self.guard(access, "is", value)
            return value
        self.guard(access, "equal", found)
        self.copies.append((made, found))
        return made

    def check_copies(self) -> None:
        """Refuse that Python itself has changed an object that exists outside."""
        for now, before in self.copies:
            if now != before:
                reason = f"a {class_of(before).__name__} that exists outside is changed"
                raise self.stage.refuse(reason, "change a list, a dict or a set, or return the new value", Code.WORLD)

    def _proxy(self, original: Any, made: Any, access: Access) -> Any:
        self.proxies[id(original)] = made
        self.outside[id(made)] = Outside(original, access)
        if not (is_list(made) or is_dict(made) or is_set(made)):
            self.holders[id(made.__dict__)] = self.outside[id(made)]
        self.stage.keep_alive.append((original, made))
        return made

    def wrap_function(self, fn: Any) -> Any:
        """The function that is called: itself, or for a method of an instance one on the instance's proxy."""
        if isinstance(fn, types.MethodType):
            return types.MethodType(fn.__func__, self.wrap(fn.__self__, ("self",), "self"))
        if isinstance(fn, (types.FunctionType, type)) or not hasattr(fn, "__dict__"):
            return fn
        return fn if callable_static(fn) or type(fn) in CALLABLES else self.wrap(fn, ("function",), "self")

    def attribute(self, proxy: Any, name: str) -> Any:
        """An attribute of an outside instance, read on first use; raises AttributeError."""
        source = self.outside[id(proxy)]
        step = attribute_step(source.original, name)
        wrapped = self.wrap(attributes_of(source.original)[name], (*source.access, step), name)
        proxy.__dict__[name] = wrapped
        return wrapped

    # -- leaves -------------------------------------------------------------------------------------------

    def _number(self, value: Any, access: Access, name: str) -> Any:
        index = len(self.leaves)
        if is_numpy_scalar(value):
            try:
                dtype, python = DType.of(value.dtype), False
            except (KeyError, TypeError):
                self.guard(access, "equal", value)
                return value
        else:
            if class_of(value) not in _PYTHON_DTYPES:
                self.guard(access, "equal", value)
                return value
            dtype, python = _PYTHON_DTYPES[class_of(value)], True
        huge = isinstance(value, int) and not -(2**63) <= value < 2**63
        if index in self.stage.decisions.static_leaves or (dtype is I64 and python and value == 0) or huge:
            self.leaves.append(Leaf(access, value, name, None, runtime=value))
            self.guard(access, "equal", value)
            return value
        unique = self.stage.fresh(name)
        leaf = Leaf(access, value, unique, leaf_key(value), scalar=Scalar(unique, dtype))
        self.leaves.append(leaf)
        self.stage.scalar_types[unique] = dtype
        var: Expr = Var(unique, dtype)
        if isinstance(value, int):
            self.stage.concrete[unique] = value
            if value > 0:
                self.stage.facts.assume(var, 1)
            else:
                self.stage.facts.assume(var, None, -1)
            var = _linear(*self._representative(var, unique))
        leaf.runtime = RScalar(var, python)
        return leaf.runtime

    def _array(self, value: np.ndarray[Any, Any], access: Access, name: str) -> Any:
        if type(value) is not np.ndarray and value.__array_priority__ != 0:
            raise self.stage.refuse(f"{name} is a {type(value).__name__}", "pass a plain numpy.ndarray", Code.DTYPE)
        try:
            dtype = DType.of(value.dtype)
        except (KeyError, TypeError):
            raise self.stage.refuse(
                f"{name} has dtype {value.dtype}, which has no native counterpart",
                "use float32/64, complex64/128, bool or an integer dtype",
                Code.DTYPE,
            ) from None
        same = self.arrays.get(id(value))
        if same is not None and self.stage.decisions.alias_arrays:
            self.guard(access, "same", same.access)
            return same.runtime
        unique = self.stage.fresh(name)
        shape: list[Expr] = []
        extents: list[tuple[int, str]] = []
        for axis, n in enumerate(value.shape):
            if n <= SMALL or (len(self.leaves), axis) in self.stage.decisions.static_extents:
                shape.append(Const(n, I64))
                continue
            symbol = self.stage.fresh(f"{unique}_n{axis}")
            extents.append((axis, symbol))
            var = Var(symbol, I64)
            self.stage.concrete[symbol] = n
            self.stage.facts.assume(var, SMALL + 1)
            chosen, times, more = self._representative(var, symbol)
            low, _ = self.stage.facts.bounds.get(chosen, (None, None))
            if times == 1 and (low is None or (constant(low) or 0) <= SMALL - more):
                self.stage.facts.assume(chosen, SMALL + 1 - more)
            shape.append(_linear(chosen, times, more))
        root = Root(unique, dtype, tuple(shape), fresh=False)
        key = (value.dtype.str, *[n if isinstance(e, Const) else -1 for n, e in zip(value.shape, shape, strict=True)])
        buffer = Buffer(unique, dtype, tuple(shape))
        leaf = Leaf(access, value, unique, key, buffer=buffer, extents=extents, root=root)
        self.leaves.append(leaf)
        self.stage.roots[unique] = root
        self.stage.storages[unique] = buffer
        leaf.runtime = self.stage.whole(root)
        self.arrays[id(value)] = leaf
        return leaf.runtime

    def _representative(self, var: Var, name: str) -> tuple[Var, int, int]:
        """The size that stands for all sizes unified with this one, how many times this one is it, and what it is more.

        It is one that came before, except that a multiple may come before what it is a multiple of."""
        known = self.stage.representatives
        unified = sorted(self.stage.decisions.unified) if name not in known else ()
        for a, times, b, more in unified:
            if a == name and b in known:
                unit, factor, rest = known[b]
                known[name] = unit, times * factor, times * rest + more
            elif b == name and a in known and times == 1:
                unit, factor, rest = known[a]
                known[name] = unit, factor, rest - more
            if name in known:
                return known[name]
        for a, times, b, more in unified:
            if a == name and times > 1:
                unit = Var(b, I64)
                self.stage.facts.assume(unit, 1)
                known[b] = unit, 1, 0
                return known.setdefault(name, (unit, times, more))
        return known.setdefault(name, (var, 1, 0))

    def params(self) -> tuple[Param, ...]:
        """The IR parameters, leaf by leaf: a scalar, or the extents then the buffer."""
        result: list[Param] = []
        for leaf in self.leaves:
            if leaf.scalar is not None:
                result.append(leaf.scalar)
            elif leaf.buffer is not None and leaf.root is not None:
                result.extend(Scalar(symbol, I64) for _, symbol in leaf.extents)
                intent = "inout" if leaf.root.stores else "in"
                result.append(Buffer(leaf.buffer.name, leaf.buffer.dtype, leaf.buffer.shape, False, intent))
        return tuple(result)


def _linear(unit: Var, times: int, more: int) -> Expr:
    return iadd(imul(Const(times, I64), unit), Const(more, I64))


def callable_static(value: Any) -> bool:
    """Whether an outside instance is used as it is (callables of libraries and the like)."""
    return callable(value) and not hasattr(type(value).__call__, "__code__")
