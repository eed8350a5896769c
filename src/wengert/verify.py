"""Verification of a program's native value and derivatives against plain Python.

`verify(f, args)` runs the program plainly and natively and compares

- value: return value and mutated arguments, same structure, dtypes and shapes, integers identical;
- jvp: the derivative of every float output along a random direction, against differences of the plain program;
- vjp: the gradient of a randomly weighted sum of all float outputs, along the same direction, against the same;
- dot product: <weights, J d> = <J^T weights, d>, which holds to rounding or not at all;
- arguments: derivative transforms leave the caller's arrays alone.

What disagrees is located: the output and element for values and JVPs, the input and element for gradients, and for
derivatives the statement at fault (`blame`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from wengert import differences as fd
from wengert.codes import Code
from wengert.differences import Vector
from wengert.errors import WengertError

Function = Callable[..., Any]
Pullback = Callable[[list[Vector]], list[Vector]]


class UnknownParameter(WengertError, ValueError):
    """A name in `wrt` is not a parameter of the function."""

    code = Code.WRT


@dataclass(frozen=True, slots=True)
class Linearization:
    """A program at a point, and what of it is differentiated: the arguments `wrt`, in the return value and in the
    arguments `of`."""

    f: Function
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    wrt: tuple[int, ...]
    of: tuple[int, ...]


class Engine(Protocol):
    """What is verified. Outputs and tangents are float leaves: of the return value, then of the arguments `of`."""

    def value(self, f: Function, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> fd.Run: ...

    def jvp(self, at: Linearization, tangents: list[Vector]) -> tuple[list[Vector], list[Vector]]:
        """Outputs and their tangents; a tangent per float leaf of all arguments."""
        ...

    def vjp(self, at: Linearization) -> tuple[list[Vector], Pullback]:
        """Outputs and the map from their weights to gradients, one per float leaf in `wrt`."""
        ...

    def hvp(self, at: Linearization, weights: list[Vector]) -> Pullback:
        """The map from directions (one per float leaf in `wrt`) to Hessian-vector products of the weighted outputs."""
        ...

    def blame(self, at: Linearization) -> str:
        """The statement that makes derivatives wrong, and why; empty if that cannot be said."""
        ...


@dataclass(frozen=True, slots=True)
class Tolerances:
    """Relative to the largest finite element of the array (values, JVP) or the sum of the terms' sizes (gradients)."""

    value: float = 1e-10
    derivative: float = 1e-6
    dot: float = 1e-10


SINGLE = Tolerances(value=1e-5, derivative=2e-3, dot=1e-5)


@dataclass(frozen=True, slots=True)
class Finding:
    """One comparison: what was compared, the relative error found, the error allowed, and where it is worst."""

    name: str
    ok: bool
    error: float
    tolerance: float
    detail: str = ""

    def __str__(self) -> str:
        verdict = "ok  " if self.ok else "FAIL"
        line = f"{verdict} {self.name:<12} {self.error:9.2e} (allowed {self.tolerance:.0e})"
        return f"{line}  {self.detail}" if self.detail else line


@dataclass(slots=True)
class Report:
    """The findings about one program; true when all are good. `fault`: the statement at fault, if it was looked for."""

    function: str
    findings: list[Finding] = field(default_factory=list[Finding])
    fault: str = ""

    @property
    def ok(self) -> bool:
        return all(finding.ok for finding in self.findings)

    def __bool__(self) -> bool:
        return self.ok

    def named(self, prefix: str) -> bool:
        """Whether every finding whose name starts with `prefix` is good, and there is one."""
        chosen = [finding for finding in self.findings if finding.name.startswith(prefix)]
        return bool(chosen) and all(finding.ok for finding in chosen)

    def __str__(self) -> str:
        fault = [f"  at fault: {self.fault}"] if self.fault else []
        return "\n".join([f"{self.function}:", *(f"  {finding}" for finding in self.findings), *fault])


