"""Instances of subclasses of numpy.ndarray made by the program.

Such an instance is a static object of a *shadow* class, which has the methods of the real one but not its memory
layout: its attributes live in `__dict__` like those of any instance, and the array itself is the attribute `$array`.
Operators and methods that the class defines are staged; everything else works on the array. NumPy decides by rules of
its own which of its functions give an instance back: where they are known here the result is one, made by
`__array_finalize__`, and elsewhere it is *unsure*, which matters only where an instance and a plain array differ, and
is refused there.
"""

from __future__ import annotations

import types
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.codes import Code

from .frame import PyRaise
from .registry import ATTRIBUTES, METHODS, handles
from .values import BoundMethod, RArray

if TYPE_CHECKING:
    from .interp import Interp

ARRAY = "$array"


class SubArray:
    """Base of the shadow classes."""

    real_class: type
    sure: bool = True


@cache
def shadow(cls: type, sure: bool = True) -> type[SubArray]:
    """The class that stands for a subclass of ndarray."""
    members: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        if base not in np.ndarray.__mro__:
            members.update(vars(base))
    for name in ("__dict__", "__weakref__", "__slots__", "__new__", "__init__"):
        members.pop(name, None)
    return type(cls.__name__, (SubArray,), {**members, "real_class": cls, "sure": sure})


def array_of(value: Any) -> Any:
    """The array of an instance; other values are themselves. Lists and tuples are searched too."""
    if isinstance(value, SubArray):
        return value.__dict__[ARRAY]
    if type(value) in (list, tuple) and any(isinstance(v, SubArray) for v in value):
        return type(value)(array_of(v) for v in value)
    return value


def source_of(values: list[Any]) -> SubArray | None:
    """The first instance among arguments."""
    for v in values:
        if isinstance(v, SubArray):
            return v
        if type(v) in (list, tuple):
            found = source_of(list(v))
            if found is not None:
                return found
    return None


def make(interp: Interp, cls: type, array: RArray, source: Any = None, sure: bool = True) -> Any:
    """An instance holding `array`, finalised as NumPy does."""
    made = object.__new__(shadow(cls, sure))
    interp.stage.note_created(made.__dict__)
    interp.stage.write(made.__dict__, ARRAY, interp.settle(array))
    interp.stage.keep_alive.append(made)
    interp.has_subclasses = True
    finalize = getattr(type(made), "__array_finalize__", None)
    if isinstance(finalize, types.FunctionType) and sure:
        interp.call(finalize, [made, source], {})
    return made


def like(interp: Interp, result: Any, source: SubArray | None, sure: bool = True) -> Any:
    """What NumPy gives for a result computed from an instance: an instance if it is an array."""
    if source is None or not isinstance(result, RArray):
        return result
    return make(interp, source.real_class, result, source, sure and source.sure)


def check_sure(interp: Interp, value: SubArray, what: str) -> None:
    """Refuse what differs between an instance and a plain array, where it is not known which one NumPy gives."""
    if not value.sure:
        raise interp.stage.refuse(
            f"{what} depends on whether NumPy gives a {value.real_class.__name__} or a plain array here",
            "apply np.asarray, or make the instance explicitly",
            Code.KIND,
        )


def defined(interp: Interp, value: Any, name: str) -> Any:
    """The function that an instance's class defines under a name, if any."""
    if not isinstance(value, SubArray):
        return None
    fn = getattr(type(value), name, None)
    if isinstance(fn, types.FunctionType):
        check_sure(interp, value, name)
        return fn
    return None


_KEEP = ("copy", "reshape", "ravel", "flatten", "transpose", "astype", "view", "squeeze", "swapaxes", "__copy__", "T")
_PLAIN = (np.array, np.asarray, np.ascontiguousarray, np.copy, np.isscalar, np.ndim, np.shape, np.size, np.allclose)


def call_numpy(interp: Interp, fn: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A NumPy function of arguments with instances among them."""
    source = source_of([*args, *kwargs.values()])
    result = interp.call(fn, [array_of(a) for a in args], {k: array_of(v) for k, v in kwargs.items()})
    if any(fn is p for p in _PLAIN) or kwargs.get("out") is not None:
        return result
    return like(interp, result, source, sure=isinstance(fn, np.ufunc))


def attribute(interp: Interp, value: SubArray, name: str) -> Any:
    """An attribute that the class of an instance does not define."""
    if name == "__class__":
        check_sure(interp, value, "the class")
        return value.real_class
    if name == "__dict__":
        raise interp.stage.refuse("the attributes of an instance are taken as a dict", "name them", Code.OBJECT)
    if not hasattr(np.ndarray, name):
        check_sure(interp, value, f"the attribute {name!r}")
        raise PyRaise(AttributeError(f"'{value.real_class.__name__}' object has no attribute '{name}'"))
    if name in METHODS and name not in ATTRIBUTES:
        return BoundMethod(value, name)
    found = interp.get_attribute(array_of(value), name)
    return like(interp, found, value, sure=name in _KEEP)


def call_method(interp: Interp, value: SubArray, name: str, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A method of ndarray on an instance."""
    plain = [array_of(a) for a in args]
    array = array_of(value)
    if name == "view" and (args or kwargs):
        return view(interp, value, *args, **kwargs)
    result = interp.call_method(array, name, plain, {k: array_of(v) for k, v in kwargs.items()})
    return like(interp, result, value, sure=name in _KEEP)


def view(interp: Interp, value: Any, type: Any = None, dtype: Any = None) -> Any:
    """array.view(Class)."""
    if dtype is not None or not is_array_class(type):
        raise interp.stage.refuse(
            "reinterpreting the memory of an array is not supported", "use .astype, .real and .imag", Code.OBJECT
        )
    array = array_of(value)
    return array if type is np.ndarray else make(interp, type, array, value)


def is_array_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, np.ndarray)


@handles(np.ndarray.__new__)
def new(
    interp: Interp,
    cls: Any,
    shape: Any,
    dtype: Any = float,
    buffer: Any = None,
    offset: Any = 0,
    strides: Any = None,
    order: Any = None,
) -> Any:
    """ndarray.__new__ of a class, on new memory or that of an array."""
    if strides is not None or order not in (None, "C") or offset not in (0, None):
        raise interp.stage.refuse("ndarray.__new__ with a layout is not supported", "use NumPy functions", Code.OBJECT)
    buffer = array_of(buffer)
    if buffer is None:
        array = interp.call(np.empty, [shape, dtype], {})
    else:
        if not isinstance(buffer, RArray) or np.dtype(dtype) != buffer.dtype.numpy:
            raise interp.stage.refuse(
                "ndarray.__new__ reinterprets memory", "pass an array of the same dtype", Code.OBJECT
            )
        array = interp.call(np.reshape, [buffer, shape], {})
    return array if cls is np.ndarray else make(interp, cls, array)
