"""Views are views, copies are copies, and what is computed later reads the memory of its time."""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from expressions import same

import wengert as wg

PROGRAMS: list[tuple[Callable[..., Any], tuple[Any, ...]]] = []
M = np.arange(90.0).reshape(9, 10)
V = np.arange(12.0)


def program(*args: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        PROGRAMS.append((f, args))
        return f

    return register


@program(M)
def views_written_through(m):
    t = m.T
    t[0, 1] = -1.0
    r = m.reshape(-1)
    r[5] = -2.0
    m[:2].reshape(-1)[3] = -3.0
    m[2:4].ravel()[11] = -4.0
    np.swapaxes(m, 0, 1)[3, 4] = -5.0
    np.flip(m)[0] = 7.0
    m[::2][1, 1] = -6.0
    np.moveaxis(m, 0, 1)[9, 0] = 8.0
    np.expand_dims(m, 0)[0, 3, 3] = 9.0
    np.squeeze(m[:1], axis=0)[2] = 10.0
    np.atleast_3d(m)[4, 4, 0] = 11.0
    m.flat[7] = 12.0
    a, b = np.split(m, [4])
    b[0, 0] = 13.0
    a += 1.0
    return m.sum()


@program(M)
def einsum_gives_views(m):
    square = m[:, :9].copy()
    np.einsum("ii->i", square)[2:5] *= 3.0
    np.einsum("ij->ji", square)[1, 2] = -1.0
    stack = square.reshape(3, 3, 9)
    np.einsum("iij->ji", stack)[4] = 5.0
    np.einsum("ij->ij", square)[0, 1] = 7.0
    copied = np.einsum("ij->i", square)
    copied[:] = 0.0
    return square, copied


@program(np.arange(64.0).reshape(8, 8))
def reshaped_again(m):
    t = m.reshape(2, 4, 8)
    t[1:].reshape(-1)[3] = -1.0
    t[:, :, ::3].reshape(8, 3)[4, 1] = -2.0
    t[:, 1].reshape(16)[2] = -3.0
    t.T.reshape(8, 2, 2, 2)[2, 1, 0, 1] = -4.0
    m.T.reshape(2, 4, 8)[1, 1, 1] = -5.0
    d = np.diagonal(t)
    e = np.diagonal(t[:, 1:, 2:], 1, 1, 2)
    m[0, 0] = 7.0
    m[1, 3] = 8.0
    copied = m.T.reshape(-1)
    copied[0] = 9.0
    return d * 1.0, e * 1.0, copied


def swapped_and_reshaped(m, steps):
    a, b = m.copy(), m * 2.0
    total = 0.0
    for _ in range(steps):
        a, b = b, a
        a[0, 0] += 1.0
        total += a.reshape(-1)[3] + np.diagonal(a).sum() + np.einsum("ii->i", a)[1]
    return total + a.sum()


def swapped_and_written(m, steps):
    a, b = m.copy(), m * 2.0
    for _ in range(steps):
        a, b = b, a
        a.reshape(-1)[3] = -1.0
    return a + 2 * b


def swapped_and_outdated(m, steps):
    a, b = m.copy(), m * 2.0
    total = 0.0
    for _ in range(steps):
        a, b = b, a
        d = np.diagonal(a)
        a[0, 0] = 1.0
        total += d.sum()
    return total


def split_of_unknown_size(v):
    v[::2].reshape(2, 5)[0] = 1.0
    return v


def in_a_function_called_twice(m):
    def change(part):
        r = part.reshape(-1)
        for k in range(3):
            r[k] = np.sin(r[k]) + np.cos(r[k + 1]) * np.exp(-r[k + 2]) + np.sqrt(1.0 + r[k] ** 2) - np.tanh(r[k + 1])
        return r.sum() * 2.0 + r[0] * r[1] - r[2] ** 2 + np.log(2.0 + r[3] ** 2)

    total = 0.0
    for k in range(0, 8, 2):
        total += change(m[k : k + 2])
    return total + change(m[:2]) + change(m[4:6]) + change(m[2:4]) + change(m), m


def test_reshaped_parts_in_functions() -> None:
    m = np.arange(64.0).reshape(8, 8) / 64
    mine, theirs = m.copy(), m.copy()
    want, got = in_a_function_called_twice(theirs), wg.compile(in_a_function_called_twice)(mine)
    assert same(got, want) is None
    assert same(mine, theirs) is None


def test_what_may_be_a_view_is_not_taken_for_a_copy() -> None:
    square, v = M[:, :9].copy(), np.arange(10.0)
    assert np.allclose(wg.compile(swapped_and_reshaped)(square, 3), swapped_and_reshaped(square, 3))
    for f, args in ((swapped_and_written, (square, 3)), (swapped_and_outdated, (square, 3))):
        with pytest.raises(wg.Unsupported, match="not known here whether it is a view or a copy"):
            wg.compile(f)(*args)
    with pytest.raises(wg.Unsupported, match="not known here whether it is a view or a copy"):
        wg.compile(split_of_unknown_size)(np.arange(20.0))
    assert np.array_equal(wg.compile(lambda v: v[::2].reshape(1, 5) * 2.0)(v), v[None, ::2] * 2.0)


@program(M)
def contiguous_copies(m):
    square = m[:, :9].copy()
    for made in (square.T, square[:, :4], square[::2], square[::-1], square[1:3], square[4], square):
        np.ascontiguousarray(made)[0] += 2.0
    return square


@program(V)
def repeated_positions(v):
    y, z = v + 1.0, np.ones((3, 4))
    np.multiply.at(y, [0, 0, 3], v[1:4])
    np.divide.at(y, np.array([[1, 1], [-1, 2]]), 2.0)
    np.power.at(y, [3, 3], 2.0)
    np.multiply.at(z, [2, 2], v[:4])
    return y, z


@program(M)
def diagonals_follow_the_array(m):
    d = np.diag(m)
    e = np.diagonal(m, 1)
    m[0, 0] = 100.0
    m[0, 1] = 200.0
    return d, e, np.trace(m)


@program(M)
def copies_do_not_follow(m):
    a = m.copy()
    b = m.flatten()
    c = np.array(m)
    d = m[[0, 1]]
    e = np.ravel(m.T)
    f = m[m > 3]
    g = m.astype(np.float64)
    m[:] = 0.0
    return a, b, c, d, e, f, g


@program(V, V + 1)
def reads_happen_in_order(v, w):
    x = v + w
    y = np.where(v > 3, v, w)
    z = np.concatenate([v, w])
    c = np.clip(v, 2, 5)
    s = np.stack([v, w])
    v[:] = -1.0
    return x, y, z, c, s


@program(V)
def unbound_results_are_read_before_the_write(v):
    v[:] = np.flip(v) + np.roll(v, 1)
    v[1:] = np.cumsum(v)[:-1]
    v[:] = np.where(v > 0, v[::-1], v)
    v[:6] = np.sort(v)[6:]
    v[::2] = np.concatenate([v[:3], v[-3:]])
    return v


@program(V, V * 2)
def outputs(v, w):
    out = np.empty(12)
    r = np.add(v, w, out=out)
    r[0] = 99.0
    np.multiply(v, 2, v)
    np.sum(np.ones((12, 3)) * v[:, None], axis=1, out=w)
    np.cumsum(v, out=v)
    np.clip(v, 0, 50, out=v)
    np.sqrt(v, where=v > 9, out=v)
    np.add(v[1:], v[:-1], out=v[1:])
    np.copyto(w, 3.0, where=w > 20)
    return out, r


@program(V, np.array([0, 1, 1, 3, 3, 3]))
def unbuffered(v, i):
    np.add.at(v, i, 1.0)
    np.subtract.at(v, i, np.arange(6) * 0.5)
    np.maximum.at(v, i, 2.5)
    w = np.zeros((12, 3))
    np.add.at(w, (i, 1), 2.0)
    np.add.at(w, i, 1.0)
    return v, w


@program(V)
def filled_and_sorted_in_place(v):
    w = v[::-1].copy()
    w.sort()
    v[3:6].fill(7.0)
    u = np.zeros((3, 4))
    u[1].fill(2)
    np.fill_diagonal(u, 5.0)
    m = np.array([[3.0, 1.0, 2.0], [0.5, 0.2, 0.9]])
    m.sort(axis=0)
    v[::3].sort()
    return w, v, u, m


@program(M, 3)
def in_loops(m, n):
    total = np.zeros(10)
    for k in range(len(m)):
        row = m[k]
        if row.sum() > 100:
            row = np.flip(row)
        total += np.cumsum(row) * np.max(row)
        m[k] = np.roll(row, n)
    return total, np.mean(total), m.std(axis=0)


@program(M)
def in_branches(m):
    if m[0, 1] > 0.5:
        a = np.concatenate([m[0], m[1]])
        b = np.linspace(0, 1, 5)
    else:
        a = np.zeros(20)
        b = np.ones(5)
    return a.sum() + b[1], a, b


@program(V)
def built_in_lists(v):
    parts = []
    for k in range(3):
        parts.append(v[k : k + 4] * k)
    grown = []
    for x in v:
        if x > 4:
            grown.append(x * 2)
    rows = [np.sin(v), np.cos(v)]
    return np.array(parts), np.vstack(parts), np.array(grown), np.stack(rows, axis=1), np.sum(grown), np.mean(rows)


@program(np.zeros((9, 0)), np.zeros(0), np.zeros((0, 10)))
def empty(a, b, c):
    return (
        a.sum(axis=1),
        a.sum(axis=0),
        b.sum(),
        c.mean(axis=1),
        np.concatenate([b, b]),
        np.cumsum(b),
        np.diff(b),
        c @ np.ones((10, 2)),
        a @ np.ones((0, 3)),
        np.sort(b),
        np.where(b > 0, b, 1.0),
        np.prod(b),
        np.all(b),
        np.any(b),
        c.max(axis=1),
        np.outer(b, b),
        np.repeat(b, 3),
        np.tile(b, 2),
        np.pad(b, 1),
        np.linalg.norm(b),
        np.array([]),
        np.flip(b),
        b.reshape(0, 4),
        np.nonzero(b)[0],
        np.stack([b, b]),
        c.T.shape,
        a.size,
    )


@program(np.array(2.5), np.array(3))
def rank_zero(a, i):
    b = a + 1
    c = np.sin(a) * i
    return (
        b,
        c,
        a.sum(),
        np.max(a),
        a.reshape(1),
        a.ravel(),
        a.copy(),
        a.item(),
        np.array([a, a]),
        a.shape,
        np.ones(4) * a,
        a.T,
    )


@program(V.astype(np.float32), V.astype(np.int32), V > 4)
def dtypes_stay(f, i, b):
    return (
        f + 1,
        f * 2.5,
        f * np.float64(2),
        f.mean(),
        f.std(),
        np.sum(f),
        i + 1,
        i / 2,
        i // 2,
        i**2,
        i * f,
        i.sum(),
        b + b,
        b * 2,
        b.sum(),
        b.mean(),
        np.where(b, f, 0),
        np.where(b, i, f),
        np.concatenate([f, i]),
        f @ f,
        i @ i,
        np.cumsum(f),
        np.cumsum(i),
        np.diff(i),
        np.abs(i),
        np.sqrt(i),
        np.sqrt(f),
        np.maximum(f, 0),
        np.clip(i, 1, 3),
        -i,
        ~b,
        f > i,
        np.dot(f, i),
        np.outer(f, f),
        np.median(f),
        np.linalg.norm(f),
        np.interp(f, f, f),
        np.float32(2) * f[0],
        f[0] * 2,
        i[0] + np.int8(3),
        np.full_like(f, 3),
        np.round(f, 1),
        np.exp(f),
        np.stack([i, i]),
        np.prod(i[1:4]),
        f.astype(int),
    )


@program(M, V)
def iterated(m, v):
    total = 0.0
    for i, j in np.ndindex(m.shape):
        total += m[i, j] * i
    out = np.zeros(12)
    for (k,), x in np.ndenumerate(v):
        out[k] = x * k
    np.put(v, [1, 3], [9.0, 8.0])
    np.putmask(m, m > 50, -1.0)
    np.place(v, v > 8.5, 0.0)
    return total, out


@pytest.mark.parametrize(("f", "args"), PROGRAMS, ids=[f.__name__ for f, _ in PROGRAMS])
def test_program(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
    with np.errstate(all="ignore"):
        want = f(*theirs)
    got = wg.compile(f)(*mine)
    assert (problem := same(got, want)) is None, problem
    assert (problem := same(mine, theirs)) is None, f"arguments: {problem}"
