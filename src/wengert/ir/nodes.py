"""The IR: structured, imperative, over mutable buffers.

A `Module` holds `Function`s. A function has scalar and storage parameters, a body (a `Block`: a tuple of
statements) and `results`: names of storages in scope at the end of the body that a root function hands back.
Functions that are called (`Call`) have no results; they write into storage parameters.

Names are unique within a function (parameters, storages, lets, loop variables alike), whatever the nesting, and are
visible from their definition to the end of the enclosing block.

**Storages** hold elements. An array (`Buffer`) has fixed extents; a `Ref` names a buffer of fixed dtype and rank whose
target may change; a `Growable` is a rank-1 sequence with a length. A rank-0 buffer is a mutable scalar (a "cell").
Buffers are C-contiguous unless `strided`, which only views and parameters are.

**Scalars** are immutable: `Var` names a `Let`, a loop variable or a scalar parameter. Expressions have no side effects;
both sides of a `Select` may be evaluated, so every load in either must be in range.

**Loops.** `Loop(var, start, stop, step, order, cond, body)` runs the body for var = start, start+step, ... while var
is before stop (`stop is None`: for ever) and `cond`, evaluated before each iteration, holds. Bounds are evaluated once.
Under `order="any"` the iterations may run in any order or at once: a plain store is injective over the domain and
nothing stored is read at another point of the domain; accumulation (`Accumulate`) may collide. An `any` loop has no
`cond` and contains no `Push`, `Pop`, `Resize`, `Rebind`, `PushRef` or `PopRef` on storages declared outside it.

**Lifetime.** A buffer lives to the end of the block that allocates it, longer if a ref or ref stack still targets it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from .types import BOOL, I64, DType


@dataclass(frozen=True, slots=True)
class Span:
    """Where in the user's source a node comes from. Lines and columns count from 1; `text` is the stripped line."""

    file: str
    line: int
    col: int = 1
    end_col: int = 1
    function: str = ""
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


# -- expressions ---------------------------------------------------------------------------------------------


class Compound:
    """An expression with operands, which remembers what `walk` found in it: nodes never change, passes ask often."""

    __slots__ = ("names", "parts")
    parts: tuple[Expr, ...]
    names: frozenset[str]


class Nest:
    """A statement with blocks, which remembers what `walk` found in them."""

    __slots__ = ("inner",)
    inner: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Const:
    """A number. `math.nan` equals itself here, so that a program with a NaN equals itself, too."""

    value: bool | int | float | complex
    dtype: DType

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Const):
            return NotImplemented
        return self.dtype is other.dtype and (self.value is other.value or self.value == other.value)


@dataclass(frozen=True, slots=True)
class Var:
    name: str
    dtype: DType


