"""Rules of cholesky, its adjoint, eigh and sort.

cholesky and eigh read the lower triangle of A only, as that of a Hermitian matrix H. A tangent of A stands for the
Hermitian matrix made of its lower triangle; an adjoint S of H becomes that of the lower triangle: A_adj[i, j] +=
S[i, j] + conj(S[j, i]) below the diagonal, A_adj[i, i] += Re S[i, i] on it, nothing above.
"""

from __future__ import annotations

from wengert.ad.rules import matrices as m
from wengert.ad.rules.library import Attrs, LibraryRule, Operand
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Expr, Storage

Operands = tuple[Operand, ...]
Active = tuple[bool, ...]
Positions = tuple[frozenset[int], frozenset[int]]
NONE: frozenset[int] = frozenset()


def _real_part(x: Expr) -> Expr:
    """The real part, in the dtype of `x`."""
    return b.cast(b.op("real", x), x.dtype) if x.dtype.is_complex else x


def _hermitian(e: Emitter, a: Storage) -> Buffer:
    """The Hermitian matrix of a lower triangle."""

    def element(at: tuple[Expr, ...]) -> Expr:
        i, j = at
        lower, upper = b.load(a, (i, j)), m.conj(b.load(a, (j, i)))
        return b.select(b.gt(i, j), lower, b.select(b.lt(i, j), upper, _real_part(lower)))

    return m.fill(e, "hermitian", m.shape(a), element)


def _to_lower(e: Emitter, target: Storage, s: Storage) -> None:
    """Add the adjoint `s` of the Hermitian matrix to that of the lower triangle."""

    def element(at: tuple[Expr, ...]) -> Expr:
        i, j = at
        own, other = b.load(s, (i, j)), m.conj(b.load(s, (j, i)))
        below = b.select(b.gt(i, j), b.add(own, other), b.zero(target.dtype))
        return b.select(b.eq(i, j), _real_part(own), below)

    m.add_each(e, target, element)


def _half_lower(e: Emitter, x: Storage) -> Buffer:
    """The lower triangle with the diagonal halved."""

    def element(at: tuple[Expr, ...]) -> Expr:
        i, j = at
        own = b.load(x, (i, j))
        return b.select(b.gt(i, j), own, b.select(b.eq(i, j), b.mul(own, 0.5), b.zero(x.dtype)))

    return m.fill(e, "half", m.shape(x), element)


def cholesky_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """L_dot = L half(L^-1 H_dot L^-*), with half(X) the lower triangle of X, its diagonal halved."""
    (a,), (factor,) = ins, outs
    assert a.derivative is not None and factor.derivative is not None
    left = m.solution(e, factor.primal, _hermitian(e, a.derivative))
    both = m.solution(e, factor.primal, m.adjoint(e, left))  # Hermitian: (L^-1 (L^-1 H)*) = L^-1 H L^-*
    e.lib("matmul", [factor.derivative], [factor.primal, _half_lower(e, both)])


def cholesky_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """S = L^-* half(L* L_adj) L^-1, the adjoint of H; for real matrices there is an operation."""
    (a,), (factor,) = ins, outs
    assert a.derivative is not None and factor.derivative is not None
    if not a.derivative.dtype.is_complex:
        lower = e.alloc("lower", a.derivative.dtype, m.shape(factor.primal))
        e.lib("cholesky_adjoint", [lower], [factor.primal, factor.derivative])
        m.add_each(e, a.derivative, m.element(lower))
        return
    star = m.adjoint(e, factor.primal)
    half = _half_lower(e, m.product(e, star, factor.derivative))
    left = m.solution(e, star, half)
    s_star = m.solution(e, star, m.adjoint(e, left))  # (L^-* (L^-* P)*) = (L^-* P L^-1)*
    _to_lower(e, a.derivative, m.adjoint(e, s_star))


def _lower(e: Emitter, x: Storage) -> Buffer:
    """The lower triangle."""
    return m.fill(e, "lower", m.shape(x), lambda i: b.select(b.ge(*i), b.load(x, i), b.zero(x.dtype)))


def _symmetric(e: Emitter, lower: Storage, diagonal: float, other: float) -> Buffer:
    """The symmetric matrix of a lower triangle, its diagonal and its other elements times a factor each."""

    def element(at: tuple[Expr, ...]) -> Expr:
        i, j = at
        own, across = b.load(lower, (i, j)), b.load(lower, (j, i))
        return b.select(b.eq(i, j), b.mul(own, diagonal), b.mul(b.select(b.gt(i, j), own, across), other))

    return m.fill(e, "symmetric", m.shape(lower), element)


def cholesky_adjoint_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """Of X = lower(T), its diagonal halved, where T = S + S^T, so that L^T T L = P + P^T with P = half(L^T G).

    T_dot = L^-T (W + W^T) L^-1 with W = half(L_dot^T G + L^T G_dot) - L^T T L_dot.
    """
    (factor, given), (result,) = ins, outs
    target = result.derivative
    assert target is not None
    lower = _lower(e, factor.primal)
    star = m.adjoint(e, lower)
    terms: list[Buffer] = []
    if given.derivative is not None:
        terms.append(_half_lower(e, m.product(e, star, _lower(e, given.derivative))))
    if factor.derivative is not None:
        l_dot = _lower(e, factor.derivative)
        terms.append(_half_lower(e, m.product(e, m.adjoint(e, l_dot), _lower(e, given.primal))))
        moved = m.product(e, star, m.product(e, _symmetric(e, result.primal, 2.0, 1.0), l_dot))
        terms.append(m.fill(e, "less", m.shape(moved), lambda i: b.neg(b.load(moved, i))))

    def both(at: tuple[Expr, ...]) -> Expr:
        total: Expr = b.zero(target.dtype)
        for x in terms:
            total = b.add(total, b.add(b.load(x, at), b.load(x, at[::-1])))
        return total

    left = m.solution(e, star, m.fill(e, "both", m.shape(lower), both))
    t_dot = m.solution(e, star, m.adjoint(e, left))  # symmetric
    m.set_each(e, target, m.element(_half_lower(e, t_dot)))


