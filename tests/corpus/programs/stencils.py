"""Partial differential equations on grids: in-place sweeps, rotating buffers, boundary conditions, shifts."""

import numpy as np

RNG = np.random.default_rng(11)


def heat(u, kappa, steps):
    """Explicit heat conduction, updated in place from a copy, insulated on two sides."""
    for _ in range(steps):
        un = u.copy()
        u[1:-1, 1:-1] = un[1:-1, 1:-1] + kappa * (
            un[2:, 1:-1] + un[:-2, 1:-1] + un[1:-1, 2:] + un[1:-1, :-2] - 4 * un[1:-1, 1:-1]
        )
        u[:, 0] = u[:, 1]
        u[:, -1] = u[:, -2]
        u[0, :] = 1.0
    return np.sum(u * u)


def wave(u, c, steps):
    """Leapfrog for the wave equation; three buffers rotate by rebinding."""
    old, now = u.copy(), u.copy()
    new = np.zeros_like(u)
    for _ in range(steps):
        new[1:-1] = 2 * now[1:-1] - old[1:-1] + c**2 * (now[2:] - 2 * now[1:-1] + now[:-2])
        old, now, new = now, new, old
    return now


def burgers(u, nu, dt, dx, steps):
    """Inviscid and viscous terms; the upwind side depends on the sign of the velocity."""
    n = u.shape[0]
    for _ in range(steps):
        v = u.copy()
        for i in range(1, n - 1):
            if v[i] > 0:
                slope = (v[i] - v[i - 1]) / dx
            else:
                slope = (v[i + 1] - v[i]) / dx
            u[i] = v[i] - dt * v[i] * slope + nu * dt / dx**2 * (v[i + 1] - 2 * v[i] + v[i - 1])
    return u


def gray_scott(u, v, feed, kill, steps):
    """Reaction and diffusion on a periodic grid."""

    def laplace(f):
        return np.roll(f, 1, 0) + np.roll(f, -1, 0) + np.roll(f, 1, 1) + np.roll(f, -1, 1) - 4 * f

    for _ in range(steps):
        reaction = u * v * v
        u += 0.16 * laplace(u) - reaction + feed * (1 - u)
        v += 0.08 * laplace(v) + reaction - (feed + kill) * v
    return np.mean(v)


def red_black(phi, rho, omega, sweeps):
    """Successive over-relaxation, colour by colour, with strided slices."""
    for _ in range(sweeps):
        for parity in (0, 1):
            for i in range(1, phi.shape[0] - 1):
                j = 1 + (i + parity) % 2
                residual = (
                    phi[i + 1, j:-1:2]
                    + phi[i - 1, j:-1:2]
                    + phi[i, j + 1 :: 2]
                    + phi[i, j - 1 : -2 : 2]
                    - 4 * phi[i, j:-1:2]
                    - rho[i, j:-1:2]
                )
                phi[i, j:-1:2] += 0.25 * omega * residual


def lattice_boltzmann(f, tau, steps):
    """D1Q3: collide and stream by rolling populations."""
    weights = np.array([2 / 3, 1 / 6, 1 / 6])
    velocity = np.array([0.0, 1.0, -1.0])
    for _ in range(steps):
        rho = f.sum(axis=0)
        speed = (f * velocity[:, None]).sum(axis=0) / rho
        cu = 3 * velocity[:, None] * speed
        equilibrium = weights[:, None] * rho * (1 + cu + 0.5 * cu**2 - 1.5 * speed**2)
        f = f - (f - equilibrium) / tau
        f[1] = np.roll(f[1], 1)
        f[2] = np.roll(f[2], -1)
    return f


def shallow_water(h, q, dt, dx, g, steps):
    """Lax-Friedrichs with reflecting walls; conserved variables in one array."""
    state = np.stack([h, q])
    for _ in range(steps):
        flux = np.empty_like(state)
        flux[0] = state[1]
        flux[1] = state[1] ** 2 / state[0] + 0.5 * g * state[0] ** 2
        fresh = state.copy()
        fresh[:, 1:-1] = 0.5 * (state[:, 2:] + state[:, :-2]) - dt / (2 * dx) * (flux[:, 2:] - flux[:, :-2])
        fresh[0, 0], fresh[0, -1] = fresh[0, 1], fresh[0, -2]
        fresh[1, 0], fresh[1, -1] = -fresh[1, 1], -fresh[1, -2]
        state = fresh
    return state[0], state[1]


