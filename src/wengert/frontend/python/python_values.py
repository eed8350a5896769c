"""Python objects as they are: tests of their kind that say what their parts are, and how to make ones like them."""

from __future__ import annotations

import collections
import inspect
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np

from .closures import Closure


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def is_tuple(value: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(value, tuple)


def is_sequence(value: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    return isinstance(value, (list, tuple))


def is_set(value: object) -> TypeGuard[set[Any]]:
    return isinstance(value, set)


def is_dict(value: object) -> TypeGuard[dict[Any, Any]]:
    return isinstance(value, dict)


def is_slice(value: object) -> TypeGuard[slice[Any, Any, Any]]:
    return isinstance(value, slice)


def is_ndarray(value: object) -> TypeGuard[np.ndarray[Any, Any]]:
    return isinstance(value, np.ndarray)


def is_numpy_scalar(value: object) -> TypeGuard[np.generic[Any]]:
    return isinstance(value, np.generic)


def class_of(value: object) -> type[Any]:
    return type(value)


def cell_contents(function: types.FunctionType, name: str) -> Any:
    """The value of a variable that a function captures; ValueError if it has none yet."""
    cells: tuple[types.CellType, ...] = function.__closure__ or ()
    cell: Any = cells[function.__code__.co_freevars.index(name)]
    return cell.cell_contents


def tuple_like(kind: type[Any], parts: Sequence[Any]) -> Any:
    """A tuple, or named tuple, of a type with these parts."""
    if kind is tuple:
        return tuple(parts)
    return kind._make(parts) if hasattr(kind, "_make") else kind(parts)


def of_dict(method: object, name: str) -> bool:
    """Whether a method of a class is dict's own."""
    return method is getattr(dict, name)


def dict_like(value: dict[Any, Any], items: Mapping[Any, Any]) -> Any:
    """A dict of the class of `value`, and with its attributes, that has other items; its constructor is not called."""
    kind: Any = class_of(value)
    if kind is dict:
        return dict(items)
    made: Any = kind.__new__(kind)
    if isinstance(value, collections.defaultdict):
        made.default_factory = value.default_factory
    attributes: Any = getattr(value, "__dict__", None)
    if attributes:
        made.__dict__.update(attributes)
    made.update(items)
    return made


def python_method(value: object, name: str) -> Any:
    """The method of a value's class, if it is written in Python (and can be staged)."""
    method: Any = getattr(class_of(value), name, None)
    return method if is_function(method) else None


def is_iterator(value: object) -> bool:
    return isinstance(value, Iterator)


def class_function(value: object) -> Closure | None:
    """The function behind a classmethod that the program defines."""
    held: Any = value
    inner: Any = held.__func__ if isinstance(value, classmethod) else None
    return inner if isinstance(inner, Closure) else None


def is_function(value: object) -> bool:
    """Whether a value is a function that can be staged: one of Python, or one that the program defines."""
    return isinstance(value, (types.FunctionType, Closure))


def number_like(value: Any, number: Any) -> Any:
    """The number as one of the same Python or NumPy type."""
    return value.dtype.type(number) if is_numpy_scalar(value) else class_of(value)(number)


# -- attributes --------------------------------------------------------------------------------------------------

_with_dict: dict[type[Any], type[Any]] = {}
_real: dict[type[Any], type[Any]] = {}


def is_slot(cls: type[Any], name: str) -> bool:
    """Whether a class keeps this attribute of its instances in __slots__."""
    return isinstance(inspect.getattr_static(cls, name, None), types.MemberDescriptorType)


def slots_of(cls: type[Any]) -> list[str]:
    """The names in the __slots__ of a class and its bases that are written in Python."""
    names = [n for c in reversed(cls.__mro__) if "__slots__" in vars(c) for n in vars(c) if is_slot(cls, n)]
    return list(dict.fromkeys(names))


def staged_class(cls: type[Any]) -> type[Any]:
    """The class whose instances stand for those of `cls` while a program is staged: their attributes are in a dict."""
    if cls.__dictoffset__ != 0 or cls.__basicsize__ == object.__basicsize__ or not slots_of(cls):
        return cls
    if cls not in _with_dict:
        names = {"__module__": cls.__module__, "__qualname__": cls.__qualname__}
        metaclass: Any = type(cls)
        made: type[Any] = metaclass(cls.__name__, (cls,), names)
        _with_dict[cls], _real[made] = made, cls
    return _with_dict[cls]


def real_class(cls: type[Any]) -> type[Any]:
    """The class that `staged_class` was given."""
    return _real.get(cls, cls)


def blank(cls: type[Any]) -> Any:
    """An instance without attributes, whose constructor is not called; TypeError if there is more to one than these."""
    return cls.__new__(cls) if cls is types.SimpleNamespace else object.__new__(cls)


def instance_like(value: object, attributes: Mapping[str, Any]) -> Any:
    """An instance of the same class with these attributes; its constructor is not called."""
    kind = real_class(class_of(value))
    made = blank(kind)
    for name, held in attributes.items():
        if is_slot(kind, name):
            object.__setattr__(made, name, held)
        else:
            made.__dict__[name] = held
    return made


def has_attributes(value: object) -> bool:
    """Whether a value is an instance with attributes of its own."""
    return hasattr(value, "__dict__") or bool(slots_of(class_of(value)))


def attribute_step(value: object, name: str) -> tuple[str, str]:
    """The step of an access path to an attribute."""
    return ("slot" if is_slot(class_of(value), name) else "attr"), name


def attributes_of(value: object) -> dict[str, Any]:
    """The attributes of an instance, in its dict or in slots."""
    names = slots_of(class_of(value))
    slots = {n: object.__getattribute__(value, n) for n in names if hasattr(value, n)}
    return {**slots, **getattr(value, "__dict__", {})} if names else vars(value)