def verify(
    f: Function,
    args: Sequence[Any],
    kwargs: Mapping[str, Any] | None = None,
    *,
    engine: Engine | None = None,
    wrt: Sequence[int] | None = None,
    reference: tuple[Function, Sequence[Any]] | None = None,
    tolerances: Tolerances | None = None,
    seed: int = 0,
) -> Report:
    """Verify value, JVP and VJP of `f` at `args`; see the module.

    `wrt` are the positions of the arguments to differentiate (all with floats, unless said). `reference` is a program
    and arguments whose differences are compared with instead: the same computation in double precision (if any argument
    is in single precision: `f` at the same arguments in double precision, unless said).
    """
    engine = engine or native()
    args, options = tuple(args), dict(kwargs or {})
    single = fd.is_single(args)
    if single and reference is None:
        reference = (f, fd.doubled(args))
    tolerances = tolerances or (SINGLE if single else Tolerances())
    report = Report(getattr(f, "__qualname__", repr(f)))
    plain = fd.run(f, args, options)
    of = fd.mutated(f, args, options)
    report.findings.append(compare_runs("value", engine.value(f, args, options), plain, tolerances.value))

    wrt = tuple(i for i, arg in enumerate(args) if fd.floats(arg)) if wrt is None else tuple(wrt)
    if not wrt or not output_floats(plain, of):
        return report
    at = Linearization(f, args, options, wrt, of)
    case = _Case.draw(at, plain=plain, tolerances=tolerances, reference=reference, seed=seed)
    case.derivatives(engine, report)
    wrong = {finding.name for finding in report.findings if not finding.ok}
    if wrong & {"jvp", "vjp", "dot product"} and not wrong & {"value", "differences"}:
        report.fault = engine.blame(at)
    return report


def check(f: Function, *args: Any, wrt: Sequence[str] | None = None, seed: int = 0, **kwargs: Any) -> Report:
    """Verify the native value, JVP and VJP of `f` at these arguments against plain Python and differences.

    The report is true if all is well; printed, it says what was compared, how well it agrees, and for what disagrees
    the output or the input element. `wrt`: names of the parameters to differentiate (default: all that hold floats).

    Example:
        >>> import numpy as np, wengert as wg
        >>> def f(x):
        ...     x[1:] *= x[:-1]
        ...     return np.sum(x)
        >>> bool(wg.check(f, np.array([1.0, 2.0, 3.0])))
        True
    """
    return verify(f, args, kwargs, wrt=None if wrt is None else positions(f, wrt), seed=seed)


def positions(f: Function, names: Sequence[str]) -> tuple[int, ...]:
    """The positions of parameters by name."""
    parameters = list(inspect.signature(f).parameters)
    unknown = [name for name in names if name not in parameters]
    if unknown:
        raise UnknownParameter(f"no parameter {', '.join(unknown)}; there are {', '.join(parameters)}")
    return tuple(parameters.index(name) for name in names)


def output_floats(run: fd.Run, of: Sequence[int]) -> list[Vector]:
    """The float leaves of a run: of the return value, then of the arguments `of`."""
    return fd.floats(run.value) + [leaf for position in of for leaf in fd.floats(run.args[position])]


def relative(found: Vector, expected: Vector) -> tuple[float, str]:
    """The largest difference over the largest finite expected element, and the index where it is.

    NaN must meet NaN and infinities must meet the same infinity; otherwise the error is infinite.
    """
    if expected.size == 0:
        return 0.0, ""
    with np.errstate(all="ignore"):
        finite = np.isfinite(expected)
        same = (found == expected) | (np.isnan(found) & np.isnan(expected))
        gap = np.where(same, 0.0, np.abs(found - expected))
        gap = np.where(~same & ~(finite & np.isfinite(found)), np.inf, gap)
        scale = float(np.max(np.abs(expected[finite]), initial=0.0))
        worst = np.unravel_index(int(np.argmax(gap)), expected.shape)
        error = float(gap[worst]) / scale if scale > 0 else float(gap[worst])
    where = f"[{', '.join(str(int(i)) for i in worst)}]" if expected.ndim else ""
    return error, f"{where}: {found[worst]!r} instead of {expected[worst]!r}"


