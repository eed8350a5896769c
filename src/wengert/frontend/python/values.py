"""What a staged expression evaluates to.

Anything that is not one of the classes here is *static*: an ordinary Python object which is simply used. Static
containers and instances may hold runtime values.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import Const, Expr, Span
from wengert.ir.types import BOOL, C128, F64, I64, DType

from .closures import Closure as Closure
from .python_values import is_dict, is_list, is_slice, is_tuple

Element = Callable[[Sequence[Expr]], Expr]


@dataclass(frozen=True, slots=True, eq=False)
class RScalar:
    """A runtime number or bool. `python` tells a Python number from a NumPy scalar: they divide, raise to powers and
    overflow differently."""

    expr: Expr
    python: bool

    @property
    def dtype(self) -> DType:
        return self.expr.dtype


@dataclass(slots=True, eq=False)
class Root:
    """The memory behind arrays: arrays alias if and only if their roots are the same, except that a `ref`'s root
    may be any. `fresh` roots were allocated by the program; others belong to the caller. A `detached` one is a copy
    that stands for other memory: changing it is refused. `current` raises if that memory has changed, or if asked about
    changing the copy."""

    name: str
    dtype: DType
    shape: tuple[Expr, ...]
    is_ref: bool = False
    fresh: bool = True
    readonly: bool = False
    strided: bool = False
    returned: bool = False
    detached: bool = False
    current: Callable[[bool], None] | None = None
    stores: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class RArray:
    """A runtime array: a strided view of a storage, or (`lazy`) an elementwise expression not yet stored.

    Element (i0, i1, ...) is element start[k] + sum of step*i over the view axes mapped to k of `storage`; `axes` holds
    one (storage axis or None, step) pair per view axis. With `part` ("real" or "imag") it is that part of a complex
    storage. A lazy array gives its element from an index; `reads` are the stored arrays it depends on.
    """

    dtype: DType
    shape: tuple[Expr, ...]
    root: Root | None
    storage: str = ""
    start: tuple[Expr, ...] = ()
    axes: tuple[tuple[int | None, Expr], ...] = ()
    lazy: Element | None = None
    reads: tuple[RArray, ...] = ()
    cost: int = 0
    part: str = ""
    readonly: bool = False  # a view that NumPy does not let programs write through

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class RList:
    """The growable storage behind a Python list that grows under runtime control: elements are numbers, or arrays of a
    fixed shape stored one after another, or (`kind` a tuple type) tuples, with one such list per position in `parts`;
    the first of those gives the length."""

    storage: str
    dtype: DType
    python: bool
    shape: tuple[Expr, ...] | None
    kind: type | None = None
    parts: tuple[RList, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """One of finitely many alternatives; `tag` is the runtime index of the one that holds."""

    tag: Expr
    alternatives: tuple[Any, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MaybeUnbound:
    """A value that is bound only if the runtime flag holds; reading it checks the flag."""

    flag: Expr
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Poison:
    """A value that could not be joined or is unbound; refused when used."""

    reason: str
    way_out: str
    span: Span | None
    code: Code = Code.KIND


@dataclass(frozen=True, slots=True, eq=False)
class RuntimeString:
    """Text with runtime numbers in it, and how they are to be formatted (see `texts`): for messages, mostly."""

    template: str
    args: tuple[Expr, ...]
    forms: tuple[str, ...] = ()
    vague: bool = False  # where it says "..." there are things that are not known


@dataclass(frozen=True, slots=True, eq=False)
class BoundMethod:
    """A method of a runtime value or of a staged container, called through the method tables."""

    owner: Any
    name: str


@dataclass(frozen=True, slots=True, eq=False)
class RRange:
    """range() with runtime bounds."""

    start: Expr
    stop: Expr
    step: int | None
    step_expr: Expr


@dataclass(frozen=True, slots=True, eq=False)
class RIter:
    """An iterable of run-time length: its length and its elements by position."""

    length: Expr
    get: Callable[[Expr], Any]
    source: RList | None = None  # a growing list: it must not change its length meanwhile
    state: dict[str, Any] | None = None  # of an iterator, whether it has been read


@dataclass(frozen=True, slots=True, eq=False)
class RGenerator:
    """A generator: the activation that its call has bound, and in `state` whether it has been run."""

    frame: Any
    state: dict[str, Any]


class Missing:
    """The value of an unbound location."""

    def __repr__(self) -> str:
        return "<unbound>"


MISSING = Missing()
REPORTED = Poison("", "", None)  # the result of a statement already reported as unsupported
RUNTIME = (RScalar, RArray, Choice, MaybeUnbound, Poison)


def template_of(text: str) -> str:
    """A text as the template of a message: its braces are not places for numbers."""
    return text.replace("{", "{{").replace("}", "}}")


def is_runtime(value: object) -> bool:
    """Whether the value itself (not its parts) is known only at run time."""
    return isinstance(value, RUNTIME)


def contains_runtime(value: object, depth: int = 4) -> bool:
    """Whether the value or, to some depth, a part of a container is known only at run time."""
    if isinstance(value, (*RUNTIME, RuntimeString, RRange, BoundMethod, Closure, RGenerator)):
        return True
    if depth and (is_list(value) or is_tuple(value)):
        return any(contains_runtime(v, depth - 1) for v in value)
    if depth and is_dict(value):
        return any(contains_runtime(v, depth - 1) for v in value.values())
    if is_slice(value):
        return any(contains_runtime(v, 1) for v in (value.start, value.stop, value.step))
    return False


def joins_as_number(value: object) -> bool:
    """Whether a value that meets another at a join does so as a number."""
    plain = isinstance(value, (bool, int, float, complex)) and not hasattr(value, "__dict__")
    return plain or isinstance(value, RScalar)


def scalar_const(value: bool | int | float | complex) -> Const:
    """The constant of a Python number."""
    match value:
        case bool():
            return Const(value, BOOL)
        case int():
            return build.const(value, I64)
        case float():
            return build.const(value, F64)
        case _:
            return build.const(value, C128)
