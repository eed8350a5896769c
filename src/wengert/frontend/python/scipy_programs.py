# pyright: basic
"""SciPy functions written as ordinary programs: they are staged like the user's own code."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.linalg

Array = Any


# -- scipy.special -----------------------------------------------------------------------------------------------


def logsumexp(a: Array, axis: Any, b: Any, keepdims: bool, return_sign: bool) -> Any:
    """log sum b exp(a): the largest element is taken out, so nothing overflows."""
    x: Any = np.asarray(a)
    if not np.issubdtype(x.dtype, np.inexact):
        x = x + 0.0
    if b is not None:
        weights = np.asarray(b) + 0.0 * x.real
        x = np.where(weights == 0, -np.inf, x + np.zeros(weights.shape, dtype=x.dtype))
    top = np.max(x.real, axis=axis, keepdims=True)
    largest = np.where(np.isfinite(top), top, 0.0).astype(top.dtype)
    terms = np.exp(x - largest)
    if b is None:
        # One less than the sum, whose largest terms are 1: as accurate as the others are.
        at_top = x.real == top
        count = np.sum(at_top, axis=axis, keepdims=True)
        rest = np.sum(np.where(at_top, terms - 1, terms), axis=axis, keepdims=True) + (count - 1).astype(top.dtype)
        total = rest + 1
        out = np.log1p(rest) + largest
        sign = np.sign(total)
    else:
        total = np.sum(terms * weights, axis=axis, keepdims=True)
        sign = np.sign(total)
        out = np.log(np.abs(total) if return_sign else total) + largest
    if not keepdims:
        out = np.squeeze(out, axis=axis)
        sign = np.squeeze(sign, axis=axis)
    if np.ndim(out) == 0:
        out = out[()]
        sign = sign[()]
    return (out, sign) if return_sign else out


def softmax(x: Array, axis: Any) -> Array:
    x = np.asarray(x) if np.issubdtype(np.asarray(x).dtype, np.inexact) else np.asarray(x) + 0.0
    e = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return e / np.sum(e, axis=axis, keepdims=True)


def log_softmax(x: Array, axis: Any) -> Array:
    x = np.asarray(x) if np.issubdtype(np.asarray(x).dtype, np.inexact) else np.asarray(x) + 0.0
    largest = np.max(x, axis=axis, keepdims=True)
    shifted = x - np.where(np.isfinite(largest), largest, 0.0).astype(x.dtype)
    return shifted - np.log(np.sum(np.exp(shifted), axis=axis, keepdims=True))


def multigammaln(a: Array, d: int) -> Array:
    a = np.asarray(a) + np.float64(0.0)
    total = (d * (d - 1) * 0.25) * math.log(math.pi)
    for j in range(1, d + 1):
        total = total + scipy.special.gammaln(a - (j - 1.0) / 2)
    return total


def spherical(cylindrical: Any, n: int, z: Array, derivative: bool) -> Array:
    """A spherical Bessel function of the first or second kind, for positive arguments, in double precision."""
    z = np.asarray(z) + np.float64(0.0)
    scale = np.sqrt(np.pi / (2 * z))
    value = scale * cylindrical(n + 0.5, z)
    if not derivative:
        return value
    return n / z * value - scale * cylindrical(n + 1.5, z)


# -- scipy.linalg ------------------------------------------------------------------------------------------------


def expm(a: Array) -> Array:
    """The exponential of a matrix: Pade's approximant of degree 13 of A / 2^s, squared s times (Higham 2005)."""
    n = a.shape[0]
    b = (
        64764752532480000.0, 32382376266240000.0, 7771770303897600.0, 1187353796428800.0, 129060195264000.0,
        10559470521600.0, 670442572800.0, 33522128640.0, 1323241920.0, 40840800.0, 960960.0, 16380.0, 182.0, 1.0,
    )  # fmt: skip
    size = np.max(np.sum(np.abs(a), axis=0))
    squarings = 0
    while size > 5.371920351148152 and squarings < 1100:
        size = size / 2
        squarings += 1
    x = a / 2.0**squarings
    identity = np.eye(n, dtype=a.dtype)
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    u = x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2) + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * identity
    u = x @ u
    v = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2) + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * identity
    result = np.linalg.solve(v - u, v + u)
    for _ in range(squarings):
        result = result @ result
    return result.astype(a.dtype)


