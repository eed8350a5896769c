"""Long programs are cut into C functions of bounded length, and compute the same."""

from __future__ import annotations

import re

import numpy as np
import pytest

from backend.native import SIZE, N, agree_uncut, module, vector
from wengert.backend.c import emit, outline
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Expr, Module
from wengert.ir.types import F64


def straight(count: int, depth: int = 0) -> Module:
    """`count` statements in `depth` nested loops, each value used at once and long after."""
    x = vector("x")
    e = Emitter({"x", "n"})
    cells = [e.cell(f"c{k}", b.const(0.1 * k, F64)) for k in range(7)]

    def fill(level: int) -> None:
        if level:
            with e.loop("i", 0, 2):
                early = e.let("early", b.load(x, [0]))
                fill(level - 1)
                e.accumulate(cells[0], [], early)
            return
        values: list[Expr] = [e.let("v", b.load(x, [k])) for k in range(5)]
        for k in range(count):
            left, right = values[-1 - k % 5], values[(k * k) % len(values)]
            values.append(e.let("v", b.op(("add", "sub", "sin", "cos")[k % 4], *(left, right)[: 2 - k % 4 // 2])))
            if k % 6 == 0:
                e.accumulate(cells[k % 7], [], b.op("sin", values[-1]))
            if k % 40 == 0:
                t = e.alloc("t", F64, [N], zero=True)
                with e.loop("j", 0, N, order="any") as j:
                    e.store(t, [j], b.mul(b.load(x, [j]), right))
                e.accumulate(cells[1], [], b.op("sin", b.load(t, [2])))

    fill(depth)
    out = e.alloc("out", F64, [7])
    for k, c in enumerate(cells):
        e.store(out, [k], b.load(c, []))
    return module((x, SIZE), e, ("out",))


@pytest.mark.parametrize("depth", [0, 2])
def test_functions_have_a_bounded_length(depth: int) -> None:
    text = emit(straight(2000, depth))
    bodies = re.findall(r"^static [^\n]*int \w+\([^\n]*\) \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL)
    assert len(bodies) >= 2000 // outline.PIECE_LIMIT
    statements = [sum(not line.lstrip().startswith("const") or "frame->" not in line for line in body.splitlines())
                  for body in bodies]  # fmt: skip
    assert max(statements) < 4 * outline.PIECE_LIMIT


def test_the_length_of_the_source_is_proportional_to_the_program() -> None:
    short, long = len(emit(straight(1000))), len(emit(straight(4000)))
    assert long < 5 * short


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_long_programs_agree(depth: int) -> None:
    x = np.linspace(0.3, 1.2, 6)
    agree_uncut(straight(700, depth), [x, 6], rtol=1e-9)


def test_short_programs_are_not_cut() -> None:
    assert "frame" not in emit(straight(40))
