"""The one helper of derivative tests: a program's native value, JVP and VJP against plain Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from wengert import differences as fd
from wengert.verify import SINGLE, Tolerances, positions, verify

__all__ = ["SINGLE", "Tolerances", "assert_derivatives", "assert_dot_product", "directional", "gradient"]


def assert_derivatives(
    f: Callable[..., Any],
    *args: Any,
    kwargs: Mapping[str, Any] | None = None,
    wrt: Sequence[str] | None = None,
    tolerances: Tolerances | None = None,
    seeds: Sequence[int] = (0, 1),
) -> None:
    """Value against plain Python, JVP and VJP against differences, the dot product, and arguments left alone.

    Every float output counts, returned or left in a mutated argument, with random weights. `wrt`: names of the
    parameters to differentiate (default: all with floats).
    """
    chosen = None if wrt is None else positions(f, wrt)
    for seed in seeds:
        report = verify(f, args, kwargs, wrt=chosen, tolerances=tolerances, seed=seed)
        assert report, str(report)
        assert report.named("vjp"), f"nothing was differentiated: {report}"


def directional(f: Callable[..., Any], args: Sequence[Any], tangents: Sequence[Any]) -> np.ndarray:
    """The derivative of the float outputs of plain `f` along a direction (one array per float leaf), flat."""
    return fd.along(f, args, [np.asarray(t) for t in tangents]).value


def gradient(f: Callable[..., Any], *args: Any) -> list[np.ndarray]:
    """The gradient of plain scalar `f` with respect to every float leaf, element by element, by differences."""
    base = fd.floats(args)
    found: list[np.ndarray] = []
    for n, x in enumerate(base):
        slopes = np.zeros(x.shape)
        for element in range(x.size):
            tangents = [np.zeros_like(y) for y in base]
            tangents[n].reshape(-1)[element] = 1.0
            slopes.reshape(-1)[element] = directional(f, args, tangents)[0].real
        found.append(slopes)
    return found


def assert_dot_product(left: float, right: float, rtol: float = 1e-10) -> None:
    """<w, J d> and <J^T w, d> to rounding."""
    assert abs(left - right) <= rtol * max(abs(left), abs(right), 1e-300), f"{left!r} is not {right!r}"
