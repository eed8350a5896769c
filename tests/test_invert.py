"""`invert=True`: programs whose updates are undone in place of tapes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.errors import WengertError

RNG = np.random.default_rng(11)


def normal(*shape: int) -> Any:
    return 0.3 * RNG.standard_normal(shape)


def leapfrog(x, v, dt, n):
    """Particles on a line that attract one another: half a kick, a drift, half a kick."""
    for _ in range(n):
        for half in range(2):
            for i in range(x.shape[0]):
                d = x - x[i]
                v[i] += 0.5 * dt * np.sum(d / (d * d + 0.1) ** 1.5)
            if half == 0:
                x += dt * v
    return np.sum(v * v) + np.sum(x)


def chain(x, v, dt, n):
    """Symplectic Euler: masses in a row, with springs that stiffen."""
    for _ in range(n):
        v[1:-1] += dt * (x[2:] - 2 * x[1:-1] + x[:-2] - x[1:-1] ** 3)
        x[1:-1] += dt * v[1:-1]
    return np.sum(x * x) + np.sum(v)


def verlet(x, v, dt, n):
    """The forces are an array of the step's own."""
    for _ in range(n):
        a = -np.sin(x)
        v += 0.5 * dt * a
        x += dt * v
        b = -np.sin(x)
        v += 0.5 * dt * b
    return np.sum(x * v)


def pendulum(x, v, dt, n):
    """Numbers instead of arrays."""
    for _ in range(n):
        v = v - dt * np.sin(x)
        x = x + dt * v
    return x * x + v


def reversible(x, y, u, w):
    """A residual network of two streams, in batches."""
    for k in range(u.shape[0]):
        x += np.tanh(y @ u[k])
        y += np.tanh(x @ w[k])
    return np.sum(x * y)


def gram_schmidt(a):
    q, r = np.zeros_like(a), np.zeros((a.shape[1], a.shape[1]))
    for k in range(a.shape[1]):
        r[k, k] = np.sqrt(np.dot(a[:, k], a[:, k]))
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, a.shape[1]):
            r[k, j] = np.dot(q[:, k], a[:, j])
            a[:, j] -= q[:, k] * r[k, j]
    return np.sum(q * np.cos(q)) + np.sum(r * r)


def damped(x, v, dt, n):
    """The state is scaled in every step, which is not undone; the sum over the steps is."""
    total = np.zeros(x.shape)
    for _ in range(n):
        v *= 0.9
        v -= dt * np.sin(x + total)
        x += dt * v
        total += x * v
    return np.sum(total * x)


def kicked(x, v, dt, n):
    """Kicks under a condition, walls that reset an end, a loop in a loop."""
    for _ in range(n):
        for _ in range(2):
            v -= dt * np.sin(x)
            x += dt * v
        if x[1] > 0.0:
            v[1:] += 0.1 * np.cos(x[1:])
        x[0] = 0.0
    return np.sum(x * v)


def until(x, v, dt, n):
    """The number of steps is found on the way."""
    t = 0.0
    while t < n * dt and np.sum(v * v) < 1e6:
        v -= dt * np.sin(x)
        x += dt * v
        t += dt
    return np.sum(x * v)


STEPS: list[Callable[..., Any]] = [leapfrog, chain, verlet, kicked, damped, until]


