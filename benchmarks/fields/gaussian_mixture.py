"""The log-likelihood of points under a mixture of Gaussians with full covariances, and a Wishart prior.

The inverse of a covariance is L^T L, L lower triangular with exp(scale) on its diagonal. Source: F. Srajer,
Z. Kukelova, A. Fitzgibbon, "A benchmark of selected algorithmic differentiation tools on some problems in computer
vision and machine learning", Optimization Methods and Software 33 (2018), section 3.1.
"""

import math

import numpy as np

PRESETS = {"S": {"points": 200, "dimension": 4, "mixtures": 5}, "M": {"points": 2000, "dimension": 10, "mixtures": 10}}


def initialize(points, dimension, mixtures):
    rng = np.random.default_rng(13)
    return (
        rng.standard_normal(mixtures),
        rng.standard_normal((mixtures, dimension)),
        0.3 * rng.standard_normal((mixtures, dimension)),
        0.3 * rng.standard_normal((mixtures, dimension * (dimension - 1) // 2)),
        rng.standard_normal((points, dimension)),
        0.5,
    )


def gaussian_mixture(alpha, means, scales, lower, points, gamma):
    """alpha: logarithms of the weights; lower: the strict lower triangles of L, row by row."""
    n, d = points.shape
    k = len(alpha)
    total = 0.0
    terms = np.zeros(k)
    y = np.zeros(d)
    for i in range(n):
        for c in range(k):
            for a in range(d):
                y[a] = points[i, a] - means[c, a]
            square = 0.0
            at = 0
            for a in range(d):
                row = math.exp(scales[c, a]) * y[a]
                for b in range(a):
                    row += lower[c, at] * y[b]
                    at += 1
                square += row * row
            terms[c] = alpha[c] + np.sum(scales[c]) - 0.5 * square
        top = np.max(terms)
        total += top + np.log(np.sum(np.exp(terms - top)))
    top = np.max(alpha)
    total -= n * (top + np.log(np.sum(np.exp(alpha - top))))
    total -= 0.5 * n * d * math.log(2 * math.pi)
    for c in range(k):
        prior = np.sum(np.exp(2 * scales[c])) + np.sum(lower[c] ** 2)
        total -= 0.5 * gamma**2 * prior - np.sum(scales[c])
    return total
