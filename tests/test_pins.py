"""Pins: values that the user wants stored, or recomputed. Answers stay the same, decisions are obeyed or refused."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import wengert as wg


def waves(h, u, dt, n):
    for _ in range(n):
        hx = 0.5 * (np.roll(h, -1) - np.roll(h, 1))
        u = u - dt * (hx + 0.1 * u * u)
        flux = np.sin(h) * u
        h = h - dt * 0.5 * (np.roll(flux, -1) - np.roll(flux, 1))
    return np.sum(h * h) + np.sum(u * h)


def rooms(x, w):
    y = np.exp(w @ x)
    z = np.tanh(w @ y)
    return np.sum(z * y * np.sin(z))


RNG = np.random.default_rng(3)
WAVES = (1 + 0.1 * RNG.random(30), RNG.random(30), 0.05, 12)
ROOMS = (RNG.random(20), RNG.random((20, 20)) / 20)


def how(explanation, name):
    return {v.how for v in explanation.values if v.name == name and v.pinned}


def line_of(f, text):
    lines, first = inspect.getsourcelines(f)
    return first + next(k for k, line in enumerate(lines) if text in line)


@pytest.mark.parametrize("limit", [None, 60_000, 12_000])
@pytest.mark.parametrize(
    "pins",
    [
        {"store": "hx"},
        {"store": ["flux", "hx"]},
        {"recompute": ["flux"]},
        {"recompute": "hx", "store": ["flux"]},
        {"store": ["t_mul"]},
    ],
)
def test_the_gradient_is_the_same(pins, limit) -> None:
    expected = wg.grad(waves, (0, 1, 2))(*WAVES)
    moved = tuple(1.01 * a if k < 3 else a for k, a in enumerate(WAVES))
    g = wg.grad(waves, (0, 1, 2), memory_limit=limit, **pins)
    for x, y in zip(g(*WAVES), expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)
    for x, y in zip(g(*moved), wg.grad(waves, (0, 1, 2))(*moved), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)
    assert limit is None or g.memory.peak <= limit


def test_decisions_are_obeyed_and_shown() -> None:
    plain = wg.explain(waves, *WAVES)
    assert not any(v.pinned for v in plain.values)
    stored = wg.explain(waves, *WAVES, store=["hx", "flux"])
    assert how(stored, "hx") == how(stored, "flux") == {"stored"}
    assert stored.tape_bytes == plain.tape_bytes + 2 * 12 * 30 * 8
    assert "stored*" in str(stored)
    again = wg.explain(waves, *WAVES, recompute=["hx", "flux"])
    assert how(again, "hx") == how(again, "flux") == {"recomputed"}
    default = wg.explain(rooms, *ROOMS)
    assert {v.name for v in default.values if v.how == "stored"} != {"z"}


def test_lines_and_places() -> None:
    line = line_of(waves, "flux = ")
    by_line = wg.explain(waves, *WAVES, store=line)
    assert how(by_line, "flux") == {"stored"}
    by_place = wg.explain(waves, *WAVES, store=[f"test_pins.py:{line}"])
    assert [v.how for v in by_place.values] == [v.how for v in by_line.values]
    with pytest.raises(wg.PinError, match="on line other.py:"):
        wg.explain(waves, *WAVES, store=[f"other.py:{line}"])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(wg.PinError, match="no value of the name foo .* it needs dt, h, .*hx"):
        wg.grad(waves, store="foo")(*WAVES)
    with pytest.raises(wg.PinError, match="'h' cannot be recomputed"):
        wg.grad(waves, recompute="h", memory_limit="1 MB")(*WAVES)
    with pytest.raises(wg.PinError, match="on line 1 "):
        wg.vjp(waves, *WAVES, recompute=1)
    with pytest.raises(wg.PinError, match="stored and to be recomputed"):
        wg.grad(waves, store="hx", recompute=["hx"])
    for wrong in (1.5, [None], True, WAVES[0]):
        with pytest.raises(wg.PinError, match="pins are"):
            wg.grad(waves, store=wrong)

    def nested(x):
        return np.sum(wg.grad(lambda y: np.sum(np.sin(y) ** 3), store="y")(x))

    with pytest.raises(wg.WengertError, match="outermost"):
        wg.grad(nested)(np.ones(3))


def test_other_transforms() -> None:
    x, w = ROOMS
    expected = wg.hvp(rooms)(x, w, x)
    np.testing.assert_allclose(wg.hvp(rooms, store="z")(x, w, x), expected, rtol=1e-12)
    np.testing.assert_allclose(wg.hessian(rooms, recompute="z")(x, w), wg.hessian(rooms)(x, w), rtol=1e-12)
    _, pull = wg.vjp(rooms, x, w, recompute=["y", "z"])
    _, plain = wg.vjp(rooms, x, w)
    for a, b in zip(pull(1.0), plain(1.0), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)

    def last(x, w):
        z = np.tanh(w @ x)
        return z * np.sin(z)

    np.testing.assert_allclose(
        wg.jacobian(last, mode="reverse", recompute="z")(x, w), wg.jacobian(last)(x, w), rtol=1e-12
    )
