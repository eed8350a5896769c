"""Derivatives through NumPy's functions agree with differences: one sample per handler with derivatives."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from expressions import arguments, function, groups, mentions

from derivatives import assert_derivatives

SMOOTH = """
np.array([a, v[0] * a, 2.0])
np.array([[v, w], [w, v * v]])
np.linspace(a, 3.0, 7)
np.linspace(v, w, 3)
np.logspace(0, a, 5)
np.geomspace(a, 50, 4)
np.diag(v)
np.diag(m)
np.tril(m) * m
np.triu(m, 1)
np.vander(u, 4)
np.full((2, 3), a) * a
np.meshgrid(v, w)[0] * np.meshgrid(v, w)[1]
np.r_[v, a, w * 2]
np.sum(v * v)
np.sum(m * m, axis=0)
np.sum(t, axis=(0, 2), keepdims=True)
np.sum(m * m, where=p)
np.prod(u)
np.prod(m, axis=0)
np.mean(m * v[:10])
np.mean(m, axis=1, keepdims=True) * m
np.std(v)
np.var(m, axis=0, ddof=1)
np.std(m, axis=1)
np.max(v)
np.min(m, axis=0)
np.max(m * m, axis=(0, 1))
np.ptp(v)
v[np.argmax(v)] * w
np.cumsum(v * w)
np.cumsum(m, axis=0)
np.cumprod(u)
np.maximum.accumulate(v)
np.diff(v, 2)
np.diff(m, axis=0)
np.trapezoid(v, np.cumsum(u))
np.gradient(v, np.cumsum(u))
np.gradient(m)[1]
np.average(v, weights=u)
np.cov(m)
np.corrcoef(v, w)
np.nansum(q) * v
np.nanmean(h, axis=0)
np.nanmax(q) * v
np.nanstd(h)
np.convolve(v, w[:5])
np.correlate(v, w[:4], "same")
np.dot(v, w)
v @ v
m @ n
m @ m.T
m @ v[:10]
v[:9] @ m
m.T @ v[:9]
t @ np.swapaxes(t, 1, 2)
o @ np.ones((11, 4))
np.outer(v, w)
np.add.outer(v, w * w)
np.tensordot(t, t, axes=([1, 2], [1, 2]))
np.kron(v, z)
np.cross(m[:, :3], w[:3])
np.trace(m * m)
np.linalg.multi_dot([m, n, n.T])
np.linalg.matrix_power(z, 3)
np.linalg.matrix_power(np.stack([z, z.T]), 5)
np.einsum("ij,jk->ik", m, n)
np.einsum("ij,kj->ik", m, m)
np.einsum("ii->i", s)
np.einsum("ijk,ilk->jl", t, t)
np.einsum("i,ij,j->", v[:9], m, v[:10])
(m * m).reshape(-1, 3)
m[:4].reshape(2, 2, 10) * 2
m.T.ravel() * np.ravel(m)
np.moveaxis(t, 0, -1)
np.flip(v) * v
np.rot90(m) * a
np.diagonal(m * 2)
np.broadcast_to(v, (3, 12)) * a
m.astype(np.float64) * a
np.round(v) * v
np.sinc(v)
np.concatenate([v, w * v])
np.stack([v, w], axis=1) * a
np.hstack((m, m * m))
np.column_stack((v, w)) @ z[:2]
np.block([[z, z * z], [z, z]])
np.array_split(v * v, 5)[1]
np.tile(v, (2, 2)) * a
np.repeat(m, k, axis=1)
np.repeat(v, l) * a
np.roll(v, 2) * v
np.pad(v, 2, mode="reflect")
np.pad(m, 1, constant_values=a)
np.where(b, v * v, w)
np.where(v > 0, np.sqrt(np.abs(v)), v)
np.select([v > 1, v > 0], [v, v * v], 9.0)
np.piecewise(v, [v < 0], [lambda y: -y * y, lambda y: y * y])
v[b] * a
np.take(v, l) * w
np.take_along_axis(m, np.argsort(m, axis=1), axis=1) * m
np.clip(v, -0.5, 0.5)
np.clip(v, w - 1, w + 1)
np.nan_to_num(q)
np.sort(v) * w
np.sort(m, axis=0)
np.median(v)
np.median(m, axis=0)
np.percentile(v, 30)
np.quantile(m, [0.2, 0.9], axis=1)
np.interp(v, np.cumsum(u), w)
np.interp(u * 5, np.cumsum(u), w)
np.bincount(l, weights=v * v)
np.histogram(v, 4, range=(-1, 1), weights=w * w)[0]
np.linalg.inv(s)
np.linalg.solve(s, v[:10])
np.linalg.solve(z, z * z)
np.linalg.cholesky(s)
np.linalg.det(z)
np.linalg.det(np.stack([z, z * 2]))
np.linalg.eigvalsh(s)
np.linalg.pinv(z)
np.linalg.norm(v)
np.linalg.norm(m, axis=0)
np.linalg.norm(v, 3)
np.linalg.norm(m, 1)
np.linalg.norm(v, np.inf)
np.abs(np.fft.fft(v)) ** 2
np.fft.irfft(np.fft.rfft(v) * 2)
np.abs(np.fft.fft2(m))
np.fft.fftshift(v)
np.real(c * c) + np.imag(c)
np.abs(c) * np.angle(c)
np.vdot(c, c).real
(d @ d.conj().T).real
np.power(u, w)
np.maximum(v, w)
np.arctan2(v, w)
np.add(v, w, out=np.zeros(12)) * v
np.add(v, w, out=np.zeros(12), where=b)
np.multiply.reduce(v)
np.sum(np.array(v))
"""


@pytest.mark.parametrize("group", groups(SMOOTH.strip().splitlines(), 6), ids=lambda g: g[0][:30])
def test_derivatives(group: list[str]) -> None:
    every = arguments()
    names = [n for n in every if any(mentions(e, n) for e in group)]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        assert_derivatives(function(group, names), *(every[n] for n in names), seeds=(0,))
