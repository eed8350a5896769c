"""The passes before compilation keep what programs and their derivatives compute, alone and together."""

from __future__ import annotations

import numpy as np
import pytest

from ad import arrays, generator, subscripts
from ad.checks import unique
from ad.programs import PROGRAMS
from amount import part
from backend.random_modules import Program
from optimise import loops
from optimise.checks import ALONE, derivatives, keep_meaning, outcome
from wengert import pipeline
from wengert.ir.text import parse
from wengert.ir.verify import verify


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_and_their_derivatives(name: str) -> None:
    text, args = PROGRAMS[name]
    args = {k: np.asarray(v) if isinstance(v, (float, complex)) else v for k, v in args.items()}
    module = unique(parse(text))
    for m, a in [(module, args), *derivatives(module, args)]:
        keep_meaning(m, a)


@pytest.mark.parametrize("seed", part(range(100), 2))
def test_random_loops(seed: int) -> None:
    module, args = loops.program(seed), loops.arguments(seed)
    verify(module)
    keep_meaning(module, args)
    keep_meaning(module, loops.arguments(seed, 2))


@pytest.mark.parametrize("seed", part(range(20), 3))
def test_derivatives_of_random_loops(seed: int) -> None:
    module, args = loops.program(seed), loops.arguments(39)
    if isinstance(outcome(module, args)[0], list):
        for m, a in derivatives(module, args):
            keep_meaning(m, a)


@pytest.mark.parametrize("seed", part(range(20), 3))
def test_random_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, a = rng.normal(size=5), rng.normal(size=5), rng.normal(size=(5, 5))
    module = Program(seed).module(12)
    names = [p.name for p in module.root.params]
    keep_meaning(module, dict(zip(names, [x, y, a, rng.integers(0, 5, 5), 5], strict=True)))
    u, v, w = rng.standard_normal(3), rng.standard_normal(3), rng.standard_normal((3, 3))
    keep_meaning(generator.program(seed), {"u": u, "v": v, "w": w, "x": np.asarray(0.4), "n": 3})
    keep_meaning(subscripts.program(seed), {"a": rng.standard_normal((4, 4)), "u": rng.standard_normal(4), "n": 4})


@pytest.mark.parametrize("seed", part(range(20), 3))
def test_derivatives_of_random_array_programs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    args = {"u": rng.standard_normal(4), "m": rng.standard_normal((4, 4)), "n": 4}
    for m, a in derivatives(arrays.program(seed), args):
        keep_meaning(m, a, (pipeline.LAST, *ALONE))


def test_passes_are_left_out_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    text, _ = PROGRAMS["in place three times"]
    module = unique(parse(text))
    monkeypatch.setenv("WENGERT_WITHOUT", ",".join(p.__name__ for p in pipeline.LAST))
    assert pipeline.finish(module) == module
    monkeypatch.setenv("WENGERT_WITHOUT", "")
    assert pipeline.finish(module) != module
