"""Derivatives of plain Python programs by evaluation: the complex step where a program accepts it, else differences.

This is the reference that derivatives are checked against; it knows nothing of the compiler. A program is seen as a
function of its *floats*: the inexact arrays and numbers among (nested) arguments. What it computes are the floats in
its return value and in the arguments it mutates.

`derivative_at_zero` is the core: d g / d t at t = 0 of a vector function of one number. Richardson's extrapolation of
central differences gives a value and an error estimate per component (Ridders 1982); the complex step
Im g(ih)/h, exact to rounding, replaces it where the program accepts complex numbers and both agree (a program that
takes an absolute value or a conjugate accepts them and computes something else).
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[Any]

LEVELS = 36
FIRST_STEP = 2.0**-4
ORDERS = 5
NEAR = 2.0**-24
COMPLEX_STEP = 1e-40


class Estimate(NamedTuple):
    """A derivative and the estimated error of each component."""

    value: Vector
    error: Vector


# -- trees ---------------------------------------------------------------------------------------------------


def is_float(leaf: object) -> bool:
    """Whether derivatives exist with respect to this leaf: an inexact array, or a float or complex number."""
    if isinstance(leaf, np.ndarray):
        return bool(np.issubdtype(cast(Vector, leaf).dtype, np.inexact))
    return isinstance(leaf, (float, complex, np.inexact))


def map_leaves(tree: Any, leaf: Callable[[Any], Any]) -> Any:
    """The tree with `leaf` applied to every leaf; containers are tuples, lists, dicts and dataclass instances."""
    if isinstance(tree, tuple):
        branches = cast(tuple[Any, ...], tree)
        items = [map_leaves(item, leaf) for item in branches]
        return type(branches)(*items) if hasattr(branches, "_fields") else tuple(items)
    if isinstance(tree, list):
        return [map_leaves(item, leaf) for item in cast(list[Any], tree)]
    if isinstance(tree, dict):
        return {key: map_leaves(item, leaf) for key, item in cast(dict[Any, Any], tree).items()}
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fresh = copy.copy(tree)
        for field in dataclasses.fields(tree):
            object.__setattr__(fresh, field.name, map_leaves(getattr(tree, field.name), leaf))
        return fresh
    return leaf(tree)


def leaves(tree: Any) -> list[Any]:
    """All leaves in order."""
    found: list[Any] = []
    map_leaves(tree, found.append)
    return found


def floats(tree: Any) -> list[Vector]:
    """The inexact leaves in order, as arrays."""
    return [np.array(leaf) for leaf in leaves(tree) if is_float(leaf)]


def with_floats(tree: Any, values: Sequence[Any]) -> Any:
    """A deep copy of the tree whose inexact leaves are the given values, each of the old leaf's kind.

    A Python float stays a Python number and a NumPy scalar a NumPy scalar; the dtype is the value's.
    """
    rest = iter(values)

    def replace(leaf: Any) -> Any:
        if not is_float(leaf):
            return copy.deepcopy(leaf)
        value = np.asarray(next(rest))
        if isinstance(leaf, np.ndarray):
            return np.array(value, order="K", copy=True)
        return value[()] if isinstance(leaf, np.generic) else value.item()

    return map_leaves(tree, replace)


def is_single(tree: Any) -> bool:
    """Whether any float of the tree is in single precision."""
    return any(leaf.dtype.char in "fF" for leaf in floats(tree))


def doubled(tree: Any) -> Any:
    """The tree with all floats in double precision."""
    return with_floats(tree, [x.astype(np.complex128 if np.iscomplexobj(x) else np.float64) for x in floats(tree)])


# -- programs as functions of their floats -------------------------------------------------------------------


class Run(NamedTuple):
    """What one run of a program computed: its return value and its arguments afterwards."""

    value: Any
    args: tuple[Any, ...]


def run(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> Run:
    """Run the program on copies of the arguments."""
    fresh = with_floats(tuple(args), floats(tuple(args)))
    value = f(*fresh, **dict(kwargs or {}))
    return Run(value, fresh)


def mutated(f: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any] | None = None) -> tuple[int, ...]:
    """The positions of the arguments whose floats the program changes, here or at a point nearby.

    Nearby too, because a program may write back exactly what was there (zero velocities, say).
    """
    base = floats(tuple(args))
    rng = np.random.default_rng(0)
    nearby = [(x + 1e-6 * d).astype(x.dtype) for x, d in zip(base, direction(base, rng), strict=True)]
    found = set(_changed(f, tuple(args), kwargs))
    with contextlib.suppress(Exception):  # whatever the program raises there: the point itself decides
        found |= set(_changed(f, with_floats(tuple(args), nearby), kwargs))
    return tuple(sorted(found))


def _changed(f: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> list[int]:
    after = run(f, args, kwargs).args
    pairs = [(floats(old), floats(new)) for old, new in zip(args, after, strict=True)]
    return [
        position
        for position, (old, new) in enumerate(pairs)
        if len(old) != len(new) or any(not np.array_equal(a, b, equal_nan=True) for a, b in zip(old, new, strict=True))
    ]


def flat(arrays: Sequence[Vector]) -> Vector:
    """All elements, one after the other."""
    return np.concatenate([np.ravel(a) for a in arrays]) if arrays else np.zeros(0)


def direction(values: Sequence[Vector], rng: np.random.Generator) -> list[Vector]:
    """A random direction in which every element changes by about its own size (by the array's where it is zero)."""
    result: list[Vector] = []
    for x in values:
        size = np.abs(x).astype(np.float64)
        known = size[np.isfinite(size) & (size > 0)]
        size = np.where(np.isfinite(size) & (size > 0), size, known.mean() if known.size else 1.0)
        d = size * rng.uniform(0.3, 1.0, x.shape) * rng.choice([-1.0, 1.0], x.shape)
        if np.iscomplexobj(x):
            d = d * np.exp(2j * np.pi * rng.random(x.shape))
        result.append(np.asarray(d.astype(x.dtype)))
    return result


def random_like(values: Sequence[Vector], rng: np.random.Generator) -> list[Vector]:
    """Random weights of the same shapes and dtypes, between 0.3 and 1 in modulus."""
    return direction([np.ones_like(v) for v in values], rng)


def inner(a: Sequence[Vector], b: Sequence[Vector]) -> float:
    """The real inner product Re sum conj(a) b, in double precision."""
    return float(sum(np.sum(np.real(np.conj(x) * y), dtype=np.float64) for x, y in zip(a, b, strict=True)))


def along(
    f: Callable[..., Any],
    args: Sequence[Any],
    tangents: Sequence[Vector],
    of: Sequence[int] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Estimate:
    """The derivative of all float outputs (returned, then those in the arguments `of`) along `tangents`.

    `tangents` has one array per float leaf of the arguments. Both components of the result are flat.
    """
    base = floats(tuple(args))

    def run_at(values: Sequence[Vector]) -> Vector:
        fresh = with_floats(tuple(args), values)
        value = f(*fresh, **dict(kwargs or {}))
        return flat(floats(value) + [leaf for position in of for leaf in floats(fresh[position])])

    def outputs(t: complex) -> Vector:
        moved = [x + t * d for x, d in zip(base, tangents, strict=True)]
        return run_at(
            moved if isinstance(t, complex) else [m.astype(x.dtype) for m, x in zip(moved, base, strict=True)]
        )

    here = run_at(base)
    accepts_complex = all(x.dtype == np.float64 for x in base)
    return derivative_at_zero(outputs, accepts_complex, inexactness(run_at, base, here))


def inexactness(run_at: Callable[[Sequence[Vector]], Vector], base: Sequence[Vector], here: Vector) -> Vector:
    """How inexact the outputs are: what a change of every input by a unit in the last place does to them."""
    noise = 4 * np.finfo(here.dtype).eps * np.abs(here) if here.size else np.zeros(0)
    rng = np.random.default_rng(0)
    for _ in range(2):
        nudged = [(x * (1 + np.finfo(x.dtype).eps * rng.choice([-1, 1], x.shape))).astype(x.dtype) for x in base]
        with np.errstate(all="ignore"), contextlib.suppress(Exception):  # whatever the program raises there
            change = np.abs(run_at(nudged) - here)
            noise = np.where(np.isfinite(change), np.maximum(noise, change), noise)
    return noise


# -- the derivative of a function of one number --------------------------------------------------------------


def derivative_at_zero(
    g: Callable[[complex], Vector], accepts_complex: bool = True, noise: Vector | None = None
) -> Estimate:
    """g'(0): by complex step if `g` accepts it and agrees with the differences, else by Richardson extrapolation.

    `noise` is how inexact the values of g are (default: their rounding).
    """
    base = g(0.0)
    estimate = richardson(g, base, noise)
    if accepts_complex:
        exact = complex_step(g, base)
        if exact is not None:
            scale = np.max(np.abs(exact[np.isfinite(exact)]), initial=0.0)
            slack = 1e-5 * scale + 10 * np.where(np.isfinite(estimate.error), estimate.error, 0.0)
            same = np.abs(exact - estimate.value) <= slack
            if np.all(same | ~np.isfinite(base)):
                return Estimate(exact, np.full(exact.shape, 1e-14 * scale))
    return estimate


def complex_step(g: Callable[[complex], Vector], base: Vector) -> Vector | None:
    """Im g(ih)/h, or None if the program refuses complex numbers or does not return the same real part."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", np.exceptions.ComplexWarning)
            moved = g(1j * COMPLEX_STEP)
    except Exception:  # whatever the program raises when handed complex numbers: it does not accept them
        return None
    if np.iscomplexobj(base) or moved.shape != base.shape:
        return None
    if not np.allclose(
        np.real(moved), base, rtol=1e-9, atol=1e-12 * float(np.max(np.abs(base), initial=0.0)), equal_nan=True
    ):
        return None
    return np.imag(moved) / COMPLEX_STEP


def richardson(g: Callable[[complex], Vector], base: Vector, inexact: Vector | None = None) -> Estimate:
    """Central differences at halved steps, extrapolated; per component the entry of least estimated error.

    Large steps may look smooth and be wrong, if there is a kink between them and the point. So a component whose plain
    difference at a smaller step contradicts its entry starts again from there, and nothing is believed before a look at
    a step of `NEAR`.
    """
    best = np.full(base.shape, np.nan, dtype=np.result_type(base.dtype, np.float64))
    error = np.full(base.shape, np.inf)
    slack = (4 * np.finfo(base.dtype).eps * np.abs(base) if base.size else np.zeros(0)) if inexact is None else inexact
    known = np.isfinite(base)
    rows: list[Vector] = []
    suspicious = False
    step = FIRST_STEP
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(LEVELS):
            row = _row(g, step, rows, base)
            if row and rows:
                noise = np.abs(row[0] - rows[0]) + 4 * slack / step
                contradicted = ~(np.abs(best - row[0]) <= 10 * (noise + error))
                best[contradicted], error[contradicted] = row[0][contradicted], noise[contradicted]
            for order in range(1, len(row)):
                candidate = row[order]
                estimate = np.maximum(np.abs(candidate - row[order - 1]), np.abs(candidate - rows[order - 1]))
                estimate = estimate + slack / step
                better = np.isfinite(candidate) & (estimate < error)
                best[better], error[better] = candidate[better], estimate[better]
            rows = row
            step /= 2
            scale = np.max(np.abs(best[known & np.isfinite(best)]), initial=0.0)
            good = np.all(error[known] <= 1e-12 * scale)
            useless = np.all((slack / step >= error)[known])  # smaller steps only add noise
            if good or useless:
                if step <= NEAR:
                    break
                if not suspicious and _confirmed(g, best, error, slack, known, base):
                    break
                suspicious = True
    return Estimate(best, error)


def _confirmed(
    g: Callable[[complex], Vector], best: Vector, error: Vector, inexact: Vector, known: Any, base: Vector
) -> bool:
    """Whether the differences at `NEAR` and twice that, where they agree with each other, agree with the entries."""
    near, twice = _row(g, NEAR, [], base), _row(g, 2 * NEAR, [], base)
    if not near or not twice:
        return True
    noise = np.abs(near[0] - twice[0]) + inexact / NEAR
    return bool(np.all((np.abs(best - near[0]) <= 10 * (noise + error))[known]))


def _row(g: Callable[[complex], Vector], step: float, previous: list[Vector], base: Vector) -> list[Vector]:
    """The next row of the extrapolation tableau; empty if the program cannot be run that far from the point."""
    try:
        ahead, behind = g(step), g(-step)
    except Exception:  # whatever the program raises where it was not meant to be run
        return []
    if ahead.shape != base.shape or behind.shape != base.shape:
        return []
    row = [(ahead - behind) / (2 * step)]
    for order in range(1, min(len(previous) + 1, ORDERS)):
        factor = 4.0**order
        row.append((factor * row[order - 1] - previous[order - 1]) / (factor - 1))
    return row
