"""Every line of the table of supported NumPy: values as NumPy's, derivatives to second order.

A part of the groups by default, all of them with WENGERT_LONG=1 (`make long-test`). A group is one program; what fails
in a group is run again line by line, so that failures have names.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import wengert as wg
from amount import LONG, part
from frontend.numpy_api.expressions import arguments, same
from supported.programs import program, quietly
from wengert.curvature import verify_hvp
from wengert.native_engine import Native
from wengert.supported import Entry, table
from wengert.verify import verify

ALL = list(table())
Group = Sequence[Entry]


def groups(entries: Sequence[Entry], size: int, share: int) -> list[Group]:
    """Groups of entries far apart in the table; one in `share` of them unless all are asked for."""
    count = -(-len(entries) // size)
    found = [entries[k::count] for k in range(count)]
    return part(found, share)


def label(group: Group) -> str:
    return group[0].name


def each(group: Group, test: Callable[[Group], list[str]]) -> None:
    """Run the test on the group; if that fails in any way, on every entry alone."""
    try:
        problems = test(group)
    except Exception as error:
        problems = [f"{type(error).__name__}: {error}"]
    if not problems:
        return
    named = []
    for entry in group:
        try:
            named += [f"{entry.name}: {problem}" for problem in test([entry])]
        except Exception as error:
            named.append(f"{entry.name}: {type(error).__name__}: {error}")
    raise AssertionError("\n".join(named or problems))


def values(group: Group) -> list[str]:
    f, names = program(group)
    every = arguments()
    want = quietly(lambda: f(*(every[n] for n in names)))
    every = arguments()
    got = quietly(lambda: wg.compile(f)(*(every[n] for n in names)))
    return [d for g, w in zip(got, want, strict=True) if (d := same(g, w))]


def derivatives(group: Group) -> list[str]:
    f, names = program(group)
    args = tuple(arguments()[n] for n in names)
    report = quietly(lambda: verify(f, args))
    problems = [] if report else [str(report)]
    if not report.named("vjp"):
        problems.append("nothing was differentiated")
    second = quietly(lambda: verify_hvp(f, args, engine=Native()))
    return problems + [str(finding) for finding in second if not finding.ok]


@pytest.mark.parametrize("group", groups(ALL, 40, 4), ids=label)
def test_values(group: Group) -> None:
    each(group, values)


@pytest.mark.parametrize("group", groups([e for e in ALL if e.differentiable], 6, 20), ids=label)
def test_derivatives(group: Group) -> None:
    each(group, derivatives)


def variant(kind: str, value: Any) -> Any:
    """An argument as another dtype, layout or size."""
    if not isinstance(value, np.ndarray) or value.ndim == 0:
        return value
    smooth = value.dtype == np.float64
    match kind:
        case "float32":
            return value.astype(np.float32) if smooth else value
        case "complex128":
            return value + 0.25j * value[::-1] if smooth else value
        case "integers":
            return np.rint(np.nan_to_num(value) * 3).astype(np.int64) if smooth else value
        case "strided":
            return np.repeat(value, 2, axis=-1)[..., ::2]
        case "reversed":
            return value[::-1].copy()[::-1]
        case "empty":
            return value[:0] if value.ndim == 1 else value
    raise AssertionError(kind)


KINDS = ("float32", "complex128", "integers", "strided", "reversed", "empty")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("group", groups(ALL, 12, 10**6 if not LONG else 1), ids=label)
def test_other_operands(group: Group, kind: str) -> None:
    """What NumPy computes of other dtypes, layouts and sizes is the same here, or refused."""
    tolerance = 1e-6 if kind == "float32" else 1e-10  # SciPy computes some results of double precision in single

    def run(entries: Group) -> list[str]:
        f, names = program(entries)
        want = quietly(lambda: f(*(variant(kind, arguments()[n]) for n in names)))
        args = [variant(kind, arguments()[n]) for n in names]
        got = quietly(lambda: wg.compile(f)(*args))
        return [d for g, w in zip(got, want, strict=True) if (d := same(g, w, tolerance))]

    def accepted(entry: Entry) -> bool:
        f, names = program([entry])
        try:
            quietly(lambda: f(*(variant(kind, arguments()[n]) for n in names)))
        except Exception:
            return False
        return True

    def alone(entries: Group) -> list[str]:
        try:
            return run(entries)
        except wg.Unsupported:
            if len(entries) == 1:
                return []
            raise
        except RuntimeError as error:  # refused by its data
            if len(entries) == 1 and "not supported" in str(error):
                return []
            raise

    remaining = [e for e in group if accepted(e)]
    if remaining:
        problems: list[str] = []
        try:
            problems = alone(remaining)
        except Exception:
            problems = ["the group"]
        if problems:
            named = [f"{e.name}: {p}" for e in remaining for p in _caught(alone, e)]
            assert not named, "\n".join(named)


def _caught(test: Callable[[Group], list[str]], entry: Entry) -> list[str]:
    try:
        return test([entry])
    except Exception as error:
        return [f"{type(error).__name__}: {error}"]


ALONE = """
import os, sys
sys.path[:0] = sys.argv[1:]
import numpy, scipy
from amount import LONG
from frontend.numpy_api.expressions import arguments
from supported.programs import program, quietly
from wengert import nested  # what transforms mean inside programs
from wengert.frontend.python.program import stage_call
from wengert.supported import table

for entry in table():
    module, _, name = entry.name.rpartition(".")
    if not module.startswith("scipy.") or not (LONG or hasattr(numpy, name)):
        continue
    if not os.fork():
        f, names = program([entry])
        try:
            quietly(lambda: stage_call(f, tuple(arguments()[n] for n in names), {}))
        except Exception as error:
            print(entry.name, error)
        sys.stdout.flush()
        os._exit(0)
    os.wait()
"""
"""Every function of SciPy, or every one with a namesake in NumPy, is the first that a process stages."""


def test_each_function_of_scipy_may_be_the_first_that_is_met() -> None:
    command = [sys.executable, "-c", ALONE, *[p for p in sys.path if p]]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == ""
