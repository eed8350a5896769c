"""Gauss-Seidel sweeps over the nodes of an unstructured mesh: what a node gets, its later neighbours see at once.

The graph Laplacian of a random triangulation with positive edge weights. Source: Y. Saad, "Iterative Methods for
Sparse Linear Systems", section 4.1.
"""

import numpy as np

PRESETS = {"S": {"nodes": 400, "sweeps": 5}, "M": {"nodes": 5000, "sweeps": 20}}


def initialize(nodes, sweeps):
    """A Delaunay triangulation of random points; the table of neighbours is as wide as the largest degree."""
    from scipy.spatial import Delaunay

    rng = np.random.default_rng(10)
    start, neighbour = Delaunay(rng.uniform(0, 1, (nodes, 2))).vertex_neighbor_vertices
    degree = np.diff(start)
    neighbours = np.zeros((nodes, degree.max()), dtype=np.int64)
    for i in range(nodes):
        neighbours[i, : degree[i]] = neighbour[start[i] : start[i + 1]]
    weight = rng.uniform(0.5, 1.5, neighbours.shape)
    return neighbours, degree.astype(np.int64), weight, rng.standard_normal(nodes), np.zeros(nodes), 0.1, sweeps


def mesh_gauss_seidel(neighbours, degree, weight, source, x, shift, sweeps):
    """Improve the solution x in place: (shift + sum_k w_k) x_i - sum_k w_k x_k = source_i."""
    for _ in range(sweeps):
        for i in range(len(x)):
            total = source[i]
            diagonal = shift
            for k in range(degree[i]):
                total += weight[i, k] * x[neighbours[i, k]]
                diagonal += weight[i, k]
            x[i] = total / diagonal
