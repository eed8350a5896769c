"""Lists, dicts and instances made by the program, where they meet at a join.

Two objects of one class join part by part into a new one if nobody can tell: nothing else holds them, or (`shared`)
neither they nor the joined object are changed from here on, which is enforced by freezing them.
"""

from __future__ import annotations

import dataclasses
import functools
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from .python_values import (
    attributes_of,
    blank,
    class_of,
    has_attributes,
    is_dict,
    is_list,
    is_tuple,
    staged_class,
    tuple_like,
)
from .stage import WHOLE, Stage
from .values import BoundMethod, Choice, Closure, MaybeUnbound, RArray, RGenerator

if TYPE_CHECKING:
    from .interp import Interp

MAX_DEPTH = 6
Writes = Mapping[tuple[int, Any], tuple[Any, Any, Any, Any]]


@dataclasses.dataclass(frozen=True, eq=False)
class Struct:
    """The parts of a list, dict or instance at a moment."""

    kind: type[Any]
    keys: tuple[Any, ...]
    values: tuple[Any, ...]
    shared: bool
    origin: Any


def container_of(value: Any) -> Any:
    """What the journal knows a mutable object by: a list or dict itself, the attributes of an instance."""
    return value if is_list(value) or is_dict(value) else value.__dict__


def is_struct(stage: Stage, value: Any) -> bool:
    """Whether a value is a list, dict or instance that joins part by part."""
    if is_list(value) or is_dict(value):
        kind = type(value)
        return kind in (list, dict) or (kind.__new__ is dict.__new__ and not getattr(value, "__dict__", None))
    if isinstance(value, (type, types.ModuleType, types.FunctionType)) or not hasattr(value, "__dict__"):
        return False
    if isinstance(value, BaseException):
        return stage.is_created(value)
    source = stage.interp.externals.outside.get(id(value))
    return stage.is_created(value) or (source is not None and source.original is not value)


def struct_of(stage: Stage, value: Any, writes: Writes | None = None, depth: int = 0) -> Any:
    """The value with every list, dict and instance replaced by its parts; `writes` are those of a closed piece of
    program in which the value lives."""
    if is_tuple(value) and depth < MAX_DEPTH:
        parts = [struct_of(stage, v, writes, depth + 1) for v in value]
        if all(p is v for p, v in zip(parts, value, strict=True)):
            return value
        return tuple_like(class_of(value), parts)
    if isinstance(value, Choice) and depth < MAX_DEPTH:
        alternatives = [struct_of(stage, v, writes, depth + 1) for v in value.alternatives]
        if all(p is v for p, v in zip(alternatives, value.alternatives, strict=True)):
            return value
        return Choice(value.tag, tuple(alternatives))
    if isinstance(value, MaybeUnbound) and depth < MAX_DEPTH:
        inner = struct_of(stage, value.value, writes, depth + 1)
        return value if inner is value.value or any_shared(inner) else MaybeUnbound(value.flag, inner)
    if depth >= MAX_DEPTH or not is_struct(stage, value):
        return value
    interp = stage.interp
    source = interp.externals.outside.get(id(value))
    if source is not None and not is_list(value) and not is_dict(value):
        for name in attributes_of(source.original) if has_attributes(source.original) else ():
            if name not in value.__dict__:
                interp.externals.attribute(value, name)
    container = container_of(value)
    items = _items(container, writes or {})
    parts = tuple(struct_of(stage, v, writes, depth + 1) for v in items.values())
    shared = source is not None or holders(interp, value) > 1
    return Struct(class_of(value), tuple(items), parts, shared, value)


def _items(container: Any, writes: Writes) -> dict[Any, Any]:
    if is_list(container):
        whole = writes.get((id(container), WHOLE))
        return dict(enumerate(container if whole is None else whole[3]))
    items = dict(container)
    for (owner, key), (_, _, _, new) in writes.items():
        if owner == id(container):
            items[key] = new
    return items