def multigrid(u, rhs):
    """A V-cycle by recursion: smooth, restrict, correct, smooth."""
    n = u.shape[0]
    h2 = (1.0 / (n - 1)) ** 2
    for _ in range(2):
        for i in range(1, n - 1):
            u[i] = 0.5 * (u[i - 1] + u[i + 1] - h2 * rhs[i])
    if n > 3:
        residual = np.zeros(n)
        residual[1:-1] = rhs[1:-1] - (u[2:] - 2 * u[1:-1] + u[:-2]) / h2
        m = (n + 1) // 2
        coarse = np.zeros(m)
        multigrid(coarse, residual[::2].copy())
        u[::2] += coarse
        u[1::2] += 0.5 * (coarse[1:] + coarse[:-1])
    for i in range(n - 2, 0, -1):
        u[i] = 0.5 * (u[i - 1] + u[i + 1] - h2 * rhs[i])


def dune(height, wind, steps):
    """A sand avalanche: material slides while a slope is too steep."""
    n = len(height)
    for _ in range(steps):
        for i in range(n - 1):
            slope = height[i] - height[i + 1]
            if slope > 0.4:
                slide = 0.3 * (slope - 0.4)
                height[i] -= slide
                height[i + 1] += slide
            elif slope < -0.4:
                slide = 0.3 * (-slope - 0.4)
                height[i] += slide
                height[i + 1] -= slide
        height[1:] += wind * (height[:-1] - height[1:])
    return height.max() - height.min()


def eikonal(speed, sweeps):
    """Fast sweeping for |grad t| = 1/speed: minima over neighbours, four directions of sweep."""
    n, m = speed.shape
    t = np.full((n, m), 1e3)
    t[0, 0] = 0.0
    orders = [
        (range(n), range(m)),
        (range(n - 1, -1, -1), range(m)),
        (range(n), range(m - 1, -1, -1)),
        (range(n - 1, -1, -1), range(m - 1, -1, -1)),
    ]
    for _ in range(sweeps):
        for rows, columns in orders:
            for i in rows:
                for j in columns:
                    if i == 0 and j == 0:
                        continue
                    a = min(t[i - 1, j] if i > 0 else 1e3, t[i + 1, j] if i < n - 1 else 1e3)
                    b = min(t[i, j - 1] if j > 0 else 1e3, t[i, j + 1] if j < m - 1 else 1e3)
                    f = 1.0 / speed[i, j]
                    if abs(a - b) >= f:
                        best = min(a, b) + f
                    else:
                        best = 0.5 * (a + b + np.sqrt(2 * f * f - (a - b) ** 2))
                    t[i, j] = min(t[i, j], best)
    return t[-1, -1] + 0.3 * t[n // 2, m // 2]


CASES = {
    heat: (RNG.random((6, 7)), 0.2, 4),
    wave: (np.sin(np.linspace(0, 3, 12)), 0.7, 7),
    burgers: (np.sin(np.linspace(0.1, 6.1, 13)), 0.02, 0.05, 0.3, 5),
    gray_scott: (0.5 + 0.4 * RNG.random((5, 5)), 0.3 * RNG.random((5, 5)), 0.04, 0.06, 4),
    red_black: (RNG.random((7, 8)), 0.1 * RNG.random((7, 8)), 1.3, 3),
    lattice_boltzmann: (0.3 + 0.1 * RNG.random((3, 9)), 0.9, 4),
    shallow_water: (1 + 0.2 * RNG.random(10), 0.1 * RNG.random(10), 0.02, 0.1, 9.81, 5),
    multigrid: (np.zeros(9), RNG.random(9)),
    dune: (np.array([0.1, 1.3, 0.2, 0.15, 2.1, 0.4]), 0.05, 3),
    eikonal: (0.8 + 0.4 * RNG.random((4, 5)), 2),
}
