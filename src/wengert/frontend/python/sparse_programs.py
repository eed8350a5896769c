"""What scipy.sparse computes in C, as programs: they add to `y`."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def csr_matvec(rows: int, columns: int, indptr: Array, indices: Array, data: Array, x: Array, y: Array) -> None:
    for i in range(rows):
        total = y[i]
        for k in range(indptr[i], indptr[i + 1]):
            total = total + data[k] * x[indices[k]]
        y[i] = total


def csr_matvecs(
    rows: int, columns: int, count: int, indptr: Array, indices: Array, data: Array, x: Array, y: Array
) -> None:
    source, target = x.reshape(columns, count), y.reshape(rows, count)
    for i in range(rows):
        for k in range(indptr[i], indptr[i + 1]):
            target[i] += data[k] * source[indices[k]]


def csc_matvec(rows: int, columns: int, indptr: Array, indices: Array, data: Array, x: Array, y: Array) -> None:
    for j in range(columns):
        for k in range(indptr[j], indptr[j + 1]):
            y[indices[k]] += data[k] * x[j]


def csc_matvecs(
    rows: int, columns: int, count: int, indptr: Array, indices: Array, data: Array, x: Array, y: Array
) -> None:
    source, target = x.reshape(columns, count), y.reshape(rows, count)
    for j in range(columns):
        for k in range(indptr[j], indptr[j + 1]):
            target[indices[k]] += data[k] * source[j]


def coo_matvec(count: int, row: Array, column: Array, data: Array, x: Array, y: Array) -> None:
    for k in range(count):
        y[row[k]] += data[k] * x[column[k]]


def coo_times_vector(rows: int, row: Array, column: Array, data: Array, x: Array) -> Array:
    y = np.zeros(rows, dtype=np.result_type(data, x))
    coo_matvec(len(data), row, column, data, x, y)
    return y


def coo_matmat_dense(count: int, columns: int, row: Array, column: Array, data: Array, x: Array, y: Array) -> None:
    source = x.reshape(-1, columns)
    for k in range(count):
        y[row[k]] += data[k] * source[column[k]]


def times_matrix(x: Array, matrix: Any) -> Array:
    return (matrix.T @ x.T).T


def csr_todense(indices: Array, indptr: Array, data: Array, y: Array) -> None:
    for i in range(len(indptr) - 1):
        for k in range(indptr[i], indptr[i + 1]):
            y[i, indices[k]] += data[k]


def csc_todense(indices: Array, indptr: Array, data: Array, y: Array) -> None:
    for j in range(len(indptr) - 1):
        for k in range(indptr[j], indptr[j + 1]):
            y[indices[k], j] += data[k]


def coo_todense(coords: tuple[Array, ...], data: Array, y: Array) -> None:
    for k in range(len(data)):
        y[coords[0][k], coords[1][k]] += data[k]
