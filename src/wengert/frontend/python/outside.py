"""What staging reads of classes, functions and instances that exist before the call. Whatever is read is a guard, and
so is that nothing was found: an instance may get an attribute of its own, a class a method, between two calls."""

from __future__ import annotations

import enum
import functools
import types
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .classes import LOCAL
from .externals import Access, Held, Outside
from .python_values import (
    attribute_step,
    attributes_of,
    class_of,
    has_attributes,
    is_dict,
    is_list,
    is_set,
    is_slot,
    real_class,
)
from .values import MISSING

if TYPE_CHECKING:
    from .interp import Interp

LIBRARIES = {
    "numpy", "scipy", "math", "cmath", "builtins", "operator", "itertools", "functools", "collections", "dataclasses",
    "enum", "abc", "copy", "types", "typing", "warnings", "logging", "sys", "os", "datetime", "wengert",
}  # fmt: skip
_WITHIN = {staticmethod: "__func__", classmethod: "__func__", property: "fget", functools.cached_property: "func"}
"""Where the function is in what a class holds: that one is compared, since the others have no name elsewhere."""


@dataclass(frozen=True)
class Entry:
    """What a class has under a name, as it is in its dict; `access` leads to it if it is data, read at every call."""

    raw: Any
    access: Access | None = None


def of_library(cls: type[Any]) -> bool:
    return in_library(cls.__module__)


def in_library(module: object) -> bool:
    """Whether a module is of those that programs do not change."""
    return str(module).partition(".")[0] in LIBRARIES


def _special(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")


def entry(interp: Interp, cls: type[Any], name: str, after: type[Any] | None = None) -> Entry:
    """What a class or one of its bases (those behind `after`) has under a name; `MISSING` if none has anything."""
    externals, order = interp.externals, real_class(cls).__mro__
    for owner in order if after is None else order[order.index(real_class(after)) + 1 :]:
        own = vars(owner)
        if of_library(owner) or LOCAL in own or isinstance(owner, enum.EnumMeta):
            if name in own:
                return Entry(own[name])
        elif name in own:
            raw, access = own[name], ("class", Held(owner), name)
            if isinstance(raw, types.FunctionType):
                externals.note(access, "is", raw)
            elif (part := _WITHIN.get(class_of(raw))) is not None:
                externals.note((*access, ("slot", part)), "is", getattr(raw, part))
            elif class_of(raw).__module__ == "functools":
                externals.note(access, "is", raw)
            elif not _special(name) and not hasattr(class_of(raw), "__get__"):
                return Entry(raw, access)
            return Entry(raw)
        elif not _special(name):
            externals.note(("held", Held(owner)), "lacks", name)
    return Entry(MISSING)


def attribute(interp: Interp, owner: Any, name: str) -> Any:
    """What an instance itself has under a name, not its class; `MISSING` if nothing."""
    own: dict[str, Any] = getattr(owner, "__dict__", {})
    if name in own and id(owner) not in interp.externals.outside:
        return own[name]
    source: Outside | None = interp.externals.outside.get(id(owner))
    if source is None or is_list(owner) or is_dict(owner) or is_set(owner):
        return MISSING
    externals, original = interp.externals, source.original
    there = has_attributes(original) and name in attributes_of(original)
    if original is not owner and name in own:
        return own[name]
    if not there:
        if is_slot(class_of(original), name):
            externals.note(source.access, "unset", name)
        elif hasattr(original, "__dict__") and not _special(name):
            externals.note(source.access, "lacks", name)
        return MISSING
    access = (*source.access, attribute_step(original, name))
    if original is owner:
        return externals.wrap(own[name], access, name)
    if access in externals.by_access:  # it has been read, and deleted since
        return MISSING
    return externals.attribute(owner, name)


def whole(interp: Interp, owner: Any) -> dict[str, Any]:
    """All attributes that an instance has, in the order of its dict."""
    source = interp.externals.outside.get(id(owner))
    if source is not None:
        names: list[str] = list(attributes_of(source.original))
        interp.externals.note((*source.access, ("slot", "__dict__")), "keys", tuple(source.original.__dict__))
        for name in names:
            attribute(interp, owner, name)
        own: dict[str, Any] = owner.__dict__
        first = {name: own[name] for name in names if name in own}
        rest = {name: value for name, value in own.items() if name not in first}
        own.clear()
        own.update({**first, **rest})
    return owner.__dict__


def of_function(interp: Interp, function: types.FunctionType, name: str) -> Any:
    """An attribute of a function; `MISSING` if it has none of that name."""
    own = vars(function)
    if _special(name) or in_library(function.__module__):
        return own.get(name, MISSING)
    if name in own:
        return interp.externals.wrap(own[name], ("class", Held(function), name), name)
    interp.externals.note(("held", Held(function)), "lacks", name)
    return MISSING
