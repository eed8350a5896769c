"""Library operations through BLAS, LAPACK and the run-time library, against NumPy, for every layout of operands."""

from __future__ import annotations

import numpy as np
import pytest

from backend.native import SIZE, N, agree_uncut, module
from wengert.backend.c import emit
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Buffer, Module, Storage
from wengert.ir.types import BOOL, C64, C128, F32, F64, I8, I64, U64, DType
from wengert.runtime.call import Kernel

RNG = np.random.default_rng(5)
LINEAR = [F32, F64, C64, C128]
LAYOUTS = ["rows", "columns", "reversed", "every other", "repeated", "reversed columns"]


def random(dtype: DType, *shape: int) -> np.ndarray:
    values = RNG.normal(size=shape)
    return (values + 1j * RNG.normal(size=shape) if dtype.is_complex else values).astype(dtype.numpy)


def laid_out(e: Emitter, hint: str, dtype: DType, layout: str, m: int, n: int, source: Buffer | None = None) -> Buffer:
    """An m by n matrix of a layout, filled from `source`."""
    if layout == "rows":
        v = e.alloc(hint, dtype, [m, n], zero=True)
    elif layout == "columns":
        v = e.view(hint, e.alloc(f"{hint}_base", dtype, [n, m + 1], zero=True), [0, 1], [(1, 1), (0, 1)], [m, n])
    elif layout == "reversed":
        v = e.view(hint, e.alloc(f"{hint}_base", dtype, [m, n], zero=True), [m - 1, 0], [(0, -1), (1, 1)], [m, n])
    elif layout == "every other":
        base = e.alloc(f"{hint}_base", dtype, [2 * m, 3 * n], zero=True)
        v = e.view(hint, base, [1, 2], [(0, 2), (1, 3)], [m, n])
    elif layout == "repeated" and source is not None:
        base = e.alloc(f"{hint}_base", dtype, [n], zero=True)
        v = e.view(hint, base, [0], [(None, 0), (0, 1)], [m, n])
        with e.loop("j", 0, n) as j:
            e.store(base, [j], b.load(source, [0, j]))
        return v
    else:
        base = e.alloc(f"{hint}_base", dtype, [n, m], zero=True)
        v = e.view(hint, base, [n - 1, m - 1], [(1, -1), (0, -1)], [m, n])
    if source is not None:
        with e.loop("i", 0, m) as i, e.loop("j", 0, n) as j:
            e.store(v, [i, j], b.load(source, [i, j]))
    return v


@pytest.mark.parametrize("dtype", LINEAR, ids=lambda d: d.value)
@pytest.mark.parametrize(
    "shape",
    [
        (3, 4, 2),
        (17, 9, 23),
        (40, 1, 30),
        (1, 40, 30),
        (30, 20, 1),
        (1, 1, 600),
        (3, 0, 2),
        (8, 600, 270),
        (2, 64, 9),
        (9, 70, 7),
        (30, 64, 1),
    ],
    ids=str,
)
def test_matmul(dtype: DType, shape: tuple[int, int, int]) -> None:
    m, n, k = shape
    a = Buffer("a", dtype, (b.i64(m), b.i64(k)), intent="in")
    c = Buffer("c", dtype, (b.i64(k), b.i64(n)), intent="in")
    e = Emitter({"a", "c"})
    results: list[str] = []
    for of_a, of_c, of_out in zip(LAYOUTS, np.roll(LAYOUTS, 1), np.roll(LAYOUTS, 3), strict=True):
        with_a = laid_out(e, "left", dtype, of_a, m, k, a)
        with_c = laid_out(e, "right", dtype, str(of_c), k, n, c)
        out = laid_out(e, "out", dtype, str(of_out), m, n)
        e.lib("matmul", [out], [with_a, with_c])
        results.append(out.name)
        plain = laid_out(e, "plain", dtype, "rows", m, n)
        e.lib("matmul", [plain], [with_a, with_c])
        results.append(plain.name)
    rtol = 1e-4 if dtype in (F32, C64) else 1e-12
    agree_uncut(module((a, c), e, tuple(results)), [random(dtype, m, k), random(dtype, k, n)], rtol)


