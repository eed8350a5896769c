"""Travel times of straight rays through a grid of slownesses, cell by cell.

Source: J. Amanatides, A. Woo, "A fast voxel traversal algorithm for ray tracing", Eurographics (1987); as a forward
model of tomography, R. L. Siddon, Medical Physics 12 (1985).
"""

import math

import numpy as np

PRESETS = {"S": {"rays": 100, "n": 40}, "M": {"rays": 2000, "n": 200}}


def initialize(rays, n):
    rng = np.random.default_rng(11)
    slowness = rng.uniform(1, 2, (n, n))
    source = np.stack([np.zeros(rays), rng.uniform(0.5, n - 0.5, rays)], axis=1)
    receiver = np.stack([np.full(rays, float(n)), rng.uniform(0.5, n - 0.5, rays)], axis=1)
    source[:, 0] += rng.uniform(0.1, 0.9, rays)
    receiver[:, 0] -= rng.uniform(0.1, 0.9, rays)
    return slowness, source, receiver


def travel_time(slowness, x0, y0, x1, y1):
    """The integral of the slowness along the segment; cells are unit squares."""
    dx, dy = x1 - x0, y1 - y0
    i, j = int(x0), int(y0)
    step_i, step_j = (1 if dx > 0 else -1), (1 if dy > 0 else -1)
    t, total = 0.0, 0.0
    next_x = (i + (dx > 0) - x0) / dx
    next_y = (j + (dy > 0) - y0) / dy
    while t < 1.0:
        leave = min(next_x, next_y, 1.0)
        total += (leave - t) * slowness[i, j]
        t = leave
        if next_x < next_y:
            i += step_i
            next_x = (i + (dx > 0) - x0) / dx
        else:
            j += step_j
            next_y = (j + (dy > 0) - y0) / dy
    return total * math.hypot(dx, dy)


def ray_tomography(slowness, source, receiver):
    """The travel time of every ray."""
    rays = len(source)
    times = np.zeros(rays)
    for r in range(rays):
        times[r] = travel_time(slowness, source[r, 0], source[r, 1], receiver[r, 0], receiver[r, 1])
    return times
