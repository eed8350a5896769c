"""Rules of qr and eig.

A = Q R of full column rank, R with a real diagonal. With E = Q* A_dot R^-1 and D = L - L* + i Im diag E, where L is the
part of E strictly below the diagonal: Q_dot = Q (D - E) + A_dot R^-1, R_dot = (E - D) R. Sources: S. Walter and L.
Lehmann, "Algorithmic differentiation of linear algebra functions with application in optimum experimental design"
(2010); C. Hubig, "Use and implementation of autodifferentiation in tensor network methods with complex scalars" (2019).

A V = V diag(w), columns of length one whose element p_j is real. With E = V^-1 A_dot V and C_ij = E_ij/(w_j - w_i) off
the diagonal, 0 on it: w_dot = diag E, and V_dot = V C + V diag(c) with c_j = -Re(v_j* (V C)_j) - i Im (V C)[p_j, j] /
V[p_j, j], which keeps the lengths and the real elements. Source: Giles, "An extended collection of matrix derivative
results" (2008), section 3.1; the normalisation by differentiating it.
"""

from __future__ import annotations

from wengert.ad.rules import matrices as m
from wengert.ad.rules.library import Attrs, LibraryRule, Operand
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Storage

Operands = tuple[Operand, ...]
NONE: frozenset[int] = frozenset()


def _over(e: Emitter, x: Storage, r: Storage) -> Buffer:
    """x r^-1."""
    return m.adjoint(e, m.solution(e, m.adjoint(e, r), m.adjoint(e, x)))


def _real_part(x: Expr) -> Expr:
    return b.cast(b.op("real", x), x.dtype) if x.dtype.is_complex else x


def qr_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    (a,), (q, r) = ins, outs
    assert a.derivative is not None
    scaled = _over(e, a.derivative, r.primal)
    mixed = m.product(e, m.adjoint(e, q.primal), scaled)

    def element(at: tuple[Expr, ...]) -> Expr:
        """(E - D)_ij."""
        i, j = at
        own, other = b.load(mixed, (i, j)), m.conj(b.load(mixed, (j, i)))
        return b.select(b.lt(i, j), b.add(own, other), b.select(b.eq(i, j), _real_part(own), b.zero(own.dtype)))

    upper = m.fill(e, "upper", m.shape(mixed), element)
    if r.derivative is not None:
        e.lib("matmul", [r.derivative], [upper, r.primal])
    if (q_dot := q.derivative) is not None:
        turned = m.product(e, q.primal, upper)
        m.set_each(e, q_dot, lambda i: b.sub(b.load(scaled, i), b.load(turned, i)))


def qr_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """With M = R_adj R* - Q* Q_adj, U its part strictly above the diagonal:
    A_adj += (Q_adj + Q (U + U* + Re diag M)) R^-*."""
    (a,), (q, r) = ins, outs
    assert a.derivative is not None
    star = m.adjoint(e, r.primal)
    first = None if r.derivative is None else m.product(e, r.derivative, star)
    second = None if q.derivative is None else m.product(e, m.adjoint(e, q.primal), q.derivative)

    def entry(i: Expr, j: Expr) -> Expr:
        value: Expr = b.zero(a_adj.dtype) if first is None else b.load(first, (i, j))
        return value if second is None else b.sub(value, b.load(second, (i, j)))

    def element(at: tuple[Expr, ...]) -> Expr:
        i, j = at
        own, other = entry(i, j), m.conj(entry(j, i))
        return b.select(b.lt(i, j), own, b.select(b.gt(i, j), other, _real_part(own)))

    a_adj = a.derivative
    total = m.product(e, q.primal, m.fill(e, "inner", m.shape(r.primal), element))
    if q.derivative is not None:
        m.add_each(e, total, m.element(q.derivative))
    m.add_each(e, a_adj, m.element(_over(e, total, star)))


def _over_gap(w: Storage, i: Expr, j: Expr, value: Expr, conjugate: bool) -> Expr:
    """value / (w_j - w_i), its denominator conjugated or not; 0 on the diagonal and where `value` is 0."""
    gap = b.sub(b.load(w, (j,)), b.load(w, (i,)))
    skip = b.or_(b.eq(i, j), b.and_(b.eq(gap, 0), b.eq(value, 0)))
    divisor = b.select(skip, b.one(value.dtype), m.conj(gap) if conjugate else gap)
    return b.select(skip, b.zero(value.dtype), b.div(value, divisor))


