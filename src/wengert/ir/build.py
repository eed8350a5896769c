"""Constructors for IR: expressions that fold what is exact, and `Emitter`, which builds blocks readably.

Every constructor accepts Python numbers among its operands; a number takes the dtype of the first operand that is an
expression. Folding never changes a result by a bit (x + 0.0 stays for floats: it maps -0.0 to 0.0; x - 0.0 does
not), with one exception: multiplying or dividing a complex number by one gives the number, where NumPy would turn an
infinite part into NaN. Constants are folded by the row's NumPy function.

Beware: `Const(0.0, F64) == Const(-0.0, F64)`, as Python compares floats. Compare with `same` where it matters.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Literal, TypeAlias

import numpy as np

from . import ops  # mutually recursive with this module; both use the other only inside functions
from .nodes import (
    Accumulate,
    AccumulateOp,
    Alloc,
    Block,
    Buffer,
    Call,
    Cast,
    Const,
    Declare,
    Expr,
    Extent,
    Fail,
    Growable,
    If,
    Let,
    LibCall,
    Load,
    Loop,
    Op,
    Pop,
    PopRef,
    Push,
    PushRef,
    Rebind,
    Ref,
    Reshape,
    Resize,
    Scalar,
    Select,
    Span,
    Stmt,
    Storage,
    Store,
    Var,
    View,
)
from .types import BOOL, I64, DType

Number: TypeAlias = bool | int | float | complex
Operand: TypeAlias = Expr | Number
Index: TypeAlias = Sequence[Expr | int]

# -- expressions ---------------------------------------------------------------------------------------------


def const(value: Number | np.generic, dtype: DType) -> Const:
    """A constant, rounded to `dtype` and held as the Python number of that value. NaNs are `math.nan` where real.

    Raises OverflowError if an integer does not fit.
    """
    number = dtype.numpy.type(value).item()
    if isinstance(number, float) and math.isnan(number):
        number = math.nan
    return Const(number, dtype)


def as_expr(value: Operand, dtype: DType) -> Expr:
    """`value` itself if it is an expression, else a constant of `dtype`."""
    return const(value, dtype) if isinstance(value, (bool, int, float, complex)) else value


def index(*values: Expr | int) -> tuple[Expr, ...]:
    """An index tuple: integers become i64 constants."""
    return tuple(as_expr(v, I64) for v in values)


def i64(value: int) -> Const:
    return Const(value, I64)


def op(name: str, *args: Operand) -> Expr:
    """The operation `name` of `ops.OPS` on `args`, simplified where that is exact.

    Raises TypeError if the operand dtypes differ or the row does not accept them.
    """
    row = ops.OPS[name]
    operands = _coerce(name, args)
    if len(operands) != row.arity:
        raise TypeError(f"{name} takes {row.arity} operands, not {len(operands)}")
    dtype = row.result_dtype(tuple(a.dtype for a in operands))
    return _fold_constants(name, operands, dtype) or _simplify(name, operands, dtype) or Op(name, operands, dtype)


def cast(value: Expr, dtype: DType) -> Expr:
    """`value` converted to `dtype` as C does; nothing if it has that dtype."""
    if value.dtype is dtype:
        return value
    if isinstance(value, Const):
        return _cast_const(value, dtype) or Cast(value, dtype)
    return Cast(value, dtype)


def select(cond: Operand, then: Operand, orelse: Operand) -> Expr:
    """`then` where `cond`, else `orelse`; one of the two must be an expression."""
    then, orelse = _coerce("select", (then, orelse))
    cond = as_expr(cond, BOOL)
    if isinstance(cond, Const):
        return then if cond.value else orelse
    return then if same(then, orelse) else Select(cond, then, orelse)


def load(storage: Storage | str, at: Index, dtype: DType | None = None) -> Load:
    """An element of a storage; the dtype is needed only with a name."""
    if isinstance(storage, str):
        if dtype is None:
            raise TypeError(f"the dtype of {storage} is needed")
        return Load(storage, index(*at), dtype)
    return Load(storage.name, index(*at), storage.dtype)


def extent(storage: Storage | str, axis: int) -> Expr:
    """The extent of a storage along an axis; a buffer's declared extent where that is a constant or a name."""
    if isinstance(storage, Buffer) and isinstance(storage.shape[axis], (Const, Var)):
        return storage.shape[axis]
    return Extent(_name(storage), axis)


def add(a: Operand, b: Operand) -> Expr:
    return op("add", a, b)


def sub(a: Operand, b: Operand) -> Expr:
    return op("sub", a, b)


def mul(a: Operand, b: Operand) -> Expr:
    return op("mul", a, b)


def div(a: Operand, b: Operand) -> Expr:
    return op("div", a, b)


