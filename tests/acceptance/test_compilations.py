"""What is compiled when: once for all sizes, again when code, globals or closures change, never twice for the same."""

from __future__ import annotations

import linecache
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert import programs
from wengert.frontend.python.program import stage_call


def smooth(u, k):
    for _ in range(3):
        un = u.copy()
        u[1:-1] = un[1:-1] + k * (un[2:] - 2 * un[1:-1] + un[:-2])
    return np.sum(u * u)


def table(a, b):
    return np.sum((a @ b) ** 2) + np.sum(a[1:, :-1])


def test_one_compilation_serves_ten_sizes(cache: Any) -> None:
    gradient = wg.grad(smooth)
    counts = []
    for n in (9, 10, 11, 17, 32, 50, 99, 128, 1000, 4097):
        u = np.linspace(0, 1, n) ** 2
        found = gradient(u, 0.2)
        counts.append(cache.programs)
        assert found.shape == (n,)
        direction = np.cos(np.arange(n))
        step = 1e-6
        slope = (smooth(u + step * direction, 0.2) - smooth(u - step * direction, 0.2)) / (2 * step)
        assert np.sum(found * direction) == pytest.approx(slope, rel=1e-6)
    assert counts == [counts[0]] * 10


def test_matrices_of_ten_shapes(cache: Any) -> None:
    gradient = wg.grad(table, wrt=(0, 1))
    rng = np.random.default_rng(0)
    counts = []
    for n in range(10, 20):
        a, b = rng.random((n, n + 3)), rng.random((n + 3, 2 * n))
        by_a, by_b = gradient(a, b)
        product = a @ b
        expected = 2 * product @ b.T
        expected[1:, :-1] += 1
        np.testing.assert_allclose(by_a, expected, rtol=1e-12)
        np.testing.assert_allclose(by_b, 2 * a.T @ product, rtol=1e-12)
        counts.append(cache.programs)
    assert counts == [counts[0]] * 10


def staggered(flux, cell, k, m):
    for _ in range(k):
        cell += 0.1 * (flux[1:] - flux[:-1])
        for last in range(m - 1, m):
            cell[last] = 2 * cell[last] + flux[last + 1]
    return np.sum(cell * cell)


def test_sizes_a_constant_apart(cache: Any) -> None:
    """A staggered grid has one point more, and a number counts its cells: known from the first call, checked at all."""
    gradient = wg.grad(staggered, wrt=(0, 1))
    counts = []
    rng = np.random.default_rng(0)
    for n in range(10, 20):
        flux, cell = rng.random(n + 1), rng.random(n)
        found = gradient(flux, cell.copy(), 3, n)
        d_flux, d_cell = rng.random(n + 1), rng.random(n)
        ahead, behind = (staggered(flux + t * d_flux, cell + t * d_cell, 3, n) for t in (1e-6, -1e-6))
        assert found[0] @ d_flux + found[1] @ d_cell == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)
        counts.append(cache.programs)
    assert counts == [counts[0]] * 10
    with pytest.raises(ValueError, match="broadcast"):
        gradient(np.ones(14), np.ones(14), 1, 14)
    with pytest.raises(ValueError, match="broadcast"):
        gradient(np.ones(16), np.ones(14), 1, 14)
    # one cell more than the number says: another program
    found = gradient(np.arange(13.0), np.ones(12), 1, 11)
    ahead, behind = (staggered(np.arange(13.0) + t, np.ones(12), 1, 11) for t in (1e-6, -1e-6))
    assert np.sum(found[0]) == pytest.approx((ahead - behind) / 2e-6, rel=1e-6)


def test_numbers_do_not_recompile(cache: Any) -> None:
    def f(x, a, n):
        for _ in range(n):
            x = x * a
        return np.sum(x)

    gradient = wg.grad(f)
    gradient(np.ones(10), 2.0, 3)
    before = cache.programs
    for n in (4, 5, 10):
        np.testing.assert_allclose(gradient(np.ones(10), 1.5, n), np.full(10, 1.5**n))
    assert cache.programs == before


# -- never stale -----------------------------------------------------------------------------------------------


class Program:
    """A program file that can be edited; `fresh` runs it in a new process with the same cache."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "edited.py"
        self.edits = 0

    def write(self, text: str) -> None:
        self.path.write_text(textwrap.dedent(text))
        self.edits += 1
        stamp = time.time() + self.edits
        import os

        os.utime(self.path, (stamp, stamp))
        linecache.checkcache(str(self.path))

    def fresh(self, expression: str) -> str:
        source = f"import numpy as np, wengert as wg\nimport edited\nprint({expression})"
        done = subprocess.run(
            [sys.executable, "-c", source], cwd=self.path.parent, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


CALLEE = """
import numpy as np

GAIN = {gain}

def inner(x):
    return {body}

def outer(x):
    return np.sum(inner(x)) * GAIN
"""


def test_an_edited_callee_recompiles_across_processes(cache: Any, tmp_path: Path) -> None:
    program = Program(tmp_path)
    call = "wg.grad(edited.outer)(np.array([3.0])).tolist()"
    program.write(CALLEE.format(gain=1.0, body="x * x"))
    assert program.fresh(call) == "[6.0]"
    compiled = cache.programs
    assert program.fresh(call) == "[6.0]"
    assert cache.programs == compiled
    program.write(CALLEE.format(gain=1.0, body="x * x * x"))
    assert program.fresh(call) == "[27.0]"
    program.write(CALLEE.format(gain=10.0, body="x * x * x"))
    assert program.fresh(call) == "[270.0]"
    program.write(CALLEE.format(gain=1.0, body="x * x"))
    assert program.fresh(call) == "[6.0]"


DECORATED = """
import functools
import numpy as np

