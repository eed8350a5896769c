"""JAX programs for NPBench's problems, as someone who knows JAX would write them so that they can be reversed.

From the mathematics; functions are named after NPBench's programs, take the same arguments and return what the NumPy
program returns and every array that it changes. Integers are static.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax


def steps(body, state, count):
    """Apply `body` to the state `count` times."""
    return lax.scan(lambda s, _: (body(s), None), state, None, length=count)[0]


# -- stencils ------------------------------------------------------------------------------------------------


def jacobi_1d(TSTEPS, A, B):
    def smooth(old, edges):
        inner = 0.33333 * (old[:-2] + old[1:-1] + old[2:])
        return jnp.concatenate([edges[:1], inner, edges[-1:]])

    def body(state):
        A, B = state
        B = smooth(A, B)
        return smooth(B, A), B

    return steps(body, (A, B), TSTEPS - 1)


def jacobi_2d(TSTEPS, A, B):
    def smooth(x):
        return 0.2 * (x[1:-1, 1:-1] + x[1:-1, :-2] + x[1:-1, 2:] + x[2:, 1:-1] + x[:-2, 1:-1])

    def body(state):
        A, B = state
        B = B.at[1:-1, 1:-1].set(smooth(A))
        return A.at[1:-1, 1:-1].set(smooth(B)), B

    return steps(body, (A, B), TSTEPS - 1)


def heat_3d(TSTEPS, A, B):
    def diffuse(x):
        c = x[1:-1, 1:-1, 1:-1]
        around = x[2:, 1:-1, 1:-1] + x[:-2, 1:-1, 1:-1] + x[1:-1, 2:, 1:-1] + x[1:-1, :-2, 1:-1]
        around = around + x[1:-1, 1:-1, 2:] + x[1:-1, 1:-1, :-2]
        return 0.125 * around + 0.25 * c

    def body(state):
        A, B = state
        B = B.at[1:-1, 1:-1, 1:-1].set(diffuse(A))
        return A.at[1:-1, 1:-1, 1:-1].set(diffuse(B)), B

    return steps(body, (A, B), TSTEPS - 1)


def fdtd_2d(TMAX, ex, ey, hz, _fict_):
    def body(state, source):
        ex, ey, hz = state
        ey = jnp.concatenate([jnp.full((1, ey.shape[1]), source), ey[1:] - 0.5 * (hz[1:] - hz[:-1])])
        ex = jnp.concatenate([ex[:, :1], ex[:, 1:] - 0.5 * (hz[:, 1:] - hz[:, :-1])], axis=1)
        change = ex[:-1, 1:] - ex[:-1, :-1] + ey[1:, :-1] - ey[:-1, :-1]
        return (ex, ey, hz.at[:-1, :-1].add(-0.7 * change)), None

    return lax.scan(body, (ex, ey, hz), _fict_[:TMAX])[0]


def seidel_2d(TSTEPS, N, A):
    def row(above, rows):
        """One row, given the new row above it: what is known of it, then a linear recurrence."""
        here, below = rows
        known = above[:-2] + above[1:-1] + above[2:] + here[1:-1] + here[2:] + below[:-2] + below[1:-1] + below[2:]

        def along(left, c):
            new = (c + left) / 9.0
            return new, new

        inner = lax.scan(along, here[0], known)[1]
        new = jnp.concatenate([here[:1], inner, here[-1:]])
        return new, new

    def body(A):
        inner = lax.scan(row, A[0], (A[1:-1], A[2:]))[1]
        return jnp.concatenate([A[:1], inner, A[-1:]])

    return steps(body, A, TSTEPS - 1)


def cavity_flow(nx, ny, nt, nit, u, v, dt, dx, dy, p, rho, nu):
    """Incompressible flow in a box with a moving lid: explicit steps with a fixed number of pressure sweeps."""
    ddx = lambda f: (f[1:-1, 2:] - f[1:-1, :-2]) / (2 * dx)  # noqa: E731
    ddy = lambda f: (f[2:, 1:-1] - f[:-2, 1:-1]) / (2 * dy)  # noqa: E731

    def framed(inner, top, bottom):
        """Zero at both sides, given values in the first and the last row."""
        inner = jnp.pad(inner, ((0, 0), (1, 1)))
        width = inner.shape[1]
        return jnp.concatenate([jnp.full((1, width), top), inner, jnp.full((1, width), bottom)])

    def advance(f, u, v, force):
        c = f[1:-1, 1:-1]
        advection = u[1:-1, 1:-1] * dt / dx * (c - f[1:-1, :-2]) + v[1:-1, 1:-1] * dt / dy * (c - f[:-2, 1:-1])
        diffusion = dt / dx**2 * (f[1:-1, 2:] - 2 * c + f[1:-1, :-2]) + dt / dy**2 * (
            f[2:, 1:-1] - 2 * c + f[:-2, 1:-1]
        )
        return c - advection - dt / rho * force + nu * diffusion

    def step(state):
        u, v, p = state
        ux, uy, vx, vy = ddx(u), ddy(u), ddx(v), ddy(v)
        b = rho * ((ux + vy) / dt - ux**2 - 2 * uy * vx - vy**2)

        def sweep(p):
            around = (p[1:-1, 2:] + p[1:-1, :-2]) * dy**2 + (p[2:, 1:-1] + p[:-2, 1:-1]) * dx**2
            inner = (around - dx**2 * dy**2 * b) / (2 * (dx**2 + dy**2))
            # No slope at the sides and in the first row; zero in the last.
            wide = jnp.concatenate([inner[:, :1], inner, inner[:, -1:]], axis=1)
            return jnp.concatenate([wide[:1], wide, jnp.zeros_like(wide[:1])])

        p = steps(sweep, p, nit)
        new = advance(u, u, v, ddx(p)), advance(v, u, v, ddy(p))
        return framed(new[0], 0.0, 1.0), framed(new[1], 0.0, 0.0), p

    return steps(step, (u, v, p), nt)


# -- linear algebra ------------------------------------------------------------------------------------------


def cholesky(A):
    """Of the symmetric matrix of which A's lower triangle is given; A's upper triangle stays."""
    S = jnp.tril(A) + jnp.tril(A, -1).T
    return jnp.tril(jnp.linalg.cholesky(S, symmetrize_input=False)) + jnp.triu(A, 1)


def lu(A):
    """Without pivoting: one rank-one update a column."""
    n = A.shape[0]
    index = jnp.arange(n)

    def eliminate(A, k):
        pivot = A[k]
        factors = jnp.where(index > k, A[:, k] / pivot[k], 0.0)
        A = A - jnp.outer(factors, jnp.where(index > k, pivot, 0.0))
        return A.at[:, k].set(jnp.where(index > k, factors, A[:, k])), None

    return lax.scan(eliminate, A, index)[0]


def ludcmp(A, b):
    F = lu(A)
    solve = partial(jax.scipy.linalg.solve_triangular, F)
    y = solve(b, lower=True, unit_diagonal=True)
    return solve(y), y, F


def trisolv(L, x, b):
    return jax.scipy.linalg.solve_triangular(L, b, lower=True)


def durbin(r):
    """Levinson and Durbin's recursion; the vector grows, so it is padded with zeros."""
    n = r.shape[0]

    def body(state, k):
        y, alpha, beta = state
        beta = beta * (1.0 - alpha * alpha)
        padded = jnp.concatenate([jnp.flip(y), jnp.zeros_like(y)])
        flipped = lax.dynamic_slice(padded, (n - k,), (n,))  # y[k-1], ..., y[0], 0, ...
        alpha = -(r[k] + jnp.dot(r, flipped)) / beta
        y = (y + alpha * flipped).at[k].set(alpha)
        return (y, alpha, beta), None

    start = jnp.zeros_like(r).at[0].set(-r[0]), -r[0], jnp.ones((), r.dtype)
    return lax.scan(body, start, jnp.arange(1, n))[0][0]


