"""Programs that other tools are known to differentiate wrongly or to refuse. Each must give the right derivative."""

from __future__ import annotations

import enum
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import wengert as wg
from acceptance.hessians import assert_second_order
from derivatives import assert_derivatives, gradient

RNG = np.random.default_rng(3)


def exactly(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-14)


# -- 1: overwritten values -------------------------------------------------------------------------------------


def squares_then_overwrite(x, y):
    for i in range(len(x)):
        y[i] = x[i] ** 2
        x[i] = 0.0
    return np.sum(y)


def product(x):
    p = 1.0
    for i in range(len(x)):
        p *= x[i]
    return p


def needed_again(x):
    y = np.sin(x)
    z = y * y
    y *= 3.0
    y *= z
    return np.sum(y * z)


def test_overwritten_array() -> None:
    exactly(wg.grad(squares_then_overwrite)(np.array([1.0, 2.0, 3.0]), np.zeros(3)), [2.0, 4.0, 6.0])
    assert_derivatives(squares_then_overwrite, np.array([1.0, 2.0, 3.0]), np.ones(3))


def test_product_loop() -> None:
    exactly(wg.grad(product)(np.array([2.0, 2.0, 2.0])), [4.0, 4.0, 4.0])
    exactly(wg.grad(product)(np.array([3.0, 0.0, 2.0])), [0.0, 6.0, 0.0])


def test_in_place_multiplication_of_a_needed_value() -> None:
    assert_derivatives(needed_again, RNG.random(5))


# -- 2: read, mutate, read again -------------------------------------------------------------------------------


def carried(a, n):
    for i in range(n):
        for j in range(2):
            for k in range(1, len(a)):
                s = a[k] * a[k - 1]
                a[k] = np.sin(s) + 0.3 * a[k - 1] * j
                a[k - 1] = a[k] * s + i
    return a[0] * a[-1]


def test_read_mutate_read_three_levels_deep() -> None:
    assert_derivatives(carried, 1.2 + 0.4 * RNG.random(4), 2)


# -- 3: branches on data ---------------------------------------------------------------------------------------


def branches(a, b):
    for i in range(len(a)):
        if a[i] > 0.5:
            b[i] = a[i] ** 2
        else:
            b[i] = 3 * a[i]
    return np.sum(b * b)


def branches_overwritten(a, b):
    for i in range(len(a)):
        if a[i] > 0.5:
            b[i] = a[i] ** 2
            a[i] = 0.1
        else:
            b[i] = 3 * a[i]
            a[i] = 0.9 * b[i]
        if a[i] < 0.2:
            b[i] *= a[i] + 1
    return np.sum(b * a)


def branch_on_carried(x, n):
    s = 1.0
    total = 0.0
    for i in range(n):
        if s > 1.0:
            s = s * x[i % len(x)]
        else:
            s = s + x[i % len(x)] ** 2
        total = total * 0.5 + s
    return total * s


def test_branches() -> None:
    a = np.array([0.2, 0.7, 0.45, 0.9])
    b = np.where(a > 0.5, a**2, 3 * a)
    exactly(wg.grad(branches)(a, np.zeros(4)), 2 * b * np.where(a > 0.5, 2 * a, 3.0))
    assert_derivatives(branches, a, np.zeros(4))
    assert_derivatives(branches_overwritten, a, np.zeros(4))
    assert_derivatives(branch_on_carried, np.array([0.6, 0.8, 1.3]), 11)


# -- 4: gathers and scatters -----------------------------------------------------------------------------------


def gather(x, ind, y):
    for i in range(len(ind)):
        y[i] = x[ind[i]] ** 2


def scatter(x, ind, n):
    y = np.zeros(n)
    for i in range(len(ind)):
        y[ind[i]] += np.sin(x[i]) * y[ind[i] - 1] + x[i]
    return y


def scatter_at(x, ind):
    y = np.ones(4)
    np.add.at(y, ind, x * x)
    y[ind] += x
    return y * y


def csr(indptr, indices, data, x):
    y = np.zeros(len(indptr) - 1)
    for i in range(len(y)):
        lo, hi = indptr[i], indptr[i + 1]
        y[i] = data[lo:hi] @ x[indices[lo:hi]]
    return y


def test_indirect_access() -> None:
    ind = np.array([2, 0, 2, 3, 2])
    assert_derivatives(gather, RNG.random(4), ind, np.zeros(5))
    assert_derivatives(scatter, RNG.random(5), ind, 4)
    assert_derivatives(scatter_at, RNG.random(5), ind)
    assert_derivatives(csr, np.array([0, 2, 2, 5]), np.array([0, 2, 1, 1, 3]), RNG.random(5), RNG.random(4))


