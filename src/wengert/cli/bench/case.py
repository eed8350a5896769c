"""What every competitor of `wengert bench SUITE --against` is given: the same arguments, the same objective.

The objective is the sum of all float outputs (returned, then those of the arguments that the program changes) with
fixed random weights; the gradient is with respect to all float arrays (all float numbers where there is no such array).
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from wengert import differences as fd
from wengert.cli.bench.programs import Program, parameters
from wengert.cli.bench.verification_worker import generic, unsaturated
from wengert.verify import finite_only, relative

TOLERANCE = 1e-6
SINGLE_TOLERANCE = 2e-3
Arrays = list[fd.Vector]


@dataclass(frozen=True, slots=True)
class Case:
    """Arguments, what NumPy computes from them, and the objective. Without `wrt` there is nothing to differentiate."""

    args: tuple[Any, ...]
    of: tuple[int, ...] = ()
    wrt: tuple[int, ...] = ()
    values: Arrays = field(default_factory=list[fd.Vector])  # every number computed, integers too
    outputs: Arrays = field(default_factory=list[fd.Vector])  # the floats among them
    weights: Arrays = field(default_factory=list[fd.Vector])
    returned: int = 0  # how many outputs are returned; the others are changed arguments
    note: str = ""

    @property
    def tolerance(self) -> float:
        return SINGLE_TOLERANCE if fd.is_single(self.args) else TOLERANCE

    def save(self, path: Path) -> None:
        path.write_bytes(pickle.dumps(self))

    @staticmethod
    def load(path: Path) -> Case:
        return pickle.loads(path.read_bytes())

    def close(self, found: Sequence[fd.Vector], gradients: Sequence[fd.Vector], tolerance: float) -> str:
        """What is wrong with gradients, given right ones; empty if nothing.

        Relative to the largest element, or a billionth of sum |weight * output| / largest |input| where that is more:
        a gradient that is zero in exact arithmetic (perfectly correlated data) is rounding.
        """
        with np.errstate(all="ignore"):
            size = sum(
                float(np.sum(np.abs(w * y))) for w, y in zip(self.weights, self.outputs, strict=True) if np.any(w)
            )
        for n, (position, g) in enumerate(zip(self.wrt, gradients, strict=True)):
            wrong = difference(found[n : n + 1], [g], tolerance)
            floor = 1e-9 * size / (float(np.max(np.abs(self.args[position]))) or 1.0)
            small = found[n].shape == g.shape and np.max(np.abs(found[n] - g), initial=0.0) <= tolerance * floor
            if wrong and not small:
                return f"of argument {position}, {wrong.removeprefix('array 0')}"
        return ""

    def restricted(self, kept: Sequence[int]) -> Case:
        """With weight zero for the outputs that are not kept."""
        weights = [w if k in kept else np.zeros_like(w) for k, w in enumerate(self.weights)]
        return replace(self, weights=weights)

    def objective(self, outputs: Sequence[fd.Vector]) -> float:
        """The weighted sum that is differentiated."""
        return fd.inner(self.weights, outputs)


def numbers(run: fd.Run, of: Sequence[int]) -> Arrays:
    """Every number or array of numbers that a run computed, in the order of `output_floats`."""
    trees = [run.value, *(run.args[position] for position in of)]
    found = [np.asarray(leaf) for tree in trees for leaf in fd.leaves(tree) if leaf is not None]
    return [leaf for leaf in found if leaf.dtype.kind in "biufc"]


def make(program: Program, preset: str) -> Case:
    """The preset's arguments at a generic point; where the program takes only integers, those as they are."""
    f, original = program.load(), program.arguments(parameters(program, preset))
    args = generic(original)
    try:
        of = fd.mutated(f, args)
        args = unsaturated(f, args, of)
        run = fd.run(f, args)
    except (TypeError, IndexError) as error:
        run = fd.run(f, original)
        return Case(original, values=numbers(run, ()), note=f"no gradient: {type(error).__name__}: {error}")
    values = numbers(run, of)
    outputs = [value for value in values if value.dtype.kind in "fc"]
    floats = [k for k, arg in enumerate(args) if fd.is_float(arg)]
    wrt = [k for k in floats if np.ndim(args[k])] or floats
    if not outputs or not wrt:
        return Case(args, of, values=values, note=f"no gradient: no float {'inputs' if outputs else 'outputs'}")
    rng = np.random.default_rng(11)
    weights = [finite_only(w, e) for w, e in zip(fd.random_like(outputs, rng), outputs, strict=True)]
    return Case(args, of, tuple(wrt), values, outputs, weights, len(fd.floats(run.value)))