def _overlaps(e: Emitter, v: Storage, x: Storage) -> Buffer:
    """v_j* x_j for every column j."""
    out = e.alloc("overlap", v.dtype, (b.extent(v, 1),), zero=True)
    with e.loop("j", 0, b.extent(v, 1), order="any") as j, e.loop("i", 0, b.extent(v, 0)) as i:
        e.accumulate(out, (j,), b.mul(m.conj(b.load(v, (i, j))), b.load(x, (i, j))))
    return out


def eig_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    (a,), (w, v, largest) = ins, outs
    assert a.derivative is not None
    own = v.primal
    mixed = m.solution(e, own, m.product(e, a.derivative, own))
    if (w_dot := w.derivative) is not None:
        m.set_each(e, w_dot, lambda i: b.load(mixed, (i[0], i[0])))
    if (v_dot := v.derivative) is not None:
        c = m.fill(
            e, "scaled", m.shape(mixed), lambda i: _over_gap(w.primal, i[0], i[1], b.load(mixed, i), conjugate=False)
        )
        moved = m.product(e, own, c)
        overlap = _overlaps(e, own, moved)

        def element(at: tuple[Expr, ...]) -> Expr:
            j = at[1]
            p = b.load(largest.primal, (j,))
            turn = b.div(b.op("imag", b.load(moved, (p, j))), b.op("real", b.load(own, (p, j))))
            factor = b.op("complex", b.op("real", b.load(overlap, (j,))), turn)
            return b.sub(b.load(moved, at), b.mul(b.load(own, at), factor))

        m.set_each(e, v_dot, element)


def eig_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """With g_j = v_j* V_adj_j, X_j = V_adj_j - Re(g_j) v_j - i Im(g_j) / V[p_j, j] e_p and G_ij = (V* X)_ij /
    conj(w_j - w_i) off the diagonal, w_adj on it: A_adj += V^-* G V*."""
    (a,), (w, v, largest) = ins, outs
    assert a.derivative is not None
    own = v.primal
    star = m.adjoint(e, own)
    overlap = None
    if (v_adj := v.derivative) is not None:
        g = _overlaps(e, own, v_adj)

        def without(at: tuple[Expr, ...]) -> Expr:
            i, j = at
            p, size = b.load(largest.primal, (j,)), b.op("real", b.load(g, (j,)))
            rest = b.sub(b.load(v_adj, at), b.mul(b.cast(size, own.dtype), b.load(own, at)))
            turn = b.div(b.op("imag", b.load(g, (j,))), b.op("real", b.load(own, (p, j))))
            at_p = b.op("complex", b.zero(turn.dtype), b.select(b.eq(i, p), turn, b.zero(turn.dtype)))
            return b.sub(rest, at_p)

        overlap = m.product(e, star, m.fill(e, "rest", m.shape(own), without))

    def element(at: tuple[Expr, ...]) -> Expr:
        i, j = at
        off: Expr = b.zero(own.dtype)
        if overlap is not None:
            off = _over_gap(w.primal, i, j, b.load(overlap, at), conjugate=True)
        on: Expr = b.zero(own.dtype) if w.derivative is None else b.load(w.derivative, (i,))
        return b.select(b.eq(i, j), on, off)

    inner = m.fill(e, "inner", m.shape(own), element)
    m.add_each(e, a.derivative, m.element(m.solution(e, star, m.product(e, inner, star))))


def _eig_needs(ins: tuple[bool, ...], outs: tuple[bool, ...]) -> tuple[frozenset[int], frozenset[int]]:
    return NONE, frozenset({0, 1, 2}) if outs[1] else frozenset({1})


RULES: dict[str, LibraryRule] = {
    "qr": LibraryRule(qr_forward, qr_reverse, lambda ins, outs: (NONE, frozenset({0, 1}))),
    "eig": LibraryRule(eig_forward, eig_reverse, _eig_needs),
}
