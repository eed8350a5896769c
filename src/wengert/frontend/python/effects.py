"""What a program changes in objects that exist outside (arguments, their attributes and elements, globals).

Numbers, names and references are staged, so such changes happen to copies; after a call of the compiled program they
are made to the objects themselves. In-place changes of arrays need none of this: native code writes into the arrays.
Derivative transforms leave the caller's objects alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.errors import Problem, Unsupported

from .externals import Access, Externals
from .interp import Interp
from .outputs import Output, Same, flatten, rebuild
from .python_values import class_of, is_dict, is_list, is_set, is_slot
from .values import MISSING, MaybeUnbound, RScalar


@dataclass(frozen=True)
class Kept:
    """An element that the object had under `key` before."""

    key: Any


@dataclass(frozen=True)
class Perhaps:
    """A value that is there if the result `flag` holds."""

    flag: Output
    value: Any


@dataclass(frozen=True)
class Change:
    """An object, as a place among those of a call, and what it holds afterwards: all of a container's contents (a list,
    a dict by key, a set), or those attributes of an instance that changed."""

    place: int
    kind: str  # "list", "dict", "set" or "attributes"
    contents: Any
    dropped: tuple[str, ...] = ()  # attributes


@dataclass(frozen=True)
class Effects:
    """The changes of a call, and where the objects are that it speaks of. `problem`: what cannot be written back."""

    changes: tuple[Change, ...] = ()
    places: tuple[Access, ...] = ()
    problem: Problem | None = None


def effects(interp: Interp, results: list[str]) -> Effects:
    """The changes that the program made to objects outside; numbers and arrays among them are added to `results`."""
    externals = interp.externals
    places: list[Access] = []
    changes: list[Change] = []

    def place(access: Access) -> int:
        if access not in places:
            places.append(access)
        return places.index(access)

    def same(value: Any) -> Same | None:
        source = externals.outside.get(id(value))
        return None if source is None else Same(place(source.access))

    def tree(value: Any) -> Any:
        if isinstance(value, MaybeUnbound):
            flag = flatten(interp, RScalar(value.flag, True), results)
            return Perhaps(flag, flatten(interp, value.value, results, same))
        return flatten(interp, value, results, same)

    externals.check_copies()
    try:
        for container, access in _changed(interp):
            externals.keep_apart(access)
            if is_list(container):
                if not _as_it_was(externals, access, dict(enumerate(container)), len(container)):
                    parts = [
                        Kept(k) if externals.by_access.get((*access, ("item", k)), MISSING) is v else tree(v)
                        for k, v in enumerate(container)
                    ]
                    changes.append(Change(place(access), "list", parts))
            elif is_set(container):
                changes.append(Change(place(access), "set", frozenset(container)))
            elif id(container) in externals.outside:
                if not _as_it_was(externals, access, container, len(container)):
                    items = {
                        k: Kept(k) if externals.by_access.get((*access, ("item", k)), MISSING) is v else tree(v)
                        for k, v in container.items()
                    }
                    changes.append(Change(place(access), "dict", items))
            else:
                names = [k for owner, k in interp.stage.changed_outside if owner == id(container)]
                found = {k: tree(container[k]) for k in names if k in container}
                dropped = tuple(k for k in names if k not in container)
                changes.append(Change(place(access), "attributes", found, dropped))
    except Unsupported as error:
        return Effects(problem=error.problems[0] if error.problems else None)
    return Effects(tuple(changes), tuple(places))


def _changed(interp: Interp) -> Iterator[tuple[Any, Access]]:
    """The containers (of an instance, its dict of attributes) that exist outside and were written, and their places."""
    seen: set[int] = set()
    for container, _, _ in list(interp.stage.changed_outside.values()):
        if id(container) in seen:
            continue
        seen.add(id(container))
        source = interp.externals.outside.get(id(container)) or interp.externals.holders.get(id(container))
        if source is not None:
            yield container, source.access


def _as_it_was(externals: Externals, access: Access, items: dict[Any, Any], length: int) -> bool:
    source = externals.by_access.get(access)
    original = externals.outside[id(source)].original if source is not None else None
    if original is None or len(original) != length or (is_dict(original) and list(original) != list(items)):
        return False
    return all(externals.by_access.get((*access, ("item", k)), MISSING) is v for k, v in items.items())


def apply(changes: Sequence[Change], results: Sequence[Any], outside: Sequence[Any]) -> None:
    """Make the changes to the objects themselves."""
    made: list[tuple[Change, Any]] = []
    for change in changes:
        old = outside[change.place]

        def value(part: Any, old: Any = old) -> Any:
            return old[part.key] if isinstance(part, Kept) else rebuild(part, results, outside)

        if change.kind == "list":
            made.append((change, [value(p) for p in change.contents]))
        elif change.kind == "set":
            made.append((change, change.contents))
        else:
            there = {k: p for k, p in change.contents.items() if not isinstance(p, Perhaps) or results[p.flag.index]}
            made.append((change, {k: value(p.value if isinstance(p, Perhaps) else p) for k, p in there.items()}))
    for change, new in made:
        old = outside[change.place]
        match change.kind:
            case "list":
                old[:] = new
            case "attributes":
                for name in (*change.contents, *change.dropped):
                    if is_slot(class_of(old), name):
                        if name in new:
                            object.__setattr__(old, name, new[name])
                        else:
                            object.__delattr__(old, name)
                    elif name in new:
                        old.__dict__[name] = new[name]
                    else:
                        old.__dict__.pop(name, None)
            case _:
                old.clear()
                old.update(new)
