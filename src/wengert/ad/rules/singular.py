"""Rules of svd, full_svd and pinv.

Thin singular value decomposition A = U S V*, k = min(m, n). With E = U* A_dot V and F_ij = 1/(s_j^2 - s_i^2) off the
diagonal, 0 on it:

    s_dot = Re diag E
    U_dot = U (F o (E S + S E*) + i/2 Im diag(E) S^-1) + (I - U U*) A_dot V S^-1
    V_dot = V (F o (S E + E* S) - i/2 Im diag(E) S^-1) + (I - V V*) A_dot* U S^-1

Sources: M. Giles, "An extended collection of matrix derivative results" (2008); J. Townsend, "Differentiating the
singular value decomposition" (2016); the complex case by the same derivation. LAPACK leaves the phases of complex
singular vectors open: the imaginary diagonal is shared evenly, which is right for whatever does not depend on them.

The full decomposition has further columns U2 (or V2), of which only the space is determined. A single one of real
numbers is unique up to its sign: U2* U = 0 gives U2_dot = -U U_dot* U2. The derivative by what is not unique is NaN;
one that is asked for the other parts only is right.

The pseudo-inverse X of constant rank: X_dot = -X A_dot X + X X* A_dot* (I - A X) + (I - X A) A_dot* X* X. Source: G.
Golub and V. Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems" (1973), theorem 4.3.
"""

from __future__ import annotations

import math

from wengert.ad.rules import matrices as m
from wengert.ad.rules.library import Attrs, LibraryRule, Operand
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Storage

Operands = tuple[Operand, ...]
NONE: frozenset[int] = frozenset()


def _number(s: Storage, i: Expr, like: Storage) -> Expr:
    """A singular value in the dtype of the vectors."""
    return b.cast(b.load(s, (i,)), like.dtype)


def _imaginary(x: Expr) -> Expr:
    """i times the imaginary part; zero of a real number."""
    return b.op("complex", b.zero(x.dtype.real), b.op("imag", x)) if x.dtype.is_complex else b.zero(x.dtype)


def _over_gap(s: Storage, i: Expr, j: Expr, value: Expr) -> Expr:
    """value / (s_j^2 - s_i^2); 0 on the diagonal and where `value` is 0 (equal values that do not matter)."""
    s_i, s_j = b.load(s, (i,)), b.load(s, (j,))
    gap = b.mul(b.sub(s_j, s_i), b.add(s_j, s_i))
    skip = b.or_(b.eq(i, j), b.and_(b.eq(gap, 0), b.eq(value, 0)))
    return b.select(skip, b.zero(value.dtype), b.div(value, b.cast(b.select(skip, 1, gap), value.dtype)))


def _minus(e: Emitter, x: Storage, y: Storage) -> Buffer:
    return m.fill(e, "rest", m.shape(x), lambda i: b.sub(b.load(x, i), b.load(y, i)))


def _outside(e: Emitter, basis: Storage, x: Storage) -> Buffer:
    """(I - Q Q*) x for the columns Q of `basis`; zeros where they are all of the space."""
    inside = m.product(e, basis, m.product(e, m.adjoint(e, basis), x))
    whole = b.eq(b.extent(basis, 0), b.extent(basis, 1))
    zero = b.zero(x.dtype)
    return m.fill(e, "rest", m.shape(x), lambda i: b.select(whole, zero, b.sub(b.load(x, i), b.load(inside, i))))


def _divided(e: Emitter, x: Storage, s: Storage) -> Buffer:
    """x S^-1, 0 where x is."""

    def element(at: tuple[Expr, ...]) -> Expr:
        value = b.load(x, at)
        skip = b.eq(value, 0)
        divisor = b.cast(b.select(skip, 1, b.load(s, (at[1],))), value.dtype)
        return b.select(skip, b.zero(x.dtype), b.div(value, divisor))

    return m.fill(e, "divided", m.shape(x), element)