def compare_runs(name: str, found: fd.Run, expected: fd.Run, tolerance: float) -> Finding:
    """Return values and arguments afterwards: structure, dtypes, shapes, integers and strings alike, floats nearly."""
    worst = Finding(name, True, 0.0, tolerance)
    for label, a, b in [("result", found.value, expected.value), *_labelled(found.args, expected.args)]:
        ours, theirs = fd.leaves(a), fd.leaves(b)
        if len(ours) != len(theirs):
            return Finding(name, False, np.inf, tolerance, f"{label}: {len(ours)} values instead of {len(theirs)}")
        for x, y in zip(ours, theirs, strict=True):
            finding = _compare_leaf(name, label, x, y, tolerance)
            if not finding.ok:
                return finding
            worst = max(worst, finding, key=lambda one: one.error)
    return worst


def _labelled(found: tuple[Any, ...], expected: tuple[Any, ...]) -> list[tuple[str, Any, Any]]:
    return [(f"argument {i}", a, b) for i, (a, b) in enumerate(zip(found, expected, strict=True))]


def _compare_leaf(name: str, label: str, found: Any, expected: Any, tolerance: float) -> Finding:
    if not isinstance(expected, (np.ndarray, np.generic, bool, int, float, complex)):
        same = type(found) is type(expected)  # strings, None, objects: what they hold is Python's own
        if same and isinstance(expected, (str, bytes, type(None))):
            same = found == expected
        return Finding(
            name,
            same,
            0.0 if same else np.inf,
            tolerance,
            "" if same else f"{label}: {found!r} instead of {expected!r}",
        )
    a, b = np.asarray(found), np.asarray(expected)
    if a.dtype != b.dtype or a.shape != b.shape:
        text = f"{label}: {a.dtype}{list(a.shape)} instead of {b.dtype}{list(b.shape)}"
        return Finding(name, False, np.inf, tolerance, text)
    if not fd.is_float(b):
        same = bool(np.array_equal(a, b))
        return Finding(name, same, 0.0 if same else np.inf, tolerance, "" if same else f"{label}{relative(a, b)[1]}")
    error, where = relative(a, b)
    return Finding(name, error <= tolerance, error, tolerance, "" if error <= tolerance else f"{label}{where}")


