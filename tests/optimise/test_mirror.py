"""Which sums over triangles become one product of a whole matrix, and that they stay the same sums."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import wengert as wg
from backend import native
from derivatives import assert_derivatives
from optimise.checks import normal, outcome, transformed
from optimise.test_raise import agree
from wengert.ir.nodes import Alloc, LibCall, Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise.mirror import mirror
from wengert.pipeline import LAST

HEAD = """entry f
func f(a: {t}[n, n] inout, x: {t}[n, m] inout, y: {t}[n, m] inout, t: {t}[n, m] inout, c: {t}[n, n] inout,
       d: {t}[n], s: {t}, short: {t}[max(n - 1, 0), m], n: i64, m: i64) -> () {{
{body}
}}"""
DTYPES = {"f64": np.float64, "f32": np.float32, "c128": np.complex128}


def module_of(body: str, dtype: str = "f64") -> Module:
    module = parse(HEAD.format(body=body, t=dtype))
    verify(module)
    return module


def arguments(seed: int, n: int, m: int, dtype: str = "f64", special: bool = False) -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        values = rng.standard_normal(shape)
        values = values + 1j * rng.standard_normal(shape) if dtype == "c128" else values
        if special and values.size:
            flat = values.reshape(-1)
            flat[rng.integers(0, flat.size)] = rng.choice([np.nan, np.inf])
        return values.astype(DTYPES[dtype])

    made: dict[str, Any] = {"a": some(n, n), "x": some(n, m), "y": some(n, m), "t": some(n, m), "c": some(n, n)}
    return made | {"d": some(n), "s": DTYPES[dtype](1.5), "short": some(max(n - 1, 0), m), "n": n, "m": m}


SIZES = ((0, 0), (0, 2), (1, 0), (3, 0), (1, 1), (2, 5), (5, 2), (7, 4))


def keeps(module: Module, made: Module, dtype: str = "f64", special: bool = False) -> None:
    for n, m in SIZES:
        args = arguments(n + m, n, m, dtype, special)
        for order in ("forward", "reverse", "random"):
            agree(outcome(made, args, order), outcome(module, args), float(np.finfo(DTYPES[dtype]).eps))


def squares(module: Module) -> int:
    return sum(isinstance(s, Alloc) and s.buffer.rank == 2 for s in statements(module.root.body))


LOW = "for i in 0:n {{ for k in 0:m {{ for j in 0:i + 1 any {{ {} }} }} }}"
MIRRORED = {
    "both halves of a product": LOW.format("t[i, k] += a[i, j] * x[j, k]\nt[j, k] += a[i, j] * x[i, k]"),
    "of different matrices": LOW.format("t[j, k] += a[i, j] * x[i, k]\nt[i, k] += -(s * a[j, i]) * d[i] * x[j, k]"),
    "without the diagonal, which is added apart": """for i in n - 1:-1 step -1 {
        for k in 0:m any { t[i, k] += x[i, k] * d[i] }
        for k2 in 0:m { for j in 0:i any { t[i, k2] += a[i, j] * x[j, k2]\n t[j, k2] += a[i, j] * x[i, k2] } } }""",
    "the upper triangle": """for i in 0:n { for j in i:n { for k in 0:m any {
        t[j, k] += x[i, k] * a[i, j]\n t[i, k] += x[j, k] * a[i, j] } } }""",
    "two factors on the right": LOW.format(
        "t[i, k] += a[i, j] * x[j, k] * y[j, k]\nt[j, k] += a[i, j] * y[i, k] * x[i, k]"
    ),
    "through a sum and names": """for i in 0:n { for k in 0:m {
        alloc sum: f64[] zero\nlet here = x[i, k]
        for j in 0:i + 1 any { let w = a[i, j]\n sum[] += w * x[j, k]\n let z = w * here\n t[j, k] += z }
        let total = sum[]\nlet scaled = s * total\nt[i, k] += scaled } }""",
    "through an array that is set back": """alloc w: f64[m] zero
        for i in 0:n { for k in 0:m any { w[k] += s * x[i, k] }
        for k2 in m - 1:-1 step -1 { let v = w[k2]\n w[k2] = 0.0
        for j in 0:i + 1 any { t[j, k2] += a[i, j] * v\n t[i, k2] += a[i, j] * x[j, k2] * s } } }""",
    "a half of a product and its transpose": LOW.format("c[i, j] += x[i, k] * y[j, k]\nc[i, j] += x[j, k] * y[i, k]"),
    "scaled": LOW.format("c[j, i] += s * x[i, k] * y[j, k]\nc[j, i] += x[j, k] * s * y[i, k]"),
    "two terms of one sum": LOW.format("let z = x[i, k] * y[j, k]\nc[i, j] += z + y[i, k] * x[j, k]"),
    "to what is scaled before": LOW.format("c[i, j] += x[i, k] * y[j, k] + y[i, k] * x[j, k]").replace(
        "for i in 0:n {", "for i in 0:n {\nfor l in 0:i + 1 any { c[i, l] = s * c[i, l] }", 1
    ),
    "what changes afterwards": LOW.format("t[i, k] += a[i, j] * x[j, k]\nt[j, k] += a[i, j] * x[i, k]").replace(
        "} } }", "} }\nfor l in 0:i + 1 any { a[i, l] = 0.5 } }"
    ),
    "what has changed before": LOW.format("t[i, k] += a[i, j] * x[j, k]\nt[j, k] += a[i, j] * x[i, k]").replace(
        "for i in 0:n {", "for i in 0:n {\nfor l in 0:i + 1 any { a[i, l] = a[i, l] * d[l] }", 1
    ),
}
APART = {
    "nothing on the diagonal": """for i in 0:n { for k in 0:m { for j in 0:i any {
        t[i, k] += a[i, j] * x[j, k]\n t[j, k] += a[i, j] * x[i, k] } } }""",
    "another factor": LOW.format("t[i, k] += a[i, j] * x[j, k]\nt[j, k] += a[i, j] * y[i, k]"),
    "another array": LOW.format("t[i, k] += a[i, j] * x[j, k]\ny[j, k] += a[i, j] * x[i, k]"),
    "another range": """for i in 0:n { for k in 0:m { for j in 0:i + 1 any { t[i, k] += a[i, j] * x[j, k] } }
        for k2 in 0:m - 1 { for j2 in 0:i + 1 any { t[j2, k2] += a[i, j2] * x[i, k2] } } }""",
    "a rectangle below": """for i in 1:n { for k in 0:m { for j in 0:i + 1 any {
        t[i, k] += a[i, j] * x[j, k]\n t[j, k] += a[i, j] * x[i, k] } } }""",
    "the sum is read": LOW.format("t[i, k] += a[i, j] * x[j, k]\nt[j, k] += a[i, j] * x[i, k]").replace(
        "} } }", "} }\ny[i, 0] = t[i, 0] }"
    ),
    "rows that change": LOW.format("t[i, k] += a[i, j] * x[j, k]\nt[j, k] += a[i, j] * x[i, k]").replace(
        "} } }", "}\nx[i, k] = 0.5 } }"
    ),
    "what is added to is stored before and after": LOW.format("c[i, j] += x[i, k] * y[j, k] + y[i, k] * x[j, k]")
    .replace("for i in 0:n {", "for i in 0:n {\nc[i, 0] = 0.0", 1)
    .replace("} } }", "} }\nc[i, i] = s }"),
    "different scales": LOW.format("c[i, j] += s * x[i, k] * y[j, k]\nc[i, j] += x[j, k] * y[i, k]"),
    "the same half twice": LOW.format("c[i, j] += x[i, k] * y[j, k]\nc[i, j] += x[i, k] * y[j, k]"),
    "rows that are not there": """for i in 0:n { for k in 0:m { for j in 0:i any {
        c[i, j] += x[i, k] * short[j, k]\n c[i, j] += x[j, k] * short[i - 1, k] } } }""",
    "an array that is not set back": """alloc w: f64[m] zero
        for i in 0:n { for k in 0:m any { w[k] += x[i, k] }
        for k2 in 0:m { let v = w[k2]
        for j in 0:i + 1 any { t[j, k2] += a[i, j] * v\n t[i, k2] += a[i, j] * x[j, k2] } } }""",
    "an array of which a part is set back": """alloc w: f64[m] zero
        for i in 0:n { for k in 0:m any { w[k] += x[i, k] }
        for k2 in 1:m { let v = w[k2]\n w[k2] = 0.0
        for j in 0:i + 1 any { t[j, k2] += a[i, j] * v\n t[i, k2] += a[i, j] * x[j, k2] } } }""",
    "under a condition": "for i in 0:n { for k in 0:m { if d[k - k] > 0.0 { for j in 0:i + 1 any {"
    "t[i, k] += a[i, j] * x[j, k]\nt[j, k] += a[i, j] * x[i, k] } } } }",
    "a sum that is not complete": """for i in 0:n { for k in 0:m { alloc sum: f64[] zero
        for j in 0:i + 1 any { t[j, k] += a[i, j] * x[i, k] }
        for j2 in 0:i + 1 { sum[] += a[i, j2]\n let now = sum[]\n t[i, k] += now * x[j2, k] } } }""",
}


@pytest.mark.parametrize("name", MIRRORED)
def test_mirrored(name: str) -> None:
    module = module_of(MIRRORED[name])
    made = transformed(module, [mirror])
    assert squares(made) == 1, show(made)
    keeps(module, made)
    keeps(module, made, special=True)
    raised = transformed(module, LAST)
    assert any(isinstance(s, LibCall) for s in statements(raised.root.body)), show(raised)
    keeps(module, raised)
    native.agree_uncut(made, list(arguments(1, 30, 20).values()), 1e-11)


@pytest.mark.parametrize("name", APART)
def test_apart(name: str) -> None:
    module = module_of(APART[name])
    made = transformed(module, [mirror])
    assert normal(made) == normal(module), show(made)


@pytest.mark.parametrize("dtype", ["f32", "c128"])
@pytest.mark.parametrize("name", ["both halves of a product", "a half of a product and its transpose", "scaled"])
def test_dtypes(name: str, dtype: str) -> None:
    module = module_of(MIRRORED[name], dtype)
    made = transformed(module, [mirror])
    assert squares(made) == 1
    keeps(module, made, dtype)


def test_small_extents_stay_loops() -> None:
    module = module_of(MIRRORED["both halves of a product"].replace("0:m", "0:8"))
    assert normal(transformed(module, [mirror])) == normal(module)


def test_a_matrix_is_filled_once_for_two_products() -> None:
    halves = "{0}[i, k] += a[i, j] * {1}[j, k]\n{0}[j, k] += a[i, j] * {1}[i, k]\n"
    made = transformed(module_of(LOW.format(halves.format("t", "x") + halves.format("y", "x"))), [mirror])
    assert squares(made) == 1, show(made)


def _random(seed: int) -> str:
    """Two mirrored sums, perhaps with something else in the loop, or changed a little."""
    rng = random.Random(seed)
    low = rng.choice(["0:i + 1", "0:i + 1", "0:i", "i:n", "i + 1:n"])
    left, right = rng.choice(["a[i, j]", "a[j, i]", "s * a[i, j]"]), rng.choice(["x", "y"])
    if rng.random() < 0.5:
        sums = [f"t[i, k] += {left} * {right}[j, k]", f"t[j, k] += {rng.choice([left, 'a[j, i]'])} * {right}[i, k]"]
    else:
        c = rng.choice(["c[i, j]", "c[j, i]"])
        sums = [f"{c} += x[i, k] * y[j, k]", f"{c} += y[i, k] * x[j, k]"]
    rng.shuffle(sums)
    both = "\n".join(sums)
    inner = f"for k in 0:m any {{ for j in {low} any {{ {both} }} }}"
    if rng.random() < 0.3:
        inner = f"for j in {low} any {{ for k in 0:m any {{ {both} }} }}"
    lines = [inner, f"for k3 in 0:m any {{ t[i, k3] += d[i] * {right}[i, k3] }}"]
    lines += rng.sample(
        [
            "for l in 0:i + 1 any { a[i, l] = 0.5 * a[i, l] }",
            "for l in i:n any { a[i, l] = 0.25 }",
            "for l in 0:m any { x[i, l] = x[i, l] * d[i] }",
            "for l in 0:m any { y[i, l] += t[i, l] }",
            "for l in 0:i any { c[l, i] += d[l] }",
        ],
        rng.randint(0, 1),
    )
    rng.shuffle(lines)
    turns = rng.choice(["0:n", "n - 1:-1 step -1"])
    body = "\n".join(lines)
    return f"for i in {turns} {{ {body} }}"


SEEDS = 150


@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_loops(seed: int) -> None:
    module = module_of(_random(seed))
    made = transformed(module, [mirror])
    if made != module:
        keeps(module, made)
        keeps(module, made, special=True)


def test_many_random_loops_are_mirrored() -> None:
    found = [module_of(_random(seed)) for seed in range(SEEDS)]
    assert sum(mirror(m) != m for m in found) > SEEDS // 3


def spring(stiffness: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Forces of springs of which the lower triangle is given."""
    force = np.zeros(x.shape)
    row = np.empty(x.shape[1])
    for i in range(x.shape[0]):
        for k in range(x.shape[1]):
            force[:i, k] += stiffness[i, :i] * x[i, k]
            row[k] = stiffness[i, :i] @ x[:i, k]
        force[i] += row + stiffness[i, i] * x[i]
    return force


def covariances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    c = np.zeros((a.shape[0], a.shape[0]))
    for i in range(a.shape[0]):
        for k in range(a.shape[1]):
            c[i, : i + 1] += a[: i + 1, k] * b[i, k] + b[: i + 1, k] * a[i, k]
    return c


@pytest.mark.parametrize("f", [spring, covariances])
def test_derivatives(f: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    for n, m in ((1, 3), (70, 3), (20, 30)):
        args = (rng.standard_normal((n, n)), rng.standard_normal((n, m)))
        args = args if f is spring else (args[1], rng.standard_normal((n, m)))
        assert_derivatives(f, *args, seeds=(0,))
    weights = rng.standard_normal((20, 30) if f is spring else (20, 20))
    found = wg.grad(lambda *x: np.sum(weights * f(*x)), wrt=(0, 1))(*args)
    monkeypatch.setenv("WENGERT_WITHOUT", "mirror")
    wanted = wg.grad(lambda *x: np.sum(f(*x) * weights), wrt=(0, 1))(*args)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10, atol=1e-12)
