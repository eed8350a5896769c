"""Flow around obstacles: the lattice Boltzmann method on the D2Q9 lattice with BGK collisions.

A step relaxes the nine populations towards their equilibrium, moves them to the neighbours (periodic) and reflects
them at walls (full-way bounce-back). Source: Y. H. Qian, D. d'Humieres, P. Lallemand, "Lattice BGK models for
Navier-Stokes equation", Europhysics Letters 17 (1992).
"""

import numpy as np

PRESETS = {"S": {"nx": 60, "ny": 40, "steps": 20}, "M": {"nx": 200, "ny": 120, "steps": 50}}

CX = np.array([0, 1, 0, -1, 0, 1, -1, -1, 1])
CY = np.array([0, 0, 1, 0, -1, 1, 1, -1, -1])
WEIGHT = np.array([4 / 9, 1 / 9, 1 / 9, 1 / 9, 1 / 9, 1 / 36, 1 / 36, 1 / 36, 1 / 36])
OPPOSITE = [0, 3, 4, 1, 2, 7, 8, 5, 6]


def initialize(nx, ny, steps):
    rng = np.random.default_rng(1)
    x, y = np.meshgrid(np.arange(nx), np.arange(ny), indexing="ij")
    wall = (x - nx / 4) ** 2 + (y - ny / 2) ** 2 < (ny / 9) ** 2
    wall[:, 0] = wall[:, -1] = True
    f = WEIGHT[:, None, None] * (1 + 0.05 * rng.standard_normal((9, nx, ny)))
    f[1] += 0.02
    omega = rng.uniform(1.2, 1.7, (nx, ny))  # 1 / relaxation time
    return f, omega, wall, steps


def lattice_boltzmann(f, omega, wall, steps):
    """Advance the populations f[9, nx, ny] in place; the density and the velocity afterwards."""
    for _ in range(steps):
        rho = np.sum(f, axis=0)
        ux = (f[1] + f[5] + f[8] - f[3] - f[6] - f[7]) / rho
        uy = (f[2] + f[5] + f[6] - f[4] - f[7] - f[8]) / rho
        speed = ux**2 + uy**2
        for q in range(9):
            along = 3 * (CX[q] * ux + CY[q] * uy)
            equilibrium = WEIGHT[q] * rho * (1 + along + along**2 / 2 - 1.5 * speed)
            f[q] += omega * (equilibrium - f[q])
        for q in range(9):
            f[q] = np.roll(np.roll(f[q], CX[q], axis=0), CY[q], axis=1)
        arrived = f.copy()
        for q in range(9):
            f[q, wall] = arrived[OPPOSITE[q], wall]
    rho = np.sum(f, axis=0)
    ux = (f[1] + f[5] + f[8] - f[3] - f[6] - f[7]) / rho
    uy = (f[2] + f[5] + f[6] - f[4] - f[7] - f[8]) / rho
    return rho, ux, uy
