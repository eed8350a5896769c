"""Sums over few turns, whose number is known: terms in lanes."""

from __future__ import annotations

import numpy as np
import pytest

from backend.native import agree
from optimise.nests import HEAD
from wengert.backend.c import emit
from wengert.ir.nodes import Module
from wengert.ir.text import parse

COUNTS = (1, 2, 3, 4, 5, 7, 8, 12, 15, 16, 17)
HERE = {"f64": np.float64, "f32": np.float32, "c128": np.complex128, "i64": np.int64}
SUMS = """
    u[{i}] += a[{i}, {k}] * b[{i}, {k}]
    v[{i}] += a[{i}, {k}]
    c[{i}, {k}] += b[{i}, {k}]"""
TWICE = """
    let {t} = a[{i}, {k}] * x
    u[{i}] += {t}
    u[{i}] += {t} * {t}"""
CHOSEN = """
    if a[{i}, {k}] > b[{i}, {k}] {{ u[{i}] += a[{i}, {k}] }}"""


def loops(text: str, counts: tuple[int, ...]) -> str:
    """The loops over so many turns each, up and down, from 0 and from 2."""
    made: list[str] = []
    for low, down in ((0, False), (2, False), (2, True)):
        for count in counts:
            q = len(made)
            turns = f"{low + count - 1}:{low - 1} step -1" if down else f"{low}:{low + count}"
            inner = text.format(i=f"i{q}", k=f"k{q}", t=f"t{q}")
            made.append(f"for i{q} in 0:n {{ for k{q} in {turns} any {{ {inner} }} }}")
    return "\n".join(made)


def program(dtype: str, text: str, counts: tuple[int, ...] = COUNTS) -> Module:
    head = HEAD.format(t=dtype, body=loops(text, counts)).replace("u: ", f"v: {dtype}[n] inout, u: ", 1)
    return parse(head)


@pytest.mark.parametrize("dtype", HERE)
@pytest.mark.parametrize("text", [SUMS, TWICE, CHOSEN], ids=["sums", "twice", "chosen"])
def test_the_same_sums(text: str, dtype: str) -> None:
    if text is CHOSEN and dtype == "c128":
        return
    numpy = HERE[dtype]
    rng = np.random.default_rng(1)
    matrices = [(10 * rng.standard_normal((19, 19))).astype(numpy) for _ in range(3)]
    vectors = [np.zeros(19, numpy), np.ones(19, numpy)]
    agree(program(dtype, text), [*matrices, *vectors, numpy(2), 19], 1e-4 if dtype == "f32" else 1e-12)


def test_few_terms_need_no_reduction() -> None:
    def has_reduction(count: int) -> bool:
        return "reduction(" in emit(program("f64", TWICE, (count,)))

    assert [c for c in (2, 4, 16, 17, 40) if has_reduction(c)] == [17, 40]


def test_what_is_not_finite() -> None:
    values = np.ones((8, 8))
    values[1, 2], values[2, 3], values[3, 4] = np.inf, np.nan, -np.inf
    args = [values, np.ones((8, 8)), np.zeros((8, 8)), np.zeros(8), np.zeros(8), 1.0, 8]
    agree(program("f64", SUMS, (5, 6)), args)