def gramschmidt(A):
    """Modified Gram-Schmidt, all columns to the right at once."""
    index = jnp.arange(A.shape[1])

    def body(A, k):
        column = A[:, k]
        norm = jnp.sqrt(jnp.dot(column, column))
        q = column / norm
        row = jnp.where(index > k, q @ A, 0.0)
        return A - jnp.outer(q, row), (q, row.at[k].set(norm))

    A, (Q, R) = lax.scan(body, A, index)
    return Q.T, R, A


def syrk(alpha, beta, C, A):
    return jnp.tril(beta * C + alpha * (A @ A.T)) + jnp.triu(C, 1)


def syr2k(alpha, beta, C, A, B):
    product = A @ B.T
    return jnp.tril(beta * C + alpha * (product + product.T)) + jnp.triu(C, 1)


def symm(alpha, beta, C, A, B):
    """The lower triangle of A holds a symmetric matrix."""
    return beta * C + alpha * ((jnp.tril(A) + jnp.tril(A, -1).T) @ B)


def trmm(alpha, A, B):
    return alpha * (B + jnp.tril(A, -1).T @ B)


cholesky2 = cholesky


# -- tridiagonal systems and filters ---------------------------------------------------------------------------


def _thomas(a, b, c, right):
    """Sweep along the first axis for a x[j-1] + b x[j] + c x[j+1] = right[j], with x = 1 at both ends."""

    def forward(state, r):
        p, q = state
        under = a * p + b
        p, q = -c / under, (r - a * q) / under
        return (p, q), (p, q)

    one = jnp.ones_like(right[0])
    _, pq = lax.scan(forward, (jnp.zeros_like(one), one), right)

    def backward(x, pq):
        x = pq[0] * x + pq[1]
        return x, x

    return lax.scan(backward, one, pq, reverse=True)[1]


