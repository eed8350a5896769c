"""Loops on several threads, all of them however short, against the interpreter and against one thread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from analysis.test_parallel import APART, MEETING, NOT, ROWS
from backend.native import SIZE, N, agree, module, vector
from backend.random_modules import Program
from optimise.checks import program
from wengert.backend.c import emit, outline
from wengert.errors import WengertError
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Module
from wengert.ir.types import F64
from wengert.runtime import compile as compiling
from wengert.runtime.call import Kernel

TEAM = 3


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Three threads for every loop that may run on them."""
    monkeypatch.setenv("WENGERT_NUM_THREADS", str(TEAM))
    monkeypatch.setenv("WENGERT_CFLAGS", "-DWG_WORTH=1.0 -DWG_SURE=1.0 -DWG_ROW_WORTH=0")
    if compiling.threads() == 1:
        pytest.skip("this compiler has no OpenMP")
    return None


def arguments(n: int, m: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(n)
    return (*rng.normal(size=(2, n)), rng.normal(size=(n, m)), rng.integers(0, 3, n), 0.3, n, m)


def regions(text: str) -> list[str]:
    """The parallel loops of a C source."""
    found = re.finditer(r"^( *)#pragma omp parallel.*\n(?:.*\n)*?\1\}\n", text, re.MULTILINE)
    return [m.group() for m in found]


RUN = {name: APART[name] for name in APART} | {name: body for name, (body, _, _) in MEETING.items()} | ROWS


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", RUN)
def test_loops_compute_the_same(name: str) -> None:
    made = program(RUN[name])
    assert regions(emit(made, None, TEAM)), name
    for n in (8, 41, 200):
        agree(made, arguments(n, 7))


@pytest.mark.parametrize("name", NOT)
def test_other_loops_stay_on_one_thread(name: str) -> None:
    outermost = [r for r in regions(emit(program(NOT[name]), None, TEAM)) if re.search(r"for \(int64_t i = ", r)]
    assert not outermost


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("seed", range(8))
def test_random_programs(seed: int) -> None:
    made = Program(seed).module(12)
    rng = np.random.default_rng(seed)
    for n in (2, 23):
        x, y, a = rng.normal(size=n), rng.normal(size=n), rng.normal(size=(n, n))
        agree(made, [x, y, a, rng.integers(0, n, n), n], rtol=1e-7)


NEST = "for i in 0:n any { for j in 0:m any { a[i, j] = exp(a[i, j]) } }"


def test_a_region_is_not_left_and_has_none_inside() -> None:
    (region,) = regions(emit(program(NEST), None, TEAM))
    assert "return" not in region
    assert region.count("omp parallel") == 1
    assert "goto leave" in region
    assert "#pragma omp simd" in region


def test_one_thread_needs_nothing() -> None:
    text = emit(program(NEST))
    assert text == emit(program(NEST), None, 1)
    assert "omp parallel" not in text
    assert "wg_trips" not in text


def test_pieces_are_not_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is cut into functions keeps its variables in one frame."""
    body = "for i in 0:n any { let y = v[i] let z = y * y u[i] = y + z }"
    assert regions(emit(program(body), None, TEAM))
    monkeypatch.setattr(outline, "PIECE_LIMIT", 1)
    assert not regions(emit(program(body), None, TEAM))


def elementwise() -> Module:
    x = vector("x")
    e = Emitter({"x", "n"})
    out = e.alloc("out", F64, [N])
    with e.loop("i", 0, N, order="any") as i:
        e.store(out, [i], b.op("exp", b.op("sin", b.load(x, [i]))))
    return module((x, SIZE), e, ("out",))


def total() -> Module:
    x = vector("x")
    e = Emitter({"x", "n"})
    out = e.alloc("out", F64, [], zero=True)
    with e.loop("i", 0, N, order="any") as i:
        e.accumulate(out, [], b.op("sin", b.load(x, [i])))
    return module((x, SIZE), e, ("out",))


@pytest.mark.parametrize("n", [3, 63, 64, 65, 1000, 4097])
def test_elements_are_the_same_to_the_last_bit(n: int, monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    x = np.random.default_rng(n).normal(size=n)
    (alone,) = Kernel(elementwise())((x, n))
    request.getfixturevalue("threads")
    (together,) = Kernel(elementwise())((x, n))
    np.testing.assert_array_equal(together, alone)


@pytest.mark.usefixtures("threads")
def test_sums_are_the_same_every_time() -> None:
    kernel = Kernel(total())
    x = np.random.default_rng(0).normal(size=100_003)
    (first,) = kernel((x, x.size))
    np.testing.assert_allclose(first, np.sum(np.sin(x)), rtol=1e-10)
    for _ in range(50):
        assert kernel((x, x.size)) == (first,)


def test_short_loops_are_tried_on_one_thread_and_on_all(monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    """Whatever is found faster, now one and now the other, results are the same."""
    request.getfixturevalue("threads")
    monkeypatch.setenv("WENGERT_CFLAGS", "-DWG_WORTH=1.0 -DWG_ROW_WORTH=0")
    x = np.random.default_rng(0).normal(size=5003)
    kernel = Kernel(total())
    (first,) = kernel((x, x.size))
    np.testing.assert_allclose(first, np.sum(np.sin(x)), rtol=1e-10)
    for _ in range(500):
        assert kernel((x, x.size)) == (first,)


def test_little_work_stays_on_one_thread(monkeypatch: pytest.MonkeyPatch, request: Any) -> None:
    """A sum is in the order of one thread to the last bit, where three would round otherwise."""
    x = np.random.default_rng(0).normal(size=4001)
    (alone,) = Kernel(total())((x, x.size))
    request.getfixturevalue("threads")
    (together,) = Kernel(total())((x, x.size))
    assert together != alone
    monkeypatch.delenv("WENGERT_CFLAGS")
    (little,) = Kernel(total())((x, x.size))
    assert little == alone


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "²", "1025"])
def test_not_a_number_of_threads(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_NUM_THREADS", text)
    with pytest.raises(WengertError, match="WENGERT_NUM_THREADS"):
        Kernel(elementwise())


def test_a_compiler_without_openmp(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """One thread, and right."""
    poor = tmp_path / "cc"
    poor.write_text('#!/bin/sh\nfor a in "$@"; do [ "$a" = -fopenmp ] && exit 1; done\nexec cc "$@"\n')
    poor.chmod(0o755)
    monkeypatch.setenv("CC", str(poor))
    monkeypatch.setenv("WENGERT_NUM_THREADS", "2")
    monkeypatch.setenv("WENGERT_CACHE_DIR", str(tmp_path / "cache"))
    assert compiling.threads() == 1
    x = np.linspace(0, 1, 100)
    (found,) = Kernel(elementwise())((x, 100))
    np.testing.assert_allclose(found, np.exp(np.sin(x)))
