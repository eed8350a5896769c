"""Between which constants integers of a function lie, where that is known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ad.checks import run_with
from wengert.analysis.ranges import Ranges
from wengert.ir.nodes import Let
from wengert.ir.text import parse
from wengert.ir.walk import statements

CASES = {
    "3": (3, 3),
    "n": (0, None),
    "p": (None, None),
    "n - 1": (-1, None),
    "2 - n": (None, 2),
    "min(1, n)": (0, 1),
    "min(1, p)": (None, 1),
    "max(p, 2)": (2, None),
    "min(max(p, 2), 5)": (2, 5),
    "max(min(p, 5), n)": (0, None),
    "3 * min(1, n) - 2 * min(2, n)": (-4, 3),
    "n * n + 1": (1, None),
    "min(2, n) * min(3, n)": (0, 6),
    "p * p": (None, None),
    "p - p": (0, 0),
    "k[0]": (None, None),
}


@pytest.mark.parametrize("text", CASES)
def test_ranges(text: str) -> None:
    body = f"let t = {text}\nlet y = t + 0\nout[] = y"
    module = parse(f"entry f\nfunc f(k: i64[n] inout, out: i64[] inout, p: i64, n: i64) {{\n{body}\n}}")
    ranges = Ranges(module.root)
    lets = {s.name: s for s in statements(module.root.body) if isinstance(s, Let)}
    assert ranges.of(lets["t"].value) == ranges.of(lets["y"].var) == CASES[text]


def test_values_lie_in_their_ranges() -> None:
    """Every combination of small operands, through names."""
    parts = ("n", "p", "2", "min(p, 3)", "max(n, p)", "min(n, 2)")
    for one, two, sign in itertools.product(parts, parts, ("+", "-", "*")):
        text = f"entry f\nfunc f(k: i64[n], p: i64, n: i64) -> (out) {{\nlet t = {one}\nlet y = t {sign} {two}\n"
        module = parse(text + "alloc out: i64[]\nout[] = y\n}")
        lets = {s.name: s for s in statements(module.root.body) if isinstance(s, Let)}
        low, high = Ranges(module.root).of(lets["y"].var)
        for n, p in itertools.product(range(4), range(-3, 4)):
            value = int(run_with(module, {"k": np.zeros(n, np.int64), "p": p, "n": n})[0][0])
            assert (low is None or low <= value) and (high is None or value <= high), (one, sign, two, n, p)