def neg(a: Expr) -> Expr:
    return op("neg", a)


def lt(a: Operand, b: Operand) -> Expr:
    return op("lt", a, b)


def le(a: Operand, b: Operand) -> Expr:
    return op("le", a, b)


def gt(a: Operand, b: Operand) -> Expr:
    return op("gt", a, b)


def ge(a: Operand, b: Operand) -> Expr:
    return op("ge", a, b)


def eq(a: Operand, b: Operand) -> Expr:
    return op("eq", a, b)


def ne(a: Operand, b: Operand) -> Expr:
    return op("ne", a, b)


def and_(*args: Operand) -> Expr:
    """The conjunction of any number of conditions (true of none)."""
    result: Expr = Const(True, BOOL)
    for a in args:
        result = op("and", result, a)
    return result


def or_(*args: Operand) -> Expr:
    """The disjunction of any number of conditions (false of none)."""
    result: Expr = Const(False, BOOL)
    for a in args:
        result = op("or", result, a)
    return result


def not_(a: Expr) -> Expr:
    return op("not", a)


def max_(a: Operand, b: Operand) -> Expr:
    return op("max", a, b)


def min_(a: Operand, b: Operand) -> Expr:
    return op("min", a, b)


def zero(dtype: DType) -> Const:
    return const(0, dtype)


def one(dtype: DType) -> Const:
    return const(1, dtype)


def same(a: Expr, b: Expr) -> bool:
    """Structural equality that tells 0.0 from -0.0 (and, for NaNs made by `const`, takes a NaN to equal itself)."""
    return a is b or (a == b and repr(a) == repr(b))


def is_const(e: Expr, value: Number) -> bool:
    """Whether `e` is the constant `value` (0 means +0.0, not -0.0)."""
    if not isinstance(e, Const) or e.value != value:
        return False
    return value != 0 or _signs(e.value) == _signs(value)


def _signs(value: Number) -> tuple[float, float]:
    return math.copysign(1, complex(value).real), math.copysign(1, complex(value).imag)


def _coerce(name: str, args: Sequence[Operand]) -> tuple[Expr, ...]:
    dtypes = [a.dtype for a in args if not isinstance(a, (bool, int, float, complex))]
    if not dtypes:
        raise TypeError(f"{name}: one operand must be an expression")
    operands = tuple(as_expr(a, dtypes[0]) for a in args)
    if any(a.dtype is not dtypes[0] for a in operands):
        raise TypeError(f"{name}: operands of different types: {', '.join(a.dtype.value for a in operands)}")
    return operands


def _fold_constants(name: str, args: tuple[Expr, ...], dtype: DType) -> Expr | None:
    values = [a.dtype.numpy.type(a.value) for a in args if isinstance(a, Const)]
    if len(values) < len(args):
        return None
    try:
        return const(ops.OPS[name].numpy(*values), dtype)
    except (OverflowError, ValueError):  # left to happen at run time
        return None


def _cast_const(value: Const, dtype: DType) -> Const | None:
    number = value.value
    if isinstance(number, complex) and not dtype.is_complex:
        number = bool(number) if dtype is BOOL else number.real
    if isinstance(number, float) and dtype.is_integer:
        if not math.isfinite(number):
            return None
        number = int(number)
    if isinstance(number, int) and dtype.is_integer:
        info = np.iinfo(dtype.numpy)
        if not value.dtype.is_integer and not info.min <= number <= info.max:
            return None  # C leaves it undefined
        number = (number - int(info.min)) % (int(info.max) - int(info.min) + 1) + int(info.min)
    with np.errstate(all="ignore"):
        return const(number, dtype)


def _simplify(name: str, args: tuple[Expr, ...], dtype: DType) -> Expr | None:
    """An operand, a constant or a smaller expression that equals the operation, if there is one."""
    match name, args:
        case "add", (a, b):
            return _simplify_add(a, b, dtype)
        case "addc", (a, b) if is_const(a, 0) or is_const(b, 0):
            return b if is_const(a, 0) else a
        case (("sub" | "subc"), (a, b)):
            if is_const(b, 0) and not dtype.is_complex:
                return a
            if dtype.is_integer:
                return zero(dtype) if a == b else _add_constants(name, a, b, dtype)
        case (("mul" | "mulc"), (a, b)):
            if is_const(a, 1):
                return b
            if is_const(b, 1):
                return a
            if dtype.is_integer and (is_const(a, 0) or is_const(b, 0)):
                return zero(dtype)
        case (("div" | "floordiv"), (a, b)):
            if is_const(b, 1) and (name == "div" or dtype.is_integer):
                return a
        case "pow", (a, b):
            if is_const(b, 1):
                return a
            if is_const(b, 0):
                return one(dtype)
        case (("neg" | "not" | "conj"), (Op(name=inner, args=(a,)),)) if inner == name:
            return a
        case (("real" | "conj"), (a,)) if not a.dtype.is_complex:
            return a
        case "imag", (a,) if not a.dtype.is_complex:
            return zero(dtype)
        case (("and" | "or"), (a, b)):
            return _simplify_logic(a, b, absorbing=name == "or")
        case (("eq" | "le" | "ge"), (a, b)) if a.dtype.is_integer and a == b:
            return Const(True, BOOL)
        case (("ne" | "lt" | "gt"), (a, b)) if a.dtype.is_integer and a == b:
            return Const(False, BOOL)
        case (("max" | "min"), (a, b)) if same(a, b):
            return a
        case _:
            pass
    return None