def lu_factor(a: Array) -> tuple[Array, Array]:
    """Elimination with exchanges of rows, in place: L below the diagonal, U above, and the rows exchanged."""
    lu = np.array(a)
    m, n = lu.shape
    k = min(m, n)
    pivots = np.zeros(k, dtype=np.int32)
    for j in range(k):
        p = j + np.argmax(np.abs(lu[j:, j]))
        pivots[j] = p
        if p != j:
            for c in range(n):
                kept = lu[j, c]
                lu[j, c] = lu[p, c]
                lu[p, c] = kept
        if lu[j, j] != 0:
            for i in range(j + 1, m):
                factor = lu[i, j] / lu[j, j]
                lu[i, j] = factor
                for c in range(j + 1, n):
                    lu[i, c] -= factor * lu[j, c]
    return lu, pivots


def exchanged(b: Array, pivots: Array) -> Array:
    """The rows of b in the order that elimination has brought them to."""
    order = np.arange(b.shape[0])
    for j in range(pivots.shape[0]):
        p = pivots[j]
        kept = order[j]
        order[j] = order[p]
        order[p] = kept
    return b[order]


def restored(b: Array, pivots: Array) -> Array:
    """The opposite of `exchanged`."""
    order = np.arange(b.shape[0])
    for j in range(pivots.shape[0] - 1, -1, -1):
        p = pivots[j]
        kept = order[j]
        order[j] = order[p]
        order[p] = kept
    return b[order]


def lu_solve(lu: Array, pivots: Array, b: Array, trans: int) -> Array:
    solve = scipy.linalg.solve_triangular
    if trans == 0:
        y = solve(lu, exchanged(b, pivots), lower=True, unit_diagonal=True)
        return solve(lu, y)
    y = solve(lu, b, trans=trans)
    return restored(solve(lu, y, trans=trans, lower=True, unit_diagonal=True), pivots)


def lu(a: Array, permute_l: bool) -> tuple[Array, ...]:
    packed, pivots = lu_factor(a)
    m, n = packed.shape
    k = min(m, n)
    lower = np.tril(packed[:, :k], -1) + np.eye(m, k, dtype=packed.dtype)
    upper = np.triu(packed[:k])
    places = np.zeros((m, m), dtype=packed.real.dtype)
    order = exchanged(np.arange(m), pivots)
    for i in range(m):
        places[order[i], i] = 1
    if permute_l:
        return places @ lower, upper
    return places, lower, upper


def solve_banded(below: int, above: int, ab: Array, b: Array) -> Array:
    """Elimination within the band, with exchanges of rows as LAPACK does: `above + below` diagonals fill in."""
    n = ab.shape[1]
    wide = above + below
    rows = np.zeros((n, below + wide + 1), dtype=ab.dtype)  # row i holds columns i - below .. i + wide
    for i in range(n):
        for d in range(-below, above + 1):
            j = i + d
            if 0 <= j < n:
                rows[i, d + below] = ab[above - d, j]
    x = np.array(b)
    for j in range(n):
        last = min(n, j + below + 1)
        p = j
        for i in range(j + 1, last):
            if np.abs(rows[i, j - i + below]) > np.abs(rows[p, j - p + below]):
                p = i
        if rows[p, j - p + below] == 0:
            raise np.linalg.LinAlgError("singular matrix")
        if p != j:
            for c in range(j, min(n, j + wide + 1)):
                kept = rows[j, c - j + below]
                rows[j, c - j + below] = rows[p, c - p + below]
                rows[p, c - p + below] = kept
            for c in range(x.shape[1]):
                held = x[j, c]
                x[j, c] = x[p, c]
                x[p, c] = held
        for i in range(j + 1, last):
            factor = rows[i, j - i + below] / rows[j, below]
            for c in range(j + 1, min(n, j + wide + 1)):
                rows[i, c - i + below] -= factor * rows[j, c - j + below]
            for c in range(x.shape[1]):
                x[i, c] -= factor * x[j, c]
    for i in range(n - 1, -1, -1):
        for c in range(x.shape[1]):
            rest = x[i, c]
            for j in range(i + 1, min(n, i + wide + 1)):
                rest = rest - rows[i, j - i + below] * x[j, c]
            x[i, c] = rest / rows[i, below]
    return x


