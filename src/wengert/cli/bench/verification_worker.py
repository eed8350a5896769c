"""One program verified, in a process: `python -m wengert.cli.bench.verification_worker SUITE NAME PRESET SEED MEMORY`.

Writes one JSON object a line, a stage each, so that what was found before a crash or a timeout is not lost:
`value` (native against NumPy at the preset), `point` (the scaled sizes), `compile`, `derivatives`, `curvature` (second
derivatives) and `done`.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np

from wengert import differences as fd
from wengert.cli.bench.programs import Program, parameters, scaled
from wengert.cli.bench.suite import Suite
from wengert.curvature import verify_hvp
from wengert.verify import (
    SINGLE,
    Engine,
    Linearization,
    Tolerances,
    compare_runs,
    native,
    output_floats,
    relative,
    verify,
)

SECONDS = 0.01
FLOATS = 20_000
Emit = Callable[[dict[str, Any]], None]


def generic(args: Sequence[Any]) -> tuple[Any, ...]:
    """The arguments at a generic point.

    Integer arrays and scalars of programs without any float become floats away from the integers, where minima have no
    ties and clips no kinks. Arrays whose elements are all equal (fluids at rest) get noise of a hundredth of it.
    """
    rng = np.random.default_rng(7)

    def move(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        array = cast(fd.Vector, leaf)
        if array.size > 1 and fd.is_float(array) and np.all(array == array.flat[0]):
            size = 0.01 * (abs(array.flat[0]) or 1.0)
            return array + (size * rng.uniform(-1, 1, array.shape)).astype(array.dtype)
        return array

    def widen(leaf: Any) -> Any:
        if not isinstance(leaf, (np.ndarray, np.integer)):
            return leaf
        array = np.asarray(cast(Any, leaf))
        return array + rng.uniform(0.1, 0.4, array.shape) if array.dtype.kind in "iu" else array

    change = move if fd.floats(tuple(args)) else widen
    return tuple(fd.map_leaves(arg, change) for arg in args)


def unsaturated(f: Callable[..., Any], args: tuple[Any, ...], of: Sequence[int]) -> tuple[Any, ...]:
    """The arguments, or a tenth, a hundredth ... of them if the outputs do not feel a change in a thousand.

    A softmax of large numbers is constant in floating point, and its derivative 1e-150 says nothing.
    """
    for factor in (1.0, 0.1, 0.01, 0.001):
        trial = fd.with_floats(args, [(x * factor).astype(x.dtype) for x in fd.floats(args)])
        base = fd.floats(trial)
        moved = [x + 1e-3 * d for x, d in zip(base, fd.direction(base, np.random.default_rng(3)), strict=True)]
        nearby = fd.with_floats(trial, [m.astype(x.dtype) for m, x in zip(moved, base, strict=True)])
        try:
            here, there = (fd.flat(output_floats(fd.run(f, at), of)) for at in (trial, nearby))
        except Exception:  # it does feel it: so much that the program raises
            return trial
        if here.shape != there.shape or relative(there, here)[0] > 1e-5:
            return trial
    return args


def sensitivity(f: Callable[..., Any], args: tuple[Any, ...], expected: fd.Run) -> float:
    """How inexact NumPy's own result is.

    The larger of two distances: to the result when every input moves by at most one unit in the last place, and to the
    result of the same program in extended precision, where it runs in that.
    """
    rng = np.random.default_rng(5)
    base = fd.floats(args)
    moved = [(x * (1 + np.finfo(x.dtype).eps * rng.choice([-1, 0, 1], x.shape))).astype(x.dtype) for x in base]
    extended = [x.astype(np.clongdouble if np.iscomplexobj(x) else np.longdouble) for x in base]
    worst = 0.0
    for values in (moved, extended):
        try:
            found = fd.run(f, fd.with_floats(args, values))
        except Exception:  # no linear algebra in extended precision, for instance
            continue
        pairs = [*zip(fd.floats(found.value), fd.floats(expected.value), strict=True)]
        for after, wanted in zip(found.args, expected.args, strict=True):
            pairs += zip(fd.floats(after), fd.floats(wanted), strict=True)
        worst = max([worst, *(relative(x, y)[0] for x, y in pairs if x.shape == y.shape)])
    return worst


def value_stage(program: Program, preset: str, engine: Engine) -> dict[str, Any]:
    """Native against NumPy at the preset's own size.

    Double precision to 1e-10 and integers identical. Single precision to 1e-5, or four times the error that NumPy's own
    result has against the same program in double precision, where that is more: the order of a sum is not prescribed.
    For the same reason an ill-conditioned program (chaotic orbits) is allowed ten times the error of NumPy's result,
    and the finding says so.
    """
    f, args = program.load(), program.arguments(parameters(program, preset))
    start = time.perf_counter()
    expected = fd.run(f, args)
    plain = time.perf_counter() - start
    tolerance = Tolerances().value
    if fd.is_single(args):
        exact = fd.run(program.load(double=True), fd.doubled(args))
        pairs = zip(fd.floats(exact.value), fd.floats(expected.value), strict=True)
        tolerance = max([SINGLE.value, *(4 * relative(x, y)[0] for x, y in pairs)])
    found = engine.value(f, args, {})
    start = time.perf_counter()
    engine.value(f, args, {})
    fast = time.perf_counter() - start
    finding = compare_runs("value", found, expected, tolerance)
    if not finding.ok and tolerance < finding.error < np.inf:
        tolerance = max(tolerance, 10 * sensitivity(f, args, expected))
        text = f"ill-conditioned: allowed {tolerance:.0e}"
        finding = replace(compare_runs("value", found, expected, tolerance), detail=text)
    return {"stage": "value", "numpy_s": plain, "native_s": fast, "findings": [asdict(finding)]}


@dataclass(frozen=True, slots=True)
class Point:
    """A program and the arguments at which it is differentiated, or why there is nothing to differentiate."""

    f: Callable[..., Any]
    args: tuple[Any, ...]
    of: tuple[int, ...]
    outputs: list[fd.Vector]
    parameters: dict[str, Any]
    not_applicable: str = ""
    inexact: float = 0.0
    cast: str = ""


def point(program: Program, preset: str) -> Point:
    """The scaled, generic arguments and what the program computes there.

    A chaotic program is shrunk further, until differences resolve its derivative and rounding errors do not grow.
    """
    f = program.load()
    tried: list[dict[str, Any]] = []
    made: Point | None = None
    inexact = 0.0
    for factor in (1.0, 0.5, 0.25, 0.12, 0.06, 0.03):
        sizes = scaled(program, preset, SECONDS, FLOATS, factor)
        if sizes in tried:
            break
        tried.append(sizes)
        original = program.arguments(sizes)
        args = generic(original)
        casts = made_floats(program.inputs, original, args)
        try:
            expected = fd.run(f, args)
        except (TypeError, IndexError) as error:
            reason = f"integers only: with floats for {casts}, {type(error).__name__}: {error}"
            return Point(f, args, (), [], sizes, reason)
        of = fd.mutated(f, args)
        args = unsaturated(f, args, of)
        outputs = output_floats(fd.run(f, args), of)
        if not fd.floats(args):
            return Point(f, args, of, outputs, sizes, "no float inputs")
        if not outputs:
            kinds = ", ".join(str(np.asarray(leaf).dtype) for leaf in fd.leaves(expected.value))
            return Point(f, args, of, outputs, sizes, f"no float outputs: it returns {kinds} even for floats")
        made = Point(f, args, of, outputs, sizes, inexact=inexact, cast=casts)
        if fd.is_single(args):
            break
        inexact = sensitivity(f, args, fd.run(f, args))
        made = replace(made, inexact=inexact)
        if inexact < 1e-11 and converges(f, args, of):
            break
    assert made is not None
    return made


def made_floats(names: Sequence[str], original: Sequence[Any], args: Sequence[Any]) -> str:
    """The arguments whose integers became floats."""
    return ", ".join(
        f"{name} ({np.asarray(old).dtype})"
        for name, old, new in zip(names, original, args, strict=True)
        if fd.is_float(new) and not fd.is_float(old)
    )


def converges(f: Callable[..., Any], args: tuple[Any, ...], of: tuple[int, ...]) -> bool:
    """Whether differences along one direction are good to a tenth of what derivatives are compared to."""
    estimate = fd.along(f, args, fd.direction(fd.floats(args), np.random.default_rng(0)), of)
    known = np.isfinite(estimate.value) & np.isfinite(estimate.error)
    size = np.sum(np.abs(estimate.value[known]))
    return bool(np.sum(estimate.error[known]) <= 0.1 * Tolerances().derivative * size)


def compile_stage(at: Point, engine: Engine) -> dict[str, Any]:
    """The cold time to the first gradient less the time of a second one: staging, AD, C and the compiler."""
    wrt = tuple(i for i, arg in enumerate(at.args) if fd.floats(arg))
    times: list[float] = []
    for _ in range(2):
        start = time.perf_counter()
        _, pullback = engine.vjp(Linearization(at.f, at.args, {}, wrt, at.of))
        pullback([np.ones_like(output) for output in at.outputs])
        times.append(time.perf_counter() - start)
    return {"stage": "compile", "compile_s": times[0] - times[1], "gradient_s": times[1]}


def derivative_stage(program: Program, at: Point, engine: Engine, seed: int) -> dict[str, Any]:
    """JVP and VJP of all float outputs with respect to all float inputs."""
    reference = (program.load(double=True), fd.doubled(at.args)) if fd.is_single(at.args) else None
    tolerances = SINGLE if reference else Tolerances(value=max(Tolerances().value, 10 * at.inexact))
    report = verify(at.f, at.args, engine=engine, reference=reference, tolerances=tolerances, seed=seed)
    return {
        "stage": "derivatives",
        "findings": [asdict(finding) for finding in report.findings],
        "fault": report.fault,
    }


def curvature_stage(program: Program, at: Point, engine: Engine, seed: int) -> dict[str, Any]:
    """Hessian-vector products of all float outputs, weighted; in single precision, and then in double too."""
    double = program.load(double=True), fd.doubled(at.args)
    single = fd.is_single(at.args)
    findings = verify_hvp(at.f, at.args, engine=engine, reference=double if single else None, seed=seed)
    if single:
        wide = verify_hvp(*double, engine=engine, seed=seed)
        findings += [replace(finding, name=f"{finding.name} in double") for finding in wide]
    return {"stage": "curvature", "findings": [asdict(finding) for finding in findings]}


def verify_program(program: Program, preset: str, engine: Engine, seed: int, emit: Emit) -> None:
    """All stages; an error ends its own stage only."""

    def guarded(name: str, stage: Callable[[], dict[str, Any]]) -> None:
        try:
            emit(stage())
        except Exception as error:
            text = str(error).strip() or type(error).__name__
            emit({"stage": name, "error": f"{type(error).__name__}: {text}", "traceback": traceback.format_exc()})

    guarded("value", lambda: value_stage(program, preset, engine))
    at = point(program, preset)
    emit({"stage": "point", "parameters": at.parameters, "not_applicable": at.not_applicable, "cast": at.cast})
    if not at.not_applicable:
        guarded("compile", lambda: compile_stage(at, engine))
        guarded("derivatives", lambda: derivative_stage(program, at, engine, seed))
        guarded("curvature", lambda: curvature_stage(program, at, engine, seed))
    emit({"stage": "done"})


def main() -> None:
    suite, name, preset, seed, memory = sys.argv[1:6]
    limit = int(float(memory) * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    np.seterr(all="ignore")

    def emit(stage: dict[str, Any]) -> None:
        print(json.dumps(stage, default=repr), flush=True)

    verify_program(Suite(**json.loads(suite)).program(name), preset, native(), int(seed), emit)


if __name__ == "__main__":
    main()
