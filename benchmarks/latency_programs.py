"""The programs of `latency.py`: small, a stencil, a solver with branches, and SGP4 from pyorbital."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyorbital.orbital import _SGDP4, OrbitElements, kep2xyz

EPOCH = np.datetime64("2008-09-20T12:25:40.104192")
LATER = EPOCH + np.timedelta64(90, "m")


def squares(x):
    return np.sum(x * x)


def burgers(u, nu, n):
    for _ in range(n):
        un = u.copy()
        u[1:-1] = un[1:-1] - nu * un[1:-1] * (un[1:-1] - un[:-2])
    return np.sum(u * u)


def newton(a, b):
    x = a
    for _ in range(50):
        f = x**3 + b * x - a
        step = f / (3 * x**2 + b)
        x = x - step
        if abs(step) < 1e-12:
            break
    return x


@dataclass
class Elements:
    eccentricity: float
    inclination: float
    right_ascension: float
    arg_perigee: float
    mean_anomaly: float
    mean_motion: float
    bstar: float
    mean_motion_derivative: float = 0.0
    mean_motion_sec_derivative: float = 0.0
    epoch: np.datetime64 = EPOCH


def sgp4(x):
    """The distance of a satellite from a station, an orbit after the epoch of its seven elements."""
    elements = Elements(x[0], x[1], x[2], x[3], x[4], x[5], x[6])
    position, _ = kep2xyz(_SGDP4(OrbitElements(elements)).propagate(LATER))
    return np.sqrt(np.sum((position - np.array([3000.0, 4000.0, 4500.0])) ** 2))


PROGRAMS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "squares": (squares, (np.linspace(0, 1, 10),)),
    "burgers": (burgers, (np.linspace(0, 1, 50), 0.1, 20)),
    "newton": (newton, (2.0, 0.5)),
    "sgp4": (sgp4, (np.array([0.0012, 51.6, 247.4, 130.5, 325.0, 15.7, 0.2e-4]),)),
}