def _half_phase(mixed: Storage, s: Storage, i: Expr) -> Expr:
    """i/2 Im(E_ii) / s_i."""
    turn = b.mul(_imaginary(b.load(mixed, (i, i))), 0.5)
    skip = b.eq(turn, 0)
    return b.select(skip, b.zero(turn.dtype), b.div(turn, b.cast(b.select(skip, 1, b.load(s, (i,))), turn.dtype)))


def svd_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    (a,), (u, s, vh) = ins, outs
    assert a.derivative is not None
    a_dot = a.derivative
    v, star = m.adjoint(e, vh.primal), m.adjoint(e, u.primal)
    along = m.product(e, a_dot, v)
    mixed = m.product(e, star, along)
    if (s_dot := s.derivative) is not None:
        m.set_each(e, s_dot, lambda i: b.op("real", b.load(mixed, (i[0], i[0]))))

    def pair(i: Expr, j: Expr) -> tuple[Expr, Expr]:
        return b.load(mixed, (i, j)), m.conj(b.load(mixed, (j, i)))

    def turn(left: bool) -> Buffer:
        def element(at: tuple[Expr, ...]) -> Expr:
            i, j = at
            (own, other), s_i, s_j = pair(i, j), _number(s.primal, i, mixed), _number(s.primal, j, mixed)
            ours = b.add(b.mul(own, s_j), b.mul(s_i, other)) if left else b.add(b.mul(s_i, own), b.mul(other, s_j))
            off = _over_gap(s.primal, i, j, ours)
            if not mixed.dtype.is_complex:
                return off
            phase = _half_phase(mixed, s.primal, i)
            return b.select(b.eq(i, j), phase if left else b.neg(phase), off)

        return m.fill(e, "turn", m.shape(mixed), element)

    if (u_dot := u.derivative) is not None:
        e.lib("matmul", [u_dot], [u.primal, turn(True)])
        m.add_each(e, u_dot, m.element(_divided(e, _outside(e, u.primal, along), s.primal)))
    if (vh_dot := vh.derivative) is not None:
        v_dot = m.product(e, v, turn(False))
        other = m.product(e, m.adjoint(e, a_dot), u.primal)
        m.add_each(e, v_dot, m.element(_divided(e, _outside(e, v, other), s.primal)))
        m.set_each(e, vh_dot, lambda i: m.conj(b.load(v_dot, (i[1], i[0]))))


def svd_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """With J = F o (U* U_adj) and K = F o (V* V_adj): A_adj += U ((J + J*) S + S (K + K*) + diag(s_adj) + phases) V* +
    (I - U U*) U_adj S^-1 V* + U S^-1 V_adj* (I - V V*)."""
    (a,), (u, s, vh) = ins, outs
    assert a.derivative is not None
    a_adj, dtype = a.derivative, u.primal.dtype
    k = b.extent(u.primal, 1)
    v = m.adjoint(e, vh.primal)
    left = right = right_adj = None
    if u.derivative is not None:
        left = m.product(e, m.adjoint(e, u.primal), u.derivative)
    if vh.derivative is not None:
        right_adj = m.adjoint(e, vh.derivative)
        right = m.product(e, vh.primal, right_adj)

    def both(x: Storage, i: Expr, j: Expr) -> Expr:
        """(J + J*)_ij: F is antisymmetric."""
        return _over_gap(s.primal, i, j, b.sub(b.load(x, (i, j)), m.conj(b.load(x, (j, i)))))

    def phases(i: Expr) -> Expr:
        found: Expr = b.zero(dtype)
        if left is not None:
            found = b.add(found, _half_phase(left, s.primal, i))
        if right is not None:
            found = b.sub(found, _half_phase(right, s.primal, i))
        return found

    def element(at: tuple[Expr, ...]) -> Expr:
        i, j = at
        off: Expr = b.zero(dtype)
        if left is not None:
            off = b.add(off, b.mul(both(left, i, j), _number(s.primal, j, u.primal)))
        if right is not None:
            off = b.add(off, b.mul(_number(s.primal, i, u.primal), both(right, i, j)))
        on: Expr = b.zero(dtype) if s.derivative is None else b.cast(b.load(s.derivative, (i,)), dtype)
        if dtype.is_complex:
            on = b.add(on, phases(i))
        return b.select(b.eq(i, j), on, off)

    inner = m.fill(e, "inner", (k, k), element)
    m.add_each(e, a_adj, m.element(m.product(e, m.product(e, u.primal, inner), vh.primal)))
    if u.derivative is not None:
        rest = _divided(e, _outside(e, u.primal, u.derivative), s.primal)
        m.add_each(e, a_adj, m.element(m.product(e, rest, vh.primal)))
    if right_adj is not None:
        rest = _divided(e, _outside(e, v, right_adj), s.primal)
        m.add_each(e, a_adj, m.element(m.product(e, u.primal, m.adjoint(e, rest))))


