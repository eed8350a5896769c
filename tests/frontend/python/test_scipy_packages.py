"""scipy.fft, ndimage, signal, interpolate, spatial.distance and stats, called as scientific programs call them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.fft
import scipy.interpolate
import scipy.ndimage
import scipy.signal
import scipy.spatial.distance
import scipy.stats

import wengert as wg
from derivatives import assert_derivatives

RNG = np.random.default_rng(8)
V, U, M = RNG.normal(size=12), RNG.uniform(0.5, 2.0, size=12), RNG.normal(size=(7, 6))
KNOTS = np.arange(12.0)
SECTIONS = scipy.signal.butter(4, 0.3, output="sos")


def transforms(v):
    spectrum = scipy.fft.fft(v, axis=-1)
    half = scipy.fft.irfft(scipy.fft.rfft(v) * np.arange(7.0), n=12, workers=1)
    return np.abs(spectrum) ** 2, half, scipy.fft.ifft(spectrum, norm="ortho").real, scipy.fft.fftshift(v) * v


def planes(m):
    return np.abs(scipy.fft.fft2(m)) ** 2, scipy.fft.ifftn(scipy.fft.fftn(m) ** 2).real


def cosines(v):
    ortho = scipy.fft.dct(v, norm="ortho")
    m = v.reshape(3, 4)
    return scipy.fft.dct(v), scipy.fft.idct(v) * v, ortho**2, scipy.fft.dct(m, type=3, axis=0), scipy.fft.idct(m, 3)


def filtered(m):
    smooth = scipy.ndimage.gaussian_filter(m, 0.6)
    ends = scipy.ndimage.gaussian_filter1d(m, 0.5, axis=0, order=1, mode="nearest")
    return smooth**2, ends, scipy.ndimage.uniform_filter(m, 3) * m, scipy.ndimage.laplace(m, mode="wrap")


def correlated(m):
    weights = np.array([[0.0, 1.0, 2.0], [1.0, -3.0, 0.5], [0.3, 0.0, 1.0]])
    outside = scipy.ndimage.correlate(m, weights, mode="constant", cval=0.5)
    return scipy.ndimage.convolve(m, weights) ** 2, outside, scipy.ndimage.convolve(m, weights[:2], mode="mirror")


def convolved(v, m):
    kernel = v[:3]
    same = scipy.signal.convolve(v, kernel, mode="same")
    short = scipy.signal.convolve(kernel, v, mode="same")
    plane = scipy.signal.convolve2d(m, m[:3, :2], mode="valid")
    return same, short, scipy.signal.fftconvolve(m, m[:2, :3]), plane, scipy.signal.correlate(v, kernel, "valid")


def recursive_filter(v):
    b, a = scipy.signal.butter(2, 0.3)
    forward = scipy.signal.lfilter(b, a, v)
    later, state = scipy.signal.lfilter([1.0, 0.5], [2.0, -0.3], v.reshape(3, 4), axis=0, zi=np.ones((1, 4)))
    return forward**2, later, state, scipy.signal.lfilter([0.2, 0.3, 0.5], [1.0], v)


def filters_in_sections(v, u):
    """By the signal, the coefficients and the states at the start."""
    sections = SECTIONS * np.array([u[0], 1.0, u[1], 1.0, u[2], 1.0])
    later, state = scipy.signal.sosfilt(sections, v.reshape(3, 4), axis=0, zi=np.ones((2, 2, 4)) * u[3])
    return scipy.signal.sosfilt(sections, v) ** 2, later, state


def splines(v, u):
    at = np.array([3.3, 0.0, 11.0]) + 0.1 * u[:3]
    cubic = scipy.interpolate.CubicSpline(KNOTS, v, bc_type="natural")
    local = scipy.interpolate.PchipInterpolator(KNOTS, v)
    return cubic(at), cubic(at, 1), local(3.7), scipy.interpolate.Akima1DInterpolator(KNOTS, v)(4.2)


def lines(v, u):
    return scipy.interpolate.interp1d(KNOTS, v)(2.0 + u)


def distances(m, v):
    found = [scipy.spatial.distance.cdist(m, m[:3] + 1.0, name) for name in ("euclidean", "cityblock", "cosine")]
    pairs = scipy.spatial.distance.pdist(m, "minkowski", p=3.0)
    return found, pairs, scipy.spatial.distance.euclidean(v[:3], v[3:6]), scipy.spatial.distance.sqeuclidean(v, 2 * v)


def densities(v, u):
    normal = scipy.stats.norm.logpdf(v, 0.3, u)
    several = scipy.stats.multivariate_normal.logpdf(v[:3], np.zeros(3), 2.0 * np.eye(3))
    return normal, scipy.stats.norm.cdf(v), scipy.stats.gamma.logpdf(u, 2.0), several


CASES: dict[Any, tuple[Any, ...]] = {
    transforms: (V,), planes: (M,), cosines: (V,), filtered: (M,), correlated: (M,), convolved: (V, M),
    recursive_filter: (V,), filters_in_sections: (V, U),
    splines: (V, U), lines: (V, U), distances: (M, V), densities: (V, U),
}  # fmt: skip


@pytest.mark.parametrize("program", CASES, ids=lambda f: f.__name__)
def test_programs(program: Any) -> None:
    assert_derivatives(program, *CASES[program], seeds=(0,))


def test_distances_of_a_point_from_itself() -> None:
    def f(m):
        return np.sum(scipy.spatial.distance.cdist(m, m))

    gradient = wg.grad(f)(M[:3])
    gaps = M[:3, None, :] - M[None, :3, :]
    lengths = np.linalg.norm(gaps, axis=-1, keepdims=True)
    np.testing.assert_allclose(gradient, 2 * np.sum(gaps / np.where(lengths == 0, 1.0, lengths), axis=1))


def test_splines_beyond_their_ends() -> None:
    def f(v, x):
        return scipy.interpolate.CubicSpline(KNOTS, v, extrapolate=False)(x), scipy.interpolate.CubicSpline(KNOTS, v)(x)

    x = np.array([-1.0, 0.0, 5.5, 11.0, 12.5, np.nan])
    for found, expected in zip(wg.compile(f)(V, x), f(V, x), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "program",
    [
        lambda v: scipy.fft.dst(v),
        lambda v: scipy.spatial.distance.pdist(v.reshape(4, 3), "hamming"),
        lambda v: scipy.signal.convolve2d(v.reshape(3, 4), v.reshape(4, 3), boundary="wrap"),
    ],
)
def test_the_rest_is_refused(program: Any) -> None:
    with pytest.raises(wg.Unsupported):
        wg.compile(program)(V)
