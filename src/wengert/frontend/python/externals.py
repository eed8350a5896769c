"""Objects that exist before the call: arguments, captured variables, globals. Numbers and arrays among them become
leaves (inputs read anew at every call); everything else is static and guarded."""

from __future__ import annotations

import copy
import enum
import functools
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

from .decisions import Restage
from .python_values import (
    attribute_step,
    attributes_of,
    blank,
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
# ("arg", k) | ("kw", name) | ("kwargs",) | ("self",) | ("global", Held(dict), name) | ("cell", Held(function), k) |
# ("held", Held(anything)): it itself | ("class", Held(class or function), name): as it is in its own dict |
# ("default", Held(function or dataclass), name) | ("cached", Held(function), Arguments): its result; then steps
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


@dataclass(frozen=True)
class Constant:
    """An argument that is the same at every call; 1, 1.0 and True differ."""

    value: Any
    kind: type[Any]


@dataclass(frozen=True)
class At:
    """An argument that is outside, or the extent of an array outside along an axis."""

    access: Access
    axis: int | None = None


@dataclass(frozen=True)
class Arguments:
    """What a function outside is called with, by the access to its result."""

    positional: tuple[Constant | At, ...]
    named: tuple[tuple[str, Constant | At], ...]


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
    """A static fact that must still hold. `kind`: "is", "equal", "type" (and length), "keys"; "same" and "differ": it
    is, or is not, what another access leads to; "apart": it is none of what other accesses lead to; "lacks": its dict,
    "unset": the object, "without": the dict that it is, has nothing of this name."""

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
        self.noted: set[tuple[Access, str, Held]] = set()

    def guard(self, access: Access, kind: str, expected: Any) -> None:
        self.guards.append(Guard(access, kind, expected))

    def note(self, access: Access, kind: str, expected: Any) -> None:
        """A guard that several places of the program may need."""
        if (access, kind, Held(expected)) not in self.noted:
            self.noted.add((access, kind, Held(expected)))
            self.guard(access, kind, expected)

    def wrap(self, value: Any, access: Access, name: str) -> Any:
        """The staged counterpart of an outside value."""
        if access in self.by_access:
            return self.by_access[access]
        wrapped = self._wrap(value, access, name)
        self.by_access[access] = wrapped
        return wrapped

    def _wrap(self, value: Any, access: Access, name: str) -> Any:
        if value is None or isinstance(value, (bool, enum.Enum)):
            self.guard(access, "is", value)
            return value
        if isinstance(value, (str, bytes)):
            self.guard(access, "equal", value)
            return self._as_it_is(value, access)
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
            made = self.proxies[id(value)]
            self.guard(access, "same", self.outside[id(made)].access)
            return made
        if class_of(value) is functools.partial:
            return self._partial(value, access, name)
        if is_tuple(value):
            if getattr(value, "__dict__", None):
                reason = f"a {class_of(value).__qualname__} is a tuple with attributes beside its items"
                raise self.stage.refuse(reason, "keep them as items", Code.OBJECT)
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
                made = blank(staged_class(kind))
            except TypeError:
                if kind.__hash__ is None:
                    reason = f"{name} is a {kind.__qualname__}, which has both items and attributes"
                    way_out = "keep what holds the items in an attribute of the class instead"
                    raise self.stage.refuse(reason, way_out, Code.OBJECT) from None
                self.guard(access, "is", value)
                return self._as_it_is(value, access)
            return self._proxy(value, made, access)
        return self._opaque(value, access)

    def _as_it_is(self, value: Any, access: Access) -> Any:
        """A value that stands for itself; attributes that it has are read at every call."""
        if getattr(value, "__dict__", None) is not None:
            self.outside[id(value)] = Outside(value, access)
            self.stage.keep_alive.append(value)
        return value

    def _partial(self, value: functools.partial[Any], access: Access, name: str) -> Any:
        """A function with arguments: each of them is read at every call."""
        self.guard(access, "type", (functools.partial, -1))
        fn = self.wrap(value.func, (*access, ("slot", "func")), name)
        args = self.wrap(value.args, (*access, ("slot", "args")), name)
        keywords = self.wrap(value.keywords, (*access, ("slot", "keywords")), name)
        if not callable(fn):
            return fn
        made = functools.partial(fn, *args, **keywords)
        vars(made).update(vars(value))
        return made

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

    def identity(self, a: Any, b: Any) -> None:
        """Note that the program depends on whether two things outside are one."""
        places = [self._place(a), self._place(b)]
        if places[0] is None or places[1] is None or a is b:
            return
        if self._original(a) is self._original(b):
            self.stage.decisions.alias_arrays = True
            raise Restage
        self.note(places[0], "differ", places[1])

    def _leaf(self, value: Any) -> Leaf | None:
        return next((leaf for leaf in self.leaves if leaf.runtime is value and leaf.buffer is not None), None)

    def _place(self, value: Any) -> Access | None:
        leaf, source = self._leaf(value), self.outside.get(id(value))
        return leaf.access if leaf is not None else None if source is None else source.access

    def _original(self, value: Any) -> Any:
        leaf, source = self._leaf(value), self.outside.get(id(value))
        return leaf.value if leaf is not None else None if source is None else source.original

    def keep_apart(self, changed: Access) -> None:
        """A guard for an object that the program changes: none that is another one now may be it at another call."""
        original = next(source.original for source in self.outside.values() if source.access == changed)
        others = [s.access for s in self.outside.values() if class_of(s.original) is class_of(original)]
        if len(others) > 1:
            self.guard(changed, "apart", tuple(access for access in others if access != changed))

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
        if class_of(fn) is functools.partial:
            return self.wrap(fn, ("function",), "self")
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
                return self._as_it_is(value, access)
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
