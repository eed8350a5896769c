"""Functions that keep their results, as functools.cache and lru_cache have it.

What such a function gave before may have been changed since, and whoever asks again sees that. So a call whose
arguments exist outside, or are constants, is made by Python itself, at every call of the program: its result is as much
outside as what a name captures. Where arguments are known to the program alone the function is staged, which gives the
same as long as nobody changes what it gave: that is refused.
"""

from __future__ import annotations

import functools
import types
from typing import TYPE_CHECKING, Any

from wengert.codes import Code
from wengert.ir.nodes import Var
from wengert.ir.types import I64

from . import builtin, structs
from .externals import Arguments, At, Constant, Held
from .frame import PyRaise
from .python_values import class_of, is_dict, is_list, is_set
from .values import RArray, RList, RScalar

if TYPE_CHECKING:
    from .interp import Interp

CACHED = class_of(functools.lru_cache(len))
_CONSTANTS = (bool, int, float, complex, str, bytes, type, types.FunctionType, type(None))


def call(interp: Interp, fn: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """A call of a function outside that keeps its results."""
    for value in (*args, *kwargs.values()):
        if isinstance(value, (RArray, RList)) or is_list(value) or is_dict(value) or is_set(value):
            raise PyRaise(TypeError(f"unhashable type: '{builtin.type_of(value).__name__}'"))
    name = str(getattr(fn, "__name__", "cached"))
    given = [_place(interp, a) for a in args]
    named = {key: _place(interp, a) for key, a in kwargs.items()}
    positional = tuple(p[0] for p in given if p is not None)
    keywords = tuple((key, p[0]) for key, p in named.items() if p is not None)
    access = ("cached", Held(fn), Arguments(positional, keywords))
    outside = len(positional) == len(args) and len(keywords) == len(kwargs)
    if outside and access in interp.externals.by_access:
        result = interp.externals.by_access[access]
    elif outside and not _has_changed_anything(interp):
        values = [p[1] for p in given if p is not None]
        options = {key: p[1] for key, p in named.items() if p is not None}
        result = interp.externals.wrap(interp.native(lambda: fn(*values, **options)), access, name)
    else:
        return kept(interp, name, interp.call(fn.__wrapped__, args, kwargs))
    return interp.use(result, name)


def _place(interp: Interp, value: Any) -> tuple[Constant | At, Any] | None:
    """Where an argument is at every call, and what it is now; None if it is no constant and not outside. Floats are
    never taken for constants if they are inputs: they may be differentiated."""
    if isinstance(value, _CONSTANTS):
        return Constant(value, class_of(value)), value
    source = interp.externals.outside.get(id(value))
    if source is not None:
        return At(source.access), source.original
    if isinstance(value, RScalar) and value.python and value.dtype is I64 and isinstance(value.expr, Var):
        for leaf in interp.externals.leaves:
            if leaf.scalar is not None and leaf.scalar.name == value.expr.name:
                return At(leaf.access), leaf.value
            for axis, symbol in leaf.extents:
                if symbol == value.expr.name:
                    return At(leaf.access, axis), leaf.value.shape[axis]
    return None


def _has_changed_anything(interp: Interp) -> bool:
    """Whether the program has changed what exists outside: Python's own call would not see it."""
    stored = any(leaf.root is not None and leaf.root.stores for leaf in interp.externals.leaves)
    return stored or bool(interp.stage.changed_outside)


def kept(interp: Interp, name: str, result: Any) -> Any:
    """What a staged function gave and keeps: it must not be changed, since another call would have to see it."""
    stage = interp.stage

    def refuse(change: bool) -> None:
        if change:
            reason = f"what {name} gave is changed, which it keeps for its next call (functools.cache)"
            raise stage.refuse(reason, "change a copy", Code.MEMORY)

    result = interp.settle(result, name)
    for part in structs.parts_of(interp, result):
        if isinstance(part, RArray):
            if part.root is not None and part.root.fresh and not part.root.detached:
                part.root.detached, part.root.current = True, refuse
        elif structs.is_struct(stage, part):
            stage.freeze(structs.container_of(part))
    return result