def _simplify_add(a: Expr, b: Expr, dtype: DType) -> Expr | None:
    if dtype.is_float:
        return b if is_const(a, -0.0) else a if is_const(b, -0.0) else None
    if dtype.is_complex:
        return None
    return b if is_const(a, 0) else a if is_const(b, 0) else _add_constants("add", a, b, dtype)


def _add_constants(name: str, a: Expr, b: Expr, dtype: DType) -> Expr | None:
    """(x +- c) +- d for integers (which wrap) as x +- e; nothing for checked integers."""
    if name not in ("add", "sub"):
        return None
    match a, b:
        case Op(name="add" | "sub" as inner, args=(x, Const(value=c))), Const(value=d) if a.dtype is dtype:
            total = (int(c.real) if inner == "add" else -int(c.real)) + (int(d.real) if name == "add" else -int(d.real))
            if abs(total) <= np.iinfo(dtype.numpy).max:
                return op("add", x, total) if total >= 0 else op("sub", x, -total)
        case _:
            pass
    return None


def _simplify_logic(a: Expr, b: Expr, absorbing: bool) -> Expr | None:
    for x, y in ((a, b), (b, a)):
        if isinstance(x, Const):
            return x if x.value is absorbing else y
    return a if a == b else None


# -- statements ----------------------------------------------------------------------------------------------


def _name(storage: Storage | Scalar | str) -> str:
    return storage if isinstance(storage, str) else storage.name


def _argument(value: Storage | Expr | str) -> str | Expr:
    return value.name if isinstance(value, (Buffer, Ref, Growable)) else value


