"""Library operations have the meaning and the signatures their rows state."""

from __future__ import annotations

import numpy as np
import pytest

from wengert.ir.libops import LIBOPS
from wengert.ir.types import DType

EXTENTS = {"m": 2, "n": 3, "k": 4, "r": 2}
TALL = {"svd": {"k": 2}, "full_svd": {"k": 2}, "qr": {"m": 5}}  # what the letters stand for there
ATTRS: dict[str, dict[str, object]] = {"fft": {"inverse": False}, "guarded_matmul": {"guarded": 0}}
ATTRS |= {"eig": {"real": False}, "add_matmul": {"negative": 0}, "ranged_matmul": {"side": 0, "axis": 0}}


def extents(name: str) -> dict[str, int]:
    return {**EXTENTS, **TALL.get(name, {})}


def operands(name: str, dtype: DType) -> list[np.ndarray]:
    rng, found = np.random.default_rng(1), []
    for signature in LIBOPS[name].ins:
        if signature == ":f64":
            found.append(np.array(1e-15))
            continue
        if signature.endswith(":i64"):
            found.append(np.arange(extents(name)[signature[0]]))
            continue
        a = rng.normal(size=[extents(name)[x] for x in signature])
        if dtype.is_complex:
            a = a + 1j * rng.normal(size=a.shape)
        if name in ("cholesky", "eigh"):
            a = a @ a.conj().T + np.eye(len(a))
        found.append(a.astype(dtype.numpy))
    return found


@pytest.mark.parametrize("name", LIBOPS)
def test_results_have_the_shapes_and_dtypes_of_the_signature(name: str) -> None:
    row = LIBOPS[name]
    for dtype in DType:
        if dtype.numpy.kind not in row.kinds:
            continue
        results = row.numpy(ATTRS.get(name, {}), *operands(name, dtype))
        assert len(results) == len(row.outs)
        for value, signature in zip(results, row.outs, strict=True):
            axes, _, kind = signature.partition(":")
            assert value.shape == tuple(extents(name)[x] for x in axes)
            assert DType.of(value.dtype) is (dtype.real if kind == "real" else DType(kind) if kind else dtype)
    assert set(row.attrs) == set(ATTRS.get(name, {}))


def test_meanings() -> None:
    (a, b) = operands("solve", DType.F64)
    assert np.allclose(a @ LIBOPS["solve"].numpy({}, a, b)[0], b)
    (a,) = operands("cholesky", DType.C128)
    (low,) = LIBOPS["cholesky"].numpy({}, a)
    assert np.allclose(low @ low.conj().T, a) and np.all(np.triu(low, 1) == 0)
    y, p = LIBOPS["sort"].numpy({}, np.array([2.0, np.nan, 1.0, 2.0]))
    assert p.tolist() == [2, 0, 3, 1] and np.isnan(y[-1])
    assert np.all(LIBOPS["matmul"].numpy({}, np.ones((2, 0)), np.ones((0, 3)))[0] == 0)
    (a,) = operands("svd", DType.C128)
    u, s, vh = LIBOPS["svd"].numpy({}, a)
    assert np.allclose(u * s @ vh, a)
    assert np.allclose(a @ LIBOPS["pinv"].numpy({}, a, np.array(1e-15))[0] @ a, a)
    (a,) = operands("qr", DType.C128)
    q, r = LIBOPS["qr"].numpy({}, a)
    assert np.allclose(q @ r, a) and np.all(np.tril(r, -1) == 0)
    (a,) = operands("eig", DType.C128)
    w, v, p = LIBOPS["eig"].numpy({"real": False}, a)
    assert np.allclose(a @ v, v * w) and np.all(v[p, range(3)].imag == 0)
    z = np.array([1, 2j, 3])
    assert np.allclose(LIBOPS["fft"].numpy({"inverse": True}, LIBOPS["fft"].numpy({"inverse": False}, z)[0])[0], z)


def test_failures() -> None:
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        LIBOPS["solve"].numpy({}, np.zeros((2, 2)), np.ones((2, 1)))
    with pytest.raises(np.linalg.LinAlgError, match="Singular matrix"):
        LIBOPS["inv"].numpy({}, np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError, match="Matrix is not positive definite"):
        LIBOPS["cholesky"].numpy({}, -np.eye(2))
