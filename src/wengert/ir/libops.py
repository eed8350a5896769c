"""Library operations: one row each, with its NumPy meaning.

Outputs are allocated by the caller with the right extents and overwritten whole; they never alias an input (but the one
that an operation adds to, `adds`, is its first input). Matrices
are rank-2 storages of one floating or complex dtype, possibly strided views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Reference: TypeAlias = Callable[..., tuple[Array, ...]]


@dataclass(frozen=True, slots=True)
class LibRow:
    """One library operation.

    - `numpy`: (attrs, *ins) -> the outputs; the interpreter's meaning. May raise LinAlgError.
    - `ins`, `outs`: a signature per operand: its axes, by letter (equal letters are equal extents), and after a colon
      its dtype where that is not the common one ("real": the real type of it).
    - `kinds`: NumPy kind letters of the common dtype.
    - `attrs`: the names of the static attributes it takes.
    - `adds`: the output is the first input, too: it is added to. Passes write such operations after differentiation.
    """

    name: str
    ins: tuple[str, ...]
    outs: tuple[str, ...]
    numpy: Reference
    kinds: str = "fc"
    attrs: tuple[str, ...] = ()
    effects: str = "pure"
    note: str = ""
    adds: bool = False


def _matmul(attrs: Mapping[str, object], a: Array, b: Array) -> tuple[Array, ...]:
    return (a @ b,)


def _add_matmul(attrs: Mapping[str, object], c: Array, a: Array, b: Array) -> tuple[Array, ...]:
    return (c - a @ b if attrs["negative"] else c + a @ b,)


def _guarded_matmul(attrs: Mapping[str, object], a: Array, b: Array) -> tuple[Array, ...]:
    if attrs["guarded"]:
        return (_guarded_product(b.T, a.T).T,)
    return (_guarded_product(a, b),)


def _guarded_product(a: Array, b: Array) -> Array:
    total = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    with np.errstate(all="ignore"):
        for x, y in zip(a.T, b, strict=True):
            left_out = (y == 0)[None, :] & ~np.isfinite(x)[:, None]
            total += np.where(left_out, 0, x[:, None]) * y[None, :]
    return total


def _ranged_matmul(attrs: Mapping[str, object], a: Array, b: Array, low: Array, high: Array) -> tuple[Array, ...]:
    partial = b if attrs["side"] else a
    extent: int = partial.shape[0 if attrs["axis"] else 1]
    at: Array = np.arange(extent, dtype=np.int64)
    present: Array = (low[:, None] <= at) & (at < high[:, None])
    present = present.T if attrs["axis"] else present
    total = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    with np.errstate(all="ignore"):
        for k in range(a.shape[1]):
            kept: Array = present[k][None, :] if attrs["side"] else present[:, k][:, None]
            total += np.where(kept, a[:, k][:, None] * b[k][None, :], 0)
    return (total,)


def _solve(attrs: Mapping[str, object], a: Array, b: Array) -> tuple[Array, ...]:
    return (np.linalg.solve(a, b),)


def _inv(attrs: Mapping[str, object], a: Array) -> tuple[Array, ...]:
    return (np.linalg.inv(a),)


def _cholesky(attrs: Mapping[str, object], a: Array) -> tuple[Array, ...]:
    return (np.linalg.cholesky(a),)


def _cholesky_adjoint(attrs: Mapping[str, object], factor: Array, adjoint: Array) -> tuple[Array, ...]:
    lower = np.tril(factor)
    half = np.tril(lower.T @ np.tril(adjoint))
    half -= np.diag(np.diag(half)) / 2
    s = np.linalg.solve(lower.T, np.linalg.solve(lower.T, (half + half.T)).T)
    return ((np.tril(s) - np.diag(np.diag(s)) / 2).astype(factor.dtype),)


def _det(attrs: Mapping[str, object], a: Array) -> tuple[Array, ...]:
    return (np.asarray(np.linalg.det(a)),)


def _sort(attrs: Mapping[str, object], x: Array) -> tuple[Array, ...]:
    order = np.argsort(x, kind="stable")
    return x[order], order.astype(np.int64)


def _fft(attrs: Mapping[str, object], x: Array) -> tuple[Array, ...]:
    transform = np.fft.ifft if attrs["inverse"] else np.fft.fft
    return (transform(x).astype(x.dtype) if x.size else x.copy(),)


def _eigh(attrs: Mapping[str, object], a: Array) -> tuple[Array, ...]:
    w, v = np.linalg.eigh(a)
    return w, v


def _svd(attrs: Mapping[str, object], a: Array) -> tuple[Array, ...]:
    return tuple(np.linalg.svd(a, full_matrices=False))


def _full_svd(attrs: Mapping[str, object], a: Array) -> tuple[Array, ...]:
    return tuple(np.linalg.svd(a))


def _pinv(attrs: Mapping[str, object], a: Array, rcond: Array) -> tuple[Array, ...]:
    return (np.linalg.pinv(a, rtol=rcond.item()),)


def _qr(attrs: Mapping[str, object], a: Array) -> tuple[Array, ...]:
    return tuple(np.linalg.qr(a))


def _eig(attrs: Mapping[str, object], a: Array) -> tuple[Array, ...]:
    w, v = np.linalg.eig(np.real(a) if attrs["real"] else a)
    w, v = w.astype(a.dtype), v.astype(a.dtype)
    largest = np.argmax(np.abs(v), axis=0) if v.size else np.zeros(0)
    return w, v, largest.astype(np.int64)


LIBOPS: dict[str, LibRow] = {
    row.name: row
    for row in (
        LibRow("matmul", ("mk", "kn"), ("mn",), _matmul, note="C = A B; k = 0 gives zeros"),
        LibRow(
            "add_matmul",
            ("mn", "mk", "kn"),
            ("mn",),
            _add_matmul,
            attrs=("negative",),
            note="C += A B (negative: C -= A B)",
            adds=True,
        ),
        LibRow(
            "guarded_matmul",
            ("mk", "kn"),
            ("mn",),
            _guarded_matmul,
            attrs=("guarded",),
            note="C = A B, where elements of A (guarded = 0; of B: 1) that are not finite count as 0 if they meet a 0",
        ),
        LibRow(
            "ranged_matmul",
            ("mk", "kn", "r:i64", "r:i64"),
            ("mn",),
            _ranged_matmul,
            attrs=("side", "axis"),
            note="C = A B, where only a part of A (side = 0; of B: 1) counts: of row t (axis = 0; of column t: 1) the "
            "elements from low[t] to before high[t]. The others must be 0",
        ),
        LibRow("solve", ("nn", "nm"), ("nm",), _solve, note='X = A^-1 B; LinAlgError "Singular matrix"'),
        LibRow("inv", ("nn",), ("nn",), _inv, note='A^-1; LinAlgError "Singular matrix"'),
        LibRow(
            "cholesky",
            ("nn",),
            ("nn",),
            _cholesky,
            note="L L* = A of the lower triangle of A, zeros above the diagonal; "
            'LinAlgError "Matrix is not positive definite"',
        ),
        LibRow(
            "cholesky_adjoint",
            ("nn", "nn"),
            ("nn",),
            _cholesky_adjoint,
            kinds="f",
            note="the adjoint of the lower triangle of A, given L and its adjoint (lower triangles are read), zeros "
            "above the diagonal",
        ),
        LibRow("det", ("nn",), ("",), _det, note="the determinant; 1 of an empty matrix"),
        LibRow(
            "sort",
            ("n",),
            ("n", "n:i64"),
            _sort,
            kinds="biuf",
            note="stable, ascending, NaN last; the second output is the permutation: Y[i] = X[P[i]]",
        ),
        LibRow("fft", ("n",), ("n",), _fft, kinds="c", attrs=("inverse",), note="the inverse divides by n"),
        LibRow("eigh", ("nn",), ("n:real", "nn"), _eigh, note="A = V diag(w) V* of the lower triangle, w ascending"),
        LibRow("svd", ("mn",), ("mk", "k:real", "kn"), _svd, note="A = U diag(s) V*, k = min(m, n), s descending"),
        LibRow("full_svd", ("mn",), ("mm", "k:real", "nn"), _full_svd, note="as svd, with bases of the whole spaces"),
        LibRow(
            "pinv",
            ("mn", ":f64"),
            ("nm",),
            _pinv,
            note="the pseudo-inverse; singular values up to the second operand times the largest count as zeros",
        ),
        LibRow("qr", ("mn",), ("mn", "nn"), _qr, note="A = Q R, m >= n, R upper with a real diagonal"),
        LibRow(
            "eig",
            ("nn",),
            ("n", "nn", "n:i64"),
            _eig,
            kinds="c",
            attrs=("real",),
            note="A V = V diag(w), columns of length 1; the third output: where the largest element of a "
            "column is, which is real. real: the imaginary parts of A are zero, and the order is that of real matrices",
        ),
    )
}

SILENT = frozenset({"matmul", "add_matmul", "ranged_matmul", "guarded_matmul", "cholesky_adjoint", "fft", "sort"})
"""Operations that end without an error, whatever their operands."""