def adi(TSTEPS, N, u):
    DT = 1.0 / TSTEPS
    mul1, mul2 = 2.0 * DT * N * N, 1.0 * DT * N * N
    a, b, d, e = -mul1 / 2.0, 1.0 + mul2, -mul2 / 2.0, 1.0 + mul2

    def body(u):
        right = -d * u[1:-1, :-2] + (1.0 + 2.0 * d) * u[1:-1, 1:-1] - d * u[1:-1, 2:]
        inner = _thomas(a, b, a, right)
        edge = jnp.ones((1, N - 2), u.dtype)
        v = jnp.concatenate([edge, inner, edge])
        right = -a * v[:-2] + (1.0 + 2.0 * a) * v[1:-1] - a * v[2:]
        new = _thomas(d, e, d, right.T).T
        edge = jnp.ones((N - 2, 1), u.dtype)
        return u.at[1:-1].set(jnp.concatenate([edge, new, edge], axis=1))

    return steps(body, u, TSTEPS)


def deriche(alpha, imgIn):
    ea = jnp.exp(-alpha)
    k = (1.0 - ea) * (1.0 - ea) / (1.0 + alpha * ea - jnp.exp(2.0 * alpha))
    a1, a2, a3, a4 = k, k * ea * (alpha - 1.0), k * ea * (alpha + 1.0), -k * jnp.exp(-2.0 * alpha)
    b1, b2 = 2.0 ** (-alpha), -jnp.exp(-2.0 * alpha)

    def recur(source, reverse):
        """y[j] = source[j] + b1 y[j-1] + b2 y[j-2] along the first axis."""

        def body(state, s):
            y1, y2 = state
            y = s + b1 * y1 + b2 * y2
            return (y, y1), y

        zero = jnp.zeros_like(source[0])
        return lax.scan(body, (zero, zero), source, reverse=reverse)[1]

    def both(x):
        zero = jnp.zeros_like(x[:1])
        causal = recur(a1 * x + a2 * jnp.concatenate([zero, x[:-1]]), False)
        ahead, further = jnp.concatenate([x[1:], zero]), jnp.concatenate([x[2:], zero, zero])
        return causal + recur(a3 * ahead + a4 * further, True)

    return both(both(imgIn.T).T)


def floyd_warshall(path):
    def body(path, k):
        return jnp.minimum(path, path[:, k][:, None] + path[k][None, :]), None

    return lax.scan(body, path, jnp.arange(path.shape[0]))[0]


# -- others ----------------------------------------------------------------------------------------------------


def correlation(M, float_n, data):
    deviation = jnp.std(data, axis=0)
    deviation = jnp.where(deviation <= 0.1, 1.0, deviation)
    data = (data - jnp.mean(data, axis=0)) / (jnp.sqrt(float_n) * deviation)
    corr = data.T @ data
    return corr - jnp.diag(jnp.diag(corr)) + jnp.eye(M, dtype=data.dtype), data


def covariance(M, float_n, data):
    data = data - jnp.mean(data, axis=0)
    return data.T @ data / (float_n - 1.0), data