@pytest.mark.parametrize("guarded", [0, 1])
@pytest.mark.parametrize("dtype", LINEAR, ids=lambda d: d.value)
@pytest.mark.parametrize("shape", [(3, 4, 2), (17, 9, 23), (1, 40, 30), (30, 1, 20), (3, 0, 2), (2, 3, 0)], ids=str)
def test_guarded_matmul(shape: tuple[int, int, int], dtype: DType, guarded: int) -> None:
    """Zeros meet what is not finite, in either operand; only in the guarded one it is left out."""
    m, n, k = shape
    a = Buffer("a", dtype, (b.i64(m), b.i64(k)), intent="in")
    c = Buffer("c", dtype, (b.i64(k), b.i64(n)), intent="in")
    e = Emitter({"a", "c"})
    out = laid_out(e, "out", dtype, "columns", m, n)
    left = laid_out(e, "left", dtype, "every other", m, k, a)
    e.lib("guarded_matmul", [out], [left, c], guarded=guarded)
    whole = module((a, c), e, (out.name,))
    left_values, right_values = random(dtype, m, k), random(dtype, k, n)
    rtol = 1e-4 if dtype in (F32, C64) else 1e-12
    plain, *_ = agree_uncut(whole, [left_values, right_values], rtol)
    np.testing.assert_allclose(plain, left_values @ right_values, rtol=10 * rtol, atol=10 * rtol)
    if 0 in shape:
        return
    special, zeros = (right_values, left_values) if guarded else (left_values, right_values)
    special[..., -1] = np.inf
    zeros[0, 0] = zeros[-1, -1] = 0
    special[0, 0] = np.nan
    found, *_ = agree_uncut(whole, [left_values, right_values], rtol)
    for i, j in np.ndindex(m, n):
        row, column = left_values[i], right_values[:, j]
        one, other = (column, row) if guarded else (row, column)
        kept = (other != 0) | np.isfinite(one)
        np.testing.assert_allclose(found[i, j], np.sum((row * column)[kept]), rtol=10 * rtol, atol=10 * rtol)


@pytest.mark.parametrize("negative", [0, 1])
@pytest.mark.parametrize("dtype", LINEAR, ids=lambda d: d.value)
@pytest.mark.parametrize(
    "shape",
    [
        (3, 4, 2),
        (17, 9, 23),
        (40, 1, 30),
        (1, 40, 30),
        (3, 0, 2),
        (3, 4, 0),
        (8, 600, 270),
        (2, 64, 9),
        (9, 70, 7),
        (30, 64, 1),
    ],
    ids=str,
)
def test_add_matmul(shape: tuple[int, int, int], dtype: DType, negative: int) -> None:
    m, n, k = shape
    shapes = ((m, k), (k, n), (m, n))
    a, c, start = (Buffer(x, dtype, tuple(map(b.i64, s)), intent="in") for x, s in zip("acs", shapes, strict=True))
    values = [random(dtype, *s) for s in shapes]
    e = Emitter({"a", "c", "s"})
    results: list[str] = []
    for of_a, of_c, of_out in zip(LAYOUTS, np.roll(LAYOUTS, 1), np.roll(LAYOUTS, 3), strict=True):
        with_a = laid_out(e, "left", dtype, of_a, m, k, a)
        with_c = laid_out(e, "right", dtype, str(of_c) if k else "rows", k, n, c)
        for layout in (str(of_out) if of_out != "repeated" else "rows", "rows"):
            out = laid_out(e, "out", dtype, layout, m, n, start)
            e.lib("add_matmul", [out], [out, with_a, with_c], negative=negative)
            results.append(out.name)
    agree_uncut(module((a, c, start), e, tuple(results)), values, 1e-4 if dtype in (F32, C64) else 1e-12)


