"""Masks that are asked twice, and assignments through them."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from derivatives import assert_derivatives
from wengert.ir.text import show
from wengert.programs import program_of


def inverse_powers(a):
    b = a * a
    b[b > 0] = b[b > 0] ** (-1.5)
    return b


def of_two(a, c):
    d = a.copy()
    d[a > c] = np.sqrt(d[a > c] - c[a > c]) * a[a > c]
    return d


def changed_between(a):
    first = a[a > 0]
    a[0] = -1.0
    second = a[a > 0]
    return first.sum(), second.sum() * 2.0


def by_itself(a):
    a[a > 0] = a[a > 0] * 2.0
    a[a > 0] = a[a > 0] - 1.0
    a[a > 0] = 1.0 / a[a > 0]
    return a


def rows(a, w):
    a[w > 0] = a[w > 0] * 3.0 + w[w > 0][:, None]
    return a


def in_loop(a, steps):
    for step in range(steps):
        a[a > step] = a[a > step] * 0.5 + 0.25 * step
    return a


def on_a_branch(a, b):
    if b[0] > 0:
        a[a > b] = np.exp(-a[a > b])
    else:
        a[a > b] = a[a > b] * b[a > b]
    a[a > b] = a[a > b] * a[a > b]
    return a


def part(a):
    inner = a[1:-1]
    inner[inner > 0] = inner[inner > 0] ** 2.5
    return a


def divided(a, n):
    """What the mask excludes would divide by zero."""
    b = a.copy()
    b[n > 0] = a[n > 0] / n[n > 0]
    n[n > 0] = 7 // n[n > 0]
    return b * n


RNG = np.random.default_rng(4)
A, B = RNG.standard_normal(12), RNG.standard_normal(12) * 0.5
HOLES = np.where(np.arange(12) % 3 == 0, 0.0, A)
CASES = [
    (inverse_powers, (HOLES.reshape(3, 4),)),
    (of_two, (A, B)),
    (changed_between, (np.abs(A),)),
    (by_itself, (A,)),
    (rows, (A.reshape(4, 3), B[:4])),
    (in_loop, (np.abs(A) * 3, 3)),
    (on_a_branch, (A, B)),
    (on_a_branch, (A, -np.abs(B))),
    (part, (A,)),
    (divided, (HOLES, np.arange(12) % 4)),
    (inverse_powers, (np.zeros((0, 3)),)),
]


@pytest.mark.parametrize(("f", "args"), CASES, ids=lambda x: getattr(x, "__name__", ""))
def test_programs(f, args) -> None:
    if args[0].size:
        assert_derivatives(f, *args, seeds=(0,))


@pytest.mark.parametrize(("f", "args"), CASES[:5], ids=lambda x: getattr(x, "__name__", ""))
def test_second_order(f, args) -> None:
    def loss(a, *rest):
        found = f(a * 1.0, *rest)
        return np.sum(found * found) if isinstance(found, np.ndarray) else found[0] * found[1]

    rng = np.random.default_rng(0)
    x, v = args[0], rng.standard_normal(args[0].shape) * (args[0] != 0)
    rest = args[1:]
    found = wg.hvp(loss)(x, v) if not rest else wg.hvp(lambda a: loss(a, *rest))(x, v)
    step = 1e-6
    gradient = wg.grad(loss)
    difference = (gradient(x + step * v, *rest) - gradient(x - step * v, *rest)) / (2 * step)
    np.testing.assert_allclose(found, difference, rtol=2e-5, atol=1e-6 * np.max(np.abs(difference)))


def test_one_mask_no_positions() -> None:
    """The same mask on both sides is one array, and the assignment a loop without index arrays."""
    staged = program_of(inverse_powers).stage((HOLES.reshape(3, 4),), {})
    text = show(staged.module)
    assert text.count("select(") == 1, text
    assert text.count("alloc index: bool") == 1, text


def column(a, b):
    return (a @ b) * 2.0


@pytest.mark.parametrize(
    "shapes", [((4, 3), (3, 1)), ((1, 4), (4, 3)), ((4, 1), (1, 3)), ((1, 5), (5, 1)), ((1, 1), (1, 1))]
)
@pytest.mark.parametrize("kind", ["f", "i", "b", "c", "transposed", "single"])
def test_thin_products(shapes, kind) -> None:
    rng = np.random.default_rng(2)
    a, b = (rng.standard_normal(s) for s in shapes)
    if kind in "ib":
        a, b = ((x * 5).astype({"i": np.int64, "b": np.bool_}[kind]) for x in (a, b))
    if kind == "c":
        a = a + 1j * rng.standard_normal(a.shape)
    if kind == "transposed":
        a, b = (np.asfortranarray(x).T.copy().T for x in (a, b))
    if kind == "single":
        a, b = a.astype(np.float32), b.astype(np.float32)
    if kind in "ib":
        found = wg.compile(column)(a, b)
        np.testing.assert_array_equal(found, column(a, b))
        assert found.dtype == column(a, b).dtype
    else:
        assert_derivatives(column, a, b, seeds=(0,))


def changed_product(a, b):
    c = a @ b
    c[0] = 5.0
    d = c.T
    return c * 2.0, d @ c


def test_the_product_is_an_array_of_its_own() -> None:
    rng = np.random.default_rng(2)
    assert_derivatives(changed_product, rng.standard_normal((4, 3)), rng.standard_normal((3, 1)), seeds=(0,))
    assert_derivatives(changed_product, rng.standard_normal((4, 1)), rng.standard_normal((1, 3)), seeds=(0,))
