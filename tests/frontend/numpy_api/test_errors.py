"""Wrong calls raise what NumPy raises; what is not supported is refused, never computed differently."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from expressions import arguments, function, mentions

import wengert as wg

WRONG = """
np.zeros(-k)
np.zeros((2, -1))
np.arange(0, 5, 0)
np.arange(0.0, a, 0.0)
np.linspace(0, 1, -k)
np.geomspace(0, 1, 3)
np.array([[1, 2], [3]])
np.array([v, w[:3]])
m.sum(axis=2)
m.sum(axis=-3)
m.sum(axis=(0, 0))
np.max(e)
np.min(e)
np.argmax(e)
np.max(m[:, :0], axis=1)
np.max(v, where=b)
v @ m
m @ n.T
np.dot(m, v)
np.dot(v, w[:5])
np.float64(2) @ v
np.inner(v, w[:4])
np.cross(v, w)
np.trace(v)
np.tensordot(m, m, 1)
np.einsum("ij,jk", m, m)
np.einsum("ij", v)
np.einsum("ij,jk", m)
m.reshape(7, 5)
m.reshape(-1, 7)
m.reshape(-1, -1)
m.reshape(len(v), -1)
np.transpose(m, (0, 0))
np.transpose(m, (0,))
np.transpose(m, (0, 5))
np.swapaxes(m, 0, 2)
np.moveaxis(m, [0, 1], [0])
np.squeeze(m, axis=0)
np.expand_dims(v, 3)
np.fliplr(v)
np.rot90(m, 1, (0, 0))
np.diagonal(v)
np.broadcast_to(v, (3, 4))
np.broadcast_to(m, (10,))
np.concatenate([v, m])
np.concatenate([m, n])
np.concatenate([a, a])
np.concatenate([])
np.stack([v, w[:3]])
np.vstack([v, w[:3]])
np.hstack([m, n])
np.split(v, 5)
np.split(m, 4, axis=1)
np.repeat(v, -1)
np.repeat(v, [1, 2])
np.repeat(v, i)
np.pad(v, -1)
np.pad(v[:0], 1, mode="edge")
np.take(v, 12)
np.take(v, [-13, 0])
v[i + 9]
v[12]
m[9, 0]
m[0, 0, 0]
v[m > 0]
v.item(20)
v.item()
np.select([b], [v, w])
np.piecewise(v, [v > 0], [1.0, 2.0, 3.0])
np.where(b, v)
np.take_along_axis(m, l, axis=0)
np.compress(b, v[:3])
np.interp(v, w, u[:3])
np.interp(v, e, e)
np.digitize(v, w)
np.bincount(i)
np.bincount(v)
np.histogram(v, 0)
np.histogram(v, np.array([1.0, 0.0]))
np.histogram(v, 3, range=(2, 1))
np.percentile(v, 101)
np.quantile(v, -a)
np.searchsorted(v, w, side="middle")
np.sort(v, axis=1)
np.linalg.inv(m)
np.linalg.inv(np.zeros((10, 10)))
np.linalg.solve(s, v)
np.linalg.solve(np.zeros((3, 3)), v[:3])
np.linalg.cholesky(-s)
np.linalg.det(m)
np.linalg.norm(t, 1)
np.linalg.norm(m, 7)
np.linalg.matrix_power(m, 2)
np.delete(m, [1.0], axis=0)
np.insert(v, [1.0, 2.0], 0.0)
np.fft.fft(e)
np.fft.fft(a)
np.fft.fft(v, norm="x")
np.add(v, m)
v + w[:3]
np.add(v, w, out=np.zeros(3))
np.add(v, w, out=np.zeros(12, dtype=int))
np.add(v)
np.clip(l.astype(np.int8), 300, 400)
np.average(v, weights=np.zeros(12))
np.average(m, axis=0, weights=v)
np.trapezoid(v, w[:3])
np.convolve(v, e)
np.convolve(m, v)
np.gradient(v[:1])
np.diff(v, -1)
np.diff(a)
np.nonzero(a)
np.kron(v, w)[200]
v.astype("no such type")
np.sin(v, w, u)
np.linalg.multi_dot([m])
np.cumsum(m, axis=2)
np.nanargmax(np.full(3, np.nan))
np.broadcast_shapes((2, 3), (4,))
np.meshgrid(v, w, indexing="zz")
np.roll(m, 1, axis=2)
np.tile(v, -1)
np.vander(m)
np.argsort(m, axis=5)
"""

REFUSED = """
np.ravel(m, order="K")
np.max(c)
np.histogram(v, "auto")
np.linalg.qr(z, "raw")
np.polyfit(v, w, 2, full=True)
v.getfield(np.int32)
np.nditer(v)
np.random.rand(3) + v[:3]
np.add(v, w, where=b)
np.zeros(3, dtype=np.float16)
np.quantile(v, 0.3, method="hazen")
np.pad(v, 1, mode="mean")
np.einsum("ij->ij", m, casting="unsafe")
np.var(v, mean=a)
np.fft.fftn(m, s=(3, 3))
v.view(np.int64)
np.real_if_close(c)
np.may_share_memory(v, w)
np.geomspace(1j, 2, 3)
"""


def both(expression: str) -> tuple[Any, Any]:
    every = arguments()
    names = [n for n in every if mentions(expression, n)]
    f = function([expression], names)
    found: list[Any] = []
    for run in (f, wg.compile(f)):
        try:
            with np.errstate(all="ignore"):
                run(*(every[n] for n in names))
            found.append(None)
        except Exception as error:
            found.append(error)
    return found[0], found[1]


@pytest.mark.parametrize("expression", WRONG.strip().splitlines())
def test_wrong(expression: str) -> None:
    want, got = both(expression)
    assert want is not None, "NumPy accepts this"
    assert got is not None, "accepted"
    if not isinstance(got, type(want)) and not isinstance(want, type(got)):
        raise AssertionError(f"{type(got).__name__}: {got}\ninstead of {type(want).__name__}: {want}")


@pytest.mark.parametrize("expression", REFUSED.strip().splitlines())
def test_refused(expression: str) -> None:
    every = arguments()
    names = [n for n in every if mentions(expression, n)]
    with pytest.raises(wg.Unsupported, match="way out"):
        wg.compile(function([expression], names))(*(every[n] for n in names))


def factor_or_identity(a):
    try:
        return np.linalg.cholesky(a)
    except np.linalg.LinAlgError:
        return np.eye(3)


def solve_or_zero(a, b):
    try:
        x = np.linalg.solve(a, b) + np.linalg.inv(a) @ b
    except np.linalg.LinAlgError:
        x = np.zeros(3)
    return x


def pick_or_zero(v, i):
    try:
        x = v[i] * 2
    except IndexError:
        x = np.zeros(2)
    return x


def root_or_seven(k):
    try:
        return 2**k
    except (ValueError, ArithmeticError):
        return 7


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (factor_or_identity, (4 * np.eye(3) + 1,)),
        (factor_or_identity, (np.eye(3) - 2,)),
        (solve_or_zero, (np.eye(3) + 0.5, np.ones(3))),
        (solve_or_zero, (np.ones((3, 3)), np.ones(3))),
        (pick_or_zero, (np.arange(3.0), np.array([0, -3]))),
        (pick_or_zero, (np.arange(3.0), np.array([0, 3]))),
        (pick_or_zero, (np.zeros(0), np.array([0, 0]))),
    ],
)
def test_caught(f: Any, args: tuple[Any, ...]) -> None:
    """The program's own handlers see the errors of NumPy's functions."""
    np.testing.assert_allclose(wg.compile(f)(*args), f(*args), atol=1e-12)


@pytest.mark.parametrize(("f", "args"), [(root_or_seven, (-3,))])
def test_what_is_not_supported_is_not_caught(f: Any, args: tuple[Any, ...]) -> None:
    with pytest.raises((RuntimeError, np.linalg.LinAlgError)):
        wg.compile(f)(*args)
