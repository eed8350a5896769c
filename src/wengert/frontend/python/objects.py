"""Classes, instances and attributes."""

from __future__ import annotations

import collections
import dataclasses
import enum
import functools
import inspect
import os
import types
from collections.abc import Iterable
from typing import Any

import numpy as np

from wengert.codes import Code

from . import arrays, outside, structs, texts
from .externals import Held
from .frame import PyRaise
from .interp import Interp
from .lists import DICT_SLOTS, JOURNALED, Deque
from .outside import in_library, of_library
from .python_values import (
    blank,
    class_function,
    class_of,
    has_attributes,
    is_dict,
    is_function,
    is_list,
    is_tuple,
    of_dict,
    python_method,
    real_class,
    staged_class,
)
from .registry import ATTRIBUTES, METHODS
from .source import find
from .subclasses import SubArray, check_sure
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
    contains_runtime,
    is_runtime,
)


class Objects(Interp):
    """Makes instances, reads and sets attributes. A part of the interpreter."""

    def instantiate(self, cls: type[Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        bases = cls.__mro__[1:]
        if enum.Enum in bases:
            args = [self.known_int(a, "the value of an enum") for a in args]
        if enum.Enum in bases or tuple in bases:
            return self.native(lambda: cls(*[self.settle(a) for a in args], **kwargs))
        if issubclass(cls, BaseException):
            if contains_runtime(args) or contains_runtime(kwargs) or is_function(cls.__init__):
                return self.new_exception(cls, args, kwargs)
            return self.native(lambda: cls(*args, **kwargs))
        return self.new_instance(cls, args, kwargs)

    def new_instance(self, cls: type[Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
        """An instance of a class of the program."""
        init: Any = cls.__init__
        new: Any = cls.__new__
        static = not contains_runtime(args) and not contains_runtime(kwargs)
        counts = cls is collections.Counter
        if static and of_library(cls) and (counts or not is_function(init)):
            return self.adopt(self.native(lambda: cls(*args, **kwargs)))
        if is_function(new):
            obj = self.call(new, [cls, *args], kwargs)
        elif new is dict.__new__ and (cls is collections.OrderedDict or cls.__module__ != "collections"):
            # what collections.Counter counts is not run-time data
            self.check_items(cls)
            obj = self.stage.note_created(dict.__new__(cls))
        elif new is object.__new__:
            obj = self.native(lambda: object.__new__(staged_class(cls)))
        elif cls is types.SimpleNamespace:
            obj = blank(cls)
        else:
            reason = f"a {cls.__module__}.{cls.__qualname__} is made of run-time data"
            raise self.stage.refuse(reason, "use arrays, numbers, lists and tuples", Code.OBJECT)
        if hasattr(obj, "__dict__"):
            self.stage.note_created(obj.__dict__)
        self.stage.keep_alive.append(obj)
        if cls is types.SimpleNamespace:
            self.namespace_init(obj, args, kwargs)
        elif dataclasses.is_dataclass(cls) and isinstance(init, types.FunctionType) and find(init) is None:
            self.dataclass_init(cls, obj, args, kwargs)
        elif is_function(init):
            outside.entry(self, class_of(obj), "__init__")
            self.call(init, [obj, *args], kwargs)
        elif of_dict(init, "__init__") or cls is collections.OrderedDict:
            self.call_method(obj, "__init__", args, kwargs)
        elif (args or kwargs) and not is_function(new):
            raise PyRaise(TypeError(f"{cls.__name__}() takes no arguments"))
        return obj

    def namespace_init(self, obj: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
        """The attributes of a types.SimpleNamespace: its keywords, after those of a mapping (Python 3.13)."""
        if args:
            raise self.stage.refuse("a SimpleNamespace is made of a mapping", "use keywords", Code.OBJECT)
        for name, value in kwargs.items():
            self.stage.write(obj.__dict__, name, self.settle(value, name))

    def check_items(self, cls: type[Any]) -> None:
        """Refuse a class of dicts of the program that handles items in its own way."""
        if of_library(cls):
            return
        for name in ("__getitem__", "__setitem__", "__delitem__", "__contains__", "__iter__", "__len__"):
            if is_function(getattr(cls, name)):
                reason = f"{cls.__qualname__} is a dict with a {name} of its own"
                raise self.stage.refuse(reason, "keep a dict in an attribute of the class instead", Code.OBJECT)

    def dataclass_init(self, cls: Any, obj: Any, args: list[Any], kwargs: dict[str, Any]) -> None:
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

    def get_attribute(self, owner: Any, name: Any) -> Any:
        owner, name = texts.known(self, self.resolve(owner)), texts.known(self, self.resolve(name))
        if isinstance(name, Choice):
            return self.over_choice(lambda n: self.whole_attribute(owner, n), name)
        match owner:
            case Choice():
                return self.over_choice(lambda o: self.whole_attribute(o, name), owner)
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
                    raise self.stage.refuse(reason, "use NumPy's functions", Code.OBJECT)
                raise PyRaise(AttributeError(f"'numpy.ndarray' object has no attribute '{name}'"))
            case np.ufunc() if name not in ("outer", "reduce", "accumulate", "at", "reduceat"):
                return getattr(owner, name)
            case np.ufunc() | RList():
                return BoundMethod(owner, name)
            case _ if class_of(owner) in (list, dict, set, Deque):
                return BoundMethod(owner, name)
            case _ if is_dict(owner) and name in JOURNALED and not is_function(getattr(class_of(owner), name)):
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
                if (in_library(owner.__name__) and value is not os.environ) or name not in vars(owner):
                    return value
                return self.use(self.externals.wrap(value, ("global", Held(vars(owner)), name), name), name)
            case _:
                pass
        return self.object_attribute(owner, name)

    def whole_attribute(self, owner: Any, name: str) -> Any:
        """An attribute of one of several kinds of arrays; a part of a complex one is copied, to meet others."""
        value = self.get_attribute(owner, name)
        if isinstance(value, RArray) and value.part:
            value = arrays.copy(self.stage, value)
            assert value.root is not None
            value.root.detached = True
        return value

    def object_attribute(self, owner: Any, name: str) -> Any:
        if isinstance(owner, super):
            bound: Any = owner
            behind = outside.entry(self, bound.__self_class__, name, bound.__thisclass__)
            if isinstance(behind.raw, property) and is_function(behind.raw.fget):
                return self.call(behind.raw.fget, [bound.__self__], {})
            if behind.access is not None:
                return self.use(self.externals.wrap(behind.raw, behind.access, name), name)
            found = self.native(lambda: getattr(owner, name))
            builtin = not isinstance(found, (types.MethodType, types.FunctionType, Closure))
            if builtin and isinstance(bound.__self__, BaseException) and name == "__init__":
                return BoundMethod((BaseException.__init__, [bound.__self__], {}), "partial")
            if builtin and is_dict(bound.__self__) and name in {*JOURNALED, *DICT_SLOTS}:
                return BoundMethod(bound.__self__, name)
            return method_of(found, bound.__self__) if isinstance(found, Closure) else found
        if isinstance(owner, (type, types.FunctionType)):
            return self.attribute_of_definition(owner, name)
        cls = class_of(owner)
        raw = inspect.getattr_static(cls, name, MISSING)
        if isinstance(raw, property) and is_function(raw.fget):
            outside.entry(self, cls, name)
            return self.call(raw.fget, [owner], {})
        if name == "__dict__" and has_attributes(owner):
            return outside.whole(self, owner)
        held = outside.attribute(self, owner, name)
        if isinstance(raw, functools.cached_property):
            outside.entry(self, cls, name)
            if isinstance(held, MaybeUnbound):
                held = self.conditional(held.flag, lambda: held.value, lambda: self.call(raw.func, [owner], {}))
                self.stage.write(owner.__dict__, name, held)
            elif held is MISSING:
                held = self.settle(self.call(raw.func, [owner], {}), name)
                self.stage.write(owner.__dict__, name, held)
            return self.use(held, name)
        described = python_method(raw, "__get__")
        if described is not None and (python_method(raw, "__set__") or held is MISSING):
            return self.call(described, [self.descriptor(cls, name, raw), owner, real_class(cls)], {})
        if held is not MISSING:
            if isinstance(held, MaybeUnbound) and raw is not MISSING:  # until it is set, the class has it
                return self.conditional(held.flag, lambda: held.value, lambda: self.class_attribute(owner, name))
            return self.use(held, name, _no_attribute(owner, name))
        if name == "__class__":
            return real_class(cls)
        if isinstance(owner, types.MethodType) and isinstance(owner.__func__, types.FunctionType):
            return self.attribute_of_definition(owner.__func__, name)
        return self.class_attribute(owner, name)

    def attribute_of_definition(self, owner: Any, name: str) -> Any:
        """An attribute of a class or a function."""
        found: Any = MISSING
        if isinstance(owner, types.FunctionType):
            found = outside.of_function(self, owner, name)
        else:
            entry = outside.entry(self, owner, name)
            if (function := class_function(entry.raw)) is not None:
                return method_of(function, owner)
            if entry.access is not None:
                found = self.externals.wrap(entry.raw, entry.access, name)
        return self.native(lambda: getattr(owner, name)) if found is MISSING else self.use(found, name)

    def class_attribute(self, owner: Any, name: str) -> Any:
        """What the class of an instance says of an attribute."""
        cls = class_of(owner)
        entry = outside.entry(self, cls, name)
        raw = entry.raw
        if raw is MISSING or isinstance(raw, types.MemberDescriptorType):
            method = getattr(cls, "__getattr__", None)
            if isinstance(method, types.FunctionType):
                return self.call(method, [owner, name], {})
            if of_dict(method, "__getitem__"):
                return self.get_item(owner, name)
            return self.native(lambda: getattr(owner, name))
        if isinstance(raw, types.FunctionType):
            return types.MethodType(raw, owner)
        if isinstance(raw, Closure):
            return method_of(raw, owner)
        if (function := class_function(raw)) is not None:
            return method_of(function, real_class(cls))
        if is_runtime(raw):
            return self.use(raw, name)
        if entry.access is not None:
            return self.use(self.externals.wrap(raw, entry.access, name), name)
        return self.native(lambda: getattr(owner, name))

    def set_attribute(self, owner: Any, name: Any, value: Any, plain: bool = False) -> None:
        """owner.name = value; `plain`: as object.__setattr__ does, whatever the class defines."""
        owner, name = self.resolve(owner), texts.known(self, self.resolve(name))
        if isinstance(name, Choice):
            self.over_choice(lambda n: self.set_attribute(owner, n, value, plain), name)
            return
        if isinstance(owner, RArray):
            if name in ("real", "imag"):
                self.in_part(owner, name, value)
                return
            if name != "shape":
                raise self.stage.refuse(
                    f"assigning .{name} of an array is not supported", "make a new array", Code.OBJECT
                )
            if any(leaf.runtime is owner for leaf in self.externals.leaves):
                reason = "the shape of an array that comes from outside is assigned, which its owner would see"
                raise self.stage.refuse(reason, "make a new array with reshape", Code.OBJECT)
            from .numpy_api import reshaping

            self.replace(owner, reshaping.reshape(self, owner, value))
            return
        if isinstance(owner, Closure):
            owner.attributes[name] = value
            return
        if isinstance(owner, (type, types.ModuleType, types.FunctionType)):
            reason = f"the attribute {name!r} of {owner.__name__} is assigned"
            raise self.stage.refuse(reason, "keep such state in an instance", Code.OBJECT)
        if isinstance(owner, Choice):
            self.over_choice(lambda o: self.set_attribute(o, name, value, plain), owner)
            return
        cls = class_of(owner)
        raw = inspect.getattr_static(cls, name, MISSING)
        if isinstance(raw, property):
            if raw.fset is None:
                raise PyRaise(AttributeError(f"property '{name}' of '{cls.__name__}' object has no setter"))
            self.call(raw.fset, [owner, value], {})
            return
        if not plain and (described := python_method(raw, "__set__")) is not None:
            self.call(described, [self.descriptor(cls, name, raw), owner, value], {})
            return
        setter = getattr(cls, "__setattr__", None)
        if isinstance(setter, types.FunctionType) and find(setter) is not None and not plain:
            self.call(setter, [owner, name, value], {})
            return
        if of_dict(setter, "__setitem__") and not plain:
            self.set_item(owner, name, value)
            return
        parameters = getattr(cls, "__dataclass_params__", None)
        if not plain and parameters is not None and parameters.frozen:
            raise PyRaise(dataclasses.FrozenInstanceError(f"cannot assign to field '{name}'"))
        if not hasattr(owner, "__dict__"):
            raise PyRaise(AttributeError(f"'{cls.__name__}' object has no attribute '{name}'"))
        source = self.externals.outside.get(id(owner))
        if source is not None and source.original is owner:
            reason = f"the attribute {name!r} of a {cls.__name__} that exists outside is assigned"
            raise self.stage.refuse(reason, "keep such state in an instance of a class of its own", Code.OBJECT)
        outside.attribute(self, owner, name)
        self.stage.write(owner.__dict__, name, self.settle(value, name))

    def in_part(self, owner: RArray, name: str, value: Any) -> None:
        part = self.get_attribute(owner, name)
        if part.lazy is not None:
            raise self.stage.refuse(
                f"assigning .{name} of this array is not supported", "make a complex array", Code.OBJECT
            )
        self.set_item(part, ..., value)

    def descriptor(self, cls: type[Any], name: str, raw: Any) -> Any:
        """A descriptor that a class has as an attribute, as the program knows it."""
        if any(outside.LOCAL in vars(c) for c in cls.__mro__ if name in vars(c)):
            return raw
        owner = next(c for c in cls.__mro__ if name in vars(c))
        return self.externals.wrap(raw, ("class", Held(owner), name), name)

    def replace(self, old: RArray, new: RArray) -> None:
        """The array object changes (its shape was assigned): put the new one where the program holds it."""
        for place in structs.places(self):
            if is_list(place):
                if any(value is old for value in place):
                    self.stage.mutate(place)[:] = [new if value is old else value for value in place]
                continue
            for key, value in list(place.items()):
                if value is old:
                    self.stage.write(place, key, new)
                elif is_tuple(value) and any(part is old for part in structs.parts_of(self, value)):
                    reason = "the shape of an array in a tuple is assigned"
                    raise self.stage.refuse(reason, "make a new array with reshape", Code.OBJECT)

    def holders(self, root: Any, more: Iterable[Any] = ()) -> int:
        """How many static locations (and values about to be bound) hold an array in this memory."""
        named = (item.root for item in structs.held(self, more) if isinstance(item, RArray))
        return sum(self.stage.may_name(other, root) for other in named)


def method_of(fn: Closure, owner: Any) -> BoundMethod:
    """A function that the program defines in a class, bound to an instance or the class."""
    return BoundMethod((fn, [owner], {}), "partial")


def _no_attribute(owner: Any, name: str) -> tuple[str, str]:
    return "AttributeError", f"'{type(owner).__name__}' object has no attribute '{name}'"
