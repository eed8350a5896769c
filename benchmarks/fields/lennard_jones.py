"""Molecular dynamics of a Lennard-Jones fluid with a cut-off: velocity Verlet, nearest images, pair by pair.

Source: L. Verlet, "Computer experiments on classical fluids I", Physical Review 159 (1967); W. C. Swope et al.,
J. Chem. Phys. 76 (1982).
"""

import numpy as np

PRESETS = {"S": {"side": 3, "steps": 10}, "M": {"side": 6, "steps": 20}}


def initialize(side, steps):
    rng = np.random.default_rng(15)
    box = 1.2 * side
    lattice = 1.2 * np.stack(np.meshgrid(*3 * [np.arange(side)], indexing="ij"), axis=-1).reshape(-1, 3)
    position = lattice + 0.05 * rng.standard_normal(lattice.shape)
    return position, 0.5 * rng.standard_normal(lattice.shape), box, 0.45 * box, 0.002, steps


def forces(position, box, cutoff, force):
    """The forces, in place, and the potential energy."""
    n = len(position)
    force[:] = 0.0
    energy = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            d = position[i] - position[j]
            d -= box * np.round(d / box)
            square = d[0] ** 2 + d[1] ** 2 + d[2] ** 2
            if square < cutoff**2:
                sixth = 1 / square**3
                energy += 4 * (sixth**2 - sixth)
                pull = 24 * (2 * sixth**2 - sixth) / square * d
                force[i] += pull
                force[j] -= pull
    return energy


def lennard_jones(position, velocity, box, cutoff, dt, steps):
    """Move the particles in place; the energy of every step."""
    force = np.zeros_like(position)
    forces(position, box, cutoff, force)
    energy = np.zeros(steps)
    for step in range(steps):
        velocity += 0.5 * dt * force
        position += dt * velocity
        potential = forces(position, box, cutoff, force)
        velocity += 0.5 * dt * force
        energy[step] = potential + 0.5 * np.sum(velocity**2)
    return energy
