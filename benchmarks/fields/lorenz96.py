"""Weather on a circle of latitude in a few variables: Lorenz's model of 1996, fourth-order Runge-Kutta.

Source: E. N. Lorenz, "Predictability: a problem partly solved", ECMWF seminar (1996).
"""

import numpy as np

PRESETS = {"S": {"n": 40, "steps": 100}, "M": {"n": 400, "steps": 400}}


def initialize(n, steps):
    rng = np.random.default_rng(8)
    return 8 + rng.standard_normal(n), 8 + 0.1 * rng.standard_normal(n), 0.01, steps


def tendency(x, forcing, out):
    """dx_i/dt = (x_{i+1} - x_{i-2}) x_{i-1} - x_i + F_i, indices around the circle."""
    n = len(x)
    for i in range(n):
        out[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + forcing[i]


def lorenz96(x, forcing, dt, steps):
    """Advance the state in place; the mean energy of every step."""
    n = len(x)
    k1, k2, k3, k4 = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    energy = np.zeros(steps)
    for step in range(steps):
        tendency(x, forcing, k1)
        tendency(x + 0.5 * dt * k1, forcing, k2)
        tendency(x + 0.5 * dt * k2, forcing, k3)
        tendency(x + dt * k3, forcing, k4)
        for i in range(n):
            x[i] += dt / 6 * (k1[i] + 2 * k2[i] + 2 * k3[i] + k4[i])
        energy[step] = 0.5 * np.mean(x**2)
    return energy