@pytest.mark.parametrize("dtype", LINEAR, ids=lambda d: d.value)
@pytest.mark.parametrize("shape", [(70, 33), (40, 7), (17, 90), (50, 0), (5, 9)], ids=str)
def test_product_with_its_own_transpose(shape: tuple[int, int], dtype: DType) -> None:
    """Half of a large one is formed: the result is symmetric to the last bit."""
    n, k = shape
    a = Buffer("a", dtype, (b.i64(n), b.i64(k)), intent="in")
    e = Emitter({"a"})
    results: list[str] = []
    halved = [layout in ("rows", "columns") for layout in LAYOUTS for _ in range(3)]
    for layout in LAYOUTS:
        left = laid_out(e, "left", dtype, layout, n, k, a)
        right = e.view("right", left, [0, 0], [(1, 1), (0, 1)], [k, n])
        for of_out in ("rows", "columns", "every other"):
            out = laid_out(e, "out", dtype, of_out, n, n)
            e.lib("matmul", [out], [left, right])
            results.append(out.name)
    whole = module((a,), e, tuple(results))
    products = agree_uncut(whole, [random(dtype, n, k)], 1e-4 if dtype in (F32, C64) else 1e-12)[: len(results)]
    for found, half in zip(products, halved, strict=True):
        if half and n >= 16:
            np.testing.assert_array_equal(found, found.T)


