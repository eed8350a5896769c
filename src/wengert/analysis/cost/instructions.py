"""What the processor does for statements without loops inside: instructions, by the unit that runs them.

Units work side by side, so the time of a turn is about that of the busiest one (`machine.combined`). Calls of
elementary functions come on top.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from wengert.analysis.cost.counts import itemsize
from wengert.analysis.cost.machine import Machine, combined
from wengert.analysis.cost.scope import Index, Scope
from wengert.ir.nodes import (
    Accumulate,
    Block,
    Cast,
    Const,
    Expr,
    Extent,
    If,
    Let,
    Load,
    Loop,
    Op,
    Pop,
    Push,
    Select,
    Stmt,
    Store,
    Var,
)
from wengert.ir.ops import CHECKED
from wengert.ir.types import BOOL, DType
from wengert.ir.walk import definitions, expressions, names_in, statements, subexpressions

ADDITIONS = frozenset({"add", "sub", "neg", "abs"})
VECTOR = frozenset({
    "exp", "log", "pow", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "exp2", "expm1",
    "log2", "log10", "log1p", "cbrt", "erf", "atan2", "hypot",
})  # fmt: skip
"""Elementary functions that have a vector variant (in double precision)."""
SINGLE = frozenset({
    "exp", "log", "pow", "sin", "cos", "tan", "atan", "tanh", "exp2", "expm1", "log1p", "erf",
})  # fmt: skip
"""Those that have one in single precision."""
SIMPLE = frozenset({
    "add", "sub", "mul", "div", "neg", "abs", "max", "min", "fmax", "fmin", "sqrt", "eq", "ne", "lt", "le", "gt",
    "ge", "and", "or", "xor", "not", "isnan", "isinf", "isfinite", "signbit", "copysign", "real", "imag", "conj",
    "complex", "floor", "ceil", "trunc", "rint", "bitand", "bitor", "bitxor", "bitnot", "shl", "shr", "sign",
    "held", "change",
})  # fmt: skip
CHOICE = {"max": 4.0, "min": 4.0, "fmax": 3.0, "fmin": 3.0, "sign": 4.0, "copysign": 3.0}
"""Instructions of what is more than one."""
INTEGER = {"mul": 3.0, "floordiv": 25.0, "mod": 25.0, "ipow": 20.0}
QUOTIENT = 12.0
"""A complex quotient or power, in real quotients: it is a function that looks for special cases."""

Chance = Callable[[If], float]


@dataclass(slots=True)
class Parts:
    """Seconds by unit."""

    add: float = 0.0
    mul: float = 0.0
    divide: float = 0.0
    memory: float = 0.0
    all: float = 0.0
    calls: float = 0.0
    turn: float = 0.0

    def seconds(self) -> float:
        return self.calls + combined((self.add, self.mul, self.divide, self.memory, self.all, self.turn))

    def plus(self, other: Parts, factor: float = 1.0) -> None:
        self.add += factor * other.add
        self.mul += factor * other.mul
        self.divide += factor * other.divide
        self.memory += factor * other.memory
        self.all += factor * other.all
        self.calls += factor * other.calls


def has_vector_code(loop: Loop, machine: Machine) -> bool:
    """Whether the C compiler has vector instructions for everything that an `any` loop does in lanes."""
    moving = definitions(loop.body) | {loop.var}
    for s in statements(loop.body):
        for e in _values(s):
            if not all(_is_vector(x, machine) for x in subexpressions(e) if names_in(x) & moving):
                return False
    return True


def _values(s: Stmt) -> Iterable[Expr]:
    """What a statement computes, subscripts aside; integers that only serve as such do not matter."""
    match s:
        case Let(_, value) if value.dtype.is_inexact or value.dtype is BOOL:
            return (value,)
        case Store(value=value) | Accumulate(value=value):
            return (value,)
        case If(cond=cond):
            return (cond,)
        case _:
            return ()


def _is_vector(e: Expr, machine: Machine) -> bool:
    match e:
        case Cast(value, dtype) if value.dtype in (DType.I64, DType.U64) or dtype in (DType.I64, DType.U64):
            return machine.longs or value.dtype is dtype or not (value.dtype.is_inexact or dtype.is_inexact)
        case Op(name, args):
            if name in CHECKED:
                return False
            dtype = args[0].dtype
            if dtype.is_complex:
                return name in ("add", "sub", "mul", "neg", "real", "imag", "conj", "complex")
            if dtype.is_integer:
                return name in SIMPLE
            return name in SIMPLE or name in (SINGLE if dtype is DType.F32 else VECTOR)
        case Select(_, then, orelse):  # a function of one side only is called under a condition
            return not any(isinstance(x, Op) and x.name in VECTOR for e in (then, orelse) for x in subexpressions(e))
        case _:
            return True


class Tally:
    """Adds up statements of one loop's body (`loop`), or of code between loops (None)."""

    def __init__(self, scope: Scope, machine: Machine, loop: Loop | None, vector: bool, chance: Chance) -> None:
        self.scope, self.machine, self.chance, self.vector = scope, machine, chance, vector
        self.loop = loop
        self.moving = set[str]() if loop is None else {loop.var}
        self._cells = {n for n, s in scope.counts.storages.items() if s.rank == 0}
        self._seen: set[tuple[str, Index]] = set()
        self.width = _widest(loop) if vector and loop is not None else machine.vector_bytes
        """Bytes of an element: with vectors, as many as fit in one are worked on at once."""

    @property
    def lanes(self) -> float:
        return max(1.0, self.machine.vector_bytes / self.width) if self.vector else 1.0

    def block(self, block: Block) -> Parts:
        total = Parts()
        for s in block:
            total.plus(self.statement(s))
        return total

    def statement(self, s: Stmt) -> Parts:
        """Of one turn; only what is inside an `If` is followed."""
        parts = Parts()
        match s:
            case Let(name, value):
                if self._expr(value, parts):
                    self.moving.add(name)
                self.scope.let(s)
            case Store(storage, index, value):
                self._expr(value, parts)
                self._touch(storage, index, parts, store=True)
            case Accumulate(storage, index, value):
                self._expr(value, parts)
                self._accumulate(s, parts)
                self._touch(storage, index, parts, store=True)
            case If(cond, then, orelse):
                self._expr(cond, parts)
                chance = self.chance(s)
                likely = (1.0, 1.0) if self.vector else (chance, 1.0 - chance)
                for inner, part in zip((then, orelse), likely, strict=True):
                    parts.plus(self.block(inner), part)
                if not self.vector:
                    parts.calls += 2 * min(chance, 1.0 - chance) * 0.5 * self.machine.branch
            case Push(value=value):
                self._expr(value, parts)
                self._count(parts, 3.0)
                parts.memory += self.machine.single_store
            case Pop():
                self._count(parts, 3.0)
                parts.memory += self.machine.single_load
                self.moving.add(s.name)
            case _:
                for e in expressions(s):
                    self._expr(e, parts)
        return parts

    # -- expressions

    def _count(self, parts: Parts, instructions: float) -> None:
        parts.all += instructions * self.machine.instruction / self.lanes

    def _expr(self, e: Expr, parts: Parts) -> bool:
        """Count an expression; whether it changes from turn to turn (what does not is computed before the loop)."""
        match e:
            case Const() | Extent():
                return False
            case Var(name):
                return self.loop is None or name in self.moving
            case Load(storage, index):
                return self._touch(storage, index, parts, store=False)
            case Op() | Select() | Cast():
                args = (
                    e.args if isinstance(e, Op) else (e.value,) if isinstance(e, Cast) else (e.cond, e.then, e.orelse)
                )
                mine = Parts()
                moves = [self._expr(a, mine) for a in args]
                parts.plus(mine)
                if not any(moves):
                    return False
                self._operation(e, parts)
                return True

    def _operation(self, e: Op | Select | Cast, parts: Parts) -> None:
        if isinstance(e, Cast):
            self._count(parts, 1.0)
            return
        if isinstance(e, Select):
            self._count(parts, 1.0)
            return
        dtype = e.args[0].dtype
        if not dtype.is_inexact:
            self._count(parts, INTEGER.get(e.name, 1.0) + (2.0 if e.name in CHECKED else 0.0))
            return
        if dtype.is_complex:
            self._complex(e.name, parts)
            return
        self._float(e.name, parts, dtype is DType.F32)

    def _float(self, name: str, parts: Parts, single: bool, times: float = 1.0) -> None:
        m = self.machine
        self._count(parts, times * CHOICE.get(name, 1.0))
        if name in ADDITIONS:
            parts.add += times * self._rate("add")
        elif name == "mul":
            parts.mul += times * self._rate("mul")
        elif name in ("div", "sqrt"):
            parts.divide += times * self._rate(name) * (0.7 if single and not self.vector else 1.0)
        elif name not in SIMPLE:
            parts.calls += times * self._rate(name)
            if not self.vector:
                parts.calls += m.instruction * 4

    def _rate(self, name: str) -> float:
        rate = self.machine.rate(name)
        return rate.vector * self.width / 8.0 if self.vector else rate.scalar

    def _complex(self, name: str, parts: Parts) -> None:
        match name:
            case "add" | "sub" | "neg":
                self._float("add", parts, False, 2.0)
            case "mul":
                self._float("mul", parts, False, 4.0)
                self._float("add", parts, False, 2.0)
            case "real" | "imag" | "conj" | "complex":
                self._count(parts, 1.0)
            case "abs":
                self._float("hypot", parts, False)
            case "div" | "pow":
                self._float("div", parts, False, QUOTIENT)
            case _:
                self._float(name, parts, False, 3.0)

    def _accumulate(self, s: Accumulate, parts: Parts) -> None:
        name = s.op
        self._touch(s.storage, s.index, parts, store=False)
        if s.value.dtype.is_complex:
            self._complex(name, parts)
        elif s.value.dtype.is_inexact:
            self._float(name, parts, False)
        else:
            self._count(parts, 1.0)

    # -- memory

    def _touch(self, storage: str, index: Index, parts: Parts, store: bool) -> bool:
        """Count an access; whether what is loaded may change from turn to turn."""
        m = self.machine
        if storage in self._cells:
            return True
        known = (storage, index)
        if store:
            self._seen = {k for k in self._seen if k[0] != storage}
        if known in self._seen and not store:
            return True
        self._seen.add(known)
        one = m.store if store else m.load
        if not self.vector:
            one = m.single_store if store else m.single_load
        root, forms = self.scope.place(storage, index)
        if None in forms:
            for e in index:
                self._expr(e, parts)
        if self.loop is None:
            self._count(parts, max(1.0, 2.0 * len(index) - 1.0))
            parts.memory += one
            return True
        steps = [None if f is None else f.factor(self.loop.var) for f in forms]
        if not any(s is None or s for s in steps):
            inner = any(names_in(e) & self.moving for e in index)
            if self.vector and not inner:
                return store or self._is_written(root)
            parts.memory += one
            return True
        self._count(parts, 1.0)
        if not self.vector:
            parts.memory += one
        elif None in steps or any(steps[:-1]) or abs(steps[-1] or 0.0) != 1.0:
            parts.memory += m.gather
        else:
            size = itemsize(self.scope.counts.storages[root].dtype)
            parts.memory += one / self.lanes * (1.0 if steps[-1] == 1.0 else 1.5) * max(1.0, size / self.width)
        return True

    def _is_written(self, root: str) -> bool:
        return self.loop is not None and any(
            isinstance(s, (Store, Accumulate)) and s.storage == root for s in statements(self.loop.body)
        )


def _widest(loop: Loop) -> float:
    sizes = [8.0] if any(isinstance(s, (Store, Accumulate)) and not s.value.dtype.is_inexact for s in loop.body) else []
    for s in statements(loop.body):
        if isinstance(s, (Store, Accumulate)) or (isinstance(s, Let) and s.value.dtype.is_inexact):
            sizes.append(itemsize(s.value.dtype.real))
        for e in _values(s):
            sizes += [itemsize(x.dtype.real) for x in subexpressions(e) if x.dtype.is_inexact]
    return max(sizes, default=8.0)