def _split(e: Emitter, x: Storage, k: Expr, axis: int) -> tuple[Buffer, Buffer]:
    """The first k columns (axis 1) or rows (axis 0) and the others."""
    whole = m.shape(x)

    def part(start: Expr, count: Expr) -> Buffer:
        at = [start if axis == j else b.i64(0) for j in range(2)]
        return e.view("part", x, at, [(0, 1), (1, 1)], [count if axis == j else whole[j] for j in range(2)])

    return part(b.i64(0), k), part(k, b.sub(whole[axis], k))


def _thin(e: Emitter, operand: Operand, k: Expr, axis: int) -> tuple[Operand, Operand]:
    """The operands of the k vectors of the thin decomposition and of the others."""
    values = _split(e, operand.primal, k, axis)
    parts = (None, None) if operand.derivative is None else _split(e, operand.derivative, k, axis)
    return Operand(values[0], parts[0]), Operand(values[1], parts[1])


def _if_unique(count: Expr, value: Expr, or_zero: bool) -> Expr:
    """The value if `count` vectors are unique up to their sign (or if it is zero), else NaN."""
    known = b.eq(count, 0 if value.dtype.is_complex else 1)
    return b.select(b.or_(known, b.eq(value, 0)) if or_zero else known, value, b.const(math.nan, value.dtype))


def full_svd_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    u, s, vh = outs
    k = b.extent(s.primal, 0)
    (u1, u2), (v1, v2) = _thin(e, u, k, 1), _thin(e, vh, k, 0)
    svd_forward(e, attrs, ins, (u1, s, v1))
    if u1.derivative is not None and u2.derivative is not None:
        turn = m.product(e, u1.primal, m.product(e, m.adjoint(e, u1.derivative), u2.primal))
        count = b.extent(u2.primal, 1)
        m.set_each(e, u2.derivative, lambda i: _if_unique(count, b.neg(b.load(turn, i)), False))
    if v1.derivative is not None and v2.derivative is not None:
        turned = m.product(e, m.product(e, v2.primal, m.adjoint(e, v1.derivative)), v1.primal)
        many = b.extent(v2.primal, 0)
        m.set_each(e, v2.derivative, lambda i: _if_unique(many, b.neg(b.load(turned, i)), False))


