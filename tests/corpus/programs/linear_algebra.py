"""Matrices by hand and by library: factorisations in place, iterations with a data-dependent end, sparse formats."""

import numpy as np

RNG = np.random.default_rng(12)


def lu_pivot(a, b):
    """Solve by elimination in place, rows swapped for the largest pivot."""
    n = a.shape[0]
    for k in range(n - 1):
        p = k + np.argmax(np.abs(a[k:, k]))
        if p != k:
            a[[k, p]] = a[[p, k]]
            b[k], b[p] = b[p], b[k]
        for i in range(k + 1, n):
            a[i, k] /= a[k, k]
            a[i, k + 1 :] -= a[i, k] * a[k, k + 1 :]
            b[i] -= a[i, k] * b[k]
    for i in range(n - 1, -1, -1):
        b[i] = (b[i] - a[i, i + 1 :] @ b[i + 1 :]) / a[i, i]
    return b


def thomas(lower, diagonal, upper, rhs):
    """The tridiagonal solver that every PDE course writes."""
    n = len(rhs)
    c, d = np.zeros(n), np.zeros(n)
    c[0], d[0] = upper[0] / diagonal[0], rhs[0] / diagonal[0]
    for i in range(1, n):
        m = diagonal[i] - lower[i] * c[i - 1]
        c[i] = upper[i] / m
        d[i] = (rhs[i] - lower[i] * d[i - 1]) / m
    x = np.empty(n)
    x[-1] = d[-1]
    for i in reversed(range(n - 1)):
        x[i] = d[i] - c[i] * x[i + 1]
    return x


def cholesky_logdet(a):
    """Cholesky-Banachiewicz in place on the lower triangle, then the log-determinant."""
    n = len(a)
    for i in range(n):
        for j in range(i + 1):
            s = a[i, j]
            for k in range(j):
                s -= a[i, k] * a[j, k]
            if i == j:
                a[i, i] = s**0.5
            else:
                a[i, j] = s / a[j, j]
    return 2 * np.sum(np.log(np.diag(a)))


def conjugate_gradient(a, b, tol):
    """Stops by its residual, as it would in practice."""
    x = np.zeros_like(b)
    r = b - a @ x
    p = r.copy()
    rs = r @ r
    for _ in range(50):
        ap = a @ p
        alpha = rs / (p @ ap)
        x = x + alpha * p
        r = r - alpha * ap
        fresh = r @ r
        if np.sqrt(fresh) < tol:
            break
        p = r + fresh / rs * p
        rs = fresh
    return x


def power_iteration(a, steps):
    """The Rayleigh quotient of the dominant vector."""
    v = np.ones(a.shape[0])
    for _ in range(steps):
        v = a @ v
        v = v / np.linalg.norm(v)
    return v @ a @ v


def householder(a):
    """R of a QR factorisation by reflections, in place."""
    m, n = a.shape
    for k in range(n):
        x = a[k:, k]
        v = x.copy()
        v[0] += np.copysign(np.sqrt(np.sum(x**2)), x[0])
        v /= np.sqrt(np.sum(v**2))
        a[k:, k:] -= 2.0 * np.outer(v, v @ a[k:, k:])
    return np.triu(a)[:n]


def jacobi_eigenvalues(a, sweeps):
    """Rotations that annihilate one off-diagonal element after the other."""
    n = a.shape[0]
    for _ in range(sweeps):
        for p in range(n - 1):
            for q in range(p + 1, n):
                if abs(a[p, q]) < 1e-14:
                    continue
                theta = (a[q, q] - a[p, p]) / (2 * a[p, q])
                t = np.sign(theta) / (abs(theta) + np.sqrt(theta**2 + 1))
                c = 1 / np.sqrt(t**2 + 1)
                s = t * c
                rows = a[p].copy(), a[q].copy()
                a[p], a[q] = c * rows[0] - s * rows[1], s * rows[0] + c * rows[1]
                columns = a[:, p].copy(), a[:, q].copy()
                a[:, p], a[:, q] = c * columns[0] - s * columns[1], s * columns[0] + c * columns[1]
    return np.sort(np.diag(a))


def csr_product(indptr, indices, data, x):
    """A sparse matrix times a vector, row by row."""
    y = np.zeros(len(indptr) - 1)
    for row in range(len(y)):
        for k in range(indptr[row], indptr[row + 1]):
            y[row] += data[k] * x[indices[k]]
    return y


def assemble(stiffness, loads, n):
    """A bar of finite elements: scatter 2 x 2 element matrices, fix one end, solve."""
    k = np.zeros((n, n))
    for e in range(n - 1):
        ke = stiffness[e] * np.array([[1.0, -1.0], [-1.0, 1.0]])
        dofs = [e, e + 1]
        for a in range(2):
            for b in range(2):
                k[dofs[a], dofs[b]] += ke[a, b]
    u = np.zeros(n)
    u[1:] = np.linalg.solve(k[1:, 1:], loads[1:])
    return u


def gauss_newton(theta, t, y):
    """Fit a exp(-b t) by three Gauss-Newton steps with the normal equations."""
    for _ in range(3):
        model = theta[0] * np.exp(-theta[1] * t)
        jac = np.column_stack([np.exp(-theta[1] * t), -theta[0] * t * np.exp(-theta[1] * t)])
        theta = theta + np.linalg.solve(jac.T @ jac, jac.T @ (y - model))
    return theta


def matrix_exponential(a):
    """Scaling and squaring with a Taylor polynomial; how often to halve depends on the norm."""
    norm = np.max(np.sum(np.abs(a), axis=1))
    squarings = 0
    while norm > 0.5:
        norm /= 2
        squarings += 1
    scaled = a / 2.0**squarings
    term = np.eye(len(a))
    total = np.eye(len(a))
    for k in range(1, 12):
        term = term @ scaled / k
        total = total + term
    for _ in range(squarings):
        total = total @ total
    return total


def _spd(n):
    a = RNG.random((n, n))
    return a @ a.T + n * np.eye(n)


def _symmetric(n):
    a = RNG.random((n, n))
    return a + a.T + np.diag(2.0 * np.arange(n))


CASES = {
    lu_pivot: (RNG.random((4, 4)) + np.eye(4)[[2, 0, 3, 1]], RNG.random(4)),
    thomas: (RNG.random(7), 3 + RNG.random(7), RNG.random(7), RNG.random(7)),
    cholesky_logdet: (_spd(5),),
    conjugate_gradient: (_spd(5), RNG.random(5), 1e-6),
    power_iteration: (_spd(4), 8),
    householder: (RNG.random((5, 3)),),
    jacobi_eigenvalues: (_symmetric(4), 3),
    csr_product: (np.array([0, 2, 2, 5, 6]), np.array([0, 3, 1, 1, 2, 0]), RNG.random(6), RNG.random(4)),
    assemble: (1 + RNG.random(5), RNG.random(6), 6),
    gauss_newton: (np.array([1.5, 0.8]), np.linspace(0, 2, 9), 1.7 * np.exp(-0.9 * np.linspace(0, 2, 9)) + 0.05),
    matrix_exponential: (RNG.random((3, 3)) * 1.7,),
}
