"""Rotating shallow water on a periodic staggered grid: the potential-enstrophy conserving scheme, leapfrog in time.

Source: R. Sadourny, "The dynamics of finite-difference models of the shallow-water equations", Journal of the
Atmospheric Sciences 32 (1975); the time filter is R. Asselin's (Monthly Weather Review 100, 1972).
"""

import numpy as np

PRESETS = {"S": {"n": 64, "steps": 20}, "M": {"n": 256, "steps": 50}}


def initialize(n, steps):
    x = 2 * np.pi * np.arange(n) / n
    psi = np.outer(np.sin(x), np.sin(2 * x)) + 0.3 * np.outer(np.cos(3 * x), np.ones(n))
    u = 3 * (np.roll(psi, 1, 1) - psi)
    v = -3 * (np.roll(psi, 1, 0) - psi)
    p = 10.0 + np.outer(np.cos(x), np.cos(2 * x))
    coriolis = 0.5 + 0.1 * np.outer(np.ones(n), np.sin(x))
    return u, v, p, coriolis, 1.0, 0.01, 0.001, steps


def shallow_water(u, v, p, coriolis, dx, dt, alpha, steps):
    """Advance the velocities u, v and the height p in place."""
    u_old, v_old, p_old = u.copy(), v.copy(), p.copy()
    step = dt
    for _ in range(steps):
        cu = 0.5 * (p + np.roll(p, 1, 0)) * u
        cv = 0.5 * (p + np.roll(p, 1, 1)) * v
        mean_p = 0.25 * (p + np.roll(p, 1, 0) + np.roll(p, 1, 1) + np.roll(np.roll(p, 1, 0), 1, 1))
        z = (coriolis + (v - np.roll(v, 1, 0) - u + np.roll(u, 1, 1)) / dx) / mean_p
        h = p + 0.25 * (np.roll(u, -1, 0) ** 2 + u**2 + np.roll(v, -1, 1) ** 2 + v**2)

        cv_at_u = 0.25 * (cv + np.roll(cv, 1, 0) + np.roll(cv, -1, 1) + np.roll(np.roll(cv, 1, 0), -1, 1))
        cu_at_v = 0.25 * (cu + np.roll(cu, 1, 1) + np.roll(cu, -1, 0) + np.roll(np.roll(cu, 1, 1), -1, 0))
        u_new = u_old + step * (0.5 * (z + np.roll(z, -1, 1)) * cv_at_u - (h - np.roll(h, 1, 0)) / dx)
        v_new = v_old - step * (0.5 * (z + np.roll(z, -1, 0)) * cu_at_v + (h - np.roll(h, 1, 1)) / dx)
        p_new = p_old - step * (np.roll(cu, -1, 0) - cu + np.roll(cv, -1, 1) - cv) / dx

        u_old = u + alpha * (u_new - 2 * u + u_old)
        v_old = v + alpha * (v_new - 2 * v + v_old)
        p_old = p + alpha * (p_new - 2 * p + p_old)
        u[:], v[:], p[:] = u_new, v_new, p_new
        step = 2 * dt
