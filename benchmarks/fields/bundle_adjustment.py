"""Residuals of bundle adjustment: how far points, seen by cameras, are from where they were observed.

A camera has a rotation vector, a centre, a focal length and two coefficients of radial distortion. Source: B. Triggs,
P. McLauchlan, R. Hartley, A. Fitzgibbon, "Bundle adjustment - a modern synthesis" (2000); the rotation is
O. Rodrigues's formula.
"""

import math

import numpy as np

PRESETS = {
    "S": {"cameras": 10, "points": 200, "observations": 1000},
    "M": {"cameras": 50, "points": 5000, "observations": 30000},
}


def initialize(cameras, points, observations):
    rng = np.random.default_rng(14)
    camera = np.zeros((cameras, 9))
    camera[:, :3] = 0.2 * rng.standard_normal((cameras, 3))
    camera[:, 3:6] = 0.3 * rng.standard_normal((cameras, 3)) - np.array([0.0, 0.0, 6.0])
    camera[:, 6] = rng.uniform(400, 600, cameras)
    camera[:, 7:] = 0.01 * rng.standard_normal((cameras, 2))
    return (
        camera,
        rng.standard_normal((points, 3)),
        rng.uniform(0.5, 1.5, observations),
        rng.integers(cameras, size=observations),
        rng.integers(points, size=observations),
        50 * rng.standard_normal((observations, 2)),
    )


def rotate(r, x):
    """The vector x turned around r by |r|."""
    square = r[0] * r[0] + r[1] * r[1] + r[2] * r[2]
    if square < 1e-20:
        return np.array(
            [
                x[0] + r[1] * x[2] - r[2] * x[1],
                x[1] + r[2] * x[0] - r[0] * x[2],
                x[2] + r[0] * x[1] - r[1] * x[0],
            ]
        )
    angle = math.sqrt(square)
    c, s = math.cos(angle), math.sin(angle)
    w = r / angle
    along = (w[0] * x[0] + w[1] * x[1] + w[2] * x[2]) * (1 - c)
    return x * c + np.cross(w, x) * s + w * along


def project(camera, point):
    """Where the camera sees the point."""
    seen = rotate(camera[:3], point - camera[3:6])
    u, v = seen[0] / seen[2], seen[1] / seen[2]
    square = u * u + v * v
    radial = 1 + camera[7] * square + camera[8] * square * square
    return camera[6] * radial * u, camera[6] * radial * v


def bundle_adjustment(cameras, points, weight, camera_of, point_of, observed):
    """Two residuals an observation, and how far the weights are from one."""
    n = len(observed)
    residuals = np.zeros((n, 2))
    for k in range(n):
        u, v = project(cameras[camera_of[k]], points[point_of[k]])
        residuals[k, 0] = weight[k] * (u - observed[k, 0])
        residuals[k, 1] = weight[k] * (v - observed[k, 1])
    return residuals, 1 - weight**2
