"""Names of the same array: swapped, rebound and written in loops and branches, against plain Python."""

from __future__ import annotations

import linecache
import random
from typing import Any

import numpy as np
import pytest

from amount import LONG
from derivatives import assert_derivatives
from wengert.transform import interpret


def swapped(x, y):
    y = 1.0 * y
    k = 0
    while k < 3 and y[0] < 100:
        k += 1
        x = y + np.sin(x[::-1])
        y, x = x, y
    return x, y


def one_array_then_another_loop(x, z):
    y = x
    for _ in range(2):
        y = 0.5 * (z + x[::-1])
        z = y
    for _ in range(2):
        z[2] = 0.3 * z[0] ** 2
        y = 0.5 * (y + y[::-1])
    return y, z


def one_array_in_the_next_turn(y, z):
    x = 0.5 * (y + y[::-1])
    k = 0
    while k < 3 and z[0] < 9.0:
        k += 1
        z[2] = 0.3 * z[2] ** 2
        x = x.copy()
        for _ in range(2):
            z = x
    return x, z


def one_array_after_nested_loops(x, y, z):
    for _ in range(2):
        y = 0.5 * (y + x[::-1])
        k = 0
        while k < 3 and z[0] < 3.0:
            k += 1
            y = y * 0.5
            j = 0
            while j < 2 and y[0] < 9.0:
                j += 1
                z = y
    z[2] = 0.3 * z[2] ** 2
    x, y, z = y, z, x
    return x, y, z


@pytest.mark.parametrize(
    "program", [swapped, one_array_then_another_loop, one_array_in_the_next_turn, one_array_after_nested_loops]
)
def test_programs(program: Any) -> None:
    """Found by random programs: the copy that stood for an array went on as it was when another name was written."""
    made = np.random.default_rng(2)
    assert_derivatives(program, *[made.uniform(-1, 1, 3) for _ in range(program.__code__.co_argcount)])


class Drawn:
    """A program over three vectors, by a seed."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.counters = 0

    def text(self) -> str:
        start = [f"    {v} = 1.0 * {v}" for v in "xyz" if self.draw.random() < 0.3]
        return "\n".join(["def f(x, y, z, n):", *start, *self.block(3, 1), "    return x, y, z", ""])

    def block(self, depth: int, level: int) -> list[str]:
        return [line for _ in range(self.draw.randint(1, 4)) for line in self.statement(depth, "    " * level, level)]

    def statement(self, depth: int, pad: str, level: int) -> list[str]:
        draw = self.draw
        a, b, c = (draw.choice("xyz") for _ in range(3))
        simple = [
            f"{a} = 0.5 * ({b} + {c}[::-1])", f"{a}, {b} = {b}, {a}" if a != b else f"{a} = {a} * 0.5",
            "x, y, z = y, z, x", f"{a} += 0.25 * {b}", f"{a}[{draw.randint(0, 2)}] = 0.3 * {b}[{draw.randint(0, 2)}]",
            f"{a} = {b}", f"{a} = {b}.copy()",
        ]  # fmt: skip
        if not depth or draw.random() < 0.7:
            return [pad + draw.choice(simple)]
        if draw.random() < 0.5:
            other = [f"{pad}else:", *self.block(depth - 1, level + 1)] if draw.random() < 0.5 else []
            limit = draw.choice([-0.2, 0.0, 0.1, 0.4, 0.9])
            return [f"{pad}if {a}[1] {draw.choice('<>')} {limit}:", *self.block(depth - 1, level + 1), *other]
        self.counters += 1
        k, more = f"k{self.counters}", []
        if draw.random() < 0.3:
            more = [f"{pad}    if {b}[2] > {draw.choice([0.2, 0.7])}: {draw.choice(['break', 'continue'])}"]
        body = [*self.block(depth - 1, level + 1), *more]
        if draw.random() < 0.5:
            return [f"{pad}for {k} in range({draw.choice(['2', '3', 'n'])}):", *body]
        head = f"{pad}while {k} < n and {a}[0] < {draw.choice([0.5, 1.0, 3.0, 9.0])}:"
        return [f"{pad}{k} = 0", head, f"{pad}    {k} += 1", *body]


@pytest.mark.parametrize("seed", range(0, 6000 if LONG else 300, 50))
def test_drawn_programs(seed: int) -> None:
    """Results and what is left in the arguments, as the IR says it."""
    for number in range(seed, seed + 50):
        text, file = Drawn(number).text(), f"<aliases {number}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        space: dict[str, Any] = {"np": np}
        exec(compile(text, file, "exec"), space)
        made = np.random.default_rng(number)
        given = [made.uniform(-1, 1, 3) for _ in range(3)]
        mine, theirs = [v.copy() for v in given], [v.copy() for v in given]
        expected, found = space["f"](*theirs, 3), interpret(space["f"])(*mine, 3)
        for a, b in zip((*found, *mine), (*expected, *theirs), strict=True):
            assert np.array_equal(a, b), f"seed {number}:\n{text}"
