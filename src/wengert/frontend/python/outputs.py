"""The return value of a program as a tree over IR results, and back: what a call gives, and what it leaves in objects
that exist outside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from wengert.codes import Code
from wengert.ir.nodes import Alloc, Buffer, Store

from . import arrays
from .interp import Interp
from .python_values import (
    attributes_of,
    class_of,
    dict_like,
    has_attributes,
    instance_like,
    is_dict,
    is_list,
    is_set,
    is_tuple,
    tuple_like,
)
from .subclasses import ARRAY, SubArray, check_sure
from .values import Choice, Closure, MaybeUnbound, Poison, RArray, RList, RScalar, contains_runtime


@dataclass(frozen=True)
class Output:
    """A part of the return value held in IR result `index`: a number ("python" ones become Python numbers) or array."""

    index: int
    kind: str  # "number", "python", "array", "list" (of Python numbers), "elements" (a list of others), "leaf"
    leaf: int = -1


@dataclass(frozen=True)
class Kinds:
    """A return value of several possible kinds: result `tag` says which of `alternatives` holds."""

    tag: int
    alternatives: tuple[Any, ...]


@dataclass(frozen=True)
class ArrayInstance:
    """A returned instance of a subclass of ndarray. Its derivatives are plain arrays."""

    cls: type[Any]
    array: Output
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Same:
    """An object that exists outside: the one at `place` of the places of a call."""

    place: int


SameAs: TypeAlias = Callable[[Any], "Same | None"]


def flatten(interp: Interp, value: Any, results: list[str], same: SameAs = lambda _: None) -> Any:
    """Turn a value into IR results and the tree that gives it back; `same` recognises objects that exist outside."""
    stage = interp.stage
    value = interp.resolve(value)
    found = same(value)
    if found is not None:
        return found
    match value:
        case RScalar():
            name = stage.fresh("result")
            stage.emit(Alloc(Buffer(name, value.dtype, ()), False, stage.span))
            stage.emit(Store(name, (), value.expr, stage.span))
            results.append(name)
            return Output(len(results) - 1, "python" if value.python else "number")
        case RArray():
            return _array_result(interp, value, results)
        case RList() if value.parts:
            raise stage.refuse(
                "a list of tuples that grows at run time is returned", "return np.array(list)", Code.RESULT
            )
        case RList():
            array = interp.as_array(value)
            found = _array_result(interp, array, results)
            return Output(found.index, "list" if value.python and value.shape is None else "elements")
        case Choice():
            tag = flatten(interp, RScalar(value.tag, True), results, same)
            return Kinds(tag.index, tuple(flatten(interp, a, results, same) for a in value.alternatives))
        case MaybeUnbound() | Poison():
            return flatten(interp, interp.use(value, "result"), results, same)
        case SubArray():
            check_sure(interp, value, "the result")
            parts = {k: flatten(interp, v, results, same) for k, v in value.__dict__.items()}
            return ArrayInstance(value.real_class, parts.pop(ARRAY), parts)
        case _ if is_tuple(value):
            return tuple_like(class_of(value), [flatten(interp, v, results, same) for v in value])
        case _ if is_list(value):
            return [flatten(interp, v, results, same) for v in value]
        case _ if is_dict(value):
            if contains_runtime(getattr(value, "__dict__", None)):
                reason = f"a {class_of(value).__name__} with run-time attributes beside its items is returned"
                raise stage.refuse(reason, "return arrays, numbers or items", Code.RESULT)
            return dict_like(value, {k: flatten(interp, v, results, same) for k, v in value.items()})
        case Closure():
            raise stage.refuse("a function defined inside is returned", "return its values", Code.RESULT)
        case _ if hasattr(value, "__dict__") and stage.is_created(value):
            parts = {k: flatten(interp, v, results, same) for k, v in value.__dict__.items()}
            return instance_like(value, parts)
        case _:
            if contains_runtime(value):
                reason = f"a {type(value).__name__} with run-time parts is returned"
                raise stage.refuse(reason, "return arrays or numbers", Code.RESULT)
            return value


def _array_result(interp: Interp, value: RArray, results: list[str]) -> Output:
    stage = interp.stage
    array = arrays.stored(stage, value, "result")
    root = array.root
    by_ref = root is not None and root.is_ref and array.storage == root.name and arrays.is_identity(array)
    whole = by_ref or arrays.is_whole(array)
    if not whole or not stage.in_scope(array.storage) or array.dtype is not value.dtype:
        array = arrays.copy(stage, array, "result")
    name = array.storage
    inputs = [leaf for leaf in interp.externals.leaves if leaf.scalar is not None or leaf.buffer is not None]
    for k, leaf in enumerate(inputs):
        if leaf.root is not None and leaf.root.name == name:
            leaf.root.returned = True
            if not leaf.root.stores:
                copied = arrays.copy(stage, array, "result")
                results.append(copied.storage)
                return Output(len(results) - 1, "leaf", k)
            results.append(name)
            return Output(len(results) - 1, "leaf", k)
    if name in results:
        return Output(results.index(name), "array")
    results.append(name)
    return Output(len(results) - 1, "array")


def decided(output: Any, results: tuple[Any, ...]) -> Any:
    """The output tree as derivatives see it: run-time data has decided between several kinds, instances are arrays."""
    match output:
        case ArrayInstance(_, array):
            return array
        case Kinds(tag, alternatives):
            return decided(alternatives[int(results[tag])], results)
        case _ if is_tuple(output):
            return tuple_like(class_of(output), [decided(o, results) for o in output])
        case _ if is_list(output):
            return [decided(o, results) for o in output]
        case _ if is_dict(output):
            return dict_like(output, {k: decided(o, results) for k, o in output.items()})
        case _ if is_tree(output):
            return instance_like(output, {k: decided(v, results) for k, v in attributes_of(output).items()})
        case _:
            return output


def is_tree(output: object) -> bool:
    """Whether an object that the program made holds run-time parts."""
    if not has_attributes(output) or isinstance(output, type):
        return False
    return any(isinstance(v, (Output, Kinds, tuple, list, dict)) for v in attributes_of(output).values())


def rebuild(output: Any, results: Sequence[Any], outside: Sequence[Any] = ()) -> Any:
    """The Python value from the IR results, and the objects `outside` that it may be or contain."""
    match output:
        case Same(place):
            return outside[place]
        case Output(index, kind):
            value = results[index]
            if kind == "python":
                return value.item()
            if kind == "list":
                return value.tolist()
            if kind == "elements":
                return list(value)
            return np.asarray(value) if kind == "array" else value  # rank 0 comes back as a scalar
        case ArrayInstance(cls, array, attributes):
            made: Any = np.asarray(rebuild(array, results, outside)).view(cls)
            made.__dict__.update({k: rebuild(v, results, outside) for k, v in attributes.items()})
            return made
        case Kinds(tag, alternatives):
            return rebuild(alternatives[int(results[tag])], results, outside)
        case _ if is_tuple(output):
            return tuple_like(class_of(output), [rebuild(o, results, outside) for o in output])
        case _ if is_list(output):
            return [rebuild(o, results, outside) for o in output]
        case _ if is_dict(output):
            return dict_like(output, {k: rebuild(o, results, outside) for k, o in output.items()})
        case _ if is_tree(output):
            return instance_like(output, {k: rebuild(v, results, outside) for k, v in attributes_of(output).items()})
        case _ if is_set(output):
            return set(output)
        case _:
            return output
