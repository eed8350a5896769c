"""What a random program must satisfy: plain Python == interpreter == native; JVP, VJP and second order agree."""

from __future__ import annotations

import hashlib
import importlib.util
import random
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import wengert as wg
from random_programs.generator import COLUMNS, ROWS, SIZE, Generator
from wengert import differences as fd
from wengert.verify import Tolerances, compare_runs, output_floats, relative, verify

OBJECTIVE = '''

def objective(x, y, m, s, t, n):
    """A weighted sum of everything the program returns and leaves in its arguments."""
    a, b, c, *rest = program(x, y, m, s, t, n)
    total = 0.7 * a + 0.9 * b + np.sum(c * WEIGHTS) + 0.8 * np.sum(x * WEIGHTS) - 0.6 * np.sum(y * WEIGHTS[::-1])
    for k, part in enumerate(rest):
        total = total + (0.5 + 0.1 * k) * np.sum(part)
    return total + 0.4 * np.sum(m * WEIGHTS[:4])
'''
TOLERANCES = Tolerances(value=1e-10, derivative=1e-6, dot=1e-10)
SECOND = 1e-9


class Untamed(Exception):
    """The program is not smooth or not tame at the point: nothing can be checked."""


def text_of(seed: int, statements: int = 9) -> str:
    """The program of a seed."""
    return Generator(random.Random(seed).randint, statements).program()


def write(text: str, folder: Path) -> Any:
    """The program as a module with a file, and the objective beside it."""
    name = "program_" + hashlib.sha256(text.encode()).hexdigest()[:16]
    path = folder / f"{name}.py"
    path.write_text(text + OBJECTIVE)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def arguments(seed: int) -> tuple[Any, ...]:
    """Arrays, floats and an integer for a program."""
    rng = np.random.default_rng(seed)
    arrays = (rng.uniform(-1.4, 1.4, SIZE), rng.uniform(-1.4, 1.4, SIZE), rng.uniform(-1.4, 1.4, (ROWS, COLUMNS)))
    return (*arrays, float(rng.uniform(-1, 1)), float(rng.uniform(-1, 1)), int(rng.integers(2, 5)))


def check(module: Any, args: tuple[Any, ...], second_order: bool = True) -> None:
    """Everything; AssertionError says what is wrong, Untamed that the point is no use."""
    tame(module.program, args)
    plain = fd.run(module.program, args)
    interpreted = fd.run(_interpreter(module.program), args)
    finding = compare_runs("interpreter", interpreted, plain, TOLERANCES.value)
    assert finding.ok, str(finding)
    report = verify(module.program, args, tolerances=TOLERANCES)
    if not report.named("differences"):
        raise Untamed("differences do not converge")
    if not report and report.named("value") and report.named("dot product") and extended_agree(module.program, args):
        raise Untamed("differences in double precision are wrong")
    if not report and loses_digits(module.program, args):
        raise Untamed("rounding alone changes the value")
    assert report, str(report)
    if second_order:
        check_second_order(module.objective, args)


def loses_digits(f: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    """Whether plain Python in double precision is further from extended precision than values may be from it."""
    of = fd.mutated(f, args)
    wide = fd.with_floats(args, [x.astype(np.longdouble) for x in fd.floats(args)])
    pairs = zip(output_floats(fd.run(f, wide), of), output_floats(fd.run(f, args), of), strict=True)
    return any(relative(exact, rounded)[0] > TOLERANCES.value for exact, rounded in pairs)


def extended_agree(f: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    """Whether the JVP along random directions is what differences in extended precision say, output by output, to a
    thousandth at one of three steps."""
    base, of = fd.floats(args), fd.mutated(f, args)

    def distance(d: list[fd.Vector], changes: list[fd.Vector], h: np.longdouble) -> float:
        def at(t: np.longdouble) -> list[fd.Vector]:
            moved = [x.astype(np.longdouble) + t * y for x, y in zip(base, d, strict=True)]
            return output_floats(fd.run(f, fd.with_floats(args, moved)), of)

        pairs = zip(at(h), at(-h), changes, strict=True)
        return max(relative((ahead - behind) / (2 * h), change)[0] for ahead, behind, change in pairs)

    for seed in range(3):
        d = fd.direction(base, np.random.default_rng(seed))
        trees = [x if x.ndim else float(x) for x in d]
        _, changes = wg.jvp(f, args, (*trees, None), of=("return", *of))
        if min(distance(d, fd.floats(changes), np.longdouble(10.0) ** -k) for k in (3, 4, 5)) > 1e-3:
            return False
    return True


def check_second_order(objective: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """The Hessian is symmetric: VJP of the gradient and JVP of the gradient along v are the same vector."""
    wrt = (0, 1, 2, 3, 4)
    gradient = wg.grad(objective, wrt=wrt)
    rng = np.random.default_rng(1)
    v = fd.direction(fd.floats(args), rng)
    v = [x if x.ndim else float(x) for x in v]
    _, forward = wg.jvp(gradient, args, (*v, None))
    _, pullback = wg.vjp(gradient, *args, wrt=wrt)
    reverse = pullback(tuple(v))
    size = max(float(np.max(np.abs(x), initial=0.0)) for x in fd.floats(forward)) or 1.0
    for k, (a, b) in enumerate(zip(fd.floats(forward), fd.floats(reverse), strict=True)):
        error = float(np.max(np.abs(a - b), initial=0.0)) / size
        assert error <= SECOND, f"second order, argument {k}: JVP {a!r} and VJP {b!r} of the gradient differ"


def tame(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    """Finite everywhere, and the same slope on both sides along a few directions: no tie, no kink, no jump here."""
    base = fd.floats(args)
    of = fd.mutated(f, args)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        here = fd.flat(output_floats(fd.run(f, args), of))
    if not np.all(np.isfinite(here)):
        raise Untamed("not finite")
    for seed in range(2):
        d = fd.direction(base, np.random.default_rng(seed))

        def at(t: float, d: list[fd.Vector] = d) -> fd.Vector:
            moved = fd.with_floats(args, [x + t * y for x, y in zip(base, d, strict=True)])
            return fd.flat(output_floats(fd.run(f, moved), of))

        h = 1e-7
        ahead, behind = at(h), at(-h)
        if ahead.shape != here.shape or behind.shape != here.shape:
            raise Untamed("the shape of the result changes nearby")
        right, left = (ahead - here) / h, (here - behind) / h
        if np.any(np.abs(right - left) > 1e-3 * (1 + np.max(np.abs(right)))):
            raise Untamed("a kink or a jump")


def _interpreter(f: Callable[..., Any]) -> Callable[..., Any]:
    from wengert.transform import interpret

    return interpret(f)