@dataclass(frozen=True, slots=True)
class Load(Compound):
    """An element of a storage; `index` has one i64 expression per axis, in range."""

    storage: str
    index: tuple[Expr, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Op(Compound):
    """A scalar operation, a row of `ops.OPS`; `dtype` is the result's. The row says which dtypes operands have."""

    name: str
    args: tuple[Expr, ...]
    dtype: DType


@dataclass(frozen=True, slots=True)
class Select(Compound):
    cond: Expr
    then: Expr
    orelse: Expr

    @property
    def dtype(self) -> DType:
        return self.then.dtype


@dataclass(frozen=True, slots=True)
class Cast(Compound):
    """C conversion (float to int truncates; to bool is != 0; complex to real takes the real part)."""

    value: Expr
    dtype: DType


@dataclass(frozen=True, slots=True)
class Extent:
    """The current extent of a storage along an axis (a growable's length: axis 0)."""

    storage: str
    axis: int

    @property
    def dtype(self) -> DType:
        return I64


Expr: TypeAlias = Const | Var | Load | Op | Select | Cast | Extent

# -- storages ------------------------------------------------------------------------------------------------

Intent = Literal["in", "inout", "local"]


@dataclass(frozen=True, slots=True)
class Buffer:
    """An array of fixed extents. As a parameter, `intent` says whether the function writes it."""

    name: str
    dtype: DType
    shape: tuple[Expr, ...]
    strided: bool = False
    intent: Intent = "local"

    @property
    def rank(self) -> int:
        return len(self.shape)


@dataclass(frozen=True, slots=True)
class Ref:
    """A rebindable name of a buffer of this dtype and rank (its targets may be strided)."""

    name: str
    dtype: DType
    rank: int


@dataclass(frozen=True, slots=True)
class Growable:
    """A sequence with push, pop, resize, length and index. With `ref_rank` its elements are refs of that rank."""

    name: str
    dtype: DType
    ref_rank: int | None = None

    @property
    def rank(self) -> int:
        return 1


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar parameter."""

    name: str
    dtype: DType


Storage: TypeAlias = Buffer | Ref | Growable
Param: TypeAlias = Scalar | Buffer | Growable

# -- statements ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Alloc:
    """Allocate a buffer; its contents are zero if `zero`, else undefined until stored."""

    buffer: Buffer
    zero: bool = False
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Declare:
    """Declare an unbound ref, whose extents are 0, or an empty growable."""

    storage: Ref | Growable
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class View:
    """Name a strided part of `base` (never a copy): element (i0, i1, ...) of the view is element
    (start[k] + sum of step*i over the view axes mapped to base axis k) of the base.

    `axes` has one (base axis or None, step) pair per view axis; None repeats the base along that axis (read only).
    The buffer is `strided`; its shape gives the view's extents. The base may be any storage but a scalar growable.
    """

    buffer: Buffer
    base: str
    start: tuple[Expr, ...]
    axes: tuple[tuple[int | None, Expr], ...]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Reshape:
    """Name the elements of the contiguous `base`, in C order, with another shape (never a copy)."""

    buffer: Buffer
    base: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Rebind:
    """Let `ref` name what `target` names (a buffer, view or ref of the same dtype and rank): nothing, if that is an
    unbound ref."""

    ref: str
    target: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Let:
    name: str
    value: Expr
    span: Span | None = None

    @property
    def var(self) -> Var:
        return Var(self.name, self.value.dtype)


@dataclass(frozen=True, slots=True)
class Store:
    storage: str
    index: tuple[Expr, ...]
    value: Expr
    span: Span | None = None


AccumulateOp = Literal["add", "max", "min"]


@dataclass(frozen=True, slots=True)
class Accumulate:
    """storage[index] = op(storage[index], value); max and min keep the old value on ties and propagate NaN."""

    storage: str
    index: tuple[Expr, ...]
    value: Expr
    op: AccumulateOp = "add"
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Loop(Nest):
    var: str
    start: Expr
    stop: Expr | None
    body: Block
    step: int = 1
    order: Literal["any", "sequential"] = "sequential"
    cond: Expr | None = None
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class If(Nest):
    cond: Expr
    then: Block
    orelse: Block = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class LibCall:
    """A library operation, a row of `libops.LIBOPS`. `outs` are storages (never aliasing an input); `ins` are storage
    names or scalar expressions; `attrs` are static."""

    op: str
    outs: tuple[str, ...]
    ins: tuple[str | Expr, ...]
    attrs: tuple[tuple[str, object], ...] = ()
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function of the module: one argument per parameter, a storage name or a scalar expression."""

    function: str
    args: tuple[str | Expr, ...]
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Push:
    growable: str
    value: Expr
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Pop:
    """Remove the last element and name it, as a `Let` would."""

    name: str
    growable: str
    dtype: DType
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Resize:
    """Append `delta` zero elements, or remove the last -delta."""

    growable: str
    delta: Expr
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class PushRef:
    growable: str
    ref: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class PopRef:
    """Rebind `ref` to the last element of the ref stack and remove it."""

    ref: str
    growable: str
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Fail:
    """Raise the Python exception named `exception`; each {} in `message` shows one of `args`."""

    exception: str
    message: str
    args: tuple[Expr, ...] = ()
    span: Span | None = None


Stmt: TypeAlias = (
    Alloc
    | Declare
    | View
    | Reshape
    | Rebind
    | Let
    | Store
    | Accumulate
    | Loop
    | If
    | LibCall
    | Call
    | Push
    | Pop
    | Resize
    | PushRef
    | PopRef
    | Fail
)
Block: TypeAlias = tuple[Stmt, ...]


FORGOTTEN = "nothing"


@dataclass(frozen=True, slots=True)
class Function:
    name: str
    params: tuple[Param, ...]
    body: Block
    results: tuple[str, ...] = ()
    span: Span | None = None
    attached: str = ""
    """The function whose derivatives stand for those of a call of this one (see `ad/attach.py`); FORGOTTEN in code that
    is not differentiated any more."""


@dataclass(frozen=True, slots=True)
class Module:
    """Functions by name; `entry` names the root."""

    functions: dict[str, Function] = field(default_factory=dict[str, Function])
    entry: str = ""

    @property
    def root(self) -> Function:
        return self.functions[self.entry]


TRUE, FALSE = Const(True, BOOL), Const(False, BOOL)
ZERO, ONE = Const(0, I64), Const(1, I64)
