"""Memory limits: the derivative stays the same, the peak stays below, what was predicted is what is counted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import wengert as wg
from wengert.memory import MemoryLimitError, parse_limit


def burgers(u, nu, n):
    for _ in range(n):
        un = u.copy()
        u[1:-1] = un[1:-1] - nu * un[1:-1] * (un[1:-1] - un[:-2]) + 0.1 * (un[2:] - 2 * un[1:-1] + un[:-2])
    return np.sum(u * u)


def shallow_water(h, u, v, dt, n):
    for _ in range(n):
        hx = 0.5 * (np.roll(h, -1, 0) - np.roll(h, 1, 0))
        hy = 0.5 * (np.roll(h, -1, 1) - np.roll(h, 1, 1))
        u = u - dt * (hx + 0.1 * u * u)
        v = v - dt * (hy + 0.1 * v * v)
        flux_x, flux_y = h * u, h * v
        h = h - dt * 0.5 * (
            np.roll(flux_x, -1, 0) - np.roll(flux_x, 1, 0) + np.roll(flux_y, -1, 1) - np.roll(flux_y, 1, 1)
        )
    return np.sum(h * h) + np.sum(u * v)


def lstm(x, w, r, b):
    k = r.shape[1]
    h, c = np.zeros(k), np.zeros(k)
    loss = 0.0
    for t in range(x.shape[0]):
        z = w @ x[t] + r @ h + b
        i, f, o = (1 / (1 + np.exp(-z[j * k : (j + 1) * k])) for j in range(3))
        c = f * c + i * np.tanh(z[3 * k :])
        h = o * np.tanh(c)
        loss += np.sum(h * h)
    return loss


def heron(a, tolerance):
    x = np.ones_like(a)
    change = 1.0
    while change > tolerance:
        y = 0.5 * (x + a / x)
        change = np.max(np.abs(y - x))
        x = y
    return np.sum(x * x * a)


def three_loops(u, n, m, k):
    for _ in range(n):
        v = u.copy()
        for _ in range(m):
            w = np.sin(v)
            for _ in range(k):
                w = w + 0.01 * np.cos(w) * v
            v = v + 0.1 * w
        u = 0.5 * (u + v)
    return np.sum(u**2)


def in_turn(x, n, m):
    for _ in range(n):
        x = np.sin(x) * 1.1
    y = x * x
    for _ in range(m):
        y = np.tanh(y) + 0.1 * x
    return np.sum(y)


def backwards(x, n):
    for k in range(n - 1, -1, -2):
        x = np.cos(x + 0.1 * k) * x
    return np.sum(x * x)


def advance(x, n):
    for _ in range(n):
        x[1:] = np.sin(x[1:]) + 0.1 * x[:-1]


def through_calls(x, n):
    """The time loop is in a function that is called more than once."""
    advance(x, n)
    x *= 0.5
    advance(x, n)
    return np.sum(x * x)


def trajectory(x, n):
    out = np.zeros((n, x.shape[0]))
    for k in range(n):
        x = np.sin(x) * 1.2
        out[k] = x
    return np.sum(out[::3] ** 2)


def masks(x, n):
    """Extents that values decide, bounded by what was counted."""
    s = 0.0
    for _ in range(n):
        x = np.sin(x) + 0.3
        y = x[x > 0.6]
        s += np.sum(y * y)
    return s + np.sum(x)


RNG = np.random.default_rng(11)
H = 1 + 0.1 * RNG.random((8, 9))
PROGRAMS = {
    "burgers": (burgers, (RNG.random(60), 0.1, 40)),
    "shallow water": (shallow_water, (H, 0.1 * RNG.random((8, 9)), 0.1 * RNG.random((8, 9)), 0.05, 30)),
    "lstm": (lstm, (RNG.random((25, 4)), RNG.random((48, 4)) - 0.5, RNG.random((48, 12)) - 0.5, RNG.random(48) - 0.5)),
    "heron": (heron, (RNG.random(50) * 9 + 0.5, 1e-12)),
    "three loops": (three_loops, (RNG.random(40), 6, 5, 7)),
    "in turn": (in_turn, (RNG.random(50), 21, 13)),
    "backwards": (backwards, (RNG.random(50), 33)),
    "masks": (masks, (RNG.random(60), 25)),
    "through calls": (through_calls, (RNG.random(64), 20)),
}


def least_limit(f, args):
    with pytest.raises(MemoryLimitError) as refused:
        wg.grad(f, memory_limit=1)(*args)
    return refused.value.least


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_limit_gives_the_same_gradient_within_it(name: str) -> None:
    f, args = PROGRAMS[name]
    wrt = tuple(k for k, a in enumerate(args) if isinstance(a, (np.ndarray, float)))
    expected = wg.grad(f, wrt)(*args)
    moved = tuple(a * 1.01 if isinstance(a, (np.ndarray, float)) else a for a in args)
    expected_moved = wg.grad(f, wrt)(*moved)
    with pytest.raises(MemoryLimitError) as refused:
        wg.grad(f, wrt, memory_limit=1)(*args)
    least = refused.value.least
    free = wg.grad(f, wrt, memory_limit="1 TB")
    try:
        free(*args)
        most = free.memory.peak
    except MemoryLimitError:
        most = 4 * least
    assert least < most
    for limit in np.geomspace(least, most, 20 if name in ("burgers", "heron") else 6).astype(int):
        g = wg.grad(f, wrt, memory_limit=int(limit))
        for point, wanted in ((args, expected), (moved, expected_moved)):
            found = g(*point)
            assert g.memory.peak <= g.memory.predicted <= limit
            if f is not heron:  # whose number of turns is not known before
                assert g.memory.peak == g.memory.predicted
            for x, y in zip(found, wanted, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", ["burgers", "three loops", "heron", "in turn"])
def test_second_derivatives_within_a_limit(name: str) -> None:
    f, args = PROGRAMS[name]
    v = RNG.standard_normal(args[0].shape)
    expected = wg.hvp(f)(*args, v)
    with pytest.raises(MemoryLimitError) as refused:
        wg.hvp(f, memory_limit=1)(*args, v)
    for limit in (refused.value.least, refused.value.least * 3 // 2, refused.value.least * 2):
        g = wg.hvp(f, memory_limit=limit)
        np.testing.assert_allclose(g(*args, v), expected, rtol=1e-11, atol=1e-13)
        assert g.memory.peak <= limit


def test_one_below_the_least_limit_is_refused_before_anything_runs() -> None:
    f, args = PROGRAMS["burgers"]
    least = least_limit(f, args)
    wg.grad(f, memory_limit=least)(*args)
    with pytest.raises(MemoryLimitError, match="burgers") as refused:
        wg.grad(f, memory_limit=least - 1)(*args)
    text = str(refused.value)
    assert refused.value.least == least
    assert f"{least} bytes" in text
    assert "test_memory.py:" in text
    assert "u" in text


def test_sizes_decide_anew_and_code_is_made_once() -> None:
    def f(u, nu, n):
        return burgers(u, nu, n)

    g = wg.grad(f, memory_limit=30_000)
    for n in (4, 40, 80, 160, 40):
        u = np.linspace(0, 1, 60)
        np.testing.assert_array_equal(g(u, 0.1, n), wg.grad(burgers)(u, 0.1, n))
        assert g.memory.peak <= 30_000
    (variant,) = g.program.variants[g.kind("grad", 0)]
    assert len(variant.kernel._kernels) == 2
    assert len(variant.kernel._plans) == 4


def test_many_steps_with_little_memory() -> None:
    """10^4 steps of 1,000 numbers would take 80 MB."""
    u = np.linspace(0, 1, 1000)
    g = wg.grad(burgers, memory_limit="1 MB")
    np.testing.assert_array_equal(g(u, 0.1, 10_000), wg.grad(burgers)(u, 0.1, 10_000))
    assert 500_000 < g.memory.peak <= 10**6


def test_pullback_jacobian_hessian_and_value() -> None:
    f, args = PROGRAMS["burgers"]
    u = args[0]
    value, gradient = wg.value_and_grad(f, memory_limit=12_000)(*args)
    assert (value, gradient.tobytes()) == (wg.value_and_grad(f)(*args)[0], wg.grad(f)(*args).tobytes())
    out, pull = wg.vjp(burgers, *args, wrt=0, of="u", memory_limit=12_000)
    _, plain = wg.vjp(burgers, *args, wrt=0, of="u")
    seed = RNG.random(60)
    np.testing.assert_array_equal(pull(seed), plain(seed))
    assert pull.memory.peak <= 12_000

    def last(u):
        v = u.copy()
        for _ in range(30):
            v = np.sin(v) * 1.1
        return v[:3]

    j = wg.jacobian(last, mode="reverse", memory_limit=12_000)
    np.testing.assert_array_equal(j(u), wg.jacobian(last, mode="reverse")(u))
    assert j.memory.peak <= 12_000
    small = u[:7].copy()
    h = wg.hessian(burgers, memory_limit=6_000)
    np.testing.assert_allclose(h(small, 0.1, 20), wg.hessian(burgers)(small, 0.1, 20), rtol=1e-12)
    assert h.memory.peak <= 6_000
    with pytest.raises(MemoryLimitError, match="Jacobian"):
        wg.jacobian(last, memory_limit=100)(u)


def test_copies_of_arguments_count() -> None:
    """A strided argument is copied, and again because the program changes it."""
    f, args = PROGRAMS["burgers"]
    g = wg.grad(f, memory_limit="1 MB")
    g(*args)
    before = g.memory.outside
    wide = np.zeros(120)
    wide[::2] = args[0]
    g(wide[::2], *args[1:])
    assert g.memory.outside == before + 512  # 480 bytes, in units of 64


def test_limits_are_texts_or_numbers() -> None:
    texts = {"512 MiB": 512 << 20, "1.5kB": 1500, "2GB": 2 * 10**9, "7": 7, "3 GiB": 3 << 30, "12 B": 12}
    assert {t: parse_limit(t) for t in texts} == texts
    assert parse_limit(np.int64(5)) == 5
    for wrong in ("lots", "1 XB", "-3 MB", 0, -1, True, 1.5, "1e3000 GB", ""):
        with pytest.raises(ValueError, match="memory limit"):
            parse_limit(wrong)


def test_a_limit_inside_a_program_is_refused() -> None:
    def f(x):
        return np.sum(wg.grad(lambda y: np.sum(y**3), memory_limit="1 GB")(x))

    with pytest.raises(wg.WengertError, match="outermost"):
        wg.grad(f)(np.ones(3))


PROCESS = """
import sys, numpy as np, wengert as wg
import wengert.planning as planning
sys.path.insert(0, {folder!r})
from test_memory import burgers
searches = []
before = planning.Planner.plan
planning.Planner.plan = lambda *args: searches.append(1) or before(*args)
g = wg.grad(burgers, memory_limit={limit})
found = g(np.linspace(0, 1, 60), 0.1, 50)
print(len(searches), g.memory.peak, g.memory.loops, float(np.sum(found * found)).hex())
"""


def test_a_second_process_need_not_plan(tmp_path) -> None:
    def run(limit: int) -> list[str]:
        code = PROCESS.format(folder=str(Path(__file__).parent), limit=limit)
        environment = {**os.environ, "WENGERT_CACHE_DIR": str(tmp_path / "cache")}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
        return done.stdout.split(maxsplit=1)

    first, second = run(9_000), run(9_000)
    assert (first[0], second[0]) == ("1", "0")
    assert first[1] == second[1]
    assert run(8_000)[0] == "1"
    for path in (tmp_path / "cache" / "plans").iterdir():
        path.write_bytes(b"broken")
    assert run(9_000) == first


def test_extents_from_quotients_and_powers_are_bounded() -> None:
    """As in transforms by stages: reshaped by powers of a radix, coordinates by `mgrid`."""

    def stages(x, r, k):
        c = np.mgrid[0:r, 0 : r ** (k - 1)]
        for i in range(k):
            v = np.reshape(x, (r, r ** (k - 1))) * np.cos(c[0] * c[1] / (i + 1))
            x[:] = np.reshape(np.sin(v), (r**k,))
        return np.sum(x * x)

    x = RNG.random(81)
    g = wg.grad(stages, memory_limit="200 kB")
    np.testing.assert_allclose(g(x, 3, 4), wg.grad(stages)(x, 3, 4), rtol=1e-12)
    assert g.memory.peak <= g.memory.predicted <= 200_000


def test_floats_between_ends() -> None:
    from wengert.backend.c.footprint.integers import Integers, Linear, real_operation

    assert real_operation("ceil", [real_operation("div", [(5.0, 9.0), (2.0, 2.0)])]) == (3.0, 5.0)
    assert real_operation("div", [(1.0, 1.0), (-1.0, 1.0)]) is None
    assert real_operation("mul", [(-2.0, 3.0), (-5.0, 1.0)]) == (-15.0, 10.0)
    assert real_operation("mul", [(0.0, 2.0**40), (0.0, 2.0**40)]) is None
    made = Integers()
    assert made.bounds(made.operation("ipow", [Linear(3), Linear(4)])) == (81, 81)
    assert made.bounds(made.operation("ipow", [Linear(2), Linear(63)])) == (-float("inf"), float("inf"))
    assert made.bounds(made.operation("ipow", [made.unknown(2, 3), made.unknown(1, 2)])) == (2, 9)


def either(a, y, z):
    """A name that stands for one of two arrays, whose shape is that of what it was bound to."""
    total = 0.0
    for k in range(z.shape[0]):
        t = z[k] * a + 3.0 * np.eye(a.shape[0])
        x = np.linalg.solve(t, y) if y.shape[1] > 2 else np.linalg.inv(t)
        if z[k] < 0.5:
            x = -x
        total += np.sum(x * x) * z[k]
    return total


def test_arrays_that_conditions_choose_between_are_bounded() -> None:
    rng = np.random.default_rng(0)
    for columns in (2, 5):
        args = rng.standard_normal((6, 6)), rng.standard_normal((6, columns)), np.linspace(0.1, 1, 7)
        expected = wg.grad(either)(*args)
        gradient = wg.grad(either, memory_limit="1 GB")
        np.testing.assert_allclose(gradient(*args), expected, rtol=1e-12)
        assert gradient.memory.peak <= gradient.memory.predicted < 100_000
        with pytest.raises(MemoryLimitError) as refused:
            wg.grad(either, memory_limit=1)(*args)
        assert refused.value.least is not None
        least = wg.grad(either, memory_limit=refused.value.least)
        np.testing.assert_allclose(least(*args), expected, rtol=1e-12)
