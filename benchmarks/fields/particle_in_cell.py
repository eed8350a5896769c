"""A one-dimensional electrostatic plasma: particles in a periodic box, clouds in cells, leapfrog.

A step deposits the charge of every particle on the two nearest grid points, integrates Gauss's law, gathers the field
at the particles and moves them. Source: C. K. Birdsall, A. B. Langdon, "Plasma Physics via Computer Simulation",
chapters 2 to 4.
"""

import numpy as np

PRESETS = {"S": {"particles": 2000, "cells": 64, "steps": 5}, "M": {"particles": 20000, "cells": 256, "steps": 20}}


def initialize(particles, cells, steps):
    rng = np.random.default_rng(4)
    position = cells * rng.uniform(0, 1, particles)  # in units of the cell
    velocity = np.where(rng.uniform(0, 1, particles) < 0.5, 1.0, -1.0) + 0.1 * rng.standard_normal(particles)
    charge = rng.uniform(0.9, 1.1, particles)
    return position, velocity, charge, cells, 0.1, steps


def particle_in_cell(position, velocity, charge, cells, dt, steps):
    """Move the particles in place; the energy of the field after each step."""
    energy = np.zeros(steps)
    field = np.zeros(cells)
    background = np.sum(charge) / cells
    for step in range(steps):
        density = np.zeros(cells)
        for k in range(len(position)):
            left = int(np.floor(position[k]))
            share = position[k] - left
            density[left % cells] += (1 - share) * charge[k]
            density[(left + 1) % cells] += share * charge[k]

        field[0] = 0.0
        for i in range(1, cells):
            field[i] = field[i - 1] + 0.5 * (density[i - 1] + density[i]) / background - 1.0
        field -= np.mean(field)

        for k in range(len(position)):
            left = int(np.floor(position[k]))
            share = position[k] - left
            force = (1 - share) * field[left % cells] + share * field[(left + 1) % cells]
            velocity[k] -= dt * force
            position[k] = (position[k] + dt * velocity[k]) % cells
        energy[step] = 0.5 * np.sum(field**2)
    return energy
