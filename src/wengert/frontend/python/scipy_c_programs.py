# pyright: basic
"""What scipy.ndimage, signal, fft, interpolate and spatial compute in C, as programs."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


# -- scipy.ndimage -----------------------------------------------------------------------------------------------


def continued(x: Array, width: Any, mode: Any, outside: float) -> Array:
    if mode == "constant":
        return np.pad(x + 0.0, width, mode="constant", constant_values=outside)
    return np.pad(x + 0.0, width, mode=mode)


def correlate1d(
    source: Array, weights: Array, axis: int, output: Array, mode: Any, outside: float, origin: int
) -> None:
    """A line is continued at both ends as `mode` of numpy.pad says."""
    many = weights.shape[0]
    before = many // 2 + origin
    lines = np.moveaxis(source, axis, -1)
    width = [(0, 0)] * (np.ndim(source) - 1) + [(before, many - 1 - before)]
    padded = continued(lines, width, mode, outside)
    n = lines.shape[-1]
    total = np.zeros(lines.shape)
    for k in range(many):
        total = total + weights[k] * padded[..., k : k + n]
    output[...] = np.moveaxis(total, -1, axis)


def correlate_plane(source: Array, weights: Array, output: Array, mode: Any, outside: float, origins: Any) -> None:
    p, q = weights.shape
    above, left = p // 2 + origins[0], q // 2 + origins[1]
    width = [(above, p - 1 - above), (left, q - 1 - left)]
    padded = continued(source, width, mode, outside)
    m, n = source.shape
    total = np.zeros(source.shape)
    for i in range(p):
        for j in range(q):
            total = total + weights[i, j] * padded[i : i + m, j : j + n]
    output[...] = total


# -- scipy.signal ------------------------------------------------------------------------------------------------


def linear_filter(b: Array, a: Array, x: Array, axis: int, start: Any) -> Any:
    """The transposed direct form II; the states at the end if those at the start are given."""
    size = max(len(b), len(a))
    dtype = np.result_type(b, a, x, np.float32)
    forward, back = np.zeros(size, dtype=dtype), np.zeros(size, dtype=dtype)
    forward[: len(b)], back[: len(a)] = b / a[0], a / a[0]
    lines = np.moveaxis(x, axis, -1)
    state = np.zeros((*lines.shape[:-1], size), dtype=dtype)
    if start is not None:
        state[..., : size - 1] = np.moveaxis(np.asarray(start), axis, -1)
    result = np.zeros(lines.shape, dtype=dtype)
    for n in range(lines.shape[-1]):
        result[..., n] = forward[0] * lines[..., n] + state[..., 0]
        for k in range(1, size):
            state[..., k - 1] = forward[k] * lines[..., n] - back[k] * result[..., n] + state[..., k]
    filtered = np.moveaxis(result, -1, axis)
    if start is None:
        return filtered
    return filtered, np.moveaxis(state[..., : size - 1], -1, axis)


def in_sections(sos: Array, x: Array, axis: int, start: Any) -> Any:
    """A filter of second order after the other; the states at the end too if those at the start are given."""
    sections, filtered = np.asarray(sos), np.asarray(x) * 1.0
    if np.ndim(sections) != 2 or sections.shape[1] != 6:
        raise ValueError("sos array must be shape (n_sections, 6)")
    if not np.all(sections[:, 3] == 1):
        raise ValueError("sos[:, 3] should be all ones")
    if start is None:
        for k in range(len(sections)):
            filtered = linear_filter(sections[k, :3], sections[k, 3:], filtered, axis, None)
        return filtered
    states = np.asarray(start) * 1.0
    for k in range(len(sections)):
        filtered, states[k] = linear_filter(sections[k, :3], sections[k, 3:], filtered, axis, states[k])
    return filtered, states


def convolve_lines(x: Array, y: Array, mode: Any) -> Array:
    """As scipy.signal.convolve of vectors: "same" is as long as the first one."""
    if mode != "same":
        return np.convolve(x, y, mode=mode)
    start = (len(y) - 1) // 2
    return np.convolve(x, y)[start : start + len(x)]


def convolve_planes(x: Array, y: Array, mode: Any) -> Array:
    (m, n), (p, q) = x.shape, y.shape
    full = np.zeros((m + p - 1, n + q - 1), dtype=np.result_type(x, y))
    for i in range(p):
        for j in range(q):
            full[i : i + m, j : j + n] += y[i, j] * x
    if mode == "full":
        return full
    if mode == "same":
        i, j = (p - 1) // 2, (q - 1) // 2
        return full[i : i + m, j : j + n]
    if p <= m and q <= n:
        return full[p - 1 : m, q - 1 : n]
    if m <= p and n <= q:
        return full[m - 1 : p, n - 1 : q]
    raise ValueError("For 'valid' mode, one must be at least as large as the other in every dimension")


# -- scipy.fft ---------------------------------------------------------------------------------------------------


def dct2(x: Array, norm: Any) -> Array:
    """2 sum x_n cos(pi k (2n + 1) / 2N), by one transform of twice the length."""
    n = x.shape[-1]
    both = np.fft.fft(np.concatenate((x, x[..., ::-1]), axis=-1))[..., :n]
    turned = (both * np.exp(-0.5j * np.pi * np.arange(n) / n)).real
    if norm != "ortho":
        return turned
    scale = np.full(n, np.sqrt(0.5 / n))
    scale[0] = np.sqrt(0.25 / n)
    return turned * scale


def dct3(x: Array, norm: Any) -> Array:
    """x_0 + 2 sum_(n > 0) x_n cos(pi (2k + 1) n / 2N)."""
    n = x.shape[-1]
    scale = np.full(n, np.sqrt(2.0 / n) if norm == "ortho" else 2.0)
    scale[0] = np.sqrt(1.0 / n) if norm == "ortho" else 1.0
    turned = x * scale * np.exp(0.5j * np.pi * np.arange(n) / n)
    padded = np.concatenate((turned, np.zeros(turned.shape, dtype=turned.dtype)), axis=-1)
    return 2 * n * np.fft.ifft(padded)[..., :n].real


# -- scipy.interpolate -------------------------------------------------------------------------------------------


def evaluate(c: Array, breaks: Array, points: Array, order: int, extrapolate: bool, out: Array) -> None:
    """Polynomials by their coefficients, the highest power first, in x less the start of its interval."""
    terms, pieces, _ = c.shape
    forwards = breaks[-1] >= breaks[0]
    for i in range(len(points)):
        x = points[i]
        inside = breaks[0] <= x <= breaks[-1] if forwards else breaks[-1] <= x <= breaks[0]
        if np.isnan(x) or not (inside or extrapolate):
            out[i] = np.nan
        else:
            place = np.searchsorted(breaks, x, side="right") if forwards else np.searchsorted(-breaks, -x, side="right")
            piece = min(max(place - 1, 0), pieces - 1)
            step = x - breaks[piece]
            total = np.zeros(out.shape[1], dtype=out.dtype)
            for k in range(terms - order):
                factor = 1.0
                for q in range(order):
                    factor = factor * (terms - 1 - k - q)
                total = total * step + factor * c[k, piece]
            out[i] = total


# -- scipy.spatial.distance --------------------------------------------------------------------------------------


def distances(x: Array, y: Array, metric: str, p: float) -> Array:
    """Of vectors along the last axis; the derivative of a root at 0 is 0, as that of norms."""
    if metric == "cosine":
        lengths = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
        return 1.0 - np.sum(x * y, axis=-1) / lengths
    gap = x - y
    if metric == "sqeuclidean":
        return np.sum(gap * gap, axis=-1)
    if metric == "cityblock":
        return np.sum(np.abs(gap), axis=-1)
    if metric == "chebyshev":
        return np.max(np.abs(gap), axis=-1)
    if metric == "minkowski":
        return np.linalg.norm(gap, ord=p, axis=-1)
    return np.linalg.norm(gap, axis=-1)


def cdist(x: Array, y: Array, metric: str, p: float) -> Array:
    return distances(np.asarray(x)[:, None, :] * 1.0, np.asarray(y)[None, :, :] * 1.0, metric, p)


def pdist(x: Array, metric: str, p: float) -> Array:
    points = np.asarray(x) * 1.0
    first, second = np.triu_indices(points.shape[0], 1)
    return distances(points[first], points[second], metric, p)


def distance(x: Array, y: Array, metric: str, p: float) -> Any:
    return distances(np.asarray(x) * 1.0, np.asarray(y) * 1.0, metric, p)
