"""Stores past the cache: the same results, however long rows are and wherever they begin; only where it is meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from optimise.checks import program
from wengert.backend.c import emit

Array = np.ndarray[Any, Any]


def scaled(x: Array) -> Array:
    return np.sin(x) * 3 + 1


def shifted_rows(x: Array) -> Array:
    out = np.empty_like(x)
    for i in range(x.shape[0]):
        out[i, 1:] = x[i, :-1] * 2
        out[i, 0] = x[i, 0]
    return out


def two_results(x: Array) -> tuple[Array, Array]:
    return x * x, x + 1


def with_sum(x: Array) -> tuple[Array, Any]:
    y = x * x
    return y, np.sum(y)


def outer(x: Array) -> Array:
    return np.outer(x[0], x[0]) + np.outer(x[-1], x[0])


PROGRAMS: list[Callable[[Array], Any]] = [scaled, shifted_rows, two_results, with_sum, outer]


@pytest.mark.parametrize(
    ("f", "dtype"), [*((f, np.float64) for f in PROGRAMS), (scaled, np.float32), (two_results, np.complex128)]
)
def test_results_are_the_same(f: Callable[[Array], Any], dtype: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = wg.compile(f)
    rng = np.random.default_rng(0)
    cases = [(3, 63), (3, 64), (2, 255), (2, 257), (3, 1001), (1, 4096), (0, 5)]
    inputs = [rng.normal(size=shape).astype(dtype) for shape in cases[: -1 if f is outer else None]]
    expected = [plain(x) for x in inputs]
    monkeypatch.setenv("WENGERT_CFLAGS", "-DWG_STREAM=0.0")
    past = wg.compile(f)
    for x, values in zip(inputs, expected, strict=True):
        for a, b, c in zip(*(v if isinstance(v, tuple) else (v,) for v in (past(x), values, f(x))), strict=True):
            np.testing.assert_array_equal(a, b) if f is not with_sum else np.testing.assert_allclose(a, b, rtol=1e-6)
            np.testing.assert_allclose(a, c, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("threads", ["1", "3"])
def test_gradients_are_the_same(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_NUM_THREADS", threads)
    monkeypatch.setenv("WENGERT_CFLAGS", "-DWG_STREAM=0.0 -DWG_WORTH=1.0 -DWG_SURE=1.0 -DWG_ROW_WORTH=0")

    def loss(a: Array, b: Array, x: Array) -> Any:
        return np.sum((a @ x) * (b @ x)) + np.trace(a)

    rng = np.random.default_rng(1)
    a, b, x = rng.normal(size=(70, 70)), rng.normal(size=(70, 70)), rng.normal(size=70)
    ga, gb, gx = wg.grad(loss, wrt=(0, 1, 2))(a, b, x)
    np.testing.assert_allclose(ga, np.outer(b @ x, x) + np.eye(70), rtol=1e-12)
    np.testing.assert_allclose(gb, np.outer(a @ x, x), rtol=1e-12)
    np.testing.assert_allclose(gx, a.T @ (b @ x) + b.T @ (a @ x), rtol=1e-11)


NEST = "alloc r: f64[n, m] for i in 0:n any { for j in 0:m any { r[i, j] = a[i, j] * x } } "
ONES = {
    "a diagonal is added to": NEST + "for l in 0:m any { r[l, l] += x }",
    "the row is shifted": "alloc r: f64[n, m] for i in 0:n any { for j in 1:m any { r[i, j - 1] = a[i, j] * x } }",
}
OTHERS = {
    "another nest adds": NEST + "for p in 0:n any { for q in 0:m any { r[p, q] += x } }",
    "another nest reads": NEST + "for p in 0:n any { for q in 0:m any { a[p, q] = r[p, q] } }",
    "columns": "alloc r: f64[n, m] for j in 0:m any { for i in 0:n any { r[i, j] = a[i, j] * x } }",
    "it is read in the loop": "alloc r: f64[n, m] zero for i in 0:n any { for j in 0:m any { r[i, j] = r[i, j] + x } }",
    "a name of it is read in the loop": """alloc r: f64[n, m] zero
    view w: f64[n, m] = r[0, 0] along (0: 1, 1: 1)
    for i in 0:n any { for j in 0:m any { r[i, j] = w[i, j] + x } }""",
    "not a result": "for i in 0:n any { for j in 0:m any { a[i, j] = a[i, j] * x } } alloc r: f64[n, m] zero",
}


@pytest.mark.parametrize("name", ONES)
def test_rows_of_results_go_past_the_cache(name: str) -> None:
    assert "wg_stream(" in emit(program(ONES[name], "r"))


@pytest.mark.parametrize("name", OTHERS)
def test_others_do_not(name: str) -> None:
    assert "wg_stream(" not in emit(program(OTHERS[name], "r"))