def build(stage: Stage, kind: type[Any], keys: tuple[Any, ...], values: list[Any], shared: bool) -> Any:
    """A new object of these parts."""
    made: Any
    if kind is list:
        made = values
    elif issubclass(kind, dict):
        new: Any = kind.__new__
        made = new(kind)
        made.update(zip(keys, values, strict=True))
    else:
        new = kind.__new__ if issubclass(kind, BaseException) else blank
        made = new(staged_class(kind))
        made.__dict__.update(zip(keys, values, strict=True))
        stage.keep_alive.append(made)
    container = container_of(made)
    stage.note_created(container)
    if shared:
        stage.freeze(container)
    return made


def holders(interp: Interp, value: Any) -> int:
    """How many static locations hold an object."""
    return sum(item is value for item in held(interp))


def held(interp: Interp, more: Iterable[Any] = ()) -> Iterator[Any]:
    """What the program's locations (and `more`) hold, once per location."""
    places = [*(f.locals for f in interp.frames), *interp.boxes]
    return _walk(interp, [*more, *(v for place in places for v in place.values())], {id(place) for place in places})


def places(interp: Interp) -> Iterator[Any]:
    """The dicts and lists in which the program holds values, each once: locals, attributes, containers."""
    seen: set[int] = set()
    todo: list[Any] = [*(f.locals for f in interp.frames), *interp.boxes]
    while todo:
        place = todo.pop()
        if id(place) in seen:
            continue
        seen.add(id(place))
        yield place
        for item in _walk(interp, list(_contents(place)), set(seen)):
            todo.extend(_inside(interp, item)[1])


def parts_of(interp: Interp, value: Any) -> Iterator[Any]:
    """A value and everything reached from it."""
    return _walk(interp, [value], set())


def containers_of(interp: Interp, value: Any, young: Callable[[Any], bool]) -> Iterator[Any]:
    """The young ones among the lists, dicts, attributes of instances and captured locals reached from a value, older
    ones aside: what those hold is kept for them."""
    todo, seen = [value], set[int]()
    while todo:
        values, places = _inside(interp, todo.pop())
        todo.extend(values)
        for place in places:
            if young(place) and id(place) not in seen:
                seen.add(id(place))
                yield place
                todo.extend(_contents(place))


def _walk(interp: Interp, todo: list[Any], seen: set[int]) -> Iterator[Any]:
    while todo:
        item = todo.pop()
        yield item
        if id(item) in seen:
            continue
        seen.add(id(item))
        values, places = _inside(interp, item)
        todo.extend(values)
        for place in places:
            if place is item or id(place) not in seen:
                seen.add(id(place))
                todo.extend(_contents(place))


def _inside(interp: Interp, item: Any) -> tuple[Iterable[Any], list[Any]]:
    """The values that a value holds for good, and the containers whose contents may change: itself, attributes of an
    instance, captured locals."""
    match item:
        case RArray():
            return (), []
        case _ if is_list(item) or is_dict(item):
            return (), [item]
        case _ if is_tuple(item):
            return item, []
        case Choice(alternatives=alternatives):
            return alternatives, []
        case MaybeUnbound(value=inner):
            return (inner,), []
        case Closure():
            frames: list[Any] = []
            frame = item.frame
            while frame is not None:
                frames.append(frame.locals)
                frame = frame.parent
            return (*item.defaults, *item.kw_defaults.values()), frames
        case BoundMethod(owner=owner):
            return (owner,), []
        case RGenerator():
            return (), [item.frame.locals]
        case types.MethodType():
            return (item.__self__,), []
        case functools.partial():
            return (*item.args, *item.keywords.values()), []
        case _ if hasattr(item, "__dict__") and is_struct(interp.stage, item):
            return (), [item.__dict__]
        case _:
            return (), []


def _contents(place: Any) -> Iterable[Any]:
    return place.values() if is_dict(place) else place


def any_shared(value: Any) -> bool:
    """Whether an object among these parts is held elsewhere."""
    match value:
        case Struct():
            return value.shared or any(any_shared(v) for v in value.values)
        case MaybeUnbound():
            return any_shared(value.value)
        case _ if is_tuple(value):
            return any(any_shared(v) for v in value)
        case _:
            return False
