"""The programs of `benchmarks/fields`, small: value, JVP and VJP; and their JAX counterparts where JAX is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest

from derivatives import assert_derivatives
from wengert import differences as fd
from wengert.cli.bench.case import match, numbers
from wengert.cli.bench.programs import Program
from wengert.cli.bench.suite import fields

SMALL = 10  # above the extents that are compiled for one by one
PROGRAMS = {program.name: program for program in fields().programs()}


def arguments(program: Program, preset: str = "S") -> tuple[Any, ...]:
    return program.arguments({k: min(v, SMALL) for k, v in program.presets[preset].items()})


def test_there_are_enough() -> None:
    assert len(PROGRAMS) >= 15


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_data_are_the_same_every_time(name: str) -> None:
    program = PROGRAMS[name]
    assert set(program.presets) == {"S", "M"}
    for preset in program.presets:
        for x, y in zip(arguments(program, preset), arguments(program, preset), strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name: str) -> None:
    assert_derivatives(PROGRAMS[name].load(), *arguments(PROGRAMS[name]))


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="needs JAX")
@pytest.mark.parametrize("name", PROGRAMS)
def test_jax_computes_the_same(name: str) -> None:
    import jax

    program, args = PROGRAMS[name], arguments(PROGRAMS[name])
    plain = fd.run(program.load(), args)
    expected = numbers(plain, fd.mutated(program.load(), args))
    with jax.enable_x64(True):
        given = [jax.numpy.asarray(x) if isinstance(x, np.ndarray) else x for x in args]
        found = jax.tree_util.tree_leaves(program.jax()["ours"]()(*given))
    assert len(match([np.asarray(x) for x in found], expected, 1e-9)) == len(expected)
