"""Roots of what is a sum of squares, and squares of roots: rewritten after flattening, so that derivatives exist at 0.

**Norms.** sqrt(u) at 0 has an infinite derivative, but where u is a sum of squares it is a norm or a standard
deviation: u's own derivative is zero wherever u is, and every directional derivative of sqrt(u) there is that of a
multiple of abs, whose mean is 0. So the derivative at 0 is 0, as those of abs and hypot are: r = sqrt(u) becomes
r = select(u == 0, 0, sqrt(select(u == 0, 1, u))). So do u**(1/3) and other roots, and u may be a sum of |x|**p, p > 1.

**Squares.** sqrt(u)**2, abs(x)**2 and hypot(x, y)**2 are smooth and become u, x*x (re*re + im*im) and x*x + y*y: the
chain rule alone would give zero times infinity, and wrong second derivatives (norm(x)**2 has the Hessian 2 I).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeGuard

from wengert.analysis.alias import Aliases, analyse
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Call,
    Cast,
    Const,
    Expr,
    Function,
    Let,
    LibCall,
    Load,
    Module,
    Op,
    Pop,
    Push,
    Select,
    Stmt,
    Store,
    Var,
)
from wengert.ir.types import DType
from wengert.ir.walk import function_names, map_statements, statements, storages

_ROOTS = frozenset({"sqrt", "abs", "hypot"})


def smooth_roots(module: Module) -> Module:
    """Flat code with its norms and squares of roots rewritten."""
    if not any(_has_roots(f) for f in module.functions.values()):
        return module
    aliases = analyse(module)
    functions = {name: _function(f, aliases.aliases[name]) for name, f in module.functions.items()}
    return Module(functions, module.entry)


def _has_roots(f: Function) -> bool:
    return any(isinstance(s, Let) and (_is_root(s.value) or _is_named_root(s.value)) for s in statements(f.body))


def _is_root(value: Expr) -> TypeGuard[Op]:
    """Whether this is a root of its first operand: infinitely steep at 0."""
    match value:
        case Op(name="pow", args=(x, Const(value=y))) if not isinstance(y, complex):
            return x.dtype.is_float and 0 < y < 1
        case Op(name="sqrt" | "cbrt", args=(x,)):
            return x.dtype.is_float
        case _:
            return False


def _is_named_root(value: Expr) -> TypeGuard[Op]:
    return isinstance(value, Op) and value.name in _ROOTS and value.dtype.is_float


def _roots(f: Function) -> dict[str, Op]:
    return {s.name: s.value for s in statements(f.body) if isinstance(s, Let) and _is_named_root(s.value)}


def _function(f: Function, aliases: Aliases) -> Function:
    if not _has_roots(f):
        return f
    roots = _roots(f)
    is_square = sums_of_squares(f, aliases)
    raised = {s.name for s in statements(f.body) if isinstance(s, Let) and _is_raised(s.value)}
    e = Emitter(function_names(f))

    def may_vanish(u: Expr) -> bool:
        return is_square(u) and not (isinstance(u, Var) and u.name in raised)

    def visit(stmt: Stmt) -> Block:
        if not isinstance(stmt, Let):
            return (stmt,)
        with e.collect() as before, e.at(stmt.span):
            if (root := _squared(stmt.value)) in roots:
                value = _square(e, roots[root], Var(root, stmt.value.dtype))
            elif _is_root(stmt.value) and may_vanish(stmt.value.args[0]):
                value = _norm(e, stmt.value)
            else:
                return (stmt,)
        return (*before, replace(stmt, value=value))

    return replace(f, body=map_statements(f.body, visit))


def _is_raised(value: Expr) -> bool:
    """Whether a sum of squares with this definition is positive."""
    return (
        isinstance(value, Op) and value.name == "add" and any(isinstance(a, Const) and a.value != 0 for a in value.args)
    )


def _norm(e: Emitter, root: Op) -> Expr:
    u, *exponent = root.args
    zero = e.let("zero", b.eq(u, 0))
    return b.select(zero, 0, e.let("root", b.op(root.name, e.let("safe", b.select(zero, 1, u)), *exponent)))


def _squared(value: Expr) -> str:
    """The name whose square this is, or nothing."""
    match value:
        case Op(name="mul", args=(Var(x), Var(y))) if x == y:
            return x
        case Op(name="pow", args=(Var(x), Const(value=2))):
            return x
        case _:
            return ""


def _square(e: Emitter, root: Op, ans: Var) -> Expr:
    """The square of a root, one operation on atoms; NaN where the root is."""
    x = root.args[0]
    match root.name:
        case "sqrt":
            return b.select(e.let("c", b.ge(x, 0)), x, ans)
        case "abs" if not x.dtype.is_complex:
            return b.mul(x, x)
        case _:
            parts = root.args if root.name == "hypot" else (e.let("re", b.op("real", x)), e.let("im", b.op("imag", x)))
            return b.add(*(e.let("square", b.mul(p, p)) for p in parts))


def sums_of_squares(f: Function, aliases: Aliases) -> Callable[[Expr], bool]:
    """Which atoms of a flat function are not negative, with a derivative that is zero wherever they are.

    Those are squares, and sums, maxima, choices and positive multiples of such values, in memory too, if nothing else
    is ever written there. The greatest solution: all are taken for such until a definition says otherwise.
    """
    lets = {s.name: s.value for s in statements(f.body) if isinstance(s, Let) and s.value.dtype.is_float}
    writes: list[tuple[str, Expr]] = []
    open_ = {aliases.of(n) for n in storages(f)} - {
        aliases.of(s.buffer.name) for s in statements(f.body) if isinstance(s, Alloc)
    }
    open_ |= {aliases.of(p.name) for p in f.params if p.name in aliases.parent}
    for s in statements(f.body):
        match s:
            case Store(storage, _, value) | Accumulate(storage, _, value) | Push(storage, value):
                writes.append((aliases.of(storage), value))
            case LibCall(outs=outs):
                open_ |= {aliases.of(n) for n in outs}
            case Call(args=args):
                open_ |= {aliases.of(a) for a in args if isinstance(a, str)}
            case _:
                pass
    no = open_ | {s.name for s in statements(f.body) if isinstance(s, Pop)} | {p.name for p in f.params}

    def is_square(e: Expr) -> bool:
        match e:
            case Const(value=v):
                return not isinstance(v, complex) and v >= 0
            case Var(name):
                return name not in no
            case Load(storage):
                return aliases.of(storage) not in no
            case Select(_, then, orelse):
                return is_square(then) and is_square(orelse)
            case Cast(value, dtype):
                return dtype.is_float and (value.dtype is DType.BOOL or is_square(value))
            case Op(name="mul", args=(x, y)):
                return x == y or (is_square(x) and is_square(y))
            case Op(name="pow", args=(x, Const(value=y))) if not isinstance(y, complex):
                return (y > 0 and y % 2 == 0) or (y > 1 and (is_size(x) or is_square(x)))
            case Op(name="add" | "max" | "min", args=args):
                return all(map(is_square, args))
            case Op(name="div", args=(x, y)):
                return is_square(x) and (_is_count(y) or is_square(y))
            case _:
                return False

    def is_size(e: Expr) -> bool:
        value = lets.get(e.name) if isinstance(e, Var) else None
        return isinstance(value, Op) and value.name == "abs"

    def _is_count(e: Expr) -> bool:
        """A positive constant, or an integer as a float."""
        value = lets.get(e.name) if isinstance(e, Var) else e
        match value:
            case Const(value=v):
                return not isinstance(v, complex) and v > 0
            case Cast(inner):
                return inner.dtype.is_integer or _is_count(inner)
            case _:
                return False

    changed = True
    while changed:
        failed = {n for n, value in lets.items() if n not in no and not is_square(value)}
        failed |= {n for n, value in writes if n not in no and not is_square(value)}
        no |= failed
        changed = bool(failed)
    return is_square