def both(f: Callable[..., Any], args: tuple[Any, ...], tolerance: float = 1e-9) -> None:
    """The same value, bit for bit, and the same gradient, with and without; the arguments are left alone."""
    wrt = tuple(k for k, a in enumerate(args) if not isinstance(a, int))
    before = [np.copy(a) for a in args]
    value, expected = wg.value_and_grad(f, wrt)(*args)
    again, found = wg.value_and_grad(f, wrt, invert=True)(*args)
    assert value == again
    for g, e in zip(found, expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=0, atol=tolerance * np.max(np.abs(e)))
    for a, b in zip(args, before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("f", STEPS)
@pytest.mark.parametrize("n", [0, 1, 40])
def test_steps(f: Callable[..., Any], n: int) -> None:
    both(f, (normal(7), normal(7), 0.05, n))


def test_others() -> None:
    both(pendulum, (0.4, 0.2, 0.05, 50))
    both(reversible, (normal(3, 5), normal(3, 5), normal(6, 5, 5), normal(6, 5, 5)))
    both(gram_schmidt, (RNG.standard_normal((9, 6)),))


@pytest.mark.parametrize("f", [leapfrog, chain, verlet])
def test_tapes_do_not_grow_with_steps(f: Callable[..., Any]) -> None:
    """Two arrays, whatever the number of steps; the allocator counts it."""
    size, counted = 200, []
    for n in (20, 200):
        args = (normal(size), normal(size), 0.01, n)
        made = wg.explain(f, *args, invert=True)
        assert made.tape_bytes == 2 * 8 * size
        counted.append(made.peak_bytes)
        assert wg.explain(f, *args).tape_bytes >= n * 8 * size
    assert counted[0] == counted[1] < 20 * 8 * size


def test_numbers_need_no_tape() -> None:
    tapes = [wg.explain(pendulum, 0.4, 0.2, 0.05, n, invert=True).tape_bytes for n in (10, 1000)]
    assert tapes == [0, 0]
    assert wg.explain(pendulum, 0.4, 0.2, 0.05, 1000).tape_bytes >= 8000


def test_a_reversible_network_keeps_its_outputs() -> None:
    sizes = []
    for depth in (4, 16):
        args = normal(10, 8), normal(10, 8), normal(depth, 8, 8), normal(depth, 8, 8)
        sizes.append(wg.explain(reversible, *args, invert=True).tape_bytes)
        assert wg.explain(reversible, *args).tape_bytes >= depth * 2 * 8 * 80
    assert sizes == [2 * 8 * 80] * 2


def test_gram_schmidt_keeps_its_data() -> None:
    a = RNG.standard_normal((30, 20))
    made = wg.explain(gram_schmidt, a, invert=True)
    assert a.nbytes <= made.tape_bytes <= a.nbytes + 200
    memory = [v for v in made.values if v.how == "inverted" and v.kind == "array"]
    assert [(v.name, v.bytes) for v in memory] == [("a", a.nbytes)]
    assert "a[:, j] -= q[:, k] * r[k, j]" in memory[0].source
    text = str(made)
    assert "2 inverted" in text and "inverted    a" in text
    assert wg.explain(gram_schmidt, a).tape_bytes > 5 * a.nbytes


def test_memory_of_the_program_is_taken_back_in_place() -> None:
    """Nobody has the state but the program, so nothing is copied."""

    def f(x, n):
        y, v = x * 1.0, x * 0.5
        for _ in range(n):
            v -= 0.01 * np.sin(y)
            y += 0.01 * v
        return np.sum(y * v)

    x = normal(100)
    both(f, (x, 30))
    made = wg.explain(f, x, 30, invert=True)
    assert made.tape_bytes == 0
    assert [v.bytes for v in made.values if v.how == "inverted" and v.kind == "array"] == [0, 0]


def test_what_cannot_be_undone_is_as_without() -> None:
    def f(x, n):
        for _ in range(n):
            x += 0.1 * np.sin(x)
        return np.sum(x)

    x = normal(50)
    both(f, (x, 20))
    assert wg.explain(f, x, 20, invert=True).values == wg.explain(f, x, 20).values


def test_without_the_switch_floats_are_stored() -> None:
    made = wg.explain(chain, normal(9), normal(9), 0.1, 10)
    assert not [v for v in made.values if v.how == "inverted"]


def test_integers_need_no_switch() -> None:
    """Positions that move on: where each value went is counted back."""

    def f(x, k, n):
        place, y = np.zeros(4, np.int64), np.zeros(n + x.shape[0])
        for t in range(n):
            for i in range(x.shape[0]):
                j = k[i]
                y[place[j] + j] += np.sin(x[i] * (t + 1))
                place[j] += 1 - t % 2
        return np.sum(y * y)

    x, k = normal(12), RNG.integers(0, 4, 12)
    expected = wg.grad(f, invert=True)(x, k, 5)
    np.testing.assert_array_equal(wg.grad(f)(x, k, 5), expected)
    h = 1e-6
    for i in range(3):
        e = h * (np.arange(12) == i)
        assert abs((f(x + e, k, 5) - f(x - e, k, 5)) / (2 * h) - expected[i]) < 1e-7


def test_overlap_and_aliases() -> None:
    """Through views that overlap, and where two names are one array."""

    def f(x, n):
        y = x.copy()
        left, right = y[:-1], y[1:]
        for _ in range(n):
            left += 0.1 * np.sin(right)
            right += 0.1 * np.cos(left)
        return np.sum(y * y)

    def g(x, n):
        y = x.copy()
        z = y
        for _ in range(n):
            z[::2] += 0.1 * np.sin(y[1::2])
            y[1::2] += 0.1 * np.cos(z[::2])
        return np.sum(y * z)

    both(f, (normal(8), 6))
    both(g, (normal(8), 6))


def test_overwritten_afterwards() -> None:
    """The state is copied before it is lost."""

    def f(x, v, n):
        for _ in range(n):
            v -= 0.1 * np.sin(x)
            x += 0.1 * v
        s = np.sum(x * v)
        x[:] = 2.0 * v * v
        for _ in range(n):
            v -= 0.1 * np.cos(x)
            x += 0.1 * v
        return s + np.sum(x * v)

    both(f, (normal(6), normal(6), 7))


def test_results_hold_what_the_program_left() -> None:
    def f(x, v, n):
        y = x * 1.0
        for _ in range(n):
            v -= 0.1 * np.sin(y)
            y += 0.1 * v
        return y

    x, v = normal(5), normal(5)
    plain = f(x.copy(), v.copy(), 9)
    out, pullback = wg.vjp(f, x, v, 9, wrt=(0, 1), of=("return", "v"), invert=True)
    expected = wg.vjp(f, x, v, 9, wrt=(0, 1), of=("return", "v"))[1]
    seeds = normal(5), normal(5)
    for _ in range(2):
        for a, b in zip(pullback(seeds), expected(seeds), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-10)
    np.testing.assert_allclose(out[0], plain, rtol=1e-14)


def test_decisions_are_recorded() -> None:
    """A number that came back up to rounding might decide otherwise."""
    made = wg.explain(kicked, normal(7), normal(7), 0.05, 10, invert=True)
    condition = [v for v in made.values if v.dtype == "bool"]
    assert condition and all(v.how == "stored" for v in condition)
    assert any(v.how == "inverted" for v in made.values)

    def f(x, v, n):
        s = 0.0
        for k in range(n):
            if x[0] >= 0.1:  # holds, as an equation, in every other turn
                s += np.sum(np.sin(x) * v)
            v += np.cos(x)
            x += 0.3 * (1 - 2 * (k % 2))
        return s

    both(f, (np.array([0.1, 0.2]), normal(2), 30))


def test_complex_and_single() -> None:
    def f(x, v, n):
        for _ in range(n):
            v += 1j * x * np.conj(x)
            x -= 0.1j * v
        return np.sum(np.abs(x) ** 2)

    z = normal(4) + 1j * normal(4)
    both(f, (z, z[::-1].copy(), 4))

    x, v = normal(6).astype(np.float32), normal(6).astype(np.float32)
    plain = wg.grad(chain, (0, 1))(x, v, np.float32(0.05), 20)
    for a, b in zip(wg.grad(chain, (0, 1), invert=True)(x, v, np.float32(0.05), 20), plain, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def test_second_order() -> None:
    x, v, w = normal(5), normal(5), normal(5)
    plain, ours = (wg.hvp(chain, **how)(x, v, 0.1, 12, w) for how in ({}, {"invert": True}))
    np.testing.assert_allclose(ours, plain, rtol=1e-9)
    a, b = (wg.hessian(chain, **how)(x, v, 0.1, 12) for how in ({}, {"invert": True}))
    np.testing.assert_allclose(b, a, rtol=1e-9)

    def inner(x, v, w):
        return np.sum(wg.grad(chain)(x, v, 0.1, 12) * w)

    np.testing.assert_allclose(wg.grad(inner, invert=True)(x, v, w), plain, rtol=1e-9)
    both(lambda x, v, w: np.sum(wg.grad(chain)(x, v, 0.1, 12) * w), (x, v, w))


def test_jacobian() -> None:
    def f(x, v, n):
        for _ in range(n):
            v -= 0.1 * np.sin(x)
            x += 0.1 * v
        return x

    x, v = normal(4), normal(4)
    a, b = (wg.jacobian(f, mode="reverse", invert=inverted)(x, v, 8) for inverted in (False, True))
    np.testing.assert_allclose(b, a, rtol=1e-10)


def test_within_a_memory_limit() -> None:
    """What is taken back needs neither tape nor states."""
    args = (normal(500), normal(500), 0.01, 300)
    plain = wg.grad(chain)(*args)
    limited = wg.grad(chain, memory_limit="60 kB", invert=True)
    np.testing.assert_allclose(limited(*args), plain, rtol=1e-9)
    assert limited.memory is not None and limited.memory.peak <= 60_000
    assert not limited.memory.loops


def test_pins_go_before() -> None:
    x, v = normal(30), normal(30)
    made = wg.explain(chain, x, v, 0.1, 10, store=["x"], invert=True)
    assert any(value.pinned and value.how == "stored" for value in made.values)
    np.testing.assert_allclose(
        wg.grad(chain, store=["x"], invert=True)(x, v, 0.1, 10), wg.grad(chain)(x, v, 0.1, 10), rtol=1e-10
    )


def test_infinities_do_not_come_back() -> None:
    """As documented: inf - inf is NaN."""

    def f(x, v, n):
        for _ in range(n):
            v -= 0.1 * np.sin(x)
            x += 0.1 * v
        return np.sum(v * v)

    x, v = normal(3), normal(3)
    x[1] = 1e308
    v[1] = np.inf
    assert np.isnan(wg.grad(f, invert=True)(x, v, 3)[1])


def test_an_inner_derivative_is_refused() -> None:
    def f(x, v):
        return np.sum(wg.grad(chain, invert=True)(x, v, 0.1, 3))

    with pytest.raises(WengertError, match="invert=True"):
        wg.grad(f)(normal(4), normal(4))
