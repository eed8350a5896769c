"""Which sums are taken inside a factor, what is computed in which loops then, and that everything stays the same."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import wengert as wg
from backend import native
from derivatives import assert_derivatives
from optimise.checks import Outcome, normal, outcome, transformed
from wengert.ir.nodes import Alloc, Buffer, Loop, Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import blocks, statements
from wengert.optimise.factor_sums import factor_sums

HEAD = """entry f
func f(a: {t}[4, 4, 3], b: {t}[4, 4, 3], c: {t}[4, 4, 4], w: {t}[4], on: i64[4], out: {t}[4, 3] inout,
       all: {t}[4, 4, 4, 3] inout, n: i64) -> () {{
{body}
}}"""
DTYPES = {"f64": np.float64, "f32": np.float32, "c128": np.complex128}


def module_of(body: str, dtype: str = "f64") -> Module:
    module = parse(HEAD.format(body=body, t=dtype))
    verify(module)
    return module


def arguments(seed: int, n: int, dtype: str = "f64") -> dict[str, Any]:
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        x = rng.standard_normal(shape)
        return (x + 1j * rng.standard_normal(shape) if dtype == "c128" else x).astype(DTYPES[dtype])

    made: dict[str, Any] = {"a": some(4, 4, 3), "b": some(4, 4, 3), "c": some(4, 4, 4), "w": some(4)}
    return made | {"on": rng.integers(0, 2, 4), "out": some(4, 3), "all": some(4, 4, 4, 3), "n": n}


def work(module: Module) -> int:
    """How often sums and stores run, loops of unknown length taken to be as long as the longest known here."""

    def of(block: tuple[Any, ...], times: int) -> int:
        total = 0
        for s in block:
            inside = times
            if isinstance(s, Loop):
                inside *= len(range(4)) if s.var[0] in "uvpq" else 3
            total += times * (type(s).__name__ in ("Store", "Accumulate")) + sum(of(x, inside) for x in blocks(s))
        return total

    return of(module.root.body, 1)


def same(found: Outcome, wanted: Outcome, eps: float) -> None:
    assert not isinstance(found[0], type) and not isinstance(wanted[0], type), (found, wanted)
    for k, v in wanted[1].items():  # type: ignore[union-attr]
        x, y = np.asarray(found[1][k]), np.asarray(v)  # type: ignore[index]
        finite = np.isfinite(y)
        np.testing.assert_array_equal(np.isfinite(x), finite)
        scale = float(np.max(np.abs(y[finite]), initial=1.0))
        np.testing.assert_allclose(x[finite], y[finite], rtol=1e4 * eps, atol=1e4 * eps * scale)


def keeps(module: Module, made: Module, dtype: str = "f64") -> None:
    eps = float(np.finfo(DTYPES[dtype]).eps)
    for n in (0, 1, 4):
        args = arguments(n, n, dtype)
        for order in ("forward", "reverse", "random"):
            same(outcome(made, args, order), outcome(module, args), eps)


NEST = "for u in 0:4 {{ for v in 3:-1 step -1 {{ for p in 0:n {{ {body} }} }} }}"
X = "alloc x: f64[3] zero\nfor i in 0:3 any {{ for j in 0:3 any {{ x[i] += {value} }} }}\n"
FACTORED = {
    "a value that does not change is computed outside": X.format(value="a[u, v, i] * b[u, v, j]")
    + "for k in 0:3 any { all[u, v, p, k] += x[k] * w[p] }",
    "a sum is taken in a factor": X.format(value="a[v, p, i] * b[v, p, j]")
    + "for k in 0:3 any { out[u, k] += x[k] * w[u] }",
    "a store becomes a sum": "alloc x: f64[3]\nfor i in 0:3 any { x[i] = a[v, p, i] * w[v] }\n"
    "for k in 0:3 any { for l in 0:3 any { out[u, k] += x[l] * b[u, u, k] } }",
    "through two factors": X.format(value="a[p, v, i] * b[v, p, j]")
    + "alloc y: f64[3] zero\nfor k in 0:3 any { for l in 0:3 any { y[k] += x[l] * -a[u, v, k] } }\n"
    "for m in 0:3 any { out[u, m] += y[m] * w[v] }",
    "one number, set to zero": "alloc x: f64[]\nx[] = 0.0\nfor j in 0:3 any { x[] += a[p, v, j] * b[p, v, j] }\n"
    "let z = x[]\nlet y = z * w[u]\nfor k in 0:3 any { out[u, k] += y }",
    "what is a copy is seen through": "alloc x: f64[3]\nfor i in 0:3 any { x[i] = a[u, v, i] }\n"
    "alloc y: f64[3] zero\nfor i2 in 0:3 any { for j in 0:3 any { y[i2] += b[v, p, j] * b[v, p, i2] } }\n"
    "for k in 0:3 any { out[u, k] += x[2 - k] * y[k] }",
    "under a condition": "if on[u] > 0 { " + X.format(value="a[v, v, i] * b[v, 2, j]")
    + "for k in 0:3 any { out[u, k] += x[k] * w[u] } }",
    "a condition of what is computed outside": "if u >= v { " + X.format(value="a[u, v, i] * b[u, v, j]")
    + "for k in 0:3 any { all[u, v, p, k] += x[k] * w[p] } }",
}  # fmt: skip
KEPT = {
    "everything changes": X.format(value="a[u, v, i] * b[v, p, j]") + "for k in 0:3 any { all[u, v, p, k] += x[k] }",
    "its square is summed": X.format(value="a[u, v, i] * b[p, v, j]") + "for k in 0:3 any { out[u, k] += x[k] * x[k] }",
    "its sine is summed": X.format(value="a[u, v, i] * b[p, v, j]") + "for k in 0:3 any { out[u, k] += sin(x[k]) }",
    "the other factor changes with it": X.format(value="a[u, v, i] * b[p, v, j]")
    + "for k in 0:3 any { out[u, k] += x[k] * c[p, v, u] }",
    "the sum is read": X.format(value="a[v, p, i] * b[v, p, j]")
    + "for k in 0:3 any { let o = out[u, k]\n out[u, k] += x[k] * o }",
    "another is stored": X.format(value="a[v, p, i] * b[v, p, j]") + "for k in 0:3 any { out[u, k] = x[k] * w[u] }",
    "it is read before it is complete": "alloc x: f64[3] zero\nlet early = x[0]\n"
    "for i in 0:3 any { x[i] += a[v, p, i] * early }\nfor k in 0:3 any { out[u, k] += x[k] * w[u] }",
    "two sums into it": X.format(value="a[v, p, i] * b[v, p, j]")
    + "for i2 in 0:3 any { x[i2] += a[v, p, i2] }\nfor k in 0:3 any { out[u, k] += x[k] * w[u] }",
    "the condition changes with it": "if on[v] >= on[p] { " + X.format(value="a[v, p, i] * b[u, p, j]")
    + "for k in 0:3 any { out[u, k] += x[k] * w[u] } }",
}  # fmt: skip


@pytest.mark.parametrize("name", FACTORED)
def test_factored(name: str) -> None:
    module = module_of(NEST.format(body=FACTORED[name]))
    made = transformed(module, [factor_sums])
    assert work(made) < 0.75 * work(module), show(made)
    keeps(module, made)
    for n in (0, 4):
        native.agree_uncut(made, list(arguments(2, n).values()), 1e-11)


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    module = module_of(NEST.format(body=KEPT[name]))
    made = transformed(module, [factor_sums])
    assert normal(made) == normal(module), show(made)


def test_what_is_not_read_without_the_condition_is_not_read_with_it() -> None:
    """The last element that the index leads to is not there: x is computed in the turns of the condition alone."""
    value = "a[select(u >= p, u, 9), v, i] * b[u, v, j]"
    body = f"if u >= p {{ {X.format(value=value)} for k in 0:3 any {{ all[u, v, p, k] += x[k] * w[p] }} }}"
    module = module_of(NEST.format(body=body))
    keeps(module, transformed(module, [factor_sums]))


def test_what_is_not_finite_stays_where_it_is() -> None:
    """No element is touched by what the condition leaves out, nor by sums without terms; inf - inf may be inf 0."""
    value = X.format(value="a[v, v, i] * b[v, 2, j]")
    body = f"if on[u] > 0 {{ {value} for k in 0:3 any {{ out[u, k] += x[k] * w[u] }} }}"
    module = module_of(NEST.format(body=body))
    made = transformed(module, [factor_sums])
    for n in (0, 4):
        args = arguments(5, n) | {"w": np.array([np.inf, np.nan, 1.0, np.inf]), "on": np.array([0, 0, 1, 1])}
        same(outcome(made, args), outcome(module, args), 2.2e-16)


def test_arrays_stay_small() -> None:
    """An array with an axis more for an extent that is not known, or many elements in all, is not made."""
    body = X.format(value="a[u, 0, i] * b[p, 0, j]") + "for k in 0:3 any { all[u, v, p, k] += x[k] * c[u, v, p] }"
    text = NEST.format(body=body)
    made = transformed(module_of(text), [factor_sums])
    for s in statements(made.root.body):
        assert not isinstance(s, Alloc) or s.buffer.rank == 1, show(made)
    assert isinstance(next(iter(made.root.params)), Buffer)


class _Turn:
    """A random turn of a nest over u, v, p (of unknown length) and q."""

    def __init__(self, seed: int, dtype: str) -> None:
        self.rng, self.dtype = random.Random(seed), dtype
        self.count = 0
        self.arrays: dict[str, int] = {}

    def var(self) -> str:
        return self.rng.choice("uvpq")

    def factor(self, inner: list[str]) -> str:
        if self.arrays and self.rng.random() < 0.5:
            name, rank = self.rng.choice(list(self.arrays.items()))
            found = f"{name}[{', '.join(self.rng.choice(inner) for _ in range(rank))}]"
        else:
            i = self.rng.choice([*inner, "1"])
            x, y, z = self.var(), self.var(), self.var()
            outside = [f"a[{x}, {y}, {i}]", f"b[{x}, 2, {i}]", f"c[{x}, {y}, {z}]", f"w[{x}]", "b[1, 1, 0]"]
            found = self.rng.choice(outside)
        if self.dtype == "c128" and self.rng.random() < 0.4:
            found = f"conj({found})"
        return f"-{found}" if self.rng.random() < 0.2 else found

    def statement(self, is_last: bool) -> str:
        self.count += 1
        inner = [f"{v}{self.count}" for v in "ij"[: self.rng.randint(1, 2)]]
        value = " * ".join(self.factor(inner) for _ in range(self.rng.randint(1, 3)))
        if is_last or self.rng.random() < 0.3:
            x, y, z = self.var(), self.var(), self.var()
            target = self.rng.choice([f"out[{x}, {inner[0]}]", f"all[{y}, {z}, 1, {inner[-1]}]"])
            head, line = "", f"{target} += {value}"
        else:
            rank, name = self.rng.randint(0, len(inner)), f"x{self.count}"
            index = self.rng.sample(inner, rank)
            is_sum = rank < len(inner) or self.rng.random() < 0.5
            head = f"alloc {name}: {self.dtype}[{', '.join(['3'] * rank)}]{' zero' if is_sum else ''}\n"
            line = f"{name}[{', '.join(index)}] {'+=' if is_sum else '='} {value}"
            self.arrays[name] = rank
        for v in reversed(inner):
            line = f"for {v} in 0:3 any {{ {line} }}"
        return head + line

    def text(self) -> str:
        count = self.rng.randint(2, 5)
        body = "\n".join(self.statement(k == count - 1) for k in range(count))
        condition = self.rng.choice(["", "", "u >= v", "on[q] > 0", "p != u"])
        if condition:
            body = f"if {condition} {{ {body} }}"
        for v in self.rng.sample("uvpq", 4):
            bounds = {"u": "0:4", "v": "3:-1 step -1", "p": "0:n", "q": "1:4"}[v]
            body = f"for {v} in {bounds} {{ {body} }}"
        return body


SEEDS = 120


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_random_turns(seed: int, dtype: str) -> None:
    module = module_of(_Turn(seed, dtype).text(), dtype)
    made = transformed(module, [factor_sums])
    if made != module:
        keeps(module, made, dtype)


def test_many_random_turns_are_factored() -> None:
    found = [module_of(_Turn(seed, "f64").text()) for seed in range(SEEDS)]
    assert sum(factor_sums(m) != m for m in found) > SEEDS // 3


def moments(points: np.ndarray, mass: np.ndarray, axes: np.ndarray, weights: np.ndarray) -> float:
    """A sum over pairs of bodies of quadratic forms that depend on one of the two, and on the axis, alone."""
    total = np.zeros((3, 3))
    for i in range(points.shape[0]):
        for j in range(5):
            for k in range(4):
                if j != k:
                    form = np.outer(axes[k], axes[k]) @ axes[:3]
                    total += (form * weights[j]) @ np.outer(points[i], points[i]) * mass[i]
    return float(np.sum(total * total))


def test_derivatives() -> None:
    rng = np.random.default_rng(4)
    args = rng.standard_normal((6, 3)), rng.standard_normal(6), rng.standard_normal((4, 3)), rng.standard_normal(5)
    assert_derivatives(moments, *args)


def test_gradients_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    args = rng.standard_normal((6, 3)), rng.standard_normal(6), rng.standard_normal((4, 3)), rng.standard_normal(5)
    found = wg.grad(moments, wrt=(0, 1, 2, 3))(*args)
    monkeypatch.setenv("WENGERT_WITHOUT", "factor_sums")
    wanted = wg.grad(lambda *x: moments(*x), wrt=(0, 1, 2, 3))(*args)
    for x, y in zip(found, wanted, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-10)
