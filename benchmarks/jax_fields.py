"""JAX programs for those in `fields/`, as someone who knows JAX would write them so that they can be reversed.

From the mathematics; functions are named after the programs, take the same arguments and return what the NumPy program
returns and every array that it changes. Integers are static.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import logsumexp


def steps(body, state, count):
    """Apply `body` to the state `count` times."""
    return lax.scan(lambda s, _: (body(s), None), state, None, length=count)[0]


# -- fluids and plasmas --------------------------------------------------------------------------------------


CX = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1])
CY = np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
WEIGHT = np.array([4, 1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25]) / 9
OPPOSITE = np.array([0, 3, 4, 1, 2, 7, 8, 5, 6])


def lattice_boltzmann(f, omega, wall, count):
    def moments(f):
        rho = jnp.sum(f, axis=0)
        return rho, jnp.tensordot(CX, f, 1) / rho, jnp.tensordot(CY, f, 1) / rho

    def step(f):
        rho, ux, uy = moments(f)
        along = 3 * (CX[:, None, None] * ux + CY[:, None, None] * uy)
        equilibrium = WEIGHT[:, None, None] * rho * (1 + along + along**2 / 2 - 1.5 * (ux**2 + uy**2))
        f = f + omega * (equilibrium - f)
        moved = jnp.stack([jnp.roll(f[q], (CX[q], CY[q]), (0, 1)) for q in range(9)])
        return jnp.where(wall, moved[OPPOSITE], moved)

    f = steps(step, f, count)
    return (*moments(f), f)


def shallow_water(u, v, p, coriolis, dx, dt, alpha, count):
    down, left = partial(jnp.roll, axis=0), partial(jnp.roll, axis=1)

    def step(state, dt):
        u, v, p, u_old, v_old, p_old = state
        cu = 0.5 * (p + down(p, 1)) * u
        cv = 0.5 * (p + left(p, 1)) * v
        rows = p + down(p, 1)
        z = (coriolis + (v - down(v, 1) - u + left(u, 1)) / dx) / (0.25 * (rows + left(rows, 1)))
        h = p + 0.25 * (down(u, -1) ** 2 + u**2 + left(v, -1) ** 2 + v**2)
        cv_rows, cu_columns = cv + down(cv, 1), cu + left(cu, 1)
        cv_at_u = 0.25 * (cv_rows + left(cv_rows, -1))
        cu_at_v = 0.25 * (cu_columns + down(cu_columns, -1))
        u_new = u_old + dt * (0.5 * (z + left(z, -1)) * cv_at_u - (h - down(h, 1)) / dx)
        v_new = v_old - dt * (0.5 * (z + down(z, -1)) * cu_at_v + (h - left(h, 1)) / dx)
        p_new = p_old - dt * (down(cu, -1) - cu + left(cv, -1) - cv) / dx
        u_old = u + alpha * (u_new - 2 * u + u_old)
        v_old = v + alpha * (v_new - 2 * v + v_old)
        p_old = p + alpha * (p_new - 2 * p + p_old)
        return u_new, v_new, p_new, u_old, v_old, p_old

    state = step((u, v, p, u, v, p), dt)
    return steps(lambda s: step(s, 2 * dt), state, count - 1)[:3]


def particle_in_cell(position, velocity, charge, cells, dt, count):
    background = jnp.sum(charge) / cells

    def step(state, _):
        position, velocity = state
        left = jnp.floor(position)
        share = position - left
        i = left.astype(int) % cells
        j = (i + 1) % cells
        density = jnp.zeros(cells).at[i].add((1 - share) * charge).at[j].add(share * charge)
        rise = 0.5 * (density[:-1] + density[1:]) / background - 1.0
        field = jnp.concatenate([jnp.zeros(1), jnp.cumsum(rise)])
        field = field - jnp.mean(field)
        velocity = velocity - dt * ((1 - share) * field[i] + share * field[j])
        return ((position + dt * velocity) % cells, velocity), 0.5 * jnp.sum(field**2)

    (position, velocity), energy = lax.scan(step, (position, velocity), None, length=count)
    return energy, position, velocity


def lorenz96(x, forcing, dt, count):
    def tendency(x):
        return (jnp.roll(x, -1) - jnp.roll(x, 2)) * jnp.roll(x, 1) - x + forcing

    def step(x, _):
        k1 = tendency(x)
        k2 = tendency(x + 0.5 * dt * k1)
        k3 = tendency(x + 0.5 * dt * k2)
        k4 = tendency(x + dt * k3)
        x = x + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return x, 0.5 * jnp.mean(x**2)

    x, energy = lax.scan(step, x, None, length=count)
    return energy, x


def lennard_jones(position, velocity, box, cutoff, dt, count):
    n = len(position)
    first, second = np.triu_indices(n, 1)

    def forces(position):
        d = position[first] - position[second]
        d = d - box * jnp.round(d / box)
        square = jnp.sum(d**2, axis=1)
        near = square < cutoff**2
        sixth = jnp.where(near, 1 / square**3, 0.0)
        pull = (24 * (2 * sixth**2 - sixth) / square)[:, None] * d
        force = jnp.zeros_like(position).at[first].add(pull).at[second].add(-pull)
        return force, jnp.sum(4 * (sixth**2 - sixth))

    def step(state, _):
        position, velocity, force = state
        velocity = velocity + 0.5 * dt * force
        position = position + dt * velocity
        force, potential = forces(position)
        velocity = velocity + 0.5 * dt * force
        return (position, velocity, force), potential + 0.5 * jnp.sum(velocity**2)

    state = position, velocity, forces(position)[0]
    (position, velocity, _), energy = lax.scan(step, state, None, length=count)
    return energy, position, velocity


# -- equations -----------------------------------------------------------------------------------------------


def thomas(lower, diagonal, upper, d):
    def forward(state, row):
        ratio, above = state
        low, middle, up, right = row
        pivot = middle - low * ratio
        state = up / pivot, (right - low * above) / pivot
        return state, state

    rows = lower.at[0].set(0.0), diagonal, upper, d
    _, (ratio, y) = lax.scan(forward, (jnp.zeros(()), jnp.zeros_like(d[0])), rows)

    def back(below, row):
        ratio, y = row
        x = y - ratio * below
        return x, x

    return lax.scan(back, jnp.zeros_like(d[0]), (ratio.at[-1].set(0.0), y), reverse=True)[1]


def conjugate_gradient(conductivity, source, count):
    k = conductivity
    east = 2 * k[1:, 1:-1] * k[:-1, 1:-1] / (k[1:, 1:-1] + k[:-1, 1:-1])
    north = 2 * k[1:-1, 1:] * k[1:-1, :-1] / (k[1:-1, 1:] + k[1:-1, :-1])

    def diffuse(x):
        padded = jnp.pad(x, 1)
        flux_x = east * jnp.diff(padded[:, 1:-1], axis=0)
        flux_y = north * jnp.diff(padded[1:-1], axis=1)
        return -jnp.diff(flux_x, axis=0) - jnp.diff(flux_y, axis=1)

    def iterate(state, _):
        x, r, p, rr = state
        q = diffuse(p)
        step = rr / jnp.vdot(p, q)
        x, r = x + step * p, r - step * q
        new = jnp.vdot(r, r)
        return (x, r, r + new / rr * p, new), new

    state = jnp.zeros_like(source), source, source, jnp.vdot(source, source)
    (x, *_), norms = lax.scan(iterate, state, None, length=count)
    return x, norms


def mesh_gauss_seidel(neighbours, degree, weight, source, x, shift, sweeps):
    weight = jnp.where(jnp.arange(weight.shape[1]) < degree[:, None], weight, 0.0)
    diagonal = shift + jnp.sum(weight, axis=1)
    rows = jnp.arange(len(x)), neighbours, weight, source, diagonal

    def node(x, row):
        i, around, w, b, d = row
        return x.at[i].set((b + jnp.vdot(w, x[around])) / d), None

    return steps(lambda x: lax.scan(node, x, rows)[0], x, sweeps)


# -- sequences and statistics --------------------------------------------------------------------------------


def soft_alignment(similarity, gap_a, gap_b, temperature):
    """Antidiagonals: cell (i, j) is row i of diagonal i + j, so that a step depends on the two before alone."""
    m, n = similarity.shape
    i = jnp.arange(m)
    j = jnp.arange(m + n - 1)[:, None] - i
    inside = (j >= 0) & (j < n)
    column = jnp.clip(j, 0, n - 1)
    diagonals = similarity[i, column]
    across = gap_b[column]

    def shifted(s):
        return jnp.concatenate([jnp.zeros(1), s[:-1]])

    def step(state, row):
        two, one = state
        match, gap, inside = row
        options = jnp.stack([jnp.zeros(m), shifted(two) + match, shifted(one) - gap_a, one - gap])
        new = jnp.where(inside, temperature * logsumexp(options / temperature, axis=0), 0.0)
        return (one, new), new

    _, scores = lax.scan(step, (jnp.zeros(m), jnp.zeros(m)), (diagonals, across, inside))
    border = temperature * jnp.log(m + n + 1.0)  # the zeros of the first row and column
    best = temperature * logsumexp(jnp.where(inside, scores, -jnp.inf) / temperature)
    return jnp.logaddexp(best / temperature, border / temperature) * temperature


def soft_kmeans(points, centres, stiffness, iterations):
    def iterate(state):
        centres, _ = state
        difference = points[:, None] - centres
        distance = jnp.sum(difference**2, axis=2)
        share = jax.nn.softmax(-stiffness * distance, axis=1)
        energy = -jnp.mean(logsumexp(-stiffness * distance, axis=1)) / stiffness
        return share.T @ points / jnp.sum(share, axis=0)[:, None], energy

    centres, energy = steps(iterate, (centres, jnp.zeros(())), iterations)
    return energy, centres


def kalman_filter(transition, sensor, process, noise, observed):
    m, n = sensor.shape

    def step(state, y):
        mean, covariance = state
        mean = transition @ mean
        covariance = transition @ covariance @ transition.T + process
        innovation = y - sensor @ mean
        cross = sensor @ covariance
        factor = jax.scipy.linalg.lu_factor(cross @ sensor.T + noise)
        gain = jax.scipy.linalg.lu_solve(factor, cross).T
        spread = jnp.sum(jnp.log(jnp.abs(jnp.diag(factor[0]))))
        weighted = jax.scipy.linalg.lu_solve(factor, innovation)
        likelihood = -0.5 * (innovation @ weighted + spread + m * jnp.log(2 * jnp.pi))
        mean = mean + gain @ innovation
        covariance = covariance - gain @ sensor @ covariance
        return (mean, covariance), (mean, likelihood)

    _, (means, likelihood) = lax.scan(step, (jnp.zeros(n), jnp.eye(n)), observed)
    return means, jnp.sum(likelihood)


def lstm(x, w, u, b):
    hidden = len(u)
    given = x @ w + b  # of all steps at once

    def step(state, z):
        h, c = state
        z = z + h @ u
        gates = jax.nn.sigmoid(z[:, : 3 * hidden])
        enter, forget, leave = jnp.split(gates, 3, axis=1)
        c = forget * c + enter * jnp.tanh(z[:, 3 * hidden :])
        h = leave * jnp.tanh(c)
        return (h, c), h

    zeros = jnp.zeros((x.shape[1], hidden))
    return lax.scan(step, (zeros, zeros), given)[1]


def gaussian_mixture(alpha, means, scales, lower, points, gamma):
    n, d = points.shape
    rows, columns = np.tril_indices(d, -1)
    diagonal = jnp.exp(scales)
    factors = jax.vmap(jnp.diag)(diagonal).at[:, rows, columns].set(lower)
    y = jnp.einsum("kab,nkb->nka", factors, points[:, None] - means)
    terms = alpha + jnp.sum(scales, axis=1) - 0.5 * jnp.sum(y**2, axis=2)
    total = jnp.sum(logsumexp(terms, axis=1)) - n * logsumexp(alpha) - 0.5 * n * d * jnp.log(2 * jnp.pi)
    return total - 0.5 * gamma**2 * (jnp.sum(diagonal**2) + jnp.sum(lower**2)) + jnp.sum(scales)


def option_paths(noise, rate, volatility, strikes, spot, maturity):
    count, paths = noise.shape
    dt = maturity / count

    def step(state, row):
        price, mean = state
        z, r, s = row
        price = price * jnp.exp((r - 0.5 * s**2) * dt + s * jnp.sqrt(dt) * z)
        return (price, mean + price / count), None

    (_, mean), _ = lax.scan(step, (jnp.full(paths, spot), jnp.zeros(paths)), (noise, rate, volatility))
    discount = jnp.exp(-dt * jnp.sum(rate))
    return discount * jnp.mean(jnp.maximum(mean - strikes[:, None], 0), axis=1)


# -- geometry ------------------------------------------------------------------------------------------------


def ray_tomography(slowness, source, receiver):
    """All rays at once; a ray crosses at most one cell a grid line."""
    n = len(slowness)

    def ray(start, end):
        d = end - start
        turn = jnp.where(d > 0, 1, -1)
        ahead = jnp.where(d > 0, 1, 0)

        def cross(state, _):
            cell, t, total = state
            wall = (cell + ahead - start) / d
            leave = jnp.minimum(jnp.min(wall), 1.0)
            total = total + jnp.where(t < 1.0, (leave - t) * slowness[cell[0], cell[1]], 0.0)
            along = jnp.where(wall[0] < wall[1], jnp.array([1, 0]), jnp.array([0, 1]))
            return (jnp.where(t < 1.0, cell + turn * along, cell), leave, total), None

        state = start.astype(int), jnp.zeros(()), jnp.zeros(())
        return lax.scan(cross, state, None, length=2 * n)[0][2] * jnp.sqrt(jnp.sum(d**2))

    return jax.vmap(ray)(source, receiver)


def bundle_adjustment(cameras, points, weight, camera_of, point_of, observed):
    def rotate(r, x):
        square = jnp.sum(r**2)
        small = square < 1e-20
        angle = jnp.sqrt(jnp.where(small, 1.0, square))
        w = r / angle
        turned = x * jnp.cos(angle) + jnp.cross(w, x) * jnp.sin(angle) + w * jnp.vdot(w, x) * (1 - jnp.cos(angle))
        return jnp.where(small, x + jnp.cross(r, x), turned)

    def residual(camera, point, weight, at):
        seen = rotate(camera[:3], point - camera[3:6])
        flat = seen[:2] / seen[2]
        square = jnp.sum(flat**2)
        radial = 1 + camera[7] * square + camera[8] * square**2
        return weight * (camera[6] * radial * flat - at)

    return jax.vmap(residual)(cameras[camera_of], points[point_of], weight, observed), 1 - weight**2
