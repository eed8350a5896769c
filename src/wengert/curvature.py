"""Verification of Hessian-vector products.

The function is the randomly weighted sum of all float outputs (real parts of conj(weight) * output) in dependence of
the float inputs. Its Hessian H is applied by the engine, forward over reverse, and compared

- hvp: H v against differences of the engine's own gradient along v, input by input;
- symmetry: <u, H v> = <v, H u>, which holds to rounding or not at all.

The differences are of gradients, so this is worth what the gradients are worth: verify them first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from wengert import differences as fd
from wengert.differences import Vector
from wengert.verify import Engine, Finding, Linearization, finite_only, output_floats, term_size

FLAT = 1e-3


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Of H v relative to its largest element in the same input; of <u, H v> - <v, H u> relative to the terms' sizes."""

    hvp: float = 1e-5
    symmetry: float = 1e-9


SINGLE = Tolerances(hvp=2e-3, symmetry=1e-4)


def verify_hvp(
    f: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any] | None = None,
    *,
    engine: Engine,
    reference: tuple[Callable[..., Any], tuple[Any, ...]] | None = None,
    tolerances: Tolerances | None = None,
    seed: int = 0,
) -> list[Finding]:
    """The findings about H v; see the module. The arguments that hold floats are arrays and numbers, not structures.

    `reference`: the program and arguments whose gradients' differences are compared with (the same computation in
    double precision, for one in single).

    Where the program is linear, or nearly so along v, H v is small and its relative error says nothing: it is then
    taken relative to `FLAT` times the gradient (v changes every element by about its own size, so H v is comparable to
    the gradient).
    """
    options = dict(kwargs or {})
    tolerances = tolerances or (SINGLE if reference else Tolerances())
    of = fd.mutated(f, args, options)
    wrt = tuple(i for i, arg in enumerate(args) if fd.floats(arg))
    rng = np.random.default_rng(seed)
    base = fd.floats(args)
    v, u = fd.direction(base, rng), fd.direction(base, rng)
    outputs = output_floats(fd.run(f, args, options), of)
    weights = [finite_only(w, y) for w, y in zip(fd.random_like(outputs, rng), outputs, strict=True)]

    product = engine.hvp(Linearization(f, args, options, wrt, of), weights)
    along_v, along_u = product(v), product(u)

    wide_f, wide_args = reference or (f, args)
    wide = fd.floats(wide_args)
    at = Linearization(wide_f, wide_args, options, wrt, of)
    gradient = _Gradient(engine, at, fd.doubled(weights) if reference else weights)
    estimate = gradient.along([t.astype(x.dtype) for t, x in zip(v, wide, strict=True)])
    found = _compare(along_v, estimate, gradient.at(wide), tolerances.hvp)

    left, right = fd.inner(u, along_v), fd.inner(v, along_u)
    size = max(term_size(u, along_v), term_size(v, along_u))
    error = abs(left - right) / size if size > 0 else abs(left - right)
    good = bool(error <= tolerances.symmetry)
    detail = "" if good else f"<u, H v> is {left!r} and <v, H u> is {right!r}"
    return [*found, Finding("symmetry", good, error, tolerances.symmetry, detail)]


@dataclass(frozen=True, slots=True)
class _Gradient:
    """The engine's gradient of the weighted outputs as a function of the float inputs."""

    engine: Engine
    point: Linearization
    weights: list[Vector]

    def at(self, values: list[Vector]) -> list[Vector]:
        _, pullback = self.engine.vjp(replace(self.point, args=fd.with_floats(self.point.args, values)))
        return pullback([w.copy() for w in self.weights])

    def along(self, direction: list[Vector]) -> fd.Estimate:
        """Its derivative, by differences."""
        base = fd.floats(self.point.args)

        def run_at(values: Any) -> Vector:
            return fd.flat(self.at(list(values)))

        def moved(t: complex) -> Vector:
            return run_at([np.asarray((x + t * d).astype(x.dtype)) for x, d in zip(base, direction, strict=True)])

        return fd.derivative_at_zero(moved, False, fd.inexactness(run_at, base, run_at(base)))


def _compare(found: list[Vector], estimate: fd.Estimate, gradient: list[Vector], tolerance: float) -> list[Finding]:
    """Input by input: whether the differences are good enough to say anything, and whether the product agrees."""
    worst, reached, detail, start = 0.0, 0.0, "", 0
    for n, (product, slope) in enumerate(zip(found, gradient, strict=True)):
        part = slice(start, start + slope.size)
        start += slope.size
        if product.shape != slope.shape:
            text = f"input {n}: shape {product.shape} instead of {slope.shape}"
            return [Finding("hvp", False, np.inf, tolerance, text)]
        if not slope.size:
            continue
        wanted, error = estimate.value[part], float(np.max(estimate.error[part]))
        size = max(float(np.max(np.abs(wanted))), FLAT * float(np.max(np.abs(slope)))) or 1.0
        gap = np.abs(product.ravel() - wanted)
        gap = np.where(np.isfinite(gap), gap, np.inf)
        k = int(np.argmax(gap))
        reached = max(reached, error / size)
        if not gap[k] / size <= worst:
            worst = float(gap[k]) / size
            index = [int(i) for i in np.unravel_index(k, slope.shape)]
            detail = f"input {n}{index or ''}: {product.ravel()[k]!r} instead of {wanted[k]!r}"
    text = "" if reached <= tolerance else "the differences of the gradient do not converge"
    good = bool(worst <= tolerance)
    return [
        Finding("hvp differences", not text, reached, tolerance, text),
        Finding("hvp", good, worst, tolerance, "" if good else detail),
    ]
