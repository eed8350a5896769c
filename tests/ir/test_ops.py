"""Every row of OPS means what it says: NumPy, C and partials agree, and kinks follow the policy."""

from __future__ import annotations

import ctypes
import math
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ir.programs import evaluate
from wengert.errors import NotDifferentiable
from wengert.ir.nodes import Select, Var
from wengert.ir.ops import C_HELPERS, CHECKED, OPS, OpRow
from wengert.ir.types import BOOL, C64, C128, F32, F64, I8, I64, DType
from wengert.ir.walk import subexpressions

RNG = np.random.default_rng(0)
LOUD = {"complex"}
WORDS = {"held", "change"}  # words for what a derivative is to do, see tests/ad/test_attach.py
DISCRETE = set(
    (
        "ipow shl shr bitand bitor bitxor bitnot popcount addc subc mulc ipowc shlc eq ne lt le gt ge and or xor not "
        "isnan isinf isfinite signbit held"
    ).split()
)


def point(row: OpRow, dtype: DType) -> list[Any]:
    """A random point of the row's domain."""
    values = [RNG.uniform(low, high) for low, high in row.domain]
    if dtype.is_complex:
        values = [v + 1j * RNG.uniform(-0.3, 0.3) for v in values]
    if dtype is BOOL:
        return [np.bool_(v > 0) for v in values]
    if dtype.numpy.kind == "u":
        values = [abs(v) for v in values]
    return [dtype.numpy.type(v) for v in values]


def partials(name: str, *values: Any) -> list[Any]:
    """The row's partials at a point, by the interpreter (0 where the row says None)."""
    row, dtype = OPS[name], DType.of(values[0].dtype)
    names = [f"x{k}" for k in range(row.arity)]
    assert row.partials is not None
    found = row.partials(tuple(Var(n, dtype) for n in names), Var("ans", row.result_dtype((dtype,) * row.arity)))
    found = [None if isinstance(e, NotDifferentiable) else e for e in found]
    assert len(found) == row.arity
    point = dict(zip(names, values, strict=True))
    return [0.0 if e is None else evaluate(e, ans=row.numpy(*values), **point) for e in found]


def refuses(name: str, k: int) -> bool:
    """Whether a derivative by operand k is refused."""
    row = OPS[name]
    found = row.partials(tuple(Var(f"x{i}", F64) for i in range(row.arity)), Var("ans", F64)) if row.partials else ()
    return isinstance(found[k], NotDifferentiable)


def slope(row: OpRow, values: list[Any], k: int, step: complex) -> complex:
    """A fourth-order central difference along operand k."""

    def f(t: complex) -> complex:
        moved = list(values)
        moved[k] = values[k].dtype.type(values[k] + t * step)
        return row.numpy(*moved)

    return (8 * (f(1) - f(-1)) - (f(2) - f(-2))) / (12 * step)


@pytest.mark.parametrize("name", OPS)
def test_every_row_has_partials_or_none_on_purpose(name: str) -> None:
    row = OPS[name]
    assert (row.partials is None) == (name in DISCRETE)
    assert row.name == name and len(row.domain) == row.arity
    if row.partials is None:
        assert row.result == "bool" or "f" not in row.kinds or name in WORDS
    if row.holomorphic:
        assert "c" in row.kinds


@pytest.mark.parametrize(
    "name", [r.name for r in OPS.values() if r.partials is not None and r.name not in LOUD | WORDS]
)
def test_partials_of_reals(name: str) -> None:
    for _ in range(5):
        values = point(OPS[name], F64)
        for k, found in enumerate(partials(name, *values)):
            if refuses(name, k):
                continue
            expected = slope(OPS[name], values, k, 1e-3)
            assert found == pytest.approx(expected, rel=1e-7, abs=1e-9), f"operand {k} at {values}"


@pytest.mark.parametrize("name", [r.name for r in OPS.values() if r.holomorphic and r.name not in WORDS])
def test_partials_of_holomorphic_rows(name: str) -> None:
    for _ in range(5):
        values = point(OPS[name], C128)
        for k, found in enumerate(partials(name, *values)):
            for step in (1e-3, 1e-3j):
                expected = slope(OPS[name], values, k, step)
                assert found == pytest.approx(expected, rel=1e-7, abs=1e-9), f"operand {k} at {values}"


