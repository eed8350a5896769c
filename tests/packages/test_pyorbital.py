"""SGP4 and astronomy of `pyorbital`, unmodified: hundreds of scalar statements, modes, error paths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pyorbital.astronomy import cos_zen, get_alt_az, observer_position, sun_zenith_angle
from pyorbital.orbital import _SGDP4, OrbitElements, get_observer_look, kep2xyz

from derivatives import assert_derivatives

EPOCH = np.datetime64("2008-09-20T12:25:40.104192")
LATER = EPOCH + np.timedelta64(90, "m")


@dataclass
class Elements:
    """What a two-line element set says, in its units."""

    eccentricity: float
    inclination: float
    right_ascension: float
    arg_perigee: float
    mean_anomaly: float
    mean_motion: float
    bstar: float
    mean_motion_derivative: float = -2.182e-05
    mean_motion_sec_derivative: float = 0.0
    epoch: np.datetime64 = EPOCH


def sgp4(elements):
    """Position and velocity after an orbit."""
    keplerians = _SGDP4(OrbitElements(elements)).propagate(LATER)
    return kep2xyz(keplerians)


def sgp4_of_array(x):
    """The same with the elements as an array, and the distance to a station as the objective."""
    elements = Elements(x[0], x[1], x[2], x[3], x[4], x[5], x[6])
    position, velocity = kep2xyz(_SGDP4(OrbitElements(elements)).propagate(LATER))
    return np.sqrt(np.sum((position - np.array([3000.0, 4000.0, 4500.0])) ** 2)) + 10.0 * velocity[2]


def apsides(elements):
    """Properties and methods of the elements."""
    orbit = OrbitElements(elements)
    return (
        orbit.apogee,
        orbit.perigee,
        orbit.period,
        orbit.velocity_at_perigee(),
        orbit.position_vector_in_orbital_plane(),
        orbit.is_circular,
    )


def sun(lon, lat):
    altitude, azimuth = get_alt_az(LATER, lon, lat)
    return altitude, azimuth, cos_zen(LATER, lon, lat), sun_zenith_angle(LATER, lon, lat)


def observer(lon, lat, alt):
    return observer_position(LATER, lon, lat, alt)


def look(sat_lon, sat_lat, sat_alt, lon, lat, alt):
    return get_observer_look(sat_lon, sat_lat, sat_alt, LATER, lon, lat, alt)


STATION = Elements(0.0006703, 51.6416, 247.4627, 130.5360, 325.0288, 15.72125391, -0.11606e-4)
ECCENTRIC = Elements(0.06, 98.2, 20.3, 30.1, 200.4, 13.1, 0.3e-4)
CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "sgp4": (sgp4, (STATION,)),
    "sgp4 of an eccentric orbit": (sgp4, (ECCENTRIC,)),
    "sgp4 of an array": (sgp4_of_array, (np.array([0.0012, 51.6, 247.4, 130.5, 325.0, 15.7, 0.2e-4]),)),
    "apsides": (apsides, (ECCENTRIC,)),
    "sun": (sun, (12.4, 55.9)),
    "observer": (observer, (12.4, 55.9, 0.02)),
    "look": (look, (np.array([10.0, 20.0]), np.array([50.0, 60.0]), np.array([820.0, 830.0]), 12.4, 55.9, 0.02)),
}


@pytest.mark.parametrize("name", CASES)
def test_pyorbital(name: str) -> None:
    f, args = CASES[name]
    assert_derivatives(f, *args, seeds=(0,))