# -- 5: the same operand twice ---------------------------------------------------------------------------------


def product_sum(x, y):
    return np.sum(x * y) + x @ y


def test_same_operand_twice() -> None:
    a = RNG.random(4)
    exactly(wg.grad(lambda a: np.sum(a * a))(a), 2 * a)
    exactly(wg.grad(lambda a: a @ a)(a), 2 * a)
    by_x, by_y = wg.grad(product_sum, wrt=(0, 1))(a, a)
    exactly(by_x, 2 * a)
    exactly(by_y, 2 * a)
    exactly(wg.grad(lambda a: product_sum(a, a))(a), 4 * a)
    assert_derivatives(lambda m: m @ m @ m, RNG.random((3, 3)))


# -- 6: while with a data-dependent end ------------------------------------------------------------------------


def newton_sqrt(a):
    x = a
    while True:
        new = 0.5 * (x + a / x)
        if abs(new - x) < 1e-14 * x:
            break
        x = new
    return x


def long_while(x, n):
    k = 0
    while k < n:
        x = x + 1e-7 * np.sin(x)
        k += 1
        if x > 1e6:
            break
    return x


def test_while_with_break() -> None:
    for a in (2.0, 1e-3, 1e4):
        exactly(wg.grad(newton_sqrt)(a), 0.5 / np.sqrt(a))
    assert_derivatives(newton_sqrt, 2.0)
    assert_derivatives(long_while, 0.7, 3)


def test_while_costs_the_same_multiple_at_any_length() -> None:
    """Right from 3 to a million iterations; a hundred times the steps do not take a thousand times as long."""

    def seconds(n: int) -> float:
        best = np.inf
        for _ in range(3):
            start = time.perf_counter()
            wg.grad(long_while)(0.7, n)
            best = min(best, time.perf_counter() - start)
        return best

    exactly(wg.grad(long_while)(0.7, 3), np.prod(_slopes(0.7, 3)))
    np.testing.assert_allclose(wg.grad(long_while)(0.7, 1_000_000), np.prod(_slopes(0.7, 1_000_000)), rtol=1e-9)
    assert seconds(1_000_000) < 1000 * seconds(10_000)


def _slopes(x: float, n: int) -> np.ndarray:
    slopes = np.empty(n)
    for k in range(n):
        slopes[k] = 1 + 1e-7 * np.cos(x)
        x = x + 1e-7 * np.sin(x)
    return slopes


# -- 7: writes through views -----------------------------------------------------------------------------------


def through_views(x):
    a = np.abs(x)
    m = a[0:1]
    n = a[1:2]
    m *= n
    return a


def a_view(x):
    return x[0:1]


def test_views() -> None:
    exactly(wg.grad(lambda x: np.sum(through_views(x)))(np.array([3.0, 4.0])), [4.0, 4.0])
    exactly(wg.grad(lambda x: np.sum(a_view(x)))(np.array([3.0, 4.0])), [1.0, 0.0])
    assert_derivatives(through_views, np.array([3.0, -4.0]))
    assert_derivatives(a_view, np.array([3.0, 4.0]))


# -- 8: the right side is read first ---------------------------------------------------------------------------


def recurrence(f, x):
    for i in range(1, len(f)):
        f[i] = f[i - 1] * x


def flip_update(y, alpha, k):
    y[:k] += alpha * np.flip(y[:k])


def shift_update(x):
    x[1:] += x[:-1]


def test_right_side_first() -> None:
    assert_derivatives(recurrence, np.array([1.3, 0.0, 0.0, 0.0]), 0.7)
    assert_derivatives(flip_update, RNG.random(6), 0.3, 5)
    assert_derivatives(shift_update, RNG.random(6))


# -- 11: the host language -------------------------------------------------------------------------------------


class Law(enum.Enum):
    LINEAR = 1
    POWER = 2


@dataclass
class Material:
    law: Law
    modulus: float
    exponent: float = 1.5


class Base:
    def __init__(self, scale):
        self.scale = scale

    def respond(self, x):
        return self.scale * x


class Derived(Base):
    def respond(self, x):
        return super().respond(x) ** 2 + self.offset()

    def offset(self):
        return 0.1 * self.scale