def full_svd_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """The thin adjoints less U2 U2_adj* U, and likewise of V."""
    u, s, vh = outs
    k = b.extent(s.primal, 0)
    (u1, u2), (v1, v2) = _thin(e, u, k, 1), _thin(e, vh, k, 0)

    def known(more: Operand, axis: int) -> tuple[Buffer, Buffer]:
        """The further vectors, zeros if they are not unique, and their adjoint, conjugate and transposed."""
        given, value = more.derivative, more.primal
        assert given is not None
        count, zero = b.extent(value, axis), b.zero(value.dtype)
        adjoint = m.fill(e, "known", m.shape(given), lambda i: _if_unique(count, b.load(given, i), True))
        unique = m.fill(e, "unique", m.shape(value), lambda i: b.select(b.eq(count, 1), b.load(value, i), zero))
        return unique, m.adjoint(e, adjoint)

    if u1.derivative is not None:
        more, adjoint = known(u2, 1)
        less = m.product(e, more, m.product(e, adjoint, u1.primal))
        u1 = Operand(u1.value, _minus(e, u1.derivative, less))
    if v1.derivative is not None:
        more, adjoint = known(v2, 0)
        less = m.product(e, m.product(e, v1.primal, adjoint), more)
        v1 = Operand(v1.value, _minus(e, v1.derivative, less))
    svd_reverse(e, attrs, ins, (u1, s, v1))


def pinv_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    (a, _), (x,) = ins, outs
    assert x.derivative is not None
    if a.derivative is None:  # of the tolerance alone there is none
        m.set_each(e, x.derivative, lambda i: b.zero(x.primal.dtype))
        return
    x_dot, own = x.derivative, x.primal
    star, x_star = m.adjoint(e, a.derivative), m.adjoint(e, own)
    middle = m.product(e, m.product(e, own, a.derivative), own)
    left = m.product(e, m.product(e, own, x_star), star)  # X X* A_dot*
    left_rest = _minus(e, left, m.product(e, m.product(e, left, a.primal), own))
    right = m.product(e, m.product(e, star, x_star), own)  # A_dot* X* X
    right_rest = _minus(e, right, m.product(e, own, m.product(e, a.primal, right)))
    m.set_each(
        e, x_dot, lambda i: b.sub(b.add(b.load(left_rest, i), b.load(right_rest, i)), b.load(middle, i))
    )  # fmt: skip


def pinv_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """A_adj += -X* X_adj X* + (I - A X) X_adj* X X* + X* X X_adj* (I - X A)."""
    (a, _), (x,) = ins, outs
    assert x.derivative is not None
    if a.derivative is None:  # of the tolerance alone there is none
        return
    own, star = x.primal, m.adjoint(e, x.derivative)
    x_star = m.adjoint(e, own)
    middle = m.product(e, m.product(e, x_star, x.derivative), x_star)
    left = m.product(e, m.product(e, star, own), x_star)  # X_adj* X X*
    left_rest = _minus(e, left, m.product(e, a.primal, m.product(e, own, left)))
    right = m.product(e, x_star, m.product(e, own, star))  # X* X X_adj*
    right_rest = _minus(e, right, m.product(e, m.product(e, right, own), a.primal))
    m.add_each(
        e, a.derivative, lambda i: b.sub(b.add(b.load(left_rest, i), b.load(right_rest, i)), b.load(middle, i))
    )  # fmt: skip


def _svd_needs(ins: tuple[bool, ...], outs: tuple[bool, ...]) -> tuple[frozenset[int], frozenset[int]]:
    return NONE, frozenset({0, 1, 2}) if outs[0] or outs[2] else frozenset({0, 2})


def _full_svd_needs(ins: tuple[bool, ...], outs: tuple[bool, ...]) -> tuple[frozenset[int], frozenset[int]]:
    return NONE, frozenset({0, 1, 2})  # the number of singular values is asked of them


def _pinv_needs(ins: tuple[bool, ...], outs: tuple[bool, ...]) -> tuple[frozenset[int], frozenset[int]]:
    return (frozenset({0}), frozenset({0})) if ins[0] else (NONE, NONE)


RULES: dict[str, LibraryRule] = {
    "svd": LibraryRule(svd_forward, svd_reverse, _svd_needs),
    "full_svd": LibraryRule(full_svd_forward, full_svd_reverse, _full_svd_needs),
    "pinv": LibraryRule(pinv_forward, pinv_reverse, _pinv_needs),
}