def same(f):
    @functools.wraps(f)
    def wrapped(*args):
        return f(*args)
    return wrapped

class Body:
    def __init__(self, mass):
        self._mass = mass

    @property
    def mass(self):
        return self._mass

    @mass.setter
    def mass(self, value):
        self._mass = value * value

    @staticmethod
    def scaled(x):
        return {scale} * x

@same
def inner(x):
    body = Body(x)
    body.mass = x
    return Body.scaled(body.mass)

def outer(x):
    return np.sum(inner(x))
"""


def test_decorated_functions_are_not_staged_again(cache: Any, tmp_path: Path) -> None:
    program = Program(tmp_path)
    program.write(DECORATED.format(scale=2.0))
    call = "wg.grad(edited.outer)(np.array([3.0])).tolist()"
    without_staging = f"(setattr(__import__('wengert.programs').programs, 'stage_call', None), {call})[1]"
    assert program.fresh(call) == "[12.0]"
    assert program.fresh(without_staging) == "[12.0]"
    program.write(DECORATED.format(scale=4.0))
    assert program.fresh(call) == "[24.0]"


SCALE = 2.0
TABLE = {"mode": "square", "shift": np.array([1.0, 2.0])}


def reads_globals(x):
    y = x**2 if TABLE["mode"] == "square" else x**3
    return np.sum((y + TABLE["shift"]) * SCALE * y)


def test_globals_are_read_at_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.array([1.0, 2.0])
    gradient = wg.grad(reads_globals)

    def expected() -> np.ndarray:
        h = 1e-6
        bumps = (np.array([h, 0.0]), np.array([0.0, h]))
        return np.array([(reads_globals(x + d) - reads_globals(x - d)) / (2 * h) for d in bumps])

    np.testing.assert_allclose(gradient(x), expected(), rtol=1e-8)
    monkeypatch.setitem(globals(), "SCALE", 5.0)
    np.testing.assert_allclose(gradient(x), expected(), rtol=1e-8)
    monkeypatch.setitem(TABLE, "mode", "cube")
    np.testing.assert_allclose(gradient(x), expected(), rtol=1e-8)
    TABLE["shift"][0] = -3.0
    np.testing.assert_allclose(gradient(x), expected(), rtol=1e-8)
    monkeypatch.setitem(globals(), "SCALE", 3)
    np.testing.assert_allclose(gradient(x), expected(), rtol=1e-8)


def test_closures_are_read_at_every_call() -> None:
    weights = np.array([1.0, 2.0])
    power = 2

    def f(x):
        return np.sum(weights * x**power)

    def change(value: int) -> None:
        nonlocal power
        power = value

    gradient = wg.grad(f)
    x = np.array([3.0, 0.5])
    np.testing.assert_allclose(gradient(x), weights * 2 * x)
    weights[0] = 7.0
    np.testing.assert_allclose(gradient(x), weights * 2 * x)
    change(3)
    np.testing.assert_allclose(gradient(x), weights * 3 * x**2)


def test_a_replaced_callee_recompiles(monkeypatch: pytest.MonkeyPatch) -> None:
    gradient = wg.grad(calls_helper)
    assert gradient(3.0) == 6.0
    monkeypatch.setitem(globals(), "helper", lambda x: x * x * x)
    assert gradient(3.0) == 27.0
    monkeypatch.undo()
    assert gradient(3.0) == 6.0


def helper(x):
    return x * x


def calls_helper(x):
    return helper(x)


class Model:
    """An object whose attributes are read."""

    def __init__(self, law: str, modulus: float) -> None:
        self.law = law
        self.modulus = modulus

    def energy(self, x):
        return self.modulus * (x**2 if self.law == "linear" else x**4)


def test_attributes_are_read_at_every_call() -> None:
    model = Model("linear", 2.0)
    gradient = wg.grad(model.energy)
    assert gradient(3.0) == pytest.approx(12.0)
    model.modulus = 5.0
    assert gradient(3.0) == pytest.approx(30.0)
    model.law = "quartic"
    assert gradient(3.0) == pytest.approx(540.0)
    assert wg.grad(Model("linear", 1.0).energy)(3.0) == pytest.approx(6.0)


def test_defaults_are_read_at_every_call() -> None:
    def f(x, k=2.0):
        return k * x**2

    gradient = wg.grad(f)
    assert gradient(3.0) == 12.0
    assert gradient(3.0, k=3.0) == 18.0
    f.__defaults__ = (4.0,)
    assert gradient(3.0) == 24.0


def test_a_call_is_staged_once_for_all_transforms(monkeypatch: pytest.MonkeyPatch) -> None:
    staged: list[Any] = []

    def counted(fn: Any, args: Any, kwargs: Any) -> Any:
        staged.append(fn)
        return stage_call(fn, args, kwargs)

    monkeypatch.setattr(programs, "stage_call", counted)

    def cubed(x: Any, mode: str = "sum") -> Any:
        return np.sum(x**3) if mode == "sum" else np.max(x**3)

    x = np.array([1.0, 2.0])
    assert wg.compile(cubed)(x) == 9.0
    np.testing.assert_allclose(wg.grad(cubed)(x), 3 * x**2)
    _, change = wg.jvp(cubed, (x,), (np.ones(2),))
    assert change == 15.0
    assert staged == [cubed]
    np.testing.assert_allclose(wg.grad(cubed)(x, "max"), [0.0, 12.0])
    np.testing.assert_allclose(wg.grad(cubed)(np.float32([3.0])), [27.0])
    assert len(staged) == 3
