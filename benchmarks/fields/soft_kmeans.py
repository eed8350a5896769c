"""Clustering with soft assignments: a few iterations of k-means in which every point belongs a little to every centre.

Source: D. J. C. MacKay, "Information Theory, Inference, and Learning Algorithms", chapter 20 (soft k-means).
"""

import numpy as np

PRESETS = {
    "S": {"points": 500, "dimension": 3, "clusters": 5, "iterations": 5},
    "M": {"points": 5000, "dimension": 4, "clusters": 10, "iterations": 8},
}


def initialize(points, dimension, clusters, iterations):
    rng = np.random.default_rng(6)
    around = rng.uniform(-4, 4, (clusters, dimension))
    data = around[rng.integers(clusters, size=points)] + rng.standard_normal((points, dimension))
    return data, data[:clusters].copy(), 0.5, iterations


def soft_kmeans(points, centres, stiffness, iterations):
    """Move the centres in place; the free energy that the iterations reduce."""
    n, d = points.shape
    k = len(centres)
    energy = 0.0
    distance = np.zeros(k)
    for _ in range(iterations):
        weight = np.zeros(k)
        moved = np.zeros((k, d))
        energy = 0.0
        for i in range(n):
            for c in range(k):
                difference = points[i] - centres[c]
                distance[c] = np.sum(difference * difference)
            nearest = np.min(distance)
            share = np.exp(-stiffness * (distance - nearest))
            total = np.sum(share)
            share /= total
            energy += nearest - np.log(total) / stiffness
            weight += share
            moved += np.outer(share, points[i])
        centres[:] = moved / weight[:, None]
    return energy / n
