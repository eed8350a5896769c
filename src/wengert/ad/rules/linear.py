"""Rules of matmul, add_matmul, ranged_matmul, guarded_matmul, solve, inv, det and fft.

Adjoints are taken under <X, Y> = Re tr(X* Y), with X* the conjugate transpose. Source: M. Giles, "An extended
collection of matrix derivative results for forward and reverse mode algorithmic differentiation" (2008); the complex
case by the same derivation with conjugate transposes.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from wengert.ad.rules import matrices as m
from wengert.ad.rules.library import Attrs, LibraryRule, Operand
from wengert.errors import NotDifferentiable
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Expr, Storage

Operands = tuple[Operand, ...]
Active = tuple[bool, ...]
Positions = tuple[frozenset[int], frozenset[int]]
NONE: frozenset[int] = frozenset()


def matmul_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """C_dot = A_dot B + A B_dot."""
    (left, right), target = ins, outs[0].derivative
    assert target is not None
    pairs = [(left.derivative, right.primal), (left.primal, right.derivative)]
    terms = [(x, y) for x, y in pairs if x is not None and y is not None]
    if not terms:
        m.set_each(e, target, lambda i: b.zero(target.dtype))
        return
    e.lib("matmul", [target], terms[0])
    for x, y in terms[1:]:
        m.add_each(e, target, m.element(m.product(e, x, y)))


def matmul_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """A_adj += C_adj B*, B_adj += A* C_adj."""
    (left, right), c_adj = ins, outs[0].derivative
    assert c_adj is not None
    if left.derivative is not None:
        term = m.product(e, c_adj, m.adjoint(e, right.primal))
        m.add_each(e, left.derivative, lambda i: b.load(term, i))
    if right.derivative is not None:
        other = m.product(e, m.adjoint(e, left.primal), c_adj)
        m.add_each(e, right.derivative, lambda i: b.load(other, i))


def matmul_needs(ins: Active, outs: Active) -> Positions:
    return frozenset(1 - k for k in range(2) if ins[k]), NONE


def add_matmul_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """C_dot += A_dot B + A B_dot, or -=."""
    _, left, right = ins
    target = outs[0].derivative
    assert target is not None
    for x, y in ((left.derivative, right.value), (left.value, right.derivative)):
        if x is not None and y is not None:
            e.lib("add_matmul", [target], [target, x, y], **attrs)


def ranged_matmul_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """C_dot = A_dot B + A B_dot; what does not count is 0 in the tangent, too."""
    left, right, low, high = ins
    target = outs[0].derivative
    assert target is not None
    pairs = ((left.derivative, right.value), (left.value, right.derivative))
    terms = [(x, y) for x, y in pairs if x is not None and y is not None]
    if not terms:
        m.set_each(e, target, lambda i: b.zero(target.dtype))
    for k, (x, y) in enumerate(terms):
        made = target if k == 0 else e.alloc("product", target.dtype, m.shape(target))
        e.lib("ranged_matmul", [made], [x, y, low.primal, high.primal], **attrs)
        if k:
            m.add_each(e, target, m.element(made))


def not_reversed(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """Passes write these operations, after the reverse of a program has been taken."""
    raise NotDifferentiable("a product", e.span, "it has been optimised", "differentiate before optimising")


def guarded_matmul_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """C_dot = G_dot B + G B_dot, with G, for each element of C, what is left of A (or the other way round)."""
    (left, right), target = ins, outs[0].derivative
    assert target is not None
    m.set_each(e, target, lambda i: b.zero(target.dtype))
    with _terms(e, attrs, left.primal, right.primal) as ((i, j, k), (x, y), kept):
        for side, (operand, other, index) in enumerate(((left, y, (i, k)), (right, x, (k, j)))):
            if operand.derivative is not None:
                dot = b.load(operand.derivative, index)
                dot = b.select(kept, dot, 0) if side == attrs["guarded"] else dot
                e.accumulate(target, (i, j), b.mul(dot, other))


def guarded_matmul_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """The transpose of the above."""
    (left, right), c_adj = ins, outs[0].derivative
    assert c_adj is not None
    with _terms(e, attrs, left.primal, right.primal) as ((i, j, k), (x, y), kept):
        adj = b.load(c_adj, (i, j))
        for side, (operand, other, index) in enumerate(((left, y, (i, k)), (right, x, (k, j)))):
            if operand.derivative is not None:
                term = b.mul(m.conj(other), adj)
                term = b.select(kept, term, 0) if side == attrs["guarded"] else term
                e.accumulate(operand.derivative, index, term)


@contextmanager
def _terms(
    e: Emitter, attrs: Attrs, left: Storage, right: Storage
) -> Generator[tuple[tuple[Expr, Expr, Expr], tuple[Expr, Expr], Expr]]:
    """Loops over the terms of a product: the subscripts, the factors, and whether the guarded one is kept."""
    rows, columns, depth = b.extent(left, 0), b.extent(right, 1), b.extent(left, 1)
    with e.loop("i", 0, rows) as i, e.loop("j", 0, columns) as j, e.loop("k", 0, depth) as k:
        pair: list[Expr] = [e.let("x", b.load(left, (i, k))), e.let("y", b.load(right, (k, j)))]
        guarded: int = attrs["guarded"]
        kept = e.let("kept", b.or_(b.ne(pair[1 - guarded], 0), b.op("isfinite", pair[guarded])))
        pair[guarded] = b.select(kept, pair[guarded], 0)
        yield (i, j, k), (pair[0], pair[1]), kept


def guarded_matmul_needs(ins: Active, outs: Active) -> Positions:
    return frozenset({0, 1}), NONE


def solve_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """X_dot = A^-1 (B_dot - A_dot X)."""
    (a, right), (x,) = ins, outs
    target = x.derivative
    assert target is not None
    a_dot, right_dot = a.derivative, right.derivative
    if a_dot is None:
        assert right_dot is not None
        e.lib("solve", [target], [a.primal, right_dot])
        return
    term = m.product(e, a_dot, x.primal)
    if right_dot is None:
        rest = m.fill(e, "rest", m.shape(term), lambda i: b.neg(b.load(term, i)))
    else:
        rest = m.fill(e, "rest", m.shape(term), lambda i: b.sub(b.load(right_dot, i), b.load(term, i)))
    e.lib("solve", [target], [a.primal, rest])


def solve_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """S = A^-* X_adj; B_adj += S, A_adj -= S X*."""
    (a, right), (x,) = ins, outs
    assert x.derivative is not None
    s = m.solution(e, m.adjoint(e, a.primal), x.derivative)
    if right.derivative is not None:
        m.add_each(e, right.derivative, lambda i: b.load(s, i))
    if a.derivative is not None:
        term = m.product(e, s, m.adjoint(e, x.primal))
        m.add_each(e, a.derivative, lambda i: b.neg(b.load(term, i)))


def solve_needs(ins: Active, outs: Active) -> Positions:
    return frozenset({0}), frozenset({0}) if ins[0] else NONE


def inv_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """X_dot = -X A_dot X."""
    (a,), (x,) = ins, outs
    assert a.derivative is not None and x.derivative is not None
    target = x.derivative
    term = m.product(e, m.product(e, x.primal, a.derivative), x.primal)
    m.set_each(e, target, lambda i: b.neg(b.load(term, i)))


def inv_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """A_adj -= X* X_adj X*."""
    (a,), (x,) = ins, outs
    assert a.derivative is not None and x.derivative is not None
    star = m.adjoint(e, x.primal)
    term = m.product(e, m.product(e, star, x.derivative), star)
    m.add_each(e, a.derivative, lambda i: b.neg(b.load(term, i)))


def det_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """d_dot = d tr(A^-1 A_dot)."""
    (a,), (d,) = ins, outs
    assert a.derivative is not None and d.derivative is not None
    a_dot, target = a.derivative, d.derivative
    x, det = m.inverse(e, a.primal), e.let("det", b.load(d.primal, ()))
    e.store(target, (), b.zero(target.dtype))
    n = b.extent(a.primal, 0)
    with e.loop("i", 0, n) as i, e.loop("j", 0, n) as j:
        e.accumulate(target, (), b.mul(det, b.mul(b.load(x, (i, j)), b.load(a_dot, (j, i)))))


def det_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """A_adj += d_adj conj(d) A^-*."""
    (a,), (d,) = ins, outs
    assert a.derivative is not None and d.derivative is not None
    x = m.inverse(e, a.primal)
    scale = e.let("scale", b.mul(b.load(d.derivative, ()), m.conj(b.load(d.primal, ()))))
    m.add_each(e, a.derivative, lambda i: b.mul(scale, m.conj(b.load(x, (i[1], i[0])))))


def fft_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """Linear."""
    (x,), (y,) = ins, outs
    assert x.derivative is not None and y.derivative is not None
    e.lib("fft", [y.derivative], [x.derivative], **attrs)


def fft_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """The adjoint of the transform is n times the inverse, that of the inverse the transform over n."""
    (x,), (y,) = ins, outs
    assert x.derivative is not None and y.derivative is not None
    back = e.alloc("transform", y.derivative.dtype, m.shape(y.derivative))
    e.lib("fft", [back], [y.derivative], inverse=not attrs["inverse"])
    n = b.cast(b.extent(y.derivative, 0), back.dtype)
    scale = b.div if attrs["inverse"] else b.mul
    m.add_each(e, x.derivative, lambda i: scale(b.load(back, i), n))


def nothing(ins: Active, outs: Active) -> Positions:
    return NONE, NONE


RULES: dict[str, LibraryRule] = {
    "matmul": LibraryRule(matmul_forward, matmul_reverse, matmul_needs),
    "add_matmul": LibraryRule(add_matmul_forward, not_reversed, nothing),
    "ranged_matmul": LibraryRule(ranged_matmul_forward, not_reversed, nothing),
    "guarded_matmul": LibraryRule(guarded_matmul_forward, guarded_matmul_reverse, guarded_matmul_needs),
    "solve": LibraryRule(solve_forward, solve_reverse, solve_needs),
    "inv": LibraryRule(inv_forward, inv_reverse, lambda ins, outs: (NONE, frozenset({0}))),
    "det": LibraryRule(det_forward, det_reverse, lambda ins, outs: (frozenset({0}), frozenset({0}))),
    "fft": LibraryRule(fft_forward, fft_reverse, nothing),
}