def difference(found: Sequence[fd.Vector], expected: Sequence[fd.Vector], tolerance: float) -> str:
    """Where and how much two lists of arrays differ by more than the tolerance; empty if they do not."""
    if len(found) != len(expected):
        return f"{len(found)} arrays instead of {len(expected)}"
    for k, (x, y) in enumerate(zip(found, expected, strict=True)):
        if x.shape != y.shape:
            return f"array {k}: shape {x.shape} instead of {y.shape}"
        error, where = relative(x, y)
        if not error <= tolerance:
            return f"array {k}{where} ({error:.1e})"
    return ""


def match(found: Sequence[fd.Vector], expected: Sequence[fd.Vector], tolerance: float) -> dict[int, int]:
    """Which found array is each expected one, by value: other frameworks return them in another order, or not all."""
    pairs: dict[int, int] = {}
    for k, wanted in enumerate(expected):
        for j, array in enumerate(found):
            if j not in pairs.values() and not difference([array], [wanted], tolerance):
                pairs[k] = j
                break
    return pairs


def slope(program: Program, case: Case, gradients: Sequence[fd.Vector]) -> dict[str, float]:
    """The objective's derivative along one direction: by differences of NumPy's program, and by the gradients.

    `error` estimates that of the differences, `scale` is the sum of the sizes of the gradients' terms. Where one step
    size does not do, two must agree: the differences of a program with many steps are as good as noise.
    """
    f, base = program.load(), fd.floats(case.args)
    positions = [k for k, arg in enumerate(case.args) if fd.is_float(arg)]
    rng = np.random.default_rng(13)
    directions = [d * (k in case.wrt) for k, d in zip(positions, fd.direction(base, rng), strict=True)]

    def along(h: float) -> float:
        ends: list[float] = []
        for sign in (1, -1):
            moved = [(x + sign * h * d).astype(x.dtype) for x, d in zip(base, directions, strict=True)]
            run = fd.run(f, fd.with_floats(case.args, moved))
            ends.append(case.objective([v for v in numbers(run, case.of) if v.dtype.kind in "fc"]))
        return (ends[0] - ends[1]) / (2 * h)

    chosen = [d for k, d in zip(positions, directions, strict=True) if k in case.wrt]
    scale = sum(float(np.sum(np.abs(g * d), dtype=np.float64)) for g, d in zip(gradients, chosen, strict=True))
    tries: list[tuple[float, float]] = []
    for h in (3e-2, 3e-3) if fd.is_single(case.args) else (1e-4, 1e-6, 1e-8):
        coarse, fine = along(h), along(h / 2)
        if not np.isfinite(coarse) or not np.isfinite(fine):  # a matrix may be hardly positive definite
            continue
        tries.append((abs(fine - coarse), (4 * fine - coarse) / 3))
        if tries[-1][0] <= 0.1 * case.tolerance * scale:
            break
    tries.sort()  # a chaotic program, or one with steps, needs small ones
    error, found = tries[0] if tries else (np.nan, np.nan)
    if len(tries) > 1 and error > 0.1 * case.tolerance * scale:
        error = max(error, abs(tries[1][1] - found))
    return {
        "differences": found,
        "error": error,
        "gradient": fd.inner(gradients, chosen),
        "scale": scale,
    }
