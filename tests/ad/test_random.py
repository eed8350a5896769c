"""Random programs: both modes against differences and each other, and their derivatives again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad import arrays, generator, subscripts
from ad.checks import check
from wengert.ir.types import C128, F64, DType


def arguments(seed: int, dtype: DType) -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def sample(*shape: int) -> Any:
        x = rng.standard_normal(shape) * 0.6
        return np.asarray(x + 0.6j * rng.standard_normal(shape) if dtype.is_complex else x, dtype.numpy)

    return {"u": sample(3), "v": sample(3), "w": sample(3, 3), "x": sample(), "n": 3}


def check_near_kinks(module: Any, args: dict[str, Any], **options: Any) -> None:
    """Differences with a small step; with a smaller one if a kink or jump is that near."""
    try:
        check(module, args, h=1e-4, rtol=1e-6, **options)
    except AssertionError as error:
        if "tangent" not in str(error):
            raise
        check(module, args, h=1e-6, rtol=1e-3, **options)


@pytest.mark.parametrize("seed", range(60))
def test_real(seed: int) -> None:
    check_near_kinks(generator.program(seed), arguments(seed, F64), depth=0, seed=seed)


@pytest.mark.parametrize("seed", range(100, 120))
def test_complex(seed: int) -> None:
    check_near_kinks(generator.program(seed, C128), arguments(seed, C128), depth=0, seed=seed)


@pytest.mark.parametrize("seed", range(200, 206))
def test_twice(seed: int) -> None:
    check_near_kinks(generator.program(seed), arguments(seed, F64), depth=1, seed=seed)


@pytest.mark.parametrize("seed", range(300, 340))
def test_array_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    args = {"u": rng.standard_normal(4) * 0.7, "m": rng.standard_normal((4, 4)) * 0.7, "n": 4}
    check_near_kinks(arrays.program(seed), args, depth=0, seed=seed)


@pytest.mark.parametrize("seed", range(60))
def test_in_place_loop_nests(seed: int) -> None:
    rng = np.random.default_rng(seed)
    args = {"a": rng.standard_normal((4, 4)) * 0.7, "u": rng.standard_normal(4), "n": 4}
    options: Any = {"h": 1e-4, "rtol": 1e-5, "orders": ("forward",)}
    check(subscripts.program(seed), args, depth=0, fd=seed % 4 == 0, seed=seed, **options)
