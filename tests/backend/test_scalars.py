"""Every scalar operation, cast and constant, for every dtype, against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from backend.native import SIZE, N, agree_uncut, module, vector
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Cast, Op, Select, Var
from wengert.ir.ops import CHECKED, OPS
from wengert.ir.types import BOOL, C64, C128, F32, F64, I64, DType

AWKWARD = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 3.0, 7.25, np.inf, -np.inf, np.nan, 1e-30, 1e30, 255.0, -3.0, 0.1]


def samples(dtype: DType) -> np.ndarray:
    """Awkward values of a dtype."""
    if dtype.is_float:
        return np.array(AWKWARD).astype(dtype.numpy)
    if dtype.is_complex:
        parts = [0.0, -0.0, 1.0, -2.5, 0.3, 7.0]
        return np.array([complex(x, y) for x in parts for y in parts], dtype.numpy)
    if dtype is BOOL:
        return np.array([False, True])
    info = np.iinfo(dtype.numpy)
    values = [0, 1, 2, 3, 5, 7, 63, 64, 100, info.max, info.max - 1, info.min, info.min + 1]
    values += [-1, -2, -7, -64] if info.min else []
    return np.array([v for v in values if info.min <= v <= info.max], dtype.numpy)


def pairs(dtype: DType) -> tuple[np.ndarray, np.ndarray]:
    x = samples(dtype)
    left, right = np.meshgrid(x, x)
    return left.ravel(), right.ravel()


@pytest.mark.parametrize("dtype", list(DType), ids=lambda d: d.value)
def test_operations(dtype: DType) -> None:
    rows = [r for r in OPS.values() if r.accepts(dtype) and r.name not in CHECKED]
    left, right = pairs(dtype)
    x, y = vector("x", dtype=dtype), vector("y", dtype=dtype)
    if dtype.is_float:  # at -inf NumPy's and SciPy's own answers differ from C's: pow, lgamma, trigamma
        keep = ~np.isneginf(left)
        left, right = left[keep], right[keep]
    e = Emitter({"x", "y", "n"})
    results: list[str] = []
    for row in rows:
        out = e.alloc(f"out_{row.name}", row.result_dtype((dtype,) * row.arity), [N])
        results.append(out.name)
        with e.loop(f"i_{row.name}", 0, N) as i:
            args = (b.load(x, [i]), b.load(y, [i]), b.const(0.25, dtype))[: row.arity]
            if row.name == "zeta":  # SciPy's loses its way where s is huge
                args = (b.min_(args[0], b.const(255.0, dtype)), args[1])
            if row.name == "ipow":
                args = (args[0], b.op("bitand", args[1], b.const(7, dtype)))
            e.store(out, [i], Op(row.name, args, out.dtype))
    single = dtype in (F32, C64)
    agree_uncut(module((x, y, SIZE), e, tuple(results)), [left, right, left.size], rtol=3e-5 if single else 1e-11)


@pytest.mark.parametrize("old", list(DType), ids=lambda d: d.value)
def test_casts(old: DType) -> None:
    x = vector("x", dtype=old)
    e = Emitter({"x", "n"})
    results: list[str] = []
    values = samples(old)
    if old.is_inexact:  # C leaves conversions of what does not fit undefined
        values = np.array([0.0, 1.0, 2.5, 3.99, 100.0], old.numpy)
    for new in DType:
        out = e.alloc(f"out_{new.value}", new, [N])
        results.append(out.name)
        with e.loop(f"i_{new.value}", 0, N) as i:
            e.store(out, [i], Cast(b.load(x, [i]), new))
    agree_uncut(module((x, SIZE), e, tuple(results)), [values, values.size])


@pytest.mark.parametrize("dtype", list(DType), ids=lambda d: d.value)
def test_constants(dtype: DType) -> None:
    values = samples(dtype)
    e = Emitter()
    out = e.alloc("out", dtype, [values.size])
    for k, v in enumerate(values):
        e.store(out, [k], b.const(v, dtype))
    (got,) = agree_uncut(module((), e, ("out",)), [])
    assert got.tobytes() == values.tobytes() or dtype.is_inexact and np.array_equal(got, values, equal_nan=True)
    if dtype.is_float:
        assert np.array_equal(np.signbit(got), np.signbit(values))


def test_constant_arithmetic_is_64_bits_wide() -> None:
    e = Emitter()
    big = Op("mul", (b.i64(100_000), b.i64(100_000)), I64)
    chosen = Op("mul", (Select(b.eq(b.i64(1), Var("n", I64)), b.i64(90_000), b.i64(0)),) * 2, I64)
    out = e.alloc("out", I64, [2])
    e.store(out, [0], big)
    e.store(out, [1], chosen)
    got = agree_uncut(module((SIZE,), e, ("out",)), [1])
    assert got[0].tolist() == [10**10, 81 * 10**8]


@pytest.mark.parametrize("name", sorted(CHECKED))
@pytest.mark.parametrize(("x", "y"), [(3, 4), (2**63 - 1, 1), (-(2**63), -1), (2**32, 2**31), (-(2**63), 1)])
def test_checked_integers(name: str, x: int, y: int) -> None:
    e = Emitter({"x", "y"})
    cell = Buffer("x", I64, (), intent="in"), Buffer("y", I64, (), intent="in")
    out = e.cell("out", Op(name, (b.load(cell[0], []), b.load(cell[1], [])), I64))
    agree_uncut(module(cell, e, (out.name,)), [x, y])


def test_vector_loops_reach_the_same_values() -> None:
    """Long loops with elementary functions, which the compiler may vectorise."""
    for dtype, rtol in ((F64, 1e-13), (F32, 1e-5)):
        x = vector("x", dtype=dtype)
        e = Emitter({"x", "n"})
        results: list[str] = []
        for name in ("exp", "log", "sin", "cos", "tanh", "sqrt", "atan", "expm1", "log1p", "erf", "cbrt"):
            out = e.alloc(f"out_{name}", dtype, [N])
            results.append(out.name)
            with e.loop(f"i_{name}", 0, N, order="any") as i:
                e.store(out, [i], b.op(name, b.load(x, [i])))
        total = e.alloc("total", dtype, (), zero=True)
        with e.loop("i", 0, N, order="any") as i:
            e.accumulate(total, [], b.load(x, [i]))
        values = np.r_[np.linspace(0.01, 40, 1003), np.inf, np.nan, 0.0].astype(dtype.numpy)
        agree_uncut(module((x, SIZE), e, (*results,)), [values, values.size], rtol)
        finite = np.linspace(0.01, 1, 1003).astype(dtype.numpy)
        agree_uncut(module((x, SIZE), e, ("total",)), [finite, finite.size], rtol)


def test_complex_arithmetic_of_both_precisions() -> None:
    for dtype in (C64, C128):
        x = vector("x", dtype=dtype)
        e = Emitter({"x", "n"})
        total = e.alloc("total", dtype, (), zero=True)
        with e.loop("i", 0, N, order="any") as i:
            e.accumulate(total, [], b.mul(b.load(x, [i]), b.op("conj", b.load(x, [i]))))
        values = (np.arange(100) * (1 - 0.3j)).astype(dtype.numpy)
        agree_uncut(module((x, SIZE), e, ("total",)), [values, values.size], 1e-5)


@pytest.mark.parametrize("dtype", [C64, C128], ids=lambda d: d.value)
def test_modulus(dtype: DType) -> None:
    """Without overflow or underflow on the way, infinite where a part is, in lanes and one by one."""
    real = dtype.real.numpy
    info = np.finfo(real)
    tiny, huge = info.smallest_subnormal, info.max
    parts = [
        0.0,
        -0.0,
        tiny,
        3 * tiny,
        info.tiny,
        np.sqrt(info.tiny),
        3.0,
        -4.0,
        np.sqrt(huge),
        huge / 2,
        np.inf,
        np.nan,
    ]
    left, right = np.meshgrid(np.array(parts, real), np.array(parts, real))
    z = (left + 0j).astype(dtype.numpy).ravel()
    z.imag = right.ravel()
    z.real = left.ravel()
    x, e = vector("x", dtype=dtype), Emitter({"x", "n"})
    results: list[str] = []
    for order in ("any", "sequential"):
        out = e.alloc(f"out_{order}", dtype.real, [N])
        results.append(out.name)
        with e.loop(f"i_{order}", 0, N, order=order) as i:
            e.store(out, [i], b.op("abs", b.load(x, [i])))
    agree_uncut(module((x, SIZE), e, tuple(results)), [z, z.size], rtol=4 * float(info.eps))