@pytest.mark.parametrize(("side", "axis"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("dtype", LINEAR, ids=lambda d: d.value)
@pytest.mark.parametrize("shape", [(3, 4, 2), (17, 9, 23), (1, 40, 30), (3, 0, 2), (2, 3, 0)], ids=str)
def test_ranged_matmul(shape: tuple[int, int, int], dtype: DType, side: int, axis: int) -> None:
    """What is not finite meets elements that do not count, and some that are zero and do."""
    m, n, k = shape
    rng = np.random.default_rng(m)
    partial = ((m, k), (k, n))[side]
    a, c = Buffer("a", dtype, (b.i64(m), b.i64(k)), intent="in"), Buffer("c", dtype, (b.i64(k), b.i64(n)), intent="in")
    low, high = (Buffer(x, I64, (b.i64(partial[axis]),), intent="in") for x in ("low", "high"))
    e = Emitter({"a", "c", "low", "high"})
    out = laid_out(e, "out", dtype, "columns", m, n)
    e.lib("ranged_matmul", [out], [a, c, low, high], side=side, axis=axis)
    whole = module((a, c, low, high), e, (out.name,))
    left, right = random(dtype, m, k), random(dtype, k, n)
    ends = np.sort(rng.integers(0, partial[1 - axis] + 1, (2, partial[axis])), axis=0)
    at = np.arange(partial[1 - axis])
    counts = (ends[0][:, None] <= at) & (at < ends[1][:, None])
    counts = counts.T if axis else counts
    one, other = (right, left) if side else (left, right)
    one[~counts] = 0
    if one.size:
        one.reshape(-1)[rng.integers(0, one.size)] = 0
    rtol = 1e-4 if dtype in (F32, C64) else 1e-12
    agree_uncut(whole, [left, right, *ends], rtol)
    if other.size:
        other.reshape(-1)[0], other.reshape(-1)[-1] = np.nan, np.inf
    found, *_ = agree_uncut(whole, [left, right, *ends], rtol)
    for i, j in np.ndindex(m, n):
        kept = counts[:, j] if side else counts[i]
        with np.errstate(all="ignore"):
            expected = np.sum((left[i] * right[:, j])[kept])
        np.testing.assert_allclose(found[i, j], expected, rtol=10 * rtol, atol=10 * rtol)


@pytest.mark.parametrize("dtype", [F32, F64], ids=lambda d: d.value)
def test_adjoint_of_cholesky(dtype: DType) -> None:
    for layout, n in zip(LAYOUTS[:4] + ["rows"] * 4, [5, 64, 65, 12, 0, 1, 130, 200], strict=True):
        values = random(dtype, n, n)
        factor = np.linalg.cholesky(values @ values.T + n * np.eye(n, dtype=dtype.numpy))
        factor += np.triu(random(dtype, n, n), 1)  # is not looked at
        a, g = (Buffer(x, dtype, (b.i64(n), b.i64(n)), intent="in") for x in "ag")
        e = Emitter({"a", "g"})
        ins = [laid_out(e, "l", dtype, layout, n, n, a), laid_out(e, "l_adj", dtype, layout, n, n, g)]
        out = laid_out(e, "x", dtype, layout, n, n)
        e.lib("cholesky_adjoint", [out], ins)
        agree_uncut(module((a, g), e, (out.name,)), [factor, random(dtype, n, n)], 2e-3 if dtype is F32 else 1e-9)


def of_square(op: str, dtype: DType, layout: str, n: int) -> Module:
    """One operation on an n by n matrix `a`."""
    a = Buffer("a", dtype, (b.i64(n), b.i64(n)), intent="in")
    e = Emitter({"a"})
    v = laid_out(e, "v", dtype, layout, n, n, a)
    outs: list[Storage] = []
    ins: list[Storage] = [v]
    match op:
        case "det":
            outs = [e.alloc("d", dtype, ())]
        case "eigh":
            outs = [e.alloc("w", dtype.real, [n]), laid_out(e, "x", dtype, layout, n, n)]
        case "solve":
            right = e.view("right", a, [0, 1 if n > 1 else 0], [(0, 1), (1, 1)], [n, max(n - 2, 0)])
            outs, ins = [laid_out(e, "x", dtype, layout, n, max(n - 2, 0))], [v, right]
        case _:
            outs = [laid_out(e, "x", dtype, layout, n, n)]
    e.lib(op, outs, ins)
    return module((a,), e, tuple(o.name for o in outs))


@pytest.mark.parametrize("dtype", LINEAR, ids=lambda d: d.value)
@pytest.mark.parametrize("op", ["solve", "inv", "det", "cholesky"])
def test_factorisations(op: str, dtype: DType) -> None:
    for layout, n in zip(["rows", "columns", "reversed", "every other", "rows"], [5, 4, 3, 12, 0], strict=True):
        values = random(dtype, n, n)
        if op == "cholesky":
            values = values @ values.conj().T + n * np.eye(n, dtype=dtype.numpy)
        agree_uncut(of_square(op, dtype, layout, n), [values], 2e-3 if dtype in (F32, C64) else 1e-9)


def test_singular_and_indefinite_matrices() -> None:
    singular = np.ones((3, 3))
    for op in ("solve", "inv", "cholesky", "det"):
        agree_uncut(of_square(op, F64, "rows", 3), [singular if op != "cholesky" else -np.eye(3)])


@pytest.mark.parametrize("dtype", LINEAR, ids=lambda d: d.value)
def test_eigenvectors_satisfy_their_equation(dtype: DType) -> None:
    """Of the lower triangle; vectors are determined up to phases."""
    for layout, n in (("rows", 5), ("columns", 12), ("every other", 1), ("rows", 0)):
        a = random(dtype, n, n)
        lower = np.tril(a, -1) + np.diag(np.diag(a).real)
        full = lower + np.tril(lower, -1).conj().T
        w, v = Kernel(of_square("eigh", dtype, layout, n))((lower + np.triu(a, 1),))
        tolerance = 1e-4 if dtype in (F32, C64) else 1e-12
        assert w.dtype == dtype.real.numpy and v.dtype == dtype.numpy
        assert np.all(np.diff(w) >= 0)
        assert np.allclose(full @ v, v * w, atol=tolerance)
        assert np.allclose(v.conj().T @ v, np.eye(n), atol=tolerance)


SHAPES = [("rows", 5, 5), ("columns", 12, 7), ("every other", 7, 12), ("reversed", 1, 1), ("rows", 4, 0)]


@pytest.mark.parametrize("dtype", LINEAR, ids=lambda d: d.value)
def test_decompositions_satisfy_their_equations(dtype: DType) -> None:
    """Of every layout; singular vectors are determined up to phases."""
    tolerance = 2e-4 if dtype in (F32, C64) else 1e-11
    for layout, rows, columns in SHAPES:
        k, given = min(rows, columns), random(dtype, rows, columns)
        a = Buffer("a", dtype, (b.i64(rows), b.i64(columns)), intent="in")
        e = Emitter({"a"})
        v = laid_out(e, "v", dtype, layout, rows, columns, a)
        limit = e.alloc("limit", F64, ())
        e.store(limit, (), b.const(1e-6, F64))
        u, s = laid_out(e, "u", dtype, layout, rows, k), e.alloc("s", dtype.real, [k])
        vh = laid_out(e, "vh", dtype, layout, k, columns)
        x = laid_out(e, "x", dtype, layout, columns, rows)
        e.lib("svd", [u, s, vh], [v])
        e.lib("pinv", [x], [v, limit])
        results = [u, s, vh, x]
        if rows >= columns:
            results += [laid_out(e, "q", dtype, layout, rows, k), laid_out(e, "r", dtype, layout, k, k)]
            e.lib("qr", results[4:], [v])
        found = Kernel(module((a,), e, tuple(o.name for o in results)))((given,))
        assert np.allclose(found[1], np.linalg.svd(given, compute_uv=False), atol=tolerance)
        assert np.allclose(found[0] * found[1] @ found[2], given, atol=tolerance)
        assert np.allclose(found[3], np.linalg.pinv(given, rtol=1e-6), atol=tolerance)
        if rows >= columns:
            q, r = np.linalg.qr(given)
            assert np.allclose(found[4], q, atol=tolerance) and np.allclose(found[5], r, atol=tolerance)


@pytest.mark.parametrize("dtype", [C64, C128], ids=lambda d: d.value)
def test_eigenvectors_of_general_matrices(dtype: DType) -> None:
    for layout, n in (("rows", 5), ("columns", 12), ("every other", 1), ("rows", 0)):
        a = Buffer("a", dtype, (b.i64(n), b.i64(n)), intent="in")
        e = Emitter({"a"})
        w, p = e.alloc("w", dtype, [n]), e.alloc("p", I64, [n])
        v = laid_out(e, "x", dtype, layout, n, n)
        e.lib("eig", [w, v, p], [laid_out(e, "v", dtype, layout, n, n, a)], real=False)
        given = random(dtype, n, n)
        values, vectors, largest = Kernel(module((a,), e, (w.name, v.name, p.name)))((given,))
        assert np.allclose(given @ vectors, vectors * values, atol=2e-4 if dtype is C64 else 1e-11)
        assert np.all(largest == np.argmax(np.abs(vectors), axis=0) if n else True)
        assert np.all(vectors[largest, np.arange(n)].imag == 0)


@pytest.mark.parametrize("dtype", [F64, F32, I64, I8, U64, BOOL], ids=lambda d: d.value)
def test_sort(dtype: DType) -> None:
    x = Buffer("x", dtype, (b.mul(N, 2),), intent="in")
    e = Emitter({"x", "n"})
    odd = e.view("odd", x, [b.sub(b.mul(N, 2), 1)], [(0, -2)], [N])
    y, p = e.alloc("y", dtype, [N]), e.alloc("p", I64, [N])
    e.lib("sort", [y, p], [odd])
    m = module((x, SIZE), e, ("y", "p"))
    for n in (0, 1, 2, 15, 16, 17, 100, 1000):
        values = RNG.integers(0, 1 + n // 3, 2 * n).astype(dtype.numpy)
        if dtype.is_float and n > 3:
            values[::5], values[1::7], values[2::7] = np.nan, np.inf, -np.inf
        agree_uncut(m, [values, n] if n else [values, 0])


@pytest.mark.parametrize("dtype", [C64, C128], ids=lambda d: d.value)
@pytest.mark.parametrize("inverse", [False, True])
def test_fft(dtype: DType, inverse: bool) -> None:
    x = Buffer("x", dtype, (N,), intent="in")
    e = Emitter({"x", "n"})
    back = e.view("back", x, [b.sub(N, 1)], [(0, -1)], [N])
    y, wide = e.alloc("y", dtype, [N]), e.alloc("wide", dtype, [N, 2], zero=True)
    column = e.view("column", wide, [0, 1], [(0, 1)], [N])
    e.lib("fft", [y], [x], inverse=inverse)
    e.lib("fft", [column], [back], inverse=inverse)
    for n in (1, 2, 12, 31, 128):
        agree_uncut(module((x, SIZE), e, ("y", "wide")), [random(dtype, n), n], 1e-4 if dtype is C64 else 1e-12)


def test_unknown_operations_are_refused() -> None:
    for op, dtype in (("convolve", F64), ("matmul", I64), ("fft", F64)):
        e = Emitter()
        a = e.alloc("a", dtype, [2, 2])
        e.lib(op, [a], [a], inverse=False)
        with pytest.raises(ValueError, match=op):
            emit(module((), e))
