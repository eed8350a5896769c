"""The cost model: its parts by hand, and that it orders what a machine would order."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isfinite

import numpy as np
import pytest

from wengert import pipeline
from wengert.analysis.cost import DEFAULT, Machine, Model, Profile, predict
from wengert.analysis.cost.counts import MANY, Counts
from wengert.analysis.cost.effort import total
from wengert.analysis.cost.library import is_worth_product
from wengert.analysis.cost.machine import combined
from wengert.analysis.cost.profile import counted
from wengert.analysis.cost.regions import Linear, Range, Region, footprint, union
from wengert.frontend.python.program import stage_call
from wengert.ir.interpret import run
from wengert.ir.nodes import Loop, Module
from wengert.ir.verify import verify
from wengert.ir.walk import statements


def staged(f, *args) -> Module:
    made = stage_call(f, args, {})
    return pipeline.finish(pipeline.prepare(made.module, made.names))


def sizes(module: Module, n: float) -> dict[str, float]:
    return {p.name: n for p in module.root.params if p.dtype.is_integer}


def axpy(x, y):
    return 2.0 * x + y


def exponentials(x, y):
    return np.exp(x) + y


def recurrence(x, y):
    z = y.copy()
    for i in range(1, len(x)):
        z[i] = 0.5 * z[i - 1] + x[i]
    return z


def identity(x):
    return x


def product(a, b):
    return a @ b


def test_machine_survives_json() -> None:
    again = Machine.from_json(json.loads(json.dumps(DEFAULT.as_json())))
    assert again == DEFAULT and again.key() == DEFAULT.key()
    assert replace(DEFAULT, turn=1.0).key() != DEFAULT.key()


def test_combined_is_the_longest_and_a_part_of_the_rest() -> None:
    assert combined((3.0, 1.0, 2.0), 0.0) == 3.0
    assert combined((3.0, 1.0, 2.0), 1.0) == 6.0
    assert combined((), 0.5) == 0.0


@pytest.mark.parametrize("program", [axpy, exponentials, recurrence])
def test_time_grows_with_size(program) -> None:
    module = staged(program, np.ones(20), np.ones(20))
    times = [predict(module, sizes(module, n)).seconds - DEFAULT.entered for n in (1e3, 1e4, 1e6, 1e7)]
    assert times == sorted(times)
    assert times[3] / times[2] > 8


def test_dear_operations_and_recurrences_are_dear() -> None:
    a, e, r = (staged(f, np.ones(20), np.ones(20)) for f in (axpy, exponentials, recurrence))
    cheap, dear, waiting = (predict(m, sizes(m, 1000.0)).core for m in (a, e, r))
    assert cheap < dear < 1000 * DEFAULT.rate("exp").scalar
    assert waiting > 1000 * (DEFAULT.rate("add").latency + DEFAULT.rate("mul").latency)


def test_what_fits_in_a_cache_is_not_fetched_again() -> None:
    module = staged(axpy, np.ones(20), np.ones(20))
    small, large = (predict(module, sizes(module, n)) for n in (500.0, 1e7))
    assert small.moved[0] == 0.0
    assert large.moved[-1] == pytest.approx(3 * 8e7, rel=0.01)


def test_products_take_their_arithmetic() -> None:
    module = staged(product, np.ones((20, 20)), np.ones((20, 20)))
    times = [predict(module, sizes(module, n)).seconds for n in (200.0, 400.0)]
    assert 6 < times[1] / times[0] < 9


def test_a_triangle_is_half_a_square(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WENGERT_WITHOUT", "independent")  # loops as they are written

    def triangle(a):
        b = a.copy()
        for i in range(a.shape[0]):
            for j in range(i):
                b[i, j] = a[i, j] * 2.0
        return b

    def square(a):
        b = a.copy()
        for i in range(a.shape[0]):
            for j in range(a.shape[0]):
                b[i, j] = a[i, j] * 2.0
        return b

    t, s = (staged(f, np.ones((20, 20))) for f in (triangle, square))
    loops = [[x for x in m.root.body if isinstance(x, Loop)][-1] for m in (t, s)]
    costs = [Model(m).of(m.entry, loop, sizes(m, 2000.0)).work for m, loop in zip((t, s), loops, strict=True)]
    assert costs[0] / costs[1] == pytest.approx(0.5, rel=0.01)


def test_regions_widen_with_loops_and_meet() -> None:
    def at(shift: float) -> Region:
        axes = (Range((("i", 1.0),), 0.0, 0.0), Range((("j", 1.0),), shift, shift))
        return Region("a", axes, (100.0, 100.0), 8.0, 1.0, False)

    row = union(r.closed("j", Linear((), 1.0), 1, 50) for r in (at(-1.0), at(0.0), at(1.0)))
    (only,) = row.values()
    assert only.axes[1] == Range((), 0.0, 51.0)
    assert footprint(row).read == 52 * 8
    whole = union(r.closed("i", Linear((), 0.0), 1, 100) for r in row.values())
    assert footprint(whole).read == 100 * 448


def test_nominal_counts_need_no_sizes() -> None:
    module = staged(axpy, np.ones(20), np.ones(20))
    loop = next(s for s in statements(module.root.body) if isinstance(s, Loop))
    assert Counts(module.root).trips(loop) == MANY
    assert Counts(module.root, sizes(module, 7.0)).trips(loop) == 7.0


def test_a_profile_says_how_long_loops_run() -> None:
    def halve(x):
        while x > 1.0:
            x = x / 2.0
        return x

    module = staged(halve, 100.0)
    loop = next(s for s in statements(module.root.body) if isinstance(s, Loop))
    short, long = (predict(module, profile=Profile({(module.entry, loop.var): n})).core for n in (10.0, 1000.0))
    assert 50 < long / short <= 100


def test_statements_share_the_time_of_their_function() -> None:
    module = staged(exponentials, np.ones(20), np.ones(20))
    found = predict(module, sizes(module, 1e5), warm=False)
    loop = next(s for s in statements(module.root.body) if isinstance(s, Loop))
    spent = found.statements[module.entry, id(loop)]
    assert spent.times == 1.0 and spent.seconds == pytest.approx(found.seconds, rel=0.05)
    assert all(isfinite(s.seconds) for s in found.statements.values())


def test_storing_costs_more_the_farther_away_it_lies() -> None:
    size = 8e3
    near, far = DEFAULT.stored(size), DEFAULT.stored(size, footprint=1e9)
    assert 0 < near < far


def test_products_pay_unless_they_are_tiny() -> None:
    assert is_worth_product(None, None, None)
    assert is_worth_product(None, None, 8.0) and is_worth_product(8.0, None, None)
    assert not is_worth_product(None, None, 2.0) and not is_worth_product(6.0, 6.0, 6.0)


def test_effort_weighs_operations() -> None:
    cheap, dear = (total(staged(f, np.ones(20), np.ones(20)).root.body) for f in (axpy, exponentials))
    assert dear > cheap + 2


def test_a_view_of_a_view_is_part_of_the_array() -> None:
    def inner(a):
        b = a[1:, 1:]
        c = b[:, 2:5]
        return c @ c.T

    module = staged(inner, np.ones((20, 20)))
    found = predict(module, sizes(module, 100.0))
    assert 0 < found.core < 1e-3


def test_counted_modules_answer_what_sizes_leave_open() -> None:
    def halve(x):
        steps = 0
        while x > 1.0:
            x = x / 2.0
            if x < 10.0:
                steps += 1
        return x, steps

    module = staged(halve, 1000.0)
    made, asked = counted(module)
    verify(made)
    *_, counts = run(made, [1000.0])
    said = asked.answer([float(c) for c in counts])
    assert list(said.turns.values()) == [10.0]
    assert list(said.taken.values()) == [pytest.approx(0.4)]


def test_empty_modules_are_free() -> None:
    assert predict(staged(identity, 1.0)).core < 1e-8