@pytest.mark.parametrize("name", sorted(LOUD))
def test_no_silent_zero(name: str) -> None:
    with pytest.raises(NotDifferentiable):
        partials(name, *point(OPS[name], F64))


@pytest.mark.parametrize("name", ["abs", "real", "imag", "conj", "angle"])
def test_complex_operands_of_other_rows_are_handled_by_name(name: str) -> None:
    assert not OPS[name].holomorphic
    with pytest.raises(NotDifferentiable, match="not holomorphic"):
        partials(name, np.complex128(1 + 1j))


INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("name", "at", "expected"),
    [
        ("abs", (0.0,), (0,)),
        ("abs", (-0.0,), (0,)),
        ("copysign", (0.0, -2.0), (0, 0)),
        ("max", (1.0, 1.0), (1, 0)),
        ("min", (1.0, 1.0), (1, 0)),
        ("fmax", (1.0, 1.0), (1, 0)),
        ("fmax", (1.0, NAN), (1, 0)),
        ("fmax", (NAN, 1.0), (0, 1)),
        ("fmin", (NAN, 1.0), (0, 1)),
        ("sqrt", (0.0,), (INF,)),
        ("cbrt", (0.0,), (INF,)),
        ("hypot", (0.0, 0.0), (0, 0)),
        ("atan2", (0.0, 0.0), (0, 0)),
        ("atan2", (1e-200, 1e-200), (5e199, -5e199)),
        ("pow", (0.0, 0.0), (0, 0)),
        ("pow", (0.0, 1.0), (1, 0)),
        ("pow", (0.0, 2.0), (0, 0)),
        ("pow", (0.0, 0.5), (INF, 0)),
        ("pow", (2.0, 0.0), (0, math.log(2))),
        ("pow", (-2.0, 2.0), (-4, NAN)),
        ("sign", (0.0,), (0,)),
        ("floor", (1.0,), (0,)),
        ("floordiv", (1.0, 0.5), (0, 0)),
        ("mod", (-7.0, 2.0), (1, 4)),
        ("fmod", (-7.0, 2.0), (1, 3)),
        ("remainder", (-7.5, 2.0), (1, 4)),
        ("asinh", (1e200,), (1e-200,)),
        ("asin", (1 - 2**-53,), (2**26,)),
    ],
)
def test_kinks(name: str, at: tuple[float, ...], expected: tuple[float, ...]) -> None:
    assert partials(name, *map(np.float64, at)) == pytest.approx(expected, rel=1e-6, nan_ok=True)


def test_second_derivatives_at_safe_points() -> None:
    """The untaken side of a select does not leak NaN: both sides are finite where one is selected to avoid it."""
    for name, at in (("pow", (0.0, 0.0)), ("hypot", (0.0, 0.0)), ("atan2", (0.0, 0.0))):
        row = OPS[name]
        assert row.partials is not None
        values = {"a": np.float64(at[0]), "b": np.float64(at[1]), "ans": row.numpy(*map(np.float64, at))}
        for e in row.partials((Var("a", F64), Var("b", F64)), Var("ans", F64)):
            assert e is not None
            for x in subexpressions(e):
                if isinstance(x, Select):
                    assert math.isfinite(evaluate(x.then, **values)) and math.isfinite(evaluate(x.orelse, **values))


@pytest.mark.parametrize("name", OPS)
def test_numpy_keeps_exact_dtypes_and_never_warns(name: str) -> None:
    row = OPS[name]
    extremes = {"f": [0.0, -0.0, INF, -INF, NAN, 1e300], "i": [-(2**62), 2**62], "u": [2**62], "b": [True], "c": [INF]}
    for dtype in DType:
        if not row.accepts(dtype):
            continue
        expected = row.result_dtype((dtype,) * row.arity).numpy
        assert row.numpy(*point(row, dtype)).dtype == expected
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for a in extremes[dtype.numpy.kind]:
                if name in DISCRETE and dtype.is_integer:
                    continue  # exponents and shifts have preconditions
                with np.errstate(all="ignore"):
                    value = np.asarray(a).astype(dtype.numpy)[()]
                assert row.numpy(*[value] * row.arity).dtype == expected


