"""Attitude filters of `ahrs`, unmodified: classes whose array attributes are updated per sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ahrs.common.frames import ecef2geodetic, geodetic2ecef
from ahrs.common.orientation import acc2q, ecompass, q2R, q_prod, rpy2q, slerp
from ahrs.filters import AngularRate, Complementary, Madgwick, Mahony, Tilt
from ahrs.utils.wgs84 import welmec_gravity

from derivatives import assert_derivatives

RNG = np.random.default_rng(4)
N = 6
GYR = 0.4 * RNG.standard_normal((N, 3))
ACC = np.array([0.3, -0.4, 9.7]) + 0.5 * RNG.standard_normal((N, 3))
MAG = np.array([18.0, -1.5, 42.0]) + RNG.standard_normal((N, 3))
Q0 = np.array([0.9, 0.1, -0.3, 0.2]) / np.linalg.norm([0.9, 0.1, -0.3, 0.2])


def complementary(gyr, acc, gain):
    return Complementary(gyr=gyr, acc=acc, frequency=50.0, gain=gain).W


def complementary_marg(gyr, acc, mag):
    return Complementary(gyr=gyr, acc=acc, mag=mag, frequency=50.0).W


def madgwick(gyr, acc):
    return Madgwick(gyr=gyr, acc=acc, frequency=50.0).Q


def madgwick_marg(gyr, acc, mag):
    return Madgwick(gyr=gyr, acc=acc, mag=mag, frequency=50.0, gain=0.05).Q


def madgwick_updates(gyr, acc, q0, gain):
    madgwick = Madgwick(gain=gain)
    q = np.zeros((len(gyr), 4))
    q[0] = q0
    for t in range(1, len(gyr)):
        q[t] = madgwick.updateIMU(q[t - 1], gyr=gyr[t], acc=acc[t])
    return q


def mahony(gyr, acc):
    return Mahony(gyr=gyr, acc=acc, frequency=50.0).Q


def mahony_marg(gyr, acc, mag):
    return Mahony(gyr=gyr, acc=acc, mag=mag, frequency=50.0, k_P=0.8, k_I=0.2).Q


def mahony_bias(gyr, acc, k_p, k_i):
    flt = Mahony(gyr=gyr, acc=acc, frequency=50.0, k_P=k_p, k_I=k_i)
    return flt.b


def angular_rate(gyr, q0):
    return AngularRate(gyr=gyr, q0=q0, frequency=50.0).Q


def angular_rate_series(gyr, q0):
    return AngularRate(gyr=gyr, q0=q0, frequency=50.0, method="series", order=3).Q


def tilt(acc, mag):
    return Tilt(acc=acc, mag=mag).Q


def rotations(p, q, angles):
    return q2R(q_prod(p / np.linalg.norm(p), q / np.linalg.norm(q))) @ np.array([1.0, 2.0, 3.0]), rpy2q(angles)


def compass(acc, mag):
    return acc2q(acc), ecompass(acc, mag, frame="NED", representation="quaternion")


def halfway(p, q):
    return slerp(p / np.linalg.norm(p), q / np.linalg.norm(q), np.linspace(0.1, 0.9, 3))


def geodesy(lat, lon, h):
    x, y, z = geodetic2ecef(lat, lon, h)
    return x, y, z, ecef2geodetic(x, y, z)


CASES: dict[Any, tuple[Any, ...]] = {
    complementary: (GYR, ACC, 0.9),
    complementary_marg: (GYR, ACC, MAG),
    madgwick: (GYR, ACC),
    madgwick_marg: (GYR, ACC, MAG),
    madgwick_updates: (GYR, ACC, Q0, 0.04),
    mahony: (GYR, ACC),
    mahony_marg: (GYR, ACC, MAG),
    mahony_bias: (GYR, ACC, 1.1, 0.4),
    angular_rate: (GYR, Q0),
    angular_rate_series: (GYR, Q0),
    tilt: (ACC, MAG),
    rotations: (RNG.random(4), RNG.random(4), RNG.random(3)),
    compass: (ACC[0], MAG[0]),
    halfway: (RNG.random(4), RNG.random(4)),
    geodesy: (48.8, 2.3, 4.2e5),
    welmec_gravity: (52.3, 80.0),
}


@pytest.mark.parametrize("f", CASES, ids=lambda f: f.__name__)
def test_ahrs(f: Any) -> None:
    assert_derivatives(f, *CASES[f], seeds=(0,))
