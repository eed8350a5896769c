"""Integer expressions as polynomials over atoms: equality, canonical form, and bounds under known facts.

Extents, indices and loop bounds are integer expressions. Two of them are compared by their canonical form, a
polynomial with integer coefficients over *atoms* (anything that is not +, -, * or a constant). Bounds are proved by
substituting, for each atom with a known range, the end of the range that makes the expression smallest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from wengert.ir.nodes import Buffer, Const, Expr, Load, Op, Storage, Var
from wengert.ir.types import I64
from wengert.ir.walk import map_expr

Monomial = tuple[Expr, ...]
Polynomial = dict[Monomial, int]


def _key(expr: Expr) -> str:
    return expr.name if isinstance(expr, Var) else repr(expr)


@lru_cache(maxsize=100_000)
def _polynomial(expr: Expr) -> tuple[tuple[Monomial, int], ...]:
    match expr:
        case Const(value):
            return (((), int(value.real)),) if value else ()
        case Op("add", (a, b)):
            return _freeze(_combine(dict(_polynomial(a)), dict(_polynomial(b)), 1))
        case Op("sub", (a, b)):
            return _freeze(_combine(dict(_polynomial(a)), dict(_polynomial(b)), -1))
        case Op("neg", (a,)):
            return tuple((m, -c) for m, c in _polynomial(a))
        case Op("mul", (a, b)):
            product: Polynomial = {}
            for m1, c1 in _polynomial(a):
                for m2, c2 in _polynomial(b):
                    m = tuple(sorted(m1 + m2, key=_key))
                    product[m] = product.get(m, 0) + c1 * c2
            return _freeze({m: c for m, c in product.items() if c})
        case _:
            return (((expr,), 1),)


def _freeze(p: Polynomial) -> tuple[tuple[Monomial, int], ...]:
    return tuple(p.items())


def _combine(a: Polynomial, b: Polynomial, sign: int) -> Polynomial:
    for m, c in b.items():
        total = a.get(m, 0) + sign * c
        if total:
            a[m] = total
        else:
            a.pop(m, None)
    return a


def polynomial(expr: Expr) -> Polynomial:
    """The canonical form of an integer expression."""
    return dict(_polynomial(expr))


@lru_cache(maxsize=100_000)
def canonical(expr: Expr) -> Expr:
    """An equal expression that is the same object for all expressions with the same polynomial."""
    return _rebuild(polynomial(expr))


def renamed(e: Expr, values: Mapping[str, Expr]) -> Expr:
    """An expression with other variables, its subscripts simplified."""

    def f(x: Expr) -> Expr:
        match x:
            case Var(name) if name in values:
                return values[name]
            case Load(storage, index, dtype):
                return Load(storage, tuple(map(canonical, index)), dtype)
            case _:
                return x

    made = map_expr(f, e)
    return canonical(made) if made.dtype is I64 and not isinstance(made, Load) else made


def _rebuild(p: Polynomial) -> Expr:
    terms = sorted(p.items(), key=lambda mc: (len(mc[0]) == 0, mc[1] < 0, [_key(a) for a in mc[0]]))
    result: Expr | None = None
    for monomial, coefficient in terms:
        term: Expr | None = None
        for atom in monomial:
            term = atom if term is None else Op("mul", (term, atom), I64)
        if term is None:
            term = Const(abs(coefficient), I64)
        elif abs(coefficient) != 1:
            term = Op("mul", (Const(abs(coefficient), I64), term), I64)
        if result is None:
            result = term if coefficient > 0 else _negated(term)
        else:
            result = Op("add" if coefficient > 0 else "sub", (result, term), I64)
    return result if result is not None else Const(0, I64)


def _negated(term: Expr) -> Expr:
    return Const(-term.value, I64) if isinstance(term, Const) else Op("neg", (term,), I64)


def iadd(a: Expr, b: Expr) -> Expr:
    return canonical(Op("add", (a, b), I64))


def isub(a: Expr, b: Expr) -> Expr:
    return canonical(Op("sub", (a, b), I64))


def imul(a: Expr, b: Expr) -> Expr:
    return canonical(Op("mul", (a, b), I64))


def constant(expr: Expr) -> int | None:
    """The value of an expression that is constant, else None."""
    p = _polynomial(expr)
    if not p:
        return 0
    if len(p) == 1 and p[0][0] == ():
        return p[0][1]
    return None


def same(a: Expr, b: Expr) -> bool:
    """Whether the two are equal for all values of their atoms."""
    return a == b or not _polynomial(Op("sub", (a, b), I64))


@dataclass
class Facts:
    """Inclusive bounds of atoms, oldest first: a bound may only refer to older atoms."""

    bounds: dict[Expr, tuple[Expr | None, Expr | None]] = field(
        default_factory=dict[Expr, tuple[Expr | None, Expr | None]]
    )

    def assume(self, atom: Expr, low: Expr | int | None, high: Expr | int | None = None) -> None:
        self.bounds.pop(atom, None)  # what is known now may refer to all others
        self.bounds[atom] = (_as_expr(low), _as_expr(high))

    def nonnegative(self, expr: Expr) -> bool:
        """Whether expr >= 0 can be proved."""
        p = polynomial(expr)
        for atom in reversed(list(self.bounds)):
            if not p:
                return True
            if not any(atom in m for m in p):
                continue
            q = self._substitute(p, atom)
            if q is not None:
                p = q
        return all(c >= 0 and all(self._atom_nonnegative(a) for a in m) for m, c in p.items())

    def _substitute(self, p: Polynomial, atom: Expr) -> Polynomial | None:
        low, high = self.bounds[atom]
        linear = p.get((atom,), 0)
        if any(atom in m and m != (atom,) for m in p):
            # Degree two or more: write atom = low + d with d >= 0 only when every other term stays non-negative.
            return None
        end = low if linear > 0 else high
        if end is None:
            return None
        rest = {m: c for m, c in p.items() if m != (atom,)}
        scaled = {m: c * linear for m, c in polynomial(end).items()}
        return _combine(rest, scaled, 1)

    def _atom_nonnegative(self, atom: Expr) -> bool:
        low, _ = self.bounds.get(atom, (None, None))
        if low is None:
            return isinstance(atom, Op) and atom.name == "max" and any(self.nonnegative(a) for a in atom.args)
        return self.nonnegative(low)

    def less(self, a: Expr, b: Expr) -> bool:
        """Whether a < b can be proved."""
        return self.nonnegative(isub(isub(b, a), Const(1, I64)))


def _as_expr(value: Expr | int | None) -> Expr | None:
    return Const(value, I64) if isinstance(value, int) else value


def atoms(expr: Expr) -> set[Expr]:
    """The atoms of an integer expression."""
    return {a for m, _ in _polynomial(expr) for a in m}


def evaluate(expr: Expr, values: dict[str, int]) -> int | None:
    """The value under an assignment of variables, or None if it depends on anything else."""
    match expr:
        case Const(value):
            return int(value.real)
        case Var(name):
            return values.get(name)
        case Load():
            return None
        case Op(name, args):
            operands: list[int] = []
            for a in args:
                value = evaluate(a, values)
                if value is None:
                    return None
                operands.append(value)
            return _integer(name, operands)
        case _:
            return None


def _integer(name: str, operands: list[int]) -> int | None:
    """An operation on integers that do not wrap; None if it has no value or none is known here."""
    match name, operands:
        case "add", [a, b]:
            return a + b
        case "sub", [a, b]:
            return a - b
        case "mul", [a, b]:
            return a * b
        case "neg", [a]:
            return -a
        case "max", [a, b]:
            return max(a, b)
        case "min", [a, b]:
            return min(a, b)
        case "floordiv", [a, b]:
            return a // b if b else None
        case "mod", [a, b]:
            return a % b if b else None
        case "ipow", [a, b]:
            return int(a**b) if 0 <= b < 64 else None
        case _:
            return None


def known_extents(found: Mapping[str, Storage]) -> Facts:
    """That no extent is negative."""
    facts = Facts()
    for storage in found.values():
        for extent in storage.shape if isinstance(storage, Buffer) else ():
            if isinstance(extent, Var):
                facts.assume(extent, 0)
    return facts
