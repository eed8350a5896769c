# pyright: basic
"""Python's functions of numbers, as programs."""

from __future__ import annotations

from typing import Any

import numpy as np

EXACT = 2.0**53
"""Multiples of a unit up to so many units are as fine as floats are."""
SPLIT = 2.0**27 + 1.0


def rounded(x: Any, scale: float, high: float, low: float) -> Any:
    """x to multiples of 1/scale, by all of its decimal digits: where the product by the scale, of the halves `high` and
    `low`, seems to be halfway between integers, what rounding took from it decides (Dekker 1971)."""
    product = x * scale
    spread = SPLIT * x
    upper = spread - (spread - x)
    lower = x - upper
    more = ((upper * high - product) + upper * low + lower * high) + lower * low
    below, near = float(np.floor(product)), float(np.rint(product))
    whole = (below + 1.0 if more > 0.0 else below) if abs(product - near) == 0.5 and more != 0.0 else near
    return whole / scale if abs(product) < EXACT else x


def rounded_down(x: Any, scale: float, high: float, low: float) -> Any:
    """x to multiples of scale, likewise."""
    quotient = x / scale
    spread = SPLIT * quotient
    upper = spread - (spread - quotient)
    lower = quotient - upper
    product = quotient * scale
    more = (x - product) - (((upper * high - product) + upper * low + lower * high) + lower * low)
    below, near = float(np.floor(quotient)), float(np.rint(quotient))
    whole = (below + 1.0 if more > 0.0 else below) if abs(quotient - near) == 0.5 and more != 0.0 else near
    return whole * scale if abs(quotient) < EXACT else x


def rounded_integer(n: Any, unit: int) -> Any:
    """n to multiples of a unit, of two as near the even one."""
    below = n // unit
    rest = 2 * (n - below * unit)
    return (below + 1 if rest > unit or (rest == unit and below % 2 == 1) else below) * unit
