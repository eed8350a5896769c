"""copy.copy and copy.deepcopy of what the program knows."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from wengert.codes import Code

from . import structs
from .python_values import (
    blank,
    class_of,
    dict_like,
    is_dict,
    is_list,
    is_tuple,
    python_method,
    staged_class,
    tuple_like,
)
from .registry import handles
from .subclasses import SubArray
from .values import Choice, RArray, RList

if TYPE_CHECKING:
    from .interp import Interp


@handles(copy.copy)
def shallow(interp: Interp, value: Any) -> Any:
    return _copied(interp, value, None)


@handles(copy.deepcopy)
def deep(interp: Interp, value: Any, memo: Any = None) -> Any:
    if memo is not None:
        raise interp.stage.refuse("copy.deepcopy with a memo is not supported", "copy the whole at once")
    return _copied(interp, value, {})


def _copied(interp: Interp, value: Any, memo: dict[int, Any] | None) -> Any:
    """A copy, deep if there is a memo of what has been copied."""
    value = interp.resolve(value)
    if memo is not None and id(value) in memo:
        return memo[id(value)]
    if isinstance(value, (Choice, SubArray)):
        reason = "a value of several possible kinds, or of a subclass of ndarray, is copied"
        raise interp.stage.refuse(reason, "use its own method copy", Code.KIND)
    if isinstance(value, (RArray, RList)):
        made = interp.call_method(value, "copy", [], {})
    elif is_tuple(value):
        return value if memo is None else tuple_like(class_of(value), [_copied(interp, v, memo) for v in value])
    elif is_list(value) and memo is None and class_of(value) is list:
        return interp.new_list(interp.call_node, list(value))
    elif is_list(value):
        made = copy.copy(value)
        made.clear()
        interp.stage.note_created(made)
        _remember(memo, value, made)
        made.extend(v if memo is None else _copied(interp, v, memo) for v in list(value))
    elif is_dict(value):
        made = interp.stage.note_created(dict_like(value, {}))
        _remember(memo, value, made)
        made.update({k: v if memo is None else _copied(interp, v, memo) for k, v in value.items()})
    elif structs.is_struct(interp.stage, value):
        return _instance(interp, value, memo)
    else:
        return value if _constant(value) else interp.adopt(interp.native(lambda: copy.deepcopy(value)))
    _remember(memo, value, made)
    return made


def _remember(memo: dict[int, Any] | None, value: Any, made: Any) -> None:
    if memo is not None:
        memo[id(value)] = made


def _constant(value: Any) -> bool:
    return class_of(value).__module__.startswith("wengert") or isinstance(value, (type, str, int, float, complex))


def _instance(interp: Interp, value: Any, memo: dict[int, Any] | None) -> Any:
    for name in ("__copy__" if memo is None else "__deepcopy__", "__reduce_ex__", "__getstate__", "__setstate__"):
        method = python_method(value, name)
        if method is not None:
            if name not in ("__copy__", "__deepcopy__"):
                reason = f"a {class_of(value).__qualname__} is copied by a {name} of its own"
                raise interp.stage.refuse(reason, "write a method that makes the copy", Code.OBJECT)
            return interp.call(method, [value] if memo is None else [value, {}], {})
    structs.struct_of(interp.stage, value)  # reads all attributes of an object that exists outside
    made = blank(staged_class(class_of(value)))
    interp.stage.note_created(made.__dict__)
    interp.stage.keep_alive.append(made)
    _remember(memo, value, made)
    for name, held in list(value.__dict__.items()):
        made.__dict__[name] = held if memo is None else _copied(interp, held, memo)
    return made