class Emitter:
    """Builds a block statement by statement; `with` opens nested blocks.

        e = Emitter(taken=names)                # names already in use in the function
        s = e.alloc("s", F64, (), zero=True)
        with e.loop("i", 0, n, order="any") as i:
            x = e.let("x", load(u, [i]))
            e.accumulate(s, [], mul(x, x))
        body = e.block()

    Names are hints: `fresh` makes them unique. Each statement gets the emitter's current `span` (see `at`).
    """

    def __init__(self, taken: Iterable[str] = (), span: Span | None = None) -> None:
        self.taken = set(taken)
        self.span = span
        self._blocks: list[list[Stmt]] = [[]]
        self._next: dict[str, int] = {}

    def fresh(self, hint: str) -> str:
        """`hint` if it is free, else `hint_1`, `hint_2` ..."""
        name, n = hint, self._next.get(hint, 0)
        while name in self.taken:
            n += 1
            name = f"{hint}_{n}"
        self._next[hint] = n
        self.taken.add(name)
        return name

    def block(self) -> Block:
        """All that was emitted at the outermost level."""
        if len(self._blocks) != 1:
            raise ValueError("a nested block is still open")
        return tuple(self._blocks[0])

    @contextmanager
    def at(self, span: Span | None) -> Generator[None, None, None]:
        """Statements emitted inside carry `span` (None: the current one stays)."""
        before = self.span
        self.span = span or before
        try:
            yield
        finally:
            self.span = before

    @contextmanager
    def collect(self) -> Generator[list[Stmt], None, None]:
        """Statements emitted inside go to the list given, and nowhere else."""
        stmts: list[Stmt] = []
        self._blocks.append(stmts)
        try:
            yield stmts
        finally:
            self._blocks.pop()

    def emit(self, *stmts: Stmt) -> None:
        self._blocks[-1].extend(stmts)

    @contextmanager
    def loop(
        self,
        hint: str,
        start: Expr | int,
        stop: Expr | int | None,
        *,
        step: int = 1,
        order: Literal["any", "sequential"] = "sequential",
        cond: Expr | None = None,
    ) -> Generator[Var, None, None]:
        var, span = Var(self.fresh(hint), I64), self.span
        with self.collect() as body:
            yield var
        last = None if stop is None else as_expr(stop, I64)
        self.emit(Loop(var.name, as_expr(start, I64), last, tuple(body), step, order, cond, span))

    @contextmanager
    def if_(self, cond: Expr) -> Generator[None, None, None]:
        span = self.span
        with self.collect() as body:
            yield
        self.emit(If(cond, tuple(body), (), span))

    @contextmanager
    def else_(self) -> Generator[None, None, None]:
        """The other branch of the `if_` just closed."""
        with self.collect() as body:
            yield
        match self._blocks[-1]:
            case [*_, If(cond=cond, then=then, orelse=(), span=span)]:
                self._blocks[-1][-1] = If(cond, then, tuple(body), span)
            case _:
                raise ValueError("else_ must follow if_")

    def let(self, hint: str, value: Expr) -> Var | Const:
        """Name a value; constants and names stay themselves."""
        if isinstance(value, (Const, Var)):
            return value
        stmt = Let(self.fresh(hint), value, self.span)
        self.emit(stmt)
        return stmt.var

    def store(self, storage: Storage | str, at: Index, value: Expr) -> None:
        self.emit(Store(_name(storage), index(*at), value, self.span))

    def accumulate(self, storage: Storage | str, at: Index, value: Expr, op: AccumulateOp = "add") -> None:
        self.emit(Accumulate(_name(storage), index(*at), value, op, self.span))

    def alloc(self, hint: str, dtype: DType, shape: Index, zero: bool = False) -> Buffer:
        buffer = Buffer(self.fresh(hint), dtype, index(*shape))
        self.emit(Alloc(buffer, zero, self.span))
        return buffer

    def cell(self, hint: str, value: Expr) -> Buffer:
        """A rank-0 buffer holding `value`."""
        buffer = self.alloc(hint, value.dtype, ())
        self.store(buffer, (), value)
        return buffer

    def ref(self, hint: str, dtype: DType, rank: int) -> Ref:
        """Declare an unbound ref."""
        ref = Ref(self.fresh(hint), dtype, rank)
        self.emit(Declare(ref, self.span))
        return ref

    def growable(self, hint: str, dtype: DType, ref_rank: int | None = None) -> Growable:
        """Declare an empty growable."""
        growable = Growable(self.fresh(hint), dtype, ref_rank)
        self.emit(Declare(growable, self.span))
        return growable

    def view(
        self, hint: str, base: Storage, start: Index, axes: Sequence[tuple[int | None, Expr | int]], shape: Index
    ) -> Buffer:
        """A strided part of `base`; arguments as in `View`."""
        buffer = Buffer(self.fresh(hint), base.dtype, index(*shape), strided=True)
        steps = tuple((axis, as_expr(step, I64)) for axis, step in axes)
        self.emit(View(buffer, base.name, index(*start), steps, self.span))
        return buffer

    def row(self, hint: str, base: Storage, *at: Expr | int) -> Buffer:
        """The view base[at, ...]: leading axes fixed, the others whole."""
        rest = range(len(at), base.rank)
        start = (*at, *(0 for _ in rest))
        return self.view(hint, base, start, [(k, 1) for k in rest], [extent(base, k) for k in rest])

    def reshape(self, hint: str, base: Storage, shape: Index) -> Buffer:
        buffer = Buffer(self.fresh(hint), base.dtype, index(*shape))
        self.emit(Reshape(buffer, base.name, self.span))
        return buffer

    def rebind(self, ref: Ref | str, target: Storage | str) -> None:
        self.emit(Rebind(_name(ref), _name(target), self.span))

    def lib(
        self,
        op: str,
        outs: Sequence[Storage | str],
        ins: Sequence[Storage | Expr | str],
        **attrs: object,
    ) -> None:
        call = LibCall(op, tuple(map(_name, outs)), tuple(map(_argument, ins)), tuple(attrs.items()), self.span)
        self.emit(call)

    def call(self, function: str, *args: Storage | Expr | str) -> None:
        self.emit(Call(function, tuple(map(_argument, args)), self.span))

    def push(self, growable: Growable | str, value: Expr) -> None:
        self.emit(Push(_name(growable), value, self.span))

    def pop(self, hint: str, growable: Growable) -> Var:
        stmt = Pop(self.fresh(hint), growable.name, growable.dtype, self.span)
        self.emit(stmt)
        return Var(stmt.name, stmt.dtype)

    def resize(self, growable: Growable | str, delta: Expr) -> None:
        self.emit(Resize(_name(growable), delta, self.span))

    def push_ref(self, growable: Growable | str, ref: Storage | str) -> None:
        self.emit(PushRef(_name(growable), _name(ref), self.span))

    def pop_ref(self, ref: Ref | str, growable: Growable | str) -> None:
        self.emit(PopRef(_name(ref), _name(growable), self.span))

    def fail(self, exception: str, message: str, *args: Expr) -> None:
        self.emit(Fail(exception, message, args, self.span))
