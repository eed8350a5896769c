"""Python objects as they are: tests of their kind that say what their parts are, and how to make ones like them."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np


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


def python_method(value: object, name: str) -> types.FunctionType | None:
    """The method of a value's class, if it is written in Python (and can be staged)."""
    method = getattr(class_of(value), name, None)
    return method if isinstance(method, types.FunctionType) else None


def number_like(value: Any, number: Any) -> Any:
    """The number as one of the same Python or NumPy type."""
    return value.dtype.type(number) if is_numpy_scalar(value) else class_of(value)(number)


def instance_like(value: object, attributes: Mapping[str, Any]) -> Any:
    """An instance of the same class with these attributes; its constructor is not called."""
    made = object.__new__(class_of(value))
    made.__dict__.update(attributes)
    return made


def attributes_of(value: object) -> dict[str, Any]:
    return vars(value)
