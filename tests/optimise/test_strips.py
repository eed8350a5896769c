"""Which neighbouring nests go through their arrays in strips, and which must not; and that results stay the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

from optimise.checks import ORDERS, Args, agree, outcome, program, sizes, transformed
from wengert.ir.nodes import Alloc, Loop, Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise import strips as made_by
from wengert.optimise.strips import strips


def nest(i: str, start: str, stop: str, body: str, order: str = "any") -> str:
    return f"for {i} in {start}:{stop} {order} {{ for {i}x in 0:m any {{ {body.replace('.', i + 'x')} }} }}"


def in_strips(module: Module) -> bool:
    return any(isinstance(s, Loop) and s.var.startswith("strip") for s in statements(module.root.body))


@pytest.fixture(params=[1, 60, 1 << 18])
def cache(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Strips of one row, of a few, and of all."""
    monkeypatch.setattr(made_by, "CACHE", request.param)
    return request.param


TOGETHER = {
    "a row ahead": "alloc w: f64[n, m]\n"
    + nest("i", "0", "n", "w[i, .] = a[i, .] * x")
    + nest("l", "0", "n - 1", "a[l, .] = w[l + 1, .] - w[l, .]"),
    "zeros": "alloc w: f64[n, m] zero\n"
    + nest("i", "0", "n - 1", "w[i + 1, .] += a[i, .]")
    + nest("l", "0", "n", "a[l, .] += w[l, .]"),
    "overwritten behind": nest("i", "1", "n", "u[i] += a[i - 1, .]") + nest("l", "0", "n", "a[l, .] = x"),
    "a check between": "alloc w: f64[n, m]\n"
    + nest("i", "0", "n", "w[i, .] = a[i, .]")
    + "let big = n > 100\nif big { fail ValueError('large') }\n"
    + nest("l", "0", "n", "u[l] += w[l, .]"),
    "distances that are names": "let d = min(1, n)\n"
    + nest("i", "0", "n", "u[i] += a[i, .]")
    + nest("l", "0", "n - 1", "a[d + l, .] = x"),
}
APART = {
    "rows from the other end": "alloc w: f64[n, m]\n"
    + nest("i", "0", "n", "w[i, .] = a[i, .]")
    + nest("l", "0", "n", "a[l, .] = w[n - 1 - l, .]"),
    "a row that all read": "alloc w: f64[n, m]\n"
    + nest("i", "0", "n", "w[i, .] = a[i, .]")
    + nest("l", "0", "n", "a[l, .] = w[0, .]"),
    "a sum that is read": nest("i", "0", "n", "v[0] += a[i, .]") + nest("l", "0", "n", "a[l, .] += v[0]"),
    "an unknown distance": "alloc w: f64[n, m]\nlet d = k[0] - 2\n"
    + nest("i", "0", "n", "w[i, .] = a[i, .]")
    + nest("l", "0", "n", "a[l, .] = w[l + d, .]"),
    "another axis": "alloc w: f64[n, m]\n"
    + nest("i", "0", "n", "w[i, .] = a[i, .]")
    + "for l in 0:m any { for lx in 0:n any { a[lx, l] = w[lx, l] * x } }",
    "a number between that is read": nest("i", "0", "n", "v[0] += a[i, .]")
    + "let total = v[0]\n"
    + nest("l", "0", "n", "a[l, .] = a[l, .] * total"),
    "a failure after what the caller sees": nest("i", "0", "n", "a[i, .] = x")
    + "if n > 3 { fail ValueError('large') }\n"
    + nest("l", "0", "n", "u[l] += a[l, .]"),
    "nothing in common": nest("i", "0", "n", "u[i] += x") + nest("l", "0", "n", "v[l] += x"),
    "another name": "reshape w: f64[n, m] = a\n"
    + nest("i", "0", "n", "a[i, .] = x")
    + nest("l", "0", "n - 1", "u[l] += w[l + 1, .]"),
}


