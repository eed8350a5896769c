"""Programs of our own, after reports about other tools that were wrong, silently zero, NaN or refused: memory, loops
and the language.

docs/right_or_loud.md has the reports. Every program: value, JVP and VJP against differences or the complex step, the
derivative in closed form where there is one, and second derivatives in every way that they can be computed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import wengert as wg
from acceptance.hessians import assert_second_order
from derivatives import assert_derivatives

RNG = np.random.default_rng(11)


def closely(found: Any, expected: Any, rtol: float = 1e-13) -> None:
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=1e-15)


# -- memory that is written again ----------------------------------------------------------------------------------


def component_sums(x):
    """A small local vector whose components are read and written again, spelt both ways."""
    v = np.zeros(2)
    for i in range(len(x)):
        v[0] = v[0] + x[i]
        v[1] = v[1] * 0.5 + v[0] * x[i]
    return v[0] * v[1]


def component_sums_augmented(x):
    v = np.zeros(2)
    for i in range(len(x)):
        v[0] += x[i]
        v[1] *= 0.5
        v[1] += v[0] * x[i]
    return v[0] * v[1]


def test_components_read_and_written() -> None:
    x = RNG.random(4)
    for f in (component_sums, component_sums_augmented):
        assert_derivatives(f, x)
        assert_second_order(f, x)
    closely(wg.grad(component_sums)(x), wg.grad(component_sums_augmented)(x))


def in_place_after_copy(source):
    """A copy is changed in place by an operation that reads and writes it; the source is read again afterwards."""
    work = source.copy()
    for i in range(len(work)):
        work[i] = work[i] * work[i] + 1.0
    return np.sum(work) + np.sum(source**3)


def test_copy_changed_in_place() -> None:
    x = np.array([1.0, 2.0, 3.0])
    closely(wg.grad(in_place_after_copy)(x), 2 * x + 3 * x**2)
    closely(wg.hessian(in_place_after_copy)(x), np.diag(2 + 6 * x))


def squared_then_cleared(x):
    """The derivative needs the values that an array had, not those that it has at the end."""
    y = x * x
    x[:] = 7.0
    z = np.sum(np.sin(y) * x)
    y.fill(0.0)
    return z


def test_values_at_the_time() -> None:
    x = np.array([0.5, 1.5])
    closely(wg.grad(squared_then_cleared)(x), 7 * np.cos(x * x) * 2 * x)
    closely(x, [0.5, 1.5])
    assert_derivatives(squared_then_cleared, x)


def sigmoid_with_a_constant(x):
    y = 1.0 / (1.0 + np.exp(-x))
    y[1] = 2.0
    y[0] = np.sin(y[2])
    return np.sum(y * y)


def test_elements_replaced_after_use() -> None:
    x = np.array([1.0, 2.0, 3.0])
    s = 1 / (1 + np.exp(-x[2]))
    expected = (np.sin(2 * s) + 2 * s) * s * (1 - s)
    closely(wg.grad(sigmoid_with_a_constant)(x), [0.0, 0.0, expected])
    assert_second_order(sigmoid_with_a_constant, x)


def doubled_through_views(a):
    """In-place changes through a chain of views, one of them of a row that is also read directly."""
    work = a * 1.0
    rows = [work[0], work[1]]
    inner = rows[0].reshape(-1)[::-1]
    inner *= 2.0
    inner[0] += work[1, 0]
    work.T[0] *= rows[1][1]
    return np.sum(work * work)


def test_views_of_views() -> None:
    a = RNG.random((2, 3))
    assert_derivatives(doubled_through_views, a)
    assert_second_order(doubled_through_views, a)


def last_write_wins(x, index):
    y = np.zeros(4)
    y[index] = x
    return y


def last_write_wins_by_loop(x, index):
    y = np.zeros(4)
    for i in range(len(index)):
        y[index[i]] = x[i]
    return y


def test_assignment_to_repeated_positions() -> None:
    x, index = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 2, 1, 1])
    for f in (last_write_wins, last_write_wins_by_loop):
        _, pullback = wg.vjp(lambda x, f=f: f(x, index), x)
        closely(pullback(np.array([10.0, 20.0, 30.0, 40.0]))[0], [0.0, 30.0, 0.0, 20.0])
        assert_derivatives(f, x, index)


def scaled_repeatedly(x, index, y):
    for i in range(len(index)):
        y[index[i]] *= x[i]
    return y * y


def test_products_into_repeated_positions() -> None:
    x, index, y = np.array([2.0, 3.0, 5.0]), np.array([1, 0, 1]), np.array([0.5, 1.5, 2.5])
    by_x, by_y = wg.grad(lambda x, y: np.sum(scaled_repeatedly(x, index, y)), wrt=(0, 1))(x, y)
    closely(by_x, [2 * 1.5**2 * 2 * 25, 2 * 0.5**2 * 3, 2 * 1.5**2 * 4 * 5])
    closely(by_y, [2 * 0.5 * 9, 2 * 1.5 * 100, 2 * 2.5])


# -- loops -----------------------------------------------------------------------------------------------------


def inner_loops_in_a_row(x, n):
    y = 0.0
    for j in range(2):
        for i in range(n):
            y += x * (i + 1)
        y *= x
        for i in range(n):
            y += x**j
    return y


def test_several_inner_loops() -> None:
    def closed(x):
        first = 6 * x * x + 3
        return (first + 6 * x) * x + 3 * x

    closely(inner_loops_in_a_row(1.3, 3), closed(1.3))
    closely(wg.grad(inner_loops_in_a_row)(1.3, 3), 18 * 1.3**2 + 12 * 1.3 + 6)
    closely(wg.grad(wg.grad(inner_loops_in_a_row))(1.3, 3), 36 * 1.3 + 12)


def rows_accumulate(x, y):
    for i in range(len(x)):
        local = 0.0
        for j in range(len(y)):
            local += y[j] * x[i]
            x[i] += y[j]
        x[i] *= local


def test_accumulation_in_inner_loops() -> None:
    assert_derivatives(rows_accumulate, RNG.random(3), RNG.random(2))
    y = RNG.random(2)
    assert_second_order(lambda x: np.sum(_after(rows_accumulate, x, y)), RNG.random(3))


def _after(f, x, *rest):
    work = x * 1.0
    f(work, *rest)
    return work


def rotated(theta, x, again):
    factor = 1.0
    if again:
        factor = x
    x = math.cos(theta) * factor
    return x * x


def test_product_with_its_own_old_value() -> None:
    closely(wg.grad(rotated, wrt=(0, 1))(0.7, 1.4, True), (-math.sin(1.4) * 1.96, 2.8 * math.cos(0.7) ** 2))
    closely(wg.grad(rotated, wrt=(0, 1))(0.7, 1.4, False), (-math.sin(1.4), 0.0))


def integral(lower, upper, n):
    """Midpoint rule whose loop runs over the variable itself, from one parameter to another."""
    step = (upper - lower) / n
    total = 0.0
    x = lower + 0.5 * step
    while x < upper:
        total += x * x * step
        x += step
    return total


def test_parameters_in_loop_bounds() -> None:
    """The midpoint rule of x^2 with n points is (b^3 - a^3)/3 - (b - a)^3/(12 n^2), exactly."""
    a, b, n = 0.3, 1.7, 8
    wide = (b - a) ** 2 / (4 * n * n)
    closely(wg.grad(integral, wrt=(0, 1))(a, b, n), (-a * a + wide, b * b - wide), 1e-12)
    assert_derivatives(integral, a, b, n)


def leave_early(x, limit):
    total = 0.0
    for i in range(len(x)):
        if x[i] < 0:
            continue
        total += (i + 1) * x[i] ** 2
        if total > limit:
            break
    else:
        total *= 10.0
    return total


def test_break_and_continue() -> None:
    x = np.array([1.0, -2.0, 2.0, 3.0])
    closely(wg.grad(leave_early)(x, 5.0), [2.0, 0.0, 12.0, 0.0])
    closely(wg.grad(leave_early)(x, 500.0), 10 * np.array([2.0, 0.0, 12.0, 24.0]))
    closely(wg.hessian(leave_early)(x, 5.0), np.diag([2.0, 0.0, 6.0, 0.0]))


def assigned_in_the_condition(i, j):
    count = 0
    while (product := i * j) > 0:
        count += 1
        if count == 2:
            break
        i = i * product
    return product * count


def test_assignment_in_a_condition() -> None:
    """i j, then i^2 j^2: 2 i^2 j^2 at the end."""
    closely(wg.grad(assigned_in_the_condition, wrt=(0, 1))(3.0, 5.0), (4 * 3 * 25.0, 4 * 9 * 5.0))


def divisors(a):
    total = 0.0
    for i in range(3):
        total += 1.0 / (i + 1.0 + a * a)
    return total


def test_divisor_written_in_line() -> None:
    a = 0.8
    closely(wg.grad(divisors)(a), sum(-2 * a / (i + 1 + a * a) ** 2 for i in range(3)))
    closely(wg.grad(wg.grad(divisors))(a), sum((6 * a * a - 2 * (i + 1)) / (i + 1 + a * a) ** 3 for i in range(3)))


def orthogonalised(a):
    """Gram-Schmidt as long as something is left: the number of rounds depends on the data."""
    basis = a * 1.0
    k = 0
    while k < len(basis) and np.sqrt(basis[k] @ basis[k]) > 1e-3:
        basis[k] /= np.sqrt(basis[k] @ basis[k])
        for i in range(k + 1, len(basis)):
            basis[i] -= (basis[i] @ basis[k]) * basis[k]
        k += 1
    return basis


def test_while_loop_in_reverse() -> None:
    a, w = RNG.standard_normal((3, 4)), RNG.random((3, 4))
    assert_derivatives(orthogonalised, a)
    assert_second_order(lambda a: np.sum(w * orthogonalised(a) ** 2), a)
    dependent = np.array([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [1.0, 1.0, 0.0]])
    assert np.all(np.isfinite(wg.grad(lambda a: np.sum(a * orthogonalised(a)))(dependent)))


# -- the language around the numbers ----------------------------------------------------------------------------


def from_a_dictionary(a, n):
    store = {"a": a[0]}
    total = 0.0
    copies = np.empty(n)
    for i in range(n):
        value = store["a"]
        total += value**2
        copies[i] = value
    for i in range(n):
        total += copies[i]
    return total


def through_a_closure(parameters):
    def evaluate():
        return parameters["y"] * math.sin(parameters["z"][0])

    return evaluate() + evaluate() ** 2


def test_dictionaries_and_closures() -> None:
    closely(wg.grad(from_a_dictionary)(np.array([2.0]), 3), [15.0])
    gradient = wg.grad(through_a_closure)({"y": 0.4, "z": np.array([1.1])})
    value = 0.4 * math.sin(1.1)
    closely(gradient["y"], math.sin(1.1) * (1 + 2 * value))
    closely(gradient["z"], [0.4 * math.cos(1.1) * (1 + 2 * value)])


def chained(x, params):
    for i in range(len(params)):
        x = np.cos(x + params[i])
    return np.sum(x)


def test_a_name_rebound_in_a_loop() -> None:
    x, params = np.array([1.0]), np.array([1.0, 0.5])
    inner = math.cos(2.0)
    last = -math.sin(inner + 0.5)
    closely(wg.grad(chained, wrt=1)(x, params), [-math.sin(2.0) * last, last])
    assert_second_order(lambda p: chained(x, p), params)


def one_side_constant(x):
    if x >= 0:
        return x
    return 0


def test_a_constant_on_one_side() -> None:
    assert wg.grad(one_side_constant)(2.0) == 1.0
    assert wg.grad(one_side_constant)(-2.0) == 0.0


def filled_by_rows(param):
    result = np.zeros(len(param))
    for m in range(len(param)):
        result[m] = np.sum(param[m] * param[0])
    block = np.zeros((4, 4))
    block[:2, :3] = param[1:]
    block[2] = block[0] * block[1]
    return np.sum(result * result) + np.sum(block**3)


def test_arrays_filled_piece_by_piece() -> None:
    param = RNG.random((3, 3))
    assert_derivatives(filled_by_rows, param)
    assert_second_order(filled_by_rows, param)


def log_sum_in_place(w):
    top = np.max(w)
    w -= top
    np.exp(w, out=w)
    return np.log(np.sum(w)) + top


def test_log_sum_of_exponentials_in_place() -> None:
    w = RNG.standard_normal(5)
    p = np.exp(w) / np.exp(w).sum()
    closely(wg.grad(log_sum_in_place)(w), p)
    closely(wg.hessian(log_sum_in_place)(w), np.diag(p) - np.outer(p, p))
    closely(wg.grad(log_sum_in_place)(np.array([2.0, 2.0])), [0.5, 0.5])
