"""Loops that run again: the derivative is the same, and no more runs are made than necessary."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

from ad.checks import active_params, outputs, random_like, run_with, unique, values
from wengert.ad.forward import jvp
from wengert.ad.reverse import vjp
from wengert.ad.reverse.checkpoints import Choice, NotCheckpointable, with_checkpoints
from wengert.ir.interpret import Interpreter, run
from wengert.ir.nodes import Module
from wengert.ir.text import parse
from wengert.ir.verify import verify
from wengert.pipeline import finish
from wengert.plan_time import advances

FOR = """entry f
func f(n: i64, steps: i64, a: f64, x: f64[n] inout, y: f64[n]) -> (s) {
  alloc s: f64[] zero
  for t in 0:steps {
    for i in 0:n any { x[i] = sin(x[i]) * a + y[i] }
    for i in 0:n any { s[] += x[i] * x[i] }
  }
}"""
DOWN = """entry f
func f(n: i64, steps: i64, a: f64, x: f64[n] inout, y: f64[n]) -> (s) {
  alloc s: f64[] zero
  for t in steps:0 step -1 {
    for i in 0:n any { x[i] = sin(x[i] + 0.01 * f64(t)) * a + y[i] }
  }
  for i in 0:n any { s[] += x[i] * x[i] }
}"""
WHILE = """entry f
func f(n: i64, steps: i64, a: f64, x: f64[n] inout, y: f64[n]) -> (s) {
  alloc s: f64[] zero
  alloc k: i64[] zero
  for t in 0: while k[] < steps {
    for i in 0:n any { x[i] = sin(x[i]) * a + y[i] }
    k[] += 1
  }
  for i in 0:n any { s[] += x[i] * x[i] }
}"""
NESTED = """entry f
func f(n: i64, steps: i64, a: f64, x: f64[n] inout, y: f64[n]) -> (s) {
  alloc s: f64[] zero
  for t in 0:steps {
    alloc z: f64[n]
    for i in 0:n any { z[i] = x[i] * a }
    for k in 0:4 { for i in 0:n any { z[i] = cos(z[i]) * y[i] + x[i] } }
    for i in 0:n any { x[i] = 0.5 * z[i] }
  }
  for i in 0:n any { s[] += x[i] * x[i] }
}"""
WHOLE = {
    "for, segments": (FOR, (Choice("f", "t", True),)),
    "for, steps": (FOR, (Choice("f", "t", False),)),
    "down, segments": (DOWN, (Choice("f", "t", True),)),
    "down, steps": (DOWN, (Choice("f", "t", False),)),
    "while, segments": (WHILE, (Choice("f", "t", True),)),
    "while, steps": (WHILE, (Choice("f", "t", False),)),
    "nested, segments inside": (NESTED, (Choice("f", "t", False), Choice("f", "k", True))),
    "nested, steps inside": (NESTED, (Choice("f", "t", False), Choice("f", "k", False))),
}


@functools.cache
def derivative(name: str) -> tuple[Module, Module, Module]:
    """The program, its derivative, and that with loops that run again."""
    text, choices = WHOLE[name]
    module = unique(parse(text))
    wrt = active_params(module)
    of = outputs(module, wrt)
    again = vjp(module, "f", wrt, of, choices=choices)
    verify(again)
    return module, vjp(module, "f", wrt, of), again


def arguments(steps: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {"n": 3, "steps": steps, "a": 0.9, "x": rng.standard_normal(3), "y": rng.standard_normal(3)}


@functools.cache
def interpreter(name: str, which: int) -> Interpreter:
    return Interpreter(derivative(name)[which])


def gradients(run: Interpreter, primal: Module, args: dict[str, Any], counts: tuple[int, ...]) -> list[Any]:
    rng = np.random.default_rng(3)
    seeds = [random_like(rng, v) for v in (np.zeros(()), np.zeros(3))]
    given = [np.copy(args[p.name]) for p in primal.root.params]
    return [np.array(r) for r in run([*given, *seeds, *counts])]


@pytest.mark.parametrize("name", WHOLE)
def test_every_length_and_count(name: str) -> None:
    primal, plain, again = derivative(name)[0], interpreter(name, 1), interpreter(name, 2)
    choices = WHOLE[name][1]
    rng = np.random.default_rng(1)
    for steps in range(65) if name in ("for, segments", "while, segments") else (*range(9), 16, 25, 33, 64):
        args = arguments(steps, steps)
        expected = gradients(plain, primal, args, ())
        fixed = ((1, 1) if steps < 12 else (4, 1), (2, 3), (64, 1), (1, 64))[steps % 4]
        for slots, length in (fixed, tuple(rng.integers(1, 9, 2).tolist())):
            counts = [n for c in choices for n in ((slots, length) if c.segmented else (slots,))]
            for x, y in zip(gradients(again, primal, args, tuple(counts)), expected, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", WHOLE)
def test_after_the_passes_and_forward_over_reverse(name: str) -> None:
    primal, plain, again = derivative(name)
    choices = WHOLE[name][1]
    counts = tuple(n for c in choices for n in ((3, 2) if c.segmented else (3,)))
    args = arguments(17)
    finished = finish(again)
    verify(finished)
    expected = gradients(interpreter(name, 1), primal, args, ())
    for x, y in zip(gradients(Interpreter(finished), primal, args, counts), expected, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)
    wrt = active_params(primal)
    second = [jvp(m, m.entry, wrt) for m in (plain, again)]
    rng = np.random.default_rng(2)
    dots = [random_like(rng, np.asarray(args[x])) for x in wrt]
    of = outputs(primal, wrt)
    results, after = run_with(primal, args)
    seeds = [np.ones_like(v) for v in values(primal, results, after, of)]
    found: list[list[Any]] = []
    for m, more in zip(second, ((), counts), strict=True):
        verify(m)
        given = [np.copy(args[p.name]) for p in primal.root.params]
        found.append([np.array(r) for r in run(m, [*given, *seeds, *more, *map(np.copy, dots)])])
    for x, y in zip(*found, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-13)


def runs(name: str, steps: int, slots: int) -> int:
    """How often a step runs again in the reverse sweep beside the run that it is reversed by."""
    primal, _, again = derivative(name)
    interpreter = Interpreter(again)
    count = 0
    (key,) = [k for k in interpreter._globals if k.endswith("f_t")]
    step = interpreter._globals[key]

    def counted(*args: Any) -> Any:
        nonlocal count
        count += 1
        return step(*args)

    interpreter._globals[key] = counted
    args = arguments(steps)
    interpreter([*(np.copy(args[p.name]) for p in primal.root.params), np.ones(()), np.zeros(3), slots])
    return count - steps


@functools.cache
def least(steps: int, slots: int) -> int:
    """The least number of runs, the first sweep's included, over all placements: by dynamic programming."""
    if steps <= 1:
        return 0
    if slots == 1:
        return steps * (steps - 1) // 2
    return min(k + least(steps - k, slots - 1) + least(k, slots) for k in range(1, steps))


