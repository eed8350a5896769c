"""Names of the same array: swapped, rebound and written in loops and branches, against plain Python."""

from __future__ import annotations

import linecache
import random
import re
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


class Pair:
    def __init__(self, x, y):
        self.x = x
        self.y = y


def items_of_a_list(x, y):
    held = [np.sin(x), np.cos(y)]
    for _ in range(3):
        held[0], held[1] = held[1], held[0]
    return held[0] - 2 * held[1]


def lists_turned(x, y):
    held = [np.sin(x), np.cos(y), x * y]
    for _ in range(4):
        held.append(held.pop(0))
    held.reverse()
    for _ in range(2):
        held = [held[1], held[2], held[0] * 0.5]
    return held[0] - 2 * held[1] + 3 * held[2]


def tuples(x, y):
    held = ((np.sin(x), np.cos(y)), x + y)
    for _ in range(4):
        held = ((held[1], held[0][0]), held[0][1])
    return held[0][0] - 2 * held[0][1] + 5 * held[1]


def dicts(x, y):
    held = {"a": np.sin(x), "b": np.cos(y)}
    for _ in range(3):
        held = {"a": held["b"], "b": held["a"]}
    return held["a"] - 2 * held["b"]


def objects(x, y):
    held = Pair(np.sin(x), np.cos(y))
    for _ in range(3):
        held = Pair(held.y, held.x)
    return held.x - 2 * held.y


def from_nothing(x, y):
    held, one, two = None, np.sin(x), np.cos(y)
    for _ in range(4):
        held, one, two = one, two, one
    return held - 2 * one + 5 * two


def buffers(x, y):
    held, k = [np.sin(x), np.cos(y), x * y], 0
    while k < 4 and held[0][0] < 100:
        k += 1
        held[0], held[1], held[2] = held[1], held[2], held[0]
        held[0] = held[0] * 1.5
    return held[0] - 2 * held[1] + 5 * held[2]


@pytest.mark.parametrize(
    "program", [items_of_a_list, lists_turned, tuples, dicts, objects, from_nothing, buffers], ids=lambda f: f.__name__
)
def test_parts_change_places(program: Any) -> None:
    """The parts of what a loop carries are written as if all at once."""
    made = np.random.default_rng(2)
    assert_derivatives(program, made.uniform(-1, 1, 3), made.uniform(-1, 1, 3))


HOLDERS = {
    "names": ("", {}),
    "list": ("    l = [x, y, z]", {"x": "l[0]", "y": "l[1]", "z": "l[2]"}),
    "dict": ("    d = {'x': x, 'y': y, 'z': z}", {"x": "d['x']", "y": "d['y']", "z": "d['z']"}),
    "object": ("    o = Pair(x, y); o.z = z", {"x": "o.x", "y": "o.y", "z": "o.z"}),
    "nested": ("    d = {'p': [x, y], 'q': (z,)}; o = Pair(d, z)", {"x": "o.x['p'][0]", "y": "d['p'][1]", "z": "o.y"}),
}
"""Where the programs keep their vectors: a line that makes it, and what stands for their names."""


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


def held(text: str, holder: str) -> str:
    """The program with its vectors kept in something."""
    line, names = HOLDERS[holder]
    if not names:
        return text
    head, *body = text.split("\n")
    return "\n".join([head, line, *(re.sub(r"\b([xyz])\b", lambda m: names[m[1]], b) for b in body)])


@pytest.mark.parametrize("holder", HOLDERS)
@pytest.mark.parametrize("seed", range(0, 3000 if LONG else 150, 50))
def test_drawn_programs(seed: int, holder: str) -> None:
    """Results and what is left in the arguments, as the IR says it."""
    for number in range(seed, seed + 50):
        text, file = held(Drawn(number).text(), holder), f"<aliases {holder} {number}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        space: dict[str, Any] = {"np": np, "Pair": Pair}
        exec(compile(text, file, "exec"), space)
        made = np.random.default_rng(number)
        given = [made.uniform(-1, 1, 3) for _ in range(3)]
        mine, theirs = [v.copy() for v in given], [v.copy() for v in given]
        expected, found = space["f"](*theirs, 3), interpret(space["f"])(*mine, 3)
        for a, b in zip((*found, *mine), (*expected, *theirs), strict=True):
            assert np.array_equal(a, b), f"seed {number}:\n{text}"
