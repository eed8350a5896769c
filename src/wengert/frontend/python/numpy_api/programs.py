# pyright: basic
"""NumPy functions written as ordinary programs: they are staged like the user's own code (see `programmed`)."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def apply_along_axis(func1d: Any, axis: int, arr: Array, *args: Any, **kwargs: Any) -> Array:
    """The function of every vector along an axis; its result takes the axis's place."""
    lines = np.moveaxis(np.asarray(arr), axis, -1)
    rest = lines.shape[:-1]
    flat = lines.reshape(-1, lines.shape[-1])
    if flat.shape[0] == 0:
        raise ValueError("Cannot apply_along_axis when any iteration dimensions are 0")
    first = np.asarray(func1d(flat[0], *args, **kwargs))
    out = np.empty((flat.shape[0], *first.shape), dtype=first.dtype)
    out[0] = first
    for k in range(1, flat.shape[0]):
        out[k] = func1d(flat[k], *args, **kwargs)
    full = out.reshape(rest + first.shape)
    count = np.ndim(first)
    place = axis if axis >= 0 else axis + np.ndim(lines)
    sources = tuple(range(np.ndim(full) - count, np.ndim(full)))
    targets = tuple(range(place, place + count))
    return np.moveaxis(full, sources, targets)


def vectorized(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of numbers applied elementwise; the dtype is that of its first result."""
    wide = np.broadcast_arrays(*args)
    shape = wide[0].shape
    flat = [np.ravel(w) for w in wide]
    if flat[0].shape[0] == 0:
        raise ValueError("cannot call `vectorize` on size 0 inputs unless `otypes` is set")
    first = np.asarray(function(*[f[0] for f in flat], **kwargs))
    out = np.empty(flat[0].shape[0], dtype=first.dtype)
    out[0] = first
    for k in range(1, out.shape[0]):
        out[k] = function(*[f[k] for f in flat], **kwargs)
    return out.reshape(shape)


def unique(ar: Array, return_index: bool, return_inverse: bool, return_counts: bool, equal_nan: bool) -> Any:
    """Sorted distinct elements, with where they are, how to rebuild the array, how many there are."""
    flat = np.ravel(np.asarray(ar))
    n = flat.shape[0]
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    new = np.ones(n, dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    if equal_nan and np.issubdtype(flat.dtype, np.inexact):
        new[1:] &= ~(np.isnan(ordered[1:]) & np.isnan(ordered[:-1]))
    values = ordered[new]
    result = [values]
    if return_index:
        result.append(order[new])
    if return_inverse:
        inverse = np.empty(n, dtype=np.int64)
        inverse[order] = np.cumsum(new) - 1
        result.append(inverse.reshape(np.shape(ar)))
    if return_counts:
        starts = np.append(np.nonzero(new)[0], n)
        result.append(np.diff(starts))
    return result[0] if len(result) == 1 else tuple(result)


def isin(element: Array, test_elements: Array, invert: bool) -> Array:
    """Whether each element is among the others."""
    x = np.asarray(element)
    known = np.sort(np.ravel(np.asarray(test_elements)))
    if known.shape[0] == 0:
        return np.full(x.shape, invert)
    place = np.minimum(np.searchsorted(known, x), known.shape[0] - 1)
    found = known[place] == x
    return ~found if invert else found


def setdiff1d(ar1: Array, ar2: Array, assume_unique: bool) -> Array:
    first = np.ravel(np.asarray(ar1)) if assume_unique else np.unique(ar1)
    return first[np.isin(first, ar2, invert=True)]


def union1d(ar1: Array, ar2: Array) -> Array:
    return np.unique(np.concatenate((ar1, ar2), axis=None))


def intersect1d(ar1: Array, ar2: Array) -> Array:
    first = np.unique(ar1)
    return first[np.isin(first, ar2)]


def lexsort(keys: Any) -> Array:
    """Indices that sort by the last key, then by the one before, and so on."""
    order = np.argsort(keys[0], kind="stable")
    for key in keys[1:]:
        order = order[np.argsort(key[order], kind="stable")]
    return order


def sorted_complex(a: Array, axis: int) -> tuple[Array, Array]:
    """The elements and their positions: by real parts, then imaginary parts; last what has NaN in the latter, then in
    the former, then in both."""
    order = np.argsort(a.imag, axis=axis, kind="stable")
    for key in (a.real, 2 * np.isnan(a.real) + np.isnan(a.imag)):
        again = np.argsort(np.take_along_axis(key, order, axis=axis), axis=axis, kind="stable")
        order = np.take_along_axis(order, again, axis=axis)
    return np.take_along_axis(a, order, axis=axis), order


def insert(arr: Array, index: int, values: Array, axis: int) -> Array:
    """One position: as many slices as the values have along their first axis, broadcast along the others."""
    n = arr.shape[axis]
    at = index + n if index < 0 else index
    if at < 0 or at > n:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
    moved = np.moveaxis(arr, axis, 0)
    piece = np.asarray(values)
    for _ in range(np.ndim(arr) - np.ndim(piece)):
        piece = piece[None]
    piece = np.broadcast_to(piece, (piece.shape[0], *moved.shape[1:]))
    joined = np.concatenate((moved[:at], piece.astype(arr.dtype), moved[at:]), axis=0)
    return np.moveaxis(joined, 0, axis)


def insert_at_one_of(arr: Array, positions: Array, values: Array, axis: int) -> Array:
    """One position in an array of positions: the slices lie along `axis` of the values."""
    piece = np.asarray(values)
    for _ in range(np.ndim(arr) - np.ndim(piece)):
        piece = piece[None]
    return insert(arr, positions[0], np.moveaxis(piece, axis, 0), axis)


def delete(arr: Array, index: int, axis: int) -> Array:
    """All but one position."""
    n = arr.shape[axis]
    at = index + n if index < 0 else index
    if at < 0 or at >= n:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {n}")
    moved = np.moveaxis(arr, axis, 0)
    return np.moveaxis(np.concatenate((moved[:at], moved[at + 1 :]), axis=0), 0, axis)


def slogdet(a: Array) -> tuple[Any, Any]:
    """Sign and logarithm of the modulus of the determinant, by elimination with row exchanges."""
    lu = np.array(a)
    n = lu.shape[0]
    sign = lu.dtype.type(1)
    logarithm = np.abs(lu.dtype.type(0))
    for k in range(n):
        p = k + np.argmax(np.abs(lu[k:, k]))
        if p != k:
            for j in range(n):
                kept = lu[k, j]
                lu[k, j] = lu[p, j]
                lu[p, j] = kept
            sign = -sign
        pivot = lu[k, k]
        size = np.abs(pivot)
        if size == 0:
            return lu.dtype.type(0), -np.abs(lu.dtype.type(np.inf))
        sign = sign * (pivot / size)
        logarithm = logarithm + np.log(size)
        for i in range(k + 1, n):
            factor = lu[i, k] / pivot
            for j in range(k + 1, n):
                lu[i, j] -= factor * lu[k, j]
    return sign, logarithm


def singular(a: Array) -> Any:
    """Whether elimination with row exchanges meets a zero pivot."""
    lu = np.array(a)
    n = lu.shape[0]
    found = False
    for k in range(n):
        p = k + np.argmax(np.abs(lu[k:, k]))
        if lu[p, k] == 0:
            found = True
            break
        for j in range(n):
            kept = lu[k, j]
            lu[k, j] = lu[p, j]
            lu[p, j] = kept
        for i in range(k + 1, n):
            factor = lu[i, k] / lu[k, k]
            for j in range(k + 1, n):
                lu[i, j] -= factor * lu[k, j]
    return found


def indefinite(a: Array) -> Any:
    """Whether the Cholesky factorisation of the lower triangle meets a pivot that is not positive."""
    n = a.shape[0]
    low = np.zeros((n, n), dtype=a.dtype)
    found = False
    for j in range(n):
        pivot = a[j, j].real - np.sum(np.abs(low[j, :j]) ** 2)
        if not pivot > 0:
            found = True
            break
        low[j, j] = np.sqrt(pivot)
        for i in range(j + 1, n):
            low[i, j] = (a[i, j] - np.sum(low[i, :j] * np.conj(low[j, :j]))) / low[j, j]
    return found


def tensorsolve(a: Array, b: Array) -> Array:
    shape = a.shape[np.ndim(b) :]
    matrix = a.reshape(b.size, -1)
    flat: Any = np.ravel(b)
    solution: Any = np.linalg.solve(matrix, flat)
    return solution.reshape(shape)


def lstsq(a: Array, b: Array, inverse: Array, values: Array, limit: float) -> Any:
    """Solution, residuals, rank and singular values, given the pseudo-inverse."""
    x = inverse @ b
    m, n = a.shape
    largest = np.max(values) if values.shape[0] > 0 else values.dtype.type(0)
    rank = np.sum(values > limit * largest, dtype=np.int32)
    rest = b - a @ x
    squares = np.atleast_1d(np.sum(rest.real**2 + rest.imag**2, axis=0))
    kept = squares.shape[0] if rank == n and m > n else 0
    return x, squares[:kept], rank, values


def rank_above(values: Array, limit: Any) -> Any:
    return np.count_nonzero(values > np.asarray(limit)[..., None], axis=-1)


def rank_beyond(values: Array, part: float) -> Any:
    return np.count_nonzero(values > np.max(values, axis=-1, keepdims=True) * part, axis=-1)


def condition(values: Array, inverted: bool) -> Any:
    return values[..., -1] / values[..., 0] if inverted else values[..., 0] / values[..., -1]


def condition_by_norms(x: Array, p: Any) -> Any:
    return np.linalg.norm(x, p, axis=(-2, -1)) * np.linalg.norm(np.linalg.inv(x), p, axis=(-2, -1))


def wide_qr(a: Array, tall: Any) -> Any:
    k = min(a.shape[0], a.shape[1])
    q, r = tall(a[:, :k])
    return q, np.concatenate((r, np.conj(q.T) @ a[:, k:]), axis=1)


def roots(p: Array) -> Array:
    """Eigenvalues of the companion matrix; zeros at the ends are taken off first."""
    places = np.nonzero(p)[0]
    if places.shape[0] == 0:
        return np.zeros(0, dtype=p.dtype)
    inner = p[places[0] : places[-1] + 1]
    n = inner.shape[0] - 1
    companion = np.zeros((n, n), dtype=p.dtype)
    if n > 0:
        companion[0, :] = -inner[1:] / inner[0]
    for k in range(1, n):
        companion[k, k - 1] = 1
    found = np.linalg.eigvals(companion)
    return np.append(found, np.zeros(p.shape[0] - 1 - places[-1], dtype=p.dtype))


def polyfit(x: Array, y: Array, deg: int, rcond: Any, w: Any) -> Array:
    """Least squares with the columns of the Vandermonde matrix scaled to length one, as NumPy does."""
    left = np.vander(x + 0.0, int(deg) + 1)
    right = y + 0.0
    if w is not None:
        weights = np.asarray(w) + 0.0
        left = left * weights[:, None]
        right = right * weights[:, None] if np.ndim(right) == 2 else right * weights
    scale = np.sqrt(np.sum(left * left, axis=0))
    c = np.linalg.lstsq(left / scale, right, rcond)[0]
    return (c.T / scale).T


def put(target: Array, positions: Array, values: Array, mode: str) -> None:
    n = target.shape[0]
    for k in range(positions.shape[0]):
        i = positions[k]
        if mode == "wrap":
            i = i % n
        elif mode == "clip":
            i = min(max(i, 0), n - 1)
        target[i] = values[k % values.shape[0]]


def putmask(target: Array, mask: Array, values: Array) -> None:
    for i in range(target.shape[0]):
        if mask[i]:
            target[i] = values[i % values.shape[0]]


def place(target: Array, mask: Array, values: Array) -> None:
    k = 0
    for i in range(target.shape[0]):
        if mask[i]:
            if values.shape[0] == 0:
                raise ValueError("Cannot insert from an empty array!")
            target[i] = values[k % values.shape[0]]
            k += 1


def insert_several(arr: Array, positions: Array, values: Array, axis: int) -> Array:
    """values[k] before what was at positions[k]."""
    moved = np.moveaxis(arr, axis, 0)
    n = moved.shape[0]
    count = positions.shape[0]
    if np.any((positions < -n) | (positions > n)):
        raise IndexError("index is out of bounds for the axis")
    at = np.where(positions < 0, positions + n, positions)
    order = np.argsort(at, kind="stable")
    target = np.empty(count, dtype=np.int64)
    target[order] = at[order] + np.arange(count)
    out = np.empty((n + count, *moved.shape[1:]), dtype=arr.dtype)
    old = np.ones(n + count, dtype=bool)
    old[target] = False
    piece = np.asarray(values)
    if np.ndim(arr) > 1 and np.ndim(piece) == np.ndim(arr):
        piece = np.moveaxis(piece, axis, 0)
    elif np.ndim(arr) > 1 and np.ndim(piece) > 0:
        piece = np.moveaxis(np.broadcast_to(piece, (*arr.shape[:axis], count, *arr.shape[axis + 1 :])), axis, 0)
    out[target] = piece
    out[old] = moved
    return np.moveaxis(out, 0, axis)


def delete_several(arr: Array, positions: Array, axis: int) -> Array:
    moved = np.moveaxis(arr, axis, 0)
    n = moved.shape[0]
    if np.any((positions < -n) | (positions >= n)):
        raise IndexError("index is out of bounds for the axis")
    keep = np.ones(n, dtype=bool)
    keep[positions] = False
    return np.moveaxis(moved[keep], 0, axis)


def unravel_index(indices: Any, shape: tuple[int, ...]) -> tuple[Any, ...]:
    rest = np.int64(indices) if np.ndim(indices) == 0 else np.asarray(indices, dtype=np.int64)
    size = 1
    for extent in shape:
        size = size * extent
    if np.any(rest < 0) or np.any(rest >= size):
        raise ValueError("index is out of bounds for the array")
    found = []
    for extent in shape[::-1]:
        found.insert(0, rest % extent)
        rest = rest // extent
    return tuple(found)


def ravel_multi_index(multi_index: Any, dims: tuple[int, ...], mode: str) -> Any:
    place = np.int64(0)
    for index, extent in zip(multi_index, dims, strict=True):
        i = np.int64(index) if np.ndim(index) == 0 else np.asarray(index, dtype=np.int64)
        if mode == "wrap":
            i = i % extent
        elif mode == "clip":
            i = np.clip(i, 0, extent - 1)
        elif np.any(i < 0) or np.any(i >= extent):
            raise ValueError("invalid entry in coordinates array")
        place = place * extent + i
    return place


def greatest_divisor(a: int, b: int) -> int:
    a, b = abs(a), abs(b)
    while b != 0:
        a, b = b, a % b
    return a


def least_multiple(a: int, b: int) -> int:
    d = greatest_divisor(a, b)
    return 0 if d == 0 else abs(a // d * b)


def of_integers(function: Any, x: Array, y: Array) -> Any:
    """An elementwise function of two integers."""
    wide, other = np.broadcast_arrays(x, y)
    out = np.empty(wide.shape, dtype=np.result_type(wide.dtype, other.dtype))
    flat, first, second = out.reshape(-1), np.ravel(wide), np.ravel(other)
    for k in range(flat.shape[0]):
        flat[k] = function(first[k], second[k])
    return out[()] if np.ndim(out) == 0 else out


def reduceat(ufunc: Any, a: Array, indices: Array, axis: int) -> Array:
    moved = np.moveaxis(a, axis, 0)
    n = moved.shape[0]
    count = indices.shape[0]
    if np.any((indices < 0) | (indices >= n)):
        raise IndexError("index is out of bounds for reduceat")
    first = ufunc.reduce(moved[:1], axis=0)
    out = np.empty((count, *np.shape(first)), dtype=first.dtype)
    for k in range(count):
        start = indices[k]
        stop = n
        if k + 1 < count:
            stop = indices[k + 1]
        out[k] = moved[start]
        for i in range(start + 1, stop):
            out[k] = ufunc(out[k], moved[i])
    return np.moveaxis(out, 0, axis)


def bin_edges(x: Array, bins: Any, limits: Any) -> Array:
    """The edges of bins along one dimension."""
    if np.ndim(bins) == 1:
        return np.asarray(bins) + 0.0
    if limits is not None:
        low, high = limits[0] + 0.0, limits[1] + 0.0
    elif x.shape[0] == 0:
        low, high = 0.0, 1.0
    else:
        low, high = np.min(x) + 0.0, np.max(x) + 0.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    return np.linspace(low, high, bins + 1)


def histogramdd(columns: Any, bins: Any, limits: Any, density: bool, weights: Any) -> Any:
    """Counts of points in boxes: each coordinate is looked up among the edges, the last of which is within."""
    edges = [bin_edges(x, b, r) for x, b, r in zip(columns, bins, limits, strict=True)]
    places = [np.searchsorted(e, x, side="right") - (x == e[-1]) for x, e in zip(columns, edges, strict=True)]
    hist = np.zeros([len(e) + 1 for e in edges])
    if weights is None:
        np.add.at(hist, tuple(places), 1.0)
    else:
        np.add.at(hist, tuple(places), np.asarray(weights) + 0.0)
    hist = hist[(slice(1, -1),) * len(edges)]
    if density:
        total = np.sum(hist)
        for k, e in enumerate(edges):
            widths = [1] * len(edges)
            widths[k] = len(e) - 1
            hist = hist / np.diff(e).reshape(widths)
        hist = hist / total
    return hist, edges


def trimmed(p: Array) -> Array:
    """A polynomial without zeros at its beginning."""
    places = np.nonzero(p)[0]
    first = places[0] if places.shape[0] > 0 else p.shape[0] - 1
    return p[first:]


def polyint(p: Array, m: int, k: Array) -> Array:
    """Highest power first; the constants of integration k are of the first integral first."""
    for j in range(m):
        n = p.shape[0]
        p = np.concatenate((p / np.arange(n, 0, -1), k[j : j + 1]))
    return p


def chebval(x: Array, c: Array) -> Array:
    """Clenshaw's recurrence, here and below."""
    c0, c1 = c[-2] + 0 * x, c[-1] + 0 * x
    for i in range(3, c.shape[0] + 1):
        c0, c1 = c[-i] - c1, c0 + c1 * (2 * x)
    return c0 + c1 * x


def legval(x: Array, c: Array) -> Array:
    n = c.shape[0]
    c0, c1 = c[-2] + 0 * x, c[-1] + 0 * x
    for i in range(3, c.shape[0] + 1):
        n = n - 1
        c0, c1 = c[-i] - c1 * ((n - 1) / n), c0 + c1 * x * ((2 * n - 1) / n)
    return c0 + c1 * x


def hermval(x: Array, c: Array) -> Array:
    n = c.shape[0]
    c0, c1 = c[-2] + 0 * x, c[-1] + 0 * x
    for i in range(3, c.shape[0] + 1):
        n = n - 1
        c0, c1 = c[-i] - c1 * (2 * (n - 1)), c0 + c1 * (2 * x)
    return c0 + c1 * (2 * x)


def hermeval(x: Array, c: Array) -> Array:
    n = c.shape[0]
    c0, c1 = c[-2] + 0 * x, c[-1] + 0 * x
    for i in range(3, c.shape[0] + 1):
        n = n - 1
        c0, c1 = c[-i] - c1 * (n - 1), c0 + c1 * x
    return c0 + c1 * x


def lagval(x: Array, c: Array) -> Array:
    n = c.shape[0]
    c0, c1 = c[-2] + 0 * x, c[-1] + 0 * x
    for i in range(3, c.shape[0] + 1):
        n = n - 1
        c0, c1 = c[-i] - c1 * (n - 1) / n, c0 + c1 * ((2 * n - 1) - x) / n
    return c0 + c1 * (1 - x)


def at(ufunc: Any, a: Array, indices: Any, b: Any) -> None:
    """ufunc.at along the first axis: one after another, so that what comes twice counts twice."""
    places = np.asarray(indices)
    values = np.broadcast_to(b, (*places.shape, *a.shape[1:])).reshape(places.size, *a.shape[1:])
    flat = places.ravel()
    for k in range(places.size):
        a[flat[k]] = ufunc(a[flat[k]], values[k])