@pytest.mark.parametrize("name", TOGETHER)
def test_together(name: str, cache: int) -> None:
    module = program(TOGETHER[name])
    made = transformed(module, [strips])
    assert in_strips(made), show(made)
    _agree(module, made, sizes())


@pytest.mark.parametrize("name", APART)
def test_apart(name: str, cache: int) -> None:
    module = program(APART[name])
    made = transformed(module, [strips])
    assert not in_strips(made), show(made)
    _agree(module, made, sizes())


def _agree(module: Module, made: Module, args: Args) -> None:
    wanted = outcome(module, args)
    for order in ORDERS:
        agree(outcome(made, args, order), wanted, exact=False)


def test_what_fits_the_cache_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all extents are known there is nothing to find out when the program runs."""
    text = TOGETHER["a row ahead"].replace("0:n", "0:4").replace("[n, m]", "[4, 3]").replace("n - 1", "3")
    module = program(
        text.replace("0:m", "0:3").replace("a[", "b[").replace("alloc w", "alloc b: f64[4, 3] zero\nalloc w"), "b"
    )
    for cache, wanted in ((191, True), (192, False)):
        monkeypatch.setattr(made_by, "CACHE", cache)
        assert in_strips(transformed(module, [strips])) == wanted


def test_what_only_the_strips_use_is_folded() -> None:
    made = strips(program(TOGETHER["a row ahead"]))
    (w,) = (s.buffer for s in statements(made.root.body) if isinstance(s, Alloc))
    assert "n" not in show(Module({"f": made.root}, "f")).split("alloc w: f64[")[1].split(",")[0], w


HEAD = "entry f\nfunc f(a: f64[n, m] inout, b: f64[n, m] inout, x: f64, n: i64, m: i64) -> (r) {"


def _random(seed: int) -> Module:
    """A chain of nests over parameters and local arrays, some of them new, with neighbours and sums."""
    rng = random.Random(seed)
    lines, arrays = ["alloc r: f64[n, m] zero"], ["a", "b", "r"]
    for k in range(rng.randint(2, 6)):
        if rng.random() < 0.6:
            lines.append(f"alloc w{k}: f64[n, m] zero")
            arrays.append(f"w{k}")
        target, source, other = (rng.choice(arrays) for _ in range(3))
        low, high = rng.randint(0, 1), rng.randint(0, 1)
        at = [f"i{k}" + (f" {d:+d}"[:2] + f" {abs(d)}" if d else "") for d in range(-low, high + 1)]
        read = [f"{s}[{rng.choice(at)}, j{k}]" for s in (source, other) if s != target]
        value = " + ".join(read) or "x"
        adds = rng.random() < 0.6
        write = f"{target}[{rng.choice(at) if adds else f'i{k}'}, j{k}] {'+=' if adds else '='} {value} * x"
        more = f"\n{target}[{rng.choice(at)}, j{k}] += x" if adds and rng.random() < 0.5 else ""
        lines.append(f"for i{k} in {low}:n - {high} any {{ for j{k} in 0:m any {{ {write}{more} }} }}")
    return parse(HEAD + "\n" + "\n".join(lines) + "\n}")


@pytest.mark.parametrize("seed", range(40))
def test_random_chains(seed: int, cache: int) -> None:
    module = _random(seed)
    verify(module)
    made = transformed(module, [strips])
    for n, m in ((0, 2), (1, 1), (2, 3), (7, 2), (12, 3)):
        rng = np.random.default_rng(seed)
        args: Args = {"a": rng.standard_normal((n, m)), "b": rng.standard_normal((n, m)), "x": 0.5, "n": n, "m": m}
        wanted = outcome(module, args)
        agree(outcome(made, args), wanted, exact=False)


def test_random_chains_are_in_strips() -> None:
    assert sum(in_strips(strips(_random(seed))) for seed in range(150)) > 100
