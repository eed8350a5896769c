"""Faults planted in rules and in the reverse sweep are traced to the statement of the program that suffers."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wengert import local_rules, pipeline
from wengert.ad.reverse import kept
from wengert.ad.reverse.plan import Box
from wengert.ad.rules import table
from wengert.analysis.activity import Flow
from wengert.ir import build as b
from wengert.ir.nodes import Expr
from wengert.ir.ops import OPS
from wengert.programs import primal_binds, program_of
from wengert.transform import ir_arguments
from wengert.verify import Report, check


def sines(x: np.ndarray) -> float:
    s = 0.0
    for i in range(len(x)):
        t = x[i] * x[i]
        s = s + np.sin(t)  # sin
    return s


def solved(a: np.ndarray, y: np.ndarray) -> float:
    m = a + 3.0 * np.eye(3)
    z = np.linalg.solve(m, y)  # solve
    return np.sum(z * z)


def overwritten(x: np.ndarray) -> float:
    y = np.zeros(4)
    for i in range(4):
        y[i] = np.exp(x[i])
    s = np.sum(y * y)
    for i in range(4):
        y[i] = x[i] * x[3 - i]  # store
    return s + np.sum(y)


def squared(x: np.ndarray) -> float:
    c = x[0]
    while c < 10.0:  # c
        d = c * x[1]
        c = d * d + np.sin(c) + 1.1
    return c


def steps(x: np.ndarray, n: int) -> float:
    c = x[0]
    for _ in range(n):  # c
        c = np.sin(c * c + 0.1) * x[1]
    return c


def product(x: float, n: int) -> float:
    if n == 0:
        return x * x
    return product(np.sin(x) * x, n - 1) * x  # call


def recursive(x: float, n: int) -> float:
    return product(x * x, n) * x


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path))


def line_of(f: Callable[..., Any], mark: str) -> str:
    lines, first = inspect.getsourcelines(f)
    return f"{Path(__file__).name}:{first + next(k for k, text in enumerate(lines) if f'# {mark}' in text)} in "


def assert_blamed(report: Report, f: Callable[..., Any], mark: str, reason: str) -> None:
    assert not report
    assert line_of(f, mark) in report.fault, str(report)
    assert reason in report.fault, str(report)
    assert report.fault in str(report)


def test_a_right_program_is_not_examined() -> None:
    assert check(lambda x: x * x, 2.0).fault == ""


def test_partial_of_a_scalar_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = dataclasses.replace(OPS["sin"], partials=lambda x, _: (b.neg(b.op("cos", x[0])),))
    monkeypatch.setitem(OPS, "sin", wrong)
    assert_blamed(
        check(sines, np.array([0.1, 0.5])), sines, "sin", "the derivative rule of sin: at 0.01 its tangent is"
    )


def test_rule_of_a_library_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = table.RULES["solve"]

    def twice(*args: Any) -> None:
        rule.reverse(*args)
        rule.reverse(*args)

    monkeypatch.setitem(table.RULES, "solve", dataclasses.replace(rule, reverse=twice))
    report = check(solved, np.arange(9.0).reshape(3, 3) / 9, np.arange(3.0))
    assert_blamed(
        report, solved, "solve", "the derivative rule of solve: at an array [3, 3], an array [3, 1] its adjoint"
    )


def test_adjoint_that_is_not_zeroed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept.Kept, "is_first", lambda *_: True)
    report = check(overwritten, np.linspace(0.1, 1.1, 4))
    assert_blamed(report, overwritten, "store", "with this statement derivatives become wrong")


def test_value_that_is_overwritten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept.Kept, "is_final", lambda *_: True)
    assert_blamed(check(squared, np.array([0.3, 1.1])), squared, "c", "the reverse sweep restores")


def test_wrong_place_on_a_tape(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Box.place

    def before(*given: Any) -> tuple[Expr, ...]:
        k, *rest = right(*given)
        return (b.select(b.gt(k, 0), b.sub(k, 1), k), *rest)

    monkeypatch.setattr(Box, "place", before)
    assert_blamed(check(steps, np.array([0.3, 1.7]), 4), steps, "c", "4 of 4; the program computed")


def test_call_that_activity_misses(monkeypatch: pytest.MonkeyPatch) -> None:
    """JVP and VJP agree with each other then: both are zero."""
    monkeypatch.setattr(Flow, "_add_call", lambda *_: None)
    assert_blamed(check(recursive, 0.7, 3), product, "call", "by JVP and")


def test_rules_are_right_at_kinks_and_ties() -> None:
    def kinks(x: np.ndarray) -> float:
        return np.max(x) + np.abs(x[0]) + np.maximum(x[0], x[1]) + np.sort(x)[1]

    x = np.zeros(3)
    staged = program_of(kinks).stage((x,), {})
    assert local_rules.wrong_rule(pipeline.prepare(staged.module), ir_arguments(primal_binds(staged), (x,))) is None
