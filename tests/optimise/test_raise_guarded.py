"""Sums that leave out what is not finite where it meets a zero: products all the same, and the same sums."""

from __future__ import annotations

import numpy as np
import pytest

from backend import native
from optimise import nests
from optimise.checks import derivatives, transformed
from optimise.test_raise import same_sums
from wengert.ir.nodes import LibCall, Loop, Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise import raise_contractions as raising
from wengert.optimise.raise_contractions import raise_contractions


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raising, "TURNS", (3, 2))


def guarded(p: str, d: str) -> str:
    return f"select({d} != 0.0, {p}, select(isfinite({p}), {p}, 0.0)) * {d}"


PRODUCTS = {
    "the first factor": f"""
        for i in 0:n {{ for j in 0:n {{ for k in 0:n {{ c[i, j] += {guarded("a[i, k]", "b[k, j]")} }} }} }}""",
    "the second factor": f"""
        for i in 0:n {{ for j in 0:n {{ for k in 0:n {{ c[i, j] += {guarded("b[k, j]", "a[i, k]")} }} }} }}""",
    "names, and a sign": f"""
        for i in 0:n any {{ for k in 0:n any {{ for j in 0:n any {{
          let q = -b[k, j]
          let p = a[i, k]
          let t = {guarded("p", "q")}
          c[i, j] += -t
        }} }} }}""",
    "down a column": f"""
        for j in 0:n {{
          alloc s: f64[] zero
          for k in 0:n any {{ s[] += {guarded("a[k, 1]", "b[k, j]")} }}
          c[2, j] += s[] * x
        }}""",
    "what changes": f"""
        for i in 0:n {{
          for k in 0:n {{ for j in 0:n any {{ b[k, j] += {guarded("c[i, j]", "a[i, k]")} }} }}
          for j1 in 0:n any {{ c[i, j1] = 0.0 }}
        }}""",
    "rows of a triangle": f"""
        for i in 0:n {{ for j in 0:i {{ for k in 0:n {{ c[i, j] += {guarded("a[i, k]", "b[k, j]")} }} }} }}""",
}
LOOPS = {
    "a third factor": f"""
        for i in 0:n {{ for j in 0:n {{ for k in 0:n {{
          let q = b[k, j] * u[k]
          c[i, j] += {guarded("a[i, k]", "q")}
        }} }} }}""",
    "another test": """
        for i in 0:n { for j in 0:n { for k in 0:n {
          c[i, j] += select(b[j, k] != 0.0, a[i, k], select(isfinite(a[i, k]), a[i, k], 0.0)) * b[k, j]
        } } }""",
    "another value": """
        for i in 0:n { for j in 0:n { for k in 0:n {
          c[i, j] += select(b[k, j] != 0.0, a[i, k], select(isfinite(a[i, k]), a[i, k], 1.0)) * b[k, j]
        } } }""",
}


def module_of(body: str) -> Module:
    module = parse(nests.HEAD.format(t="f64", body=body))
    verify(module)
    return module


def products(module: Module) -> list[LibCall]:
    return [s for s in statements(module.root.body) if isinstance(s, LibCall)]


def arguments(seed: int, n: int) -> dict[str, object]:
    """Matrices with many zeros, and some elements that are not finite."""
    args = nests.arguments(seed, n)
    rng = np.random.default_rng(seed)
    for name in "abc":
        values = args[name]
        values[rng.random(values.shape) < 0.4] = 0.0
        if seed:
            values[rng.random(values.shape) < 0.1] = np.inf
            values[rng.random(values.shape) < 0.1] = np.nan
    return args


@pytest.mark.parametrize("name", PRODUCTS)
def test_raised(name: str) -> None:
    module = module_of(PRODUCTS[name])
    made = transformed(module, [raise_contractions])
    assert [s.op for s in products(made)] == ["guarded_matmul"], show(made)
    for n in (4, 5, 9):
        for seed in range(8):
            same_sums(module, arguments(seed, n), made)
    native.agree_uncut(made, list(arguments(5, 9).values()), 1e-12)


@pytest.mark.parametrize("name", LOOPS)
def test_not_raised(name: str) -> None:
    assert not products(transformed(module_of(LOOPS[name]), [raise_contractions]))


def test_a_column_that_is_added_to() -> None:
    body = f"for j in 1:n {{ for i in 0:n any {{ c[i, j] += {guarded('a[i, 0]', 'b[0, j]')} }} }}"
    made = transformed(module_of(body), [raise_contractions])
    assert any(isinstance(s, Loop) and "_low" in s.var for s in statements(made.root.body))
    for seed in range(8):
        same_sums(module_of(body), arguments(seed, 7), made)


@pytest.mark.parametrize("name", PRODUCTS)
def test_derivatives_of_what_is_raised(name: str) -> None:
    module = module_of(PRODUCTS[name])
    made = transformed(module, [raise_contractions])
    args = arguments(0, 5)
    for (plain, inputs), (raised, others) in zip(derivatives(module, args), derivatives(made, args), strict=True):
        assert list(inputs) == list(others)
        same_sums(plain, inputs, raised)
        args_special = arguments(3, 5)
        same_sums(plain, inputs | args_special, raised)
