"""Geodesy of `utm`, unmodified: zones by branches and string comparisons, scalars and arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import utm
from utm.conversion import mod_angle

from derivatives import assert_derivatives


def forward(lat, lon):
    easting, northing, zone, letter = utm.from_latlon(lat, lon)
    return easting, northing, zone, letter


def forced(lat, lon):
    return utm.from_latlon(lat, lon, force_zone_number=32, force_zone_letter="U")


def backward(easting, northing):
    return utm.to_latlon(easting, northing, 32, "U")


def southern(easting, northing):
    return utm.to_latlon(easting, northing, 19, northern=False, strict=False)


def there_and_back(lat, lon):
    easting, northing, zone, letter = utm.from_latlon(lat, lon)
    return utm.to_latlon(easting + 10.0, northing, zone, letter)


def wrapped(x):
    return mod_angle(3.0 * x)


CASES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "forward": (forward, (48.1, 11.6)),
    "forward, Norway": (forward, (60.4, 5.3)),
    "forward, Svalbard": (forward, (78.2, 15.6)),
    "forward, southern": (forward, (-33.4, -70.7)),
    "forward, arrays": (forward, (np.array([48.1, 48.2, 48.4]), np.array([11.6, 11.5, 11.1]))),
    "forced": (forced, (50.3, 6.1)),
    "backward": (backward, (691607.0, 5334760.0)),
    "backward, arrays": (backward, (np.array([691607.0, 3.4e5]), np.array([5334760.0, 5.4e6]))),
    "southern": (southern, (346800.0, 6303000.0)),
    "there and back": (there_and_back, (-33.4, -70.7)),
    "wrapped": (wrapped, (2.5,)),
}


@pytest.mark.parametrize("name", CASES)
def test_utm(name: str) -> None:
    f, args = CASES[name]
    assert_derivatives(f, *args, seeds=(0,))


def test_errors_are_the_packages_own() -> None:
    import wengert as wg

    with pytest.raises(utm.OutOfRangeError, match="latitude out of range"):
        wg.compile(forward)(95.0, 11.6)