def host_language(params, material, x, *, shape="round", limit=None):
    limit = 10.0 if limit is None else limit
    if material.law is Law.POWER:
        stress = material.modulus * x**material.exponent
    else:
        stress = material.modulus * x
    for model in (Base(params["a"]), Derived(params["b"][1])):
        stress = stress + model.respond(x)
    for value in stress:
        if value > limit:
            return value
    else:
        total = np.sum(stress)
    try:
        ratio = total / params["a"]
    except ZeroDivisionError:
        ratio = 0.0
    if shape == "square":
        return ratio**2
    return ratio * params["b"][0]


def test_host_language() -> None:
    params = {"a": 0.8, "b": np.array([1.2, 0.4])}
    x = np.array([0.3, 0.9, 1.4])
    for law in Law:
        assert_derivatives(host_language, params, Material(law, 1.7), x)
    assert_derivatives(host_language, params, Material(Law.POWER, 1.7), x, kwargs={"shape": "square"})
    assert_derivatives(host_language, params, Material(Law.POWER, 1.7, 2.5), x, kwargs={"limit": 0.9})


def test_gradients_keep_the_structure() -> None:
    def f(params, material, x):
        return host_language(params, material, x)

    params = {"a": 0.8, "b": np.array([1.2, 0.4])}
    material, x = Material(Law.POWER, 1.7), np.array([0.3, 0.9, 1.4])
    by_params, by_material = wg.grad(f, wrt=("params", "material"))(params, material, x)
    expected = gradient(f, params, material, x)
    np.testing.assert_allclose(by_params["a"], expected[0], rtol=1e-9)
    np.testing.assert_allclose(by_params["b"], expected[1], rtol=1e-9)
    np.testing.assert_allclose(by_material.modulus, expected[2], rtol=1e-9)


# -- second derivatives of 1 to 8 --------------------------------------------------------------------------------


def of_mutation(f: Any, *rest: Any) -> Any:
    """A scalar of x: what `f` leaves in its first argument."""

    def scalar(x):
        y = x * 1.0
        f(y, *rest)
        return np.sum(np.sin(y))

    return scalar


INDICES = np.array([2, 0, 2, 3, 2])


def gathered(x):
    y = np.zeros(5)
    gather(x, INDICES, y)
    return np.sum(y * y)


def scattered(x):
    return np.sum(scatter(x, INDICES, 4) ** 2)


# -- a tape that grows past what the allocator hands out at once ----------------------------------------------------


def many_turns(x, end):
    s = 0.0
    while s < end:
        s = s + 1.0 + 1e-3 * x * np.sin(s)
    return s


def test_large_tapes_of_unknown_length() -> None:
    """Tens of megabytes on a stack, also in memory that was used before: every state is the one pushed."""
    expected = {}
    for end in (2.2e6, 3e6):
        s, slope = 0.0, 0.0
        while s < end:
            s, slope = s + 1.0 + 7e-4 * math.sin(s), slope + 1e-3 * math.sin(s) + 7e-4 * math.cos(s) * slope
        expected[end] = s, slope
    gradient_of = wg.value_and_grad(many_turns)
    for end in (2.2e6, 2.2e6, 3e6, 3e6, 2.2e6, 3e6):
        assert gradient_of(0.7, end) == pytest.approx(expected[end], rel=1e-9)


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: squares_then_overwrite(x * 1.0, np.zeros(3)) ** 2, [1.0, 2.0, 3.0]),
        (product, [2.0, 0.0, 3.0, 1.5]),
        (needed_again, [0.3, 0.9, 1.4]),
        (lambda x: carried(x * 1.0, 1), [1.5, 1.6, 1.3, 1.2]),
        (lambda x: branches_overwritten(x * 1.0, np.zeros(4)), [0.2, 0.7, 0.45, 0.9]),
        (lambda x: branch_on_carried(x, 11), [0.6, 0.8, 1.3]),
        (gathered, [0.3, 0.9, 1.4, 0.2]),
        (scattered, [0.3, 0.9, 1.4, 0.2, 0.7]),
        (lambda x: newton_sqrt(x[0] * x[1]) * x[0], [2.0, 3.0]),
        (lambda x: np.sum(through_views(x) ** 2), [3.0, -4.0]),
        (of_mutation(recurrence, 0.7), [1.3, 0.0, 0.0, 0.0]),
        (of_mutation(flip_update, 0.3, 5), [0.3, 0.9, 1.4, 0.2, 0.7, 0.5]),
        (of_mutation(shift_update), [0.3, 0.9, 1.4, 0.2]),
    ],
)
def test_second_order(f: Any, x: list[float]) -> None:
    assert_second_order(f, x)