def test_known_counts() -> None:
    for steps, slots, expected in ((10, 3, 15), (100, 5, 316), (100, 10, 222)):
        assert advances(steps, slots) + steps - 1 == expected
        assert runs("for, steps", steps, slots) + steps - 1 == expected


def test_no_placement_needs_fewer_runs() -> None:
    for steps in range(1, 41):
        for slots in range(1, 12):
            assert advances(steps, slots) + max(steps - 1, 0) == least(steps, slots)
    for steps in (1, 2, 3, 7, 20, 33):
        for slots in (1, 2, 3, 5, 8, 40):
            assert runs("for, steps", steps, slots) == advances(steps, slots)


def test_unknown_lengths_repeat_no_more_than_necessary() -> None:
    """Each step runs again at most r times, the least number for which so many steps can be reversed at all."""
    for steps in (1, 2, 5, 13, 40, 64):
        for slots in (2, 3, 5, 9):
            r = next(r for r in range(99) if advances(steps, slots) <= r * steps)
            assert runs("while, steps", steps, slots) <= (r + 1) * steps
    assert runs("while, steps", 30, 30) == 0


def test_what_cannot_run_again_is_said() -> None:
    module = unique(parse(FOR))
    with pytest.raises(NotCheckpointable):
        with_checkpoints(module, [Choice("f", "nothing", True)])
    with pytest.raises(NotCheckpointable, match="k"):
        vjp(unique(parse(NESTED)), "f", ["x"], ["s"], choices=[Choice("f", "k", True)])