def banded_of_triangle(ab: Array, lower: bool) -> Array:
    """Both halves of a Hermitian band matrix, from one."""
    u = ab.shape[0] - 1
    n = ab.shape[1]
    full = np.zeros((2 * u + 1, n), dtype=ab.dtype)
    for d in range(u + 1):
        for j in range(n - d):
            if lower:
                value = ab[d, j]
            else:
                value = np.conj(ab[u - d, j + d])
            full[u + d, j] = value
            if d > 0:
                full[u - d, j + d] = np.conj(value)
    return full


def toeplitz(c: Array, r: Any) -> Array:
    c = np.ravel(c)
    if r is None:
        r = np.conj(c)
    r = np.ravel(r)
    both = np.concatenate((r[:0:-1], c))
    n, m = c.shape[0], r.shape[0]
    return both[np.arange(n)[:, None] - np.arange(m)[None, :] + m - 1]


def hankel(c: Array, r: Any) -> Array:
    c = np.ravel(c)
    if r is None:
        r = np.zeros_like(c)
    r = np.ravel(r)
    both = np.concatenate((c, r[1:]))
    return both[np.arange(c.shape[0])[:, None] + np.arange(r.shape[0])[None, :]]


def circulant(c: Array) -> Array:
    n = c.shape[0]
    return c[(np.arange(n)[:, None] - np.arange(n)[None, :]) % n]


def sylvester(a: Array, b: Array, q: Array) -> Array:
    """A X + X B = Q, as linear equations in all elements of X."""
    m, n = q.shape
    left = np.kron(a, np.eye(n, dtype=a.dtype)) + np.kron(np.eye(m, dtype=a.dtype), b.T)
    return np.linalg.solve(left, np.ravel(q)).reshape(m, n)


def discrete_lyapunov(a: Array, q: Array) -> Array:
    """A X A* - X + Q = 0."""
    n = a.shape[0]
    left = np.eye(n * n) - np.kron(a, np.conj(a))
    return np.linalg.solve(left, np.ravel(q)).reshape(n, n)


def khatri_rao(a: Array, b: Array) -> Array:
    return (a[:, None, :] * b[None, :, :]).reshape(-1, a.shape[1])


# -- scipy.integrate ---------------------------------------------------------------------------------------------


def simpson(y: Array, x: Any, dx: Any, axis: int) -> Any:
    """Simpson's rule; for an even number of points the last interval by the parabola through the last three."""
    y = np.moveaxis(np.asarray(y) + 0.0, axis, -1)
    n = y.shape[-1]
    if x is None:
        h = np.full(n - 1, dx)
    else:
        x = np.real(np.asarray(x)) * np.float64(1.0)
        h = np.diff(x if np.ndim(x) == 1 else np.moveaxis(x, axis, -1))
    if n == 1:
        return np.sum(0.0 * y, axis=-1)
    if n == 2:
        return 0.5 * h[..., 0] * (y[..., 0] + y[..., 1])
    stop = n - 2 if n % 2 else n - 3
    h0, h1 = h[..., 0:stop:2], h[..., 1 : stop + 1 : 2]
    left, middle, right = y[..., 0:stop:2], y[..., 1 : stop + 1 : 2], y[..., 2 : stop + 2 : 2]
    total, ratio = h0 + h1, h0 / h1
    parts = total / 6.0 * (left * (2.0 - 1.0 / ratio) + middle * (total * total / (h0 * h1)) + right * (2.0 - ratio))
    result = np.sum(parts, axis=-1)
    if n % 2 == 0:
        a, b = h[..., -1] * np.float64(1.0), h[..., -2]
        alpha = (2 * a**2 + 3 * a * b) / (6 * (b + a))
        beta = (a**2 + 3.0 * a * b) / (6 * b)
        eta = a**3 / (6 * b * (b + a))
        result = result + alpha * y[..., -1] + beta * y[..., -2] - eta * y[..., -3]
    return result


def cumulative_trapezoid(y: Array, x: Any, dx: Any, axis: int, initial: Any) -> Array:
    y = np.moveaxis(np.asarray(y) + 0.0, axis, -1)
    if x is None:
        h = dx
    else:
        x = np.asarray(x)
        h = np.diff(x if np.ndim(x) == 1 else np.moveaxis(x, axis, -1))
    result = np.cumsum(h * (y[..., 1:] + y[..., :-1]) / 2.0, axis=-1)
    if initial is not None:
        result = np.concatenate((np.full((*result.shape[:-1], 1), initial, dtype=result.dtype), result), axis=-1)
    return np.moveaxis(result, -1, axis)