def cholesky_adjoint_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """The transpose of that. With E half the symmetric matrix of the lower triangle of X_adj, F = L^-1 E L^-T, H = 2
    half(F), the lower triangles of: G_adj += L H, L_adj += G H^T - 2 T L F."""
    (factor, given), (result,) = ins, outs
    assert result.derivative is not None
    lower = _lower(e, factor.primal)
    left = m.solution(e, lower, _symmetric(e, result.derivative, 0.5, 0.5))
    f = m.solution(e, lower, m.adjoint(e, left))  # symmetric
    half = _half_lower(e, f)

    def add(target: Storage, x: Storage, scale: float) -> None:
        m.add_each(e, target, lambda i: b.select(b.ge(*i), b.mul(b.load(x, i), scale), b.zero(x.dtype)))

    if given.derivative is not None:
        add(given.derivative, m.product(e, lower, half), 2.0)
    if factor.derivative is not None:
        add(factor.derivative, m.product(e, _lower(e, given.primal), m.adjoint(e, half)), 2.0)
        whole = _symmetric(e, result.primal, 2.0, 1.0)
        add(factor.derivative, m.product(e, whole, m.product(e, lower, f)), -2.0)


def _gaps(e: Emitter, w: Storage, i: Expr, j: Expr, dtype: object, value: Expr) -> Expr:
    """value / (w_j - w_i), 0 on the diagonal and where `value` is 0 (a double eigenvalue that does not matter)."""
    gap = b.sub(b.load(w, (j,)), b.load(w, (i,)))
    skip = b.or_(b.eq(i, j), b.and_(b.eq(gap, 0), b.eq(value, 0)))
    divisor = b.cast(b.select(skip, 1, gap), value.dtype)
    return b.select(skip, b.zero(value.dtype), b.div(value, divisor))


def eigh_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """With M = V* H_dot V and F_ij = 1/(w_j - w_i) off the diagonal: w_dot = diag M, V_dot = V (F o M)."""
    (a,), (w, v) = ins, outs
    assert a.derivative is not None
    mixed = m.product(e, m.adjoint(e, v.primal), m.product(e, _hermitian(e, a.derivative), v.primal))
    if (w_dot := w.derivative) is not None:
        m.set_each(e, w_dot, lambda i: b.op("real", b.load(mixed, (i[0], i[0]))))
    if v.derivative is not None:
        scaled = m.fill(
            e, "scaled", m.shape(mixed), lambda i: _gaps(e, w.primal, i[0], i[1], mixed.dtype, b.load(mixed, i))
        )
        e.lib("matmul", [v.derivative], [v.primal, scaled])


def eigh_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """S = V (diag(w_adj) + F o (V* V_adj)) V*, the adjoint of H."""
    (a,), (w, v) = ins, outs
    assert a.derivative is not None
    n, w_adj = m.shape(v.primal), w.derivative
    overlap = None if v.derivative is None else m.product(e, m.adjoint(e, v.primal), v.derivative)

    def element(at: tuple[Expr, ...]) -> Expr:
        i, j = at
        dtype = v.primal.dtype
        total: Expr = b.zero(dtype)
        if overlap is not None:
            total = _gaps(e, w.primal, i, j, dtype, b.load(overlap, (i, j)))
        if w_adj is not None:
            diagonal = b.cast(b.load(w_adj, (i,)), dtype)
            total = b.select(b.eq(i, j), diagonal, total)
        return total

    inner = m.fill(e, "inner", n, element)
    s = m.product(e, m.product(e, v.primal, inner), m.adjoint(e, v.primal))
    _to_lower(e, a.derivative, s)


def sort_forward(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """Y_dot[i] = X_dot[P[i]]."""
    (x,), (y, order) = ins, outs
    assert x.derivative is not None and y.derivative is not None
    x_dot = x.derivative
    m.set_each(e, y.derivative, lambda i: b.load(x_dot, (b.load(order.primal, i),)))


def sort_reverse(e: Emitter, attrs: Attrs, ins: Operands, outs: Operands) -> None:
    """X_adj[P[i]] += Y_adj[i]."""
    (x,), (y, order) = ins, outs
    assert x.derivative is not None and y.derivative is not None
    x_adj, y_adj = x.derivative, y.derivative
    with e.loop("i", 0, b.extent(y_adj, 0), order="any") as i:
        e.accumulate(x_adj, (b.load(order.primal, (i,)),), b.load(y_adj, (i,)))


def _cholesky_adjoint_needs(ins: Active, outs: Active) -> Positions:
    return (frozenset({0, 1}), frozenset({0})) if ins[0] else (frozenset({0}), NONE)


def _eigh_needs(ins: Active, outs: Active) -> Positions:
    return NONE, frozenset({0, 1}) if outs[1] else frozenset({1})


RULES: dict[str, LibraryRule] = {
    "cholesky": LibraryRule(cholesky_forward, cholesky_reverse, lambda ins, outs: (NONE, frozenset({0}))),
    "cholesky_adjoint": LibraryRule(cholesky_adjoint_forward, cholesky_adjoint_reverse, _cholesky_adjoint_needs),
    "eigh": LibraryRule(eigh_forward, eigh_reverse, _eigh_needs),
    "sort": LibraryRule(sort_forward, sort_reverse, lambda ins, outs: (NONE, frozenset({1}))),
}