def test_results_that_convention_decides() -> None:
    def value(name: str, *args: Any) -> Any:
        return OPS[name].numpy(*args)

    assert value("floordiv", np.int64(-7), np.int64(2)) == -4 and value("mod", np.int64(-7), np.int64(2)) == 1
    assert value("floordiv", np.int8(1), np.int8(0)) == 0 and value("mod", np.int8(1), np.int8(0)) == 0
    assert value("floordiv", np.int8(-128), np.int8(-1)) == -128
    assert value("fmod", np.float64(-7), np.float64(2)) == -1
    assert value("add", np.int8(127), np.int8(1)) == -128
    assert (
        math.isnan(value("max", np.float64(1), np.float64(NAN))) and value("fmax", np.float64(1), np.float64(NAN)) == 1
    )
    assert math.copysign(1, value("max", np.float64(-0.0), np.float64(0.0))) == -1
    assert value("angle", np.float64(-2)) == math.pi and value("angle", np.complex128(1j)) == math.pi / 2
    assert str(value("complex", np.float64(-0.0), np.float64(INF))) == "(-0+infj)"
    with pytest.raises(OverflowError):
        value("mulc", np.int64(2**62), np.int64(2))
    with pytest.raises(TypeError, match="addc does not accept i8"):
        OPS["addc"].result_dtype((I8, I8))


# -- C -------------------------------------------------------------------------------------------------------

C_TYPES = {
    **{d: f"{d.numpy.name}_t" for d in DType if d.is_integer},
    BOOL: "_Bool", F32: "float", F64: "double", C64: "float complex", C128: "double complex",
}  # fmt: skip
CASES = [(row, dtype) for row in OPS.values() for dtype in DType if row.accepts(dtype)]


def test_helpers_are_exactly_those_described() -> None:
    used: set[str] = set()
    for row, dtype in CASES:
        for helper, suffix in re.findall(r"wg_([a-z0-9]+)(?:_(\w+))?\(", row.c(dtype, ["a", "b", "c"][: row.arity])):
            assert suffix == ("" if helper in CHECKED else dtype.value)
            used.add(helper)
    assert used == set(C_HELPERS)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_c_expressions_agree_with_numpy(tmp_path: Path) -> None:
    """Compile every expression without helpers and compare with NumPy at random points."""
    functions: list[str] = []
    cases = [(r, d) for r, d in CASES if "wg_" not in r.c(d, ["a", "b"][: r.arity])]
    assert len(cases) > 200
    for k, (row, dtype) in enumerate(cases):
        t, result = C_TYPES[dtype], C_TYPES[row.result_dtype((dtype,) * row.arity)]
        functions.append(
            f"void f{k}(const {t} *x, {result} *y) {{ *y = {row.c(dtype, ['x[0]', 'x[1]'][: row.arity])}; }}"
        )
    source = "#include <math.h>\n#include <complex.h>\n#include <stdint.h>\n" + "\n".join(functions)
    (tmp_path / "ops.c").write_text(source)
    library = tmp_path / "ops.so"
    flags = ["-std=c99", "-Wall", "-Werror", "-fwrapv", "-fno-math-errno", "-fPIC", "-shared"]
    subprocess.run(["cc", *flags, "-o", library, tmp_path / "ops.c", "-lm"], check=True)
    native = ctypes.CDLL(str(library))
    for k, (row, dtype) in enumerate(cases):
        for _ in range(5):
            values = point(row, dtype)
            x = np.array(values, dtype.numpy)
            y = np.zeros((), row.result_dtype((dtype,) * row.arity).numpy)
            getattr(native, f"f{k}")(x.ctypes.data_as(ctypes.c_void_p), y.ctypes.data_as(ctypes.c_void_p))
            tolerance = 1e-5 if dtype.real is F32 else 1e-12
            assert y == pytest.approx(row.numpy(*values), rel=tolerance, abs=tolerance), f"{row.name} {dtype} {values}"


def test_c_of_narrow_integers_narrows() -> None:
    assert OPS["add"].c(I8, ["a", "b"]) == "((int8_t)(a + b))"
    assert OPS["add"].c(I64, ["a", "b"]) == "(a + b)"