def covariance2(M, float_n, data):
    return jnp.cov(data.T)


def spmv(A_row, A_col, A_val, x):
    count = A_row.size - 1
    rows = jnp.repeat(jnp.arange(count), jnp.diff(A_row.astype(jnp.int64)), total_repeat_length=A_col.size)
    return jax.ops.segment_sum(A_val * x[A_col], rows, num_segments=count, indices_are_sorted=True)


def go_fast(a):
    return a + jnp.sum(jnp.tanh(jnp.diag(a)))


def scattering_self_energies(neigh_idx, dH, G, D, Sigma):
    """Sums of products of small matrices, with E - w >= 0: one einsum for every w."""
    energies = G.shape[1]
    neighbours = G[:, :, neigh_idx]  # k, E, a, b, m, n
    left = jnp.einsum("keabmn,abinp->keabimp", neighbours, dH)
    right = jnp.einsum("abjpn,qwabij->wabipn", dH, D)
    for w in range(D.shape[1]):
        part = jnp.einsum("keabimp,abipn->keamn", left[:, : energies - w], right[w])
        Sigma = Sigma.at[:, w:].add(part)
    return Sigma


def _acceleration(pos, mass, G, softening):
    gap = pos[None, :, :] - pos[:, None, :]
    square = jnp.sum(gap * gap, axis=-1) + softening * softening
    return G * jnp.einsum("ijk,ij,jl->ik", gap, square**-1.5, mass)


def _energy(pos, vel, mass, G):
    i, j = jnp.triu_indices(pos.shape[0], 1)
    gap = pos[i] - pos[j]
    potential = -G * jnp.sum(mass[i, 0] * mass[j, 0] / jnp.sqrt(jnp.sum(gap * gap, axis=-1)))
    return 0.5 * jnp.sum(mass * vel * vel), potential


def nbody(mass, pos, vel, N, Nt, dt, G, softening):
    vel = vel - jnp.mean(mass * vel, axis=0) / jnp.mean(mass)

    def body(state, _):
        pos, vel, acc = state
        vel = vel + acc * dt / 2.0
        pos = pos + vel * dt
        acc = _acceleration(pos, mass, G, softening)
        vel = vel + acc * dt / 2.0
        return (pos, vel, acc), _energy(pos, vel, mass, G)

    start = pos, vel, _acceleration(pos, mass, G, softening)
    (last, vel_last, _), (kinetic, potential) = lax.scan(body, start, None, length=Nt)
    first = _energy(pos, vel, mass, G)
    KE = jnp.concatenate([first[0][None], kinetic])
    PE = jnp.concatenate([first[1][None], potential])
    return KE, PE, last, vel_last


def vadv(utens_stage, u_stage, wcon, u_pos, utens, dtr_stage):
    """Tridiagonal systems along the last axis, one scan down and one up."""
    K = utens_stage.shape[2]
    g = 0.125 * (wcon[1:, :, 1:K] + wcon[:-1, :, 1:K])  # half of the weight between levels k-1 and k
    zero = jnp.zeros_like(g[:, :, :1])
    below = jnp.concatenate([zero, -g], axis=2)  # coefficient of level k-1
    above = jnp.concatenate([g, zero], axis=2)  # coefficient of level k+1
    jump = jnp.concatenate([zero, u_stage[:, :, 1:] - u_stage[:, :, :-1], zero], axis=2)
    right = dtr_stage * u_pos + utens + utens_stage + below * jump[:, :, :-1] - above * jump[:, :, 1:]
    diagonal = dtr_stage - below - above

    def down(state, level):
        c, d = state
        a, b, up, r = level
        under = 1.0 / (b - c * a)
        c, d = up * under, (r - d * a) * under
        return (c, d), (c, d)

    def first(x):
        return jnp.moveaxis(x, 2, 0)

    start = jnp.zeros_like(g[:, :, 0]), jnp.zeros_like(g[:, :, 0])
    _, cd = lax.scan(down, start, (first(below), first(diagonal), first(above), first(right)))

    def up(x, cd):
        x = cd[1] - cd[0] * x
        return x, x

    x = lax.scan(up, jnp.zeros_like(g[:, :, 0]), cd, reverse=True)[1]
    return dtr_stage * (jnp.moveaxis(x, 0, 2) - u_pos)