@dataclass(slots=True)
class _Case:
    """A program at a point with one direction per input and weights on the outputs.

    An *input* is a float leaf of an argument in `wrt`. Each input moves alone, so that a wrong gradient of a scalar is
    not drowned by an array's; the tangent of the whole is the sum.
    """

    at: Linearization
    plain: fd.Run
    tolerances: Tolerances
    reference: tuple[Function, Sequence[Any]] | None
    directions: list[Vector]
    weights: list[Vector]
    inputs: list[tuple[int, int]]  # per input: position of the argument, number of the float leaf

    @classmethod
    def draw(
        cls,
        at: Linearization,
        *,
        plain: fd.Run,
        tolerances: Tolerances,
        reference: tuple[Function, Sequence[Any]] | None,
        seed: int,
    ) -> _Case:
        """Draw the directions and weights; outputs that are not finite have weight zero."""
        rng = np.random.default_rng(seed)
        directions = fd.direction(fd.floats(at.args), rng)
        expected = output_floats(plain, at.of)
        weights = [finite_only(w, e) for w, e in zip(fd.random_like(expected, rng), expected, strict=True)]
        owners = [i for i, arg in enumerate(at.args) for _ in fd.floats(arg)]
        inputs = [(i, n) for n, i in enumerate(owners) if i in at.wrt]
        return cls(at, plain, tolerances, reference, directions, weights, inputs)

    def derivatives(self, engine: Engine, report: Report) -> None:
        """Append the findings about the differences themselves, JVP, VJP, dot product and the caller's arguments."""
        estimates = [self.estimate(n) for _, n in self.inputs]
        flat = fd.flat(self.weights)
        changes = [np.where(flat != 0, np.nan_to_num(e.value), 0) for e in estimates]
        errors = [float(np.sum(np.abs(flat) * np.where(flat != 0, e.error, 0))) for e in estimates]
        terms = sum(float(np.sum(np.abs(flat * change))) for change in changes)
        reached = sum(errors) / terms if terms > 0 else 0.0
        text = (
            ""
            if reached <= self.tolerances.derivative
            else "the differences do not converge: not smooth here, or too noisy"
        )
        report.findings.append(Finding("differences", not text, reached, self.tolerances.derivative, text))
        errors = [error + self.rounding() for error in errors]

        before = fd.with_floats(self.at.args, fd.floats(self.at.args))
        moved = [self.directions[n] for _, n in self.inputs]
        chosen = {n for _, n in self.inputs}
        tangents = [d if n in chosen else np.zeros_like(d) for n, d in enumerate(self.directions)]
        outputs, found = engine.jvp(self.at, tangents)
        report.findings.append(self.compare_tangents(outputs, found, sum(changes, np.zeros(flat.shape)), sum(errors)))

        outputs, pullback = engine.vjp(self.at)
        gradients = pullback([w.copy() for w in self.weights])
        report.findings.append(self.compare_gradients(outputs, gradients, changes, errors))

        if report.findings[-1].error < np.inf and report.findings[-2].error < np.inf:
            found = [finite_only(x, w) for x, w in zip(found, self.plain_outputs(), strict=True)]
            left, right = fd.inner(self.weights, found), fd.inner(gradients, moved)
            size = max(term_size(self.weights, found), term_size(gradients, moved))
            error = abs(left - right) / size if size > 0 else abs(left - right)
            good = bool(error <= self.tolerances.dot)
            detail = "" if good else f"{left!r} by JVP and {right!r} by VJP"
            report.findings.append(Finding("dot product", good, error, self.tolerances.dot, detail))
        report.findings.append(compare_runs("arguments", fd.Run(None, self.at.args), fd.Run(None, before), 0.0))

    def rounding(self) -> float:
        """What rounding of the weighted outputs hides: differences over steps below 1 see no derivative that small."""
        return sum(
            float(np.finfo(y.dtype).eps) * term_size([finite_only(w, y)], [finite_only(y, y)])
            for w, y in zip(self.weights, self.plain_outputs(), strict=True)
        )

    def plain_outputs(self) -> list[Vector]:
        return output_floats(self.plain, self.at.of)

    def estimate(self, n: int, span: slice = slice(None)) -> fd.Estimate:
        """Differences of the plain program, or of the reference, when (elements `span` of) float leaf n moves."""
        tangents = [np.zeros_like(d) for d in self.directions]
        tangents[n].reshape(-1)[span] = self.directions[n].reshape(-1)[span]
        if self.reference is None:
            return fd.along(self.at.f, self.at.args, tangents, self.at.of, self.at.kwargs)
        f, args = self.reference
        wide = [t.astype(leaf.dtype) for t, leaf in zip(tangents, fd.floats(tuple(args)), strict=True)]
        return fd.along(f, args, wide, self.at.of, self.at.kwargs)

    def compare_outputs(self, name: str, outputs: list[Vector]) -> Finding | None:
        """The values a derivative transform returns beside the derivatives; None if they are good."""
        expected = self.plain_outputs()
        if len(outputs) != len(expected):
            return Finding(name, False, np.inf, 0.0, f"{len(outputs)} outputs instead of {len(expected)}")
        for k, (x, y) in enumerate(zip(outputs, expected, strict=True)):
            error, where = relative(x, y) if x.shape == y.shape else (np.inf, f": shape {x.shape} instead of {y.shape}")
            if not error <= self.tolerances.value:
                return Finding(name, False, error, self.tolerances.value, f"value of output {k}{where}")
        return None

    def compare_tangents(self, outputs: list[Vector], found: list[Vector], change: Vector, error: float) -> Finding:
        """The outputs of the JVP and its tangents, output by output, relative to the largest tangent of that output."""
        wrong = self.compare_outputs("jvp", outputs)
        if wrong is not None:
            return wrong
        tolerance = self.tolerances.derivative
        largest = float(np.max(np.abs(change), initial=0.0))
        worst, detail, start = 0.0, "", 0
        for k, (x, y) in enumerate(zip(found, self.plain_outputs(), strict=True)):
            if x.shape != y.shape:
                return Finding("jvp", False, np.inf, tolerance, f"output {k}: shape {x.shape} instead of {y.shape}")
            wanted = change[start : start + y.size].reshape(y.shape)
            start += y.size
            gap, where = relative(finite_only(x, y), wanted)
            size = float(np.max(np.abs(wanted), initial=0.0))
            distance = gap * (size or 1.0)
            gap = max(0.0, distance - 10 * error) / (size or largest or 1.0)
            if not gap <= worst:
                worst, detail = gap, f"output {k}{where}"
        good = bool(worst <= tolerance)
        return Finding("jvp", good, worst, tolerance, "" if good else detail)

    def compare_gradients(
        self, outputs: list[Vector], gradients: list[Vector], changes: list[Vector], errors: list[float]
    ) -> Finding:
        """The gradient of the weighted outputs, input by input, against differences; located if it is wrong."""
        wrong = self.compare_outputs("vjp", outputs)
        if wrong is not None:
            return wrong
        tolerance = self.tolerances.derivative
        base, worst = fd.floats(self.at.args), 0.0
        for (position, n), gradient, change, error in zip(self.inputs, gradients, changes, errors, strict=True):
            if gradient.shape != base[n].shape or gradient.dtype != base[n].dtype:
                text = f"{gradient.dtype}{list(gradient.shape)} for {base[n].dtype}{list(base[n].shape)}"
                return Finding("vjp", False, np.inf, tolerance, f"{self.label(position, n)}: gradient {text}")
            gap = self.gap(n, slice(None), gradient, change, error)
            if not gap <= tolerance:
                element = self.locate(n, gradient)
                return Finding("vjp", False, gap, tolerance, f"{self.label(position, n)}{element}")
            worst = max(worst, gap)
        return Finding("vjp", True, worst, tolerance)

    def label(self, position: int, n: int) -> str:
        """What to call an input: its argument, and which of its floats if there are several."""
        first = next(k for i, k in self.inputs if i == position)
        several = sum(i == position for i, _ in self.inputs) > 1
        return f"argument {position}" + (f" (float {n - first} of it)" if several else "")

    def gap(self, n: int, span: slice, gradient: Vector, change: Vector, error: float) -> float:
        """The relative disagreement of gradient and differences when elements `span` of float leaf n move."""
        part, weights = self.directions[n].reshape(-1)[span], fd.flat(self.weights)
        found = fd.inner([gradient.reshape(-1)[span]], [part])
        expected = fd.inner([weights], [change])
        size = max(term_size([gradient.reshape(-1)[span]], [part]), term_size([weights], [change]))
        distance = max(0.0, abs(found - expected) - 10 * error) if np.isfinite(found) else np.inf
        return distance / size if size > 0 else distance

    def locate(self, n: int, gradient: Vector) -> str:
        """An element of a wrong gradient, by bisection."""

        def wrong(low: int, high: int) -> bool:
            estimate = self.estimate(n, slice(low, high))
            weights = fd.flat(self.weights)
            change = np.where(weights != 0, np.nan_to_num(estimate.value), 0)
            error = float(np.sum(np.abs(weights) * np.where(weights != 0, estimate.error, 0)))
            return not self.gap(n, slice(low, high), gradient, change, error) <= self.tolerances.derivative

        low, high = 0, gradient.size
        while high - low > 1:
            middle = (low + high) // 2
            if wrong(low, middle):
                high = middle
            elif wrong(middle, high):
                low = middle
            else:
                return ""
        estimate = self.estimate(n, slice(low, high)).value
        weights = fd.flat(self.weights)
        step = self.directions[n].reshape(-1)[low]
        right = fd.inner([weights], [np.where(weights != 0, np.nan_to_num(estimate), 0)])
        index = tuple(int(i) for i in np.unravel_index(low, gradient.shape))
        where = list(index) if index else ""
        return f"{where}: gradient {gradient[index]!r} instead of {right / step!r} (along the direction)"


def finite_only(values: Vector, where: Vector) -> Vector:
    """The values, zero where `where` is not finite: outputs without a derivative take no part."""
    return np.asarray(np.where(np.isfinite(where), values, 0).astype(values.dtype))


def term_size(a: list[Vector], b: list[Vector]) -> float:
    """The sum of the moduli of the terms of an inner product: what its rounding errors are relative to."""
    return float(sum(np.sum(np.abs(x * y), dtype=np.float64) for x, y in zip(a, b, strict=True)))


def native() -> Engine:
    """The compiler as the engine."""
    from wengert.native_engine import Native

    return Native()
