"""Which arrays become numbers, and which must not."""

from __future__ import annotations

import numpy as np
import pytest

from ad.checks import run_with
from optimise.checks import becomes, program, sizes, stays, transformed
from wengert.optimise.contract import contract

CONTRACTED = {
    "an array between a store and a load": (
        """alloc t: f64[n]
        for i in 0:n any {
          t[i] = v[i] * x
          u[i] = t[i] * t[i]
        }""",
        """for i in 0:n any {
          let y = v[i] * x
          u[i] = y * y
        }""",
    ),
    "zeros that are added to": (
        """alloc t: f64[n] zero
        for i in 0:n any {
          t[i] += v[i]
          t[i] += x
          u[i] = t[i]
        }""",
        """for i in 0:n any {
          let y = 0.0 + v[i]
          let z = y + x
          u[i] = z
        }""",
    ),
    "zeros that are read": (
        """alloc t: f64[n] zero
        for i in 0:n any {
          u[i] = t[i]
          t[i] = x
          v[i] = t[i]
        }""",
        """for i in 0:n any {
          u[i] = 0.0
          v[i] = x
        }""",
    ),
    "the same shift everywhere": (
        """alloc t: f64[n]
        for i in 1:n any {
          t[i - 1] = v[i]
          u[i] = t[i - 1] + x
        }""",
        """for i in 1:n any {
          let y = v[i]
          u[i] = y + x
        }""",
    ),
    "a loop in sequence": (
        """alloc t: f64[n]
        for i in 1:n {
          t[i] = u[i - 1] * x
          u[i] = t[i] + v[i]
        }""",
        """for i in 1:n {
          let y = u[i - 1] * x
          u[i] = y + v[i]
        }""",
    ),
    "a matrix in a nest, transposed": (
        """alloc t: f64[m, n]
        for i in 0:n any {
          for j in 0:m any {
            t[j, i] = a[i, j] * x
            a[i, j] = t[j, i] - t[j, i] * u[i]
          }
        }""",
        """for i in 0:n any {
          for j in 0:m any {
            let y = a[i, j] * x
            a[i, j] = y - y * u[i]
          }
        }""",
    ),
    "a cell that branches write stays a cell": (
        """alloc t: f64[n]
        for i in 0:n any {
          t[i] = x
          if v[i] > 0.0 { t[i] = v[i] }
          u[i] = t[i]
        }""",
        """for i in 0:n any {
          alloc t: f64[]
          t[] = x
          if v[i] > 0.0 { t[] = v[i] }
          u[i] = t[]
        }""",
    ),
    "a cell of a block": (
        """alloc c: f64[] zero
        c[] = x * x
        u[0] = c[]
        c[] += u[1]
        for i in 0:n any { v[i] = x }
        v[1] = c[] * c[]""",
        """let y = x * x
        u[0] = y
        let z = y + u[1]
        for i in 0:n any { v[i] = x }
        v[1] = z * z""",
    ),
    "a cell that is read before what it was read from changes": (
        """alloc c: f64[]
        c[] = u[0]
        u[0] = 5.0
        v[0] = c[]""",
        """let y = u[0]
        u[0] = 5.0
        v[0] = y""",
    ),
}


@pytest.mark.parametrize("name", CONTRACTED)
def test_contracted(name: str) -> None:
    becomes(contract, *CONTRACTED[name])


WHOLE = {
    "a result": (
        """alloc t: f64[n]
        for i in 0:n any { t[i] = v[i] * x }""",
        "t",
    ),
    "a neighbour is read": (
        """alloc t: f64[n] zero
        for i in 1:n {
          t[i] = v[i] * x
          u[i] = t[i] + t[i - 1]
        }""",
        "",
    ),
    "used after the loop": (
        """alloc t: f64[n] zero
        for i in 0:n any { t[i] = v[i] * x }
        u[0] = t[n - 1]""",
        "",
    ),
    "used in another loop": (
        """alloc t: f64[n]
        for i in 0:n any { t[i] = v[i] * x }
        for j in 0:n { u[j] = t[j] }""",
        "",
    ),
    "viewed": (
        """alloc t: f64[n] zero
        view r: f64[n] = t[n - 1] along (0: -1)
        for i in 0:n {
          t[i] = v[i] * x
          u[i] = t[i] + r[i]
        }""",
        "",
    ),
    "viewed in the loop": (
        """alloc t: f64[n] zero
        for i in 0:n {
          t[i] = v[i] * x
          view r: f64[n] = t[0] along (0: 1)
          u[i] = t[i] + r[0]
        }""",
        "",
    ),
    "named by a ref": (
        """alloc t: f64[n] zero
        declare r: ref f64 rank 1
        rebind r = t
        for i in 0:n {
          t[i] = v[i] * x
          u[i] = t[i] + r[0]
        }""",
        "",
    ),
    "the whole loop runs again": (
        """alloc t: f64[n] zero
        for s in 0:2 {
          for i in 0:n any {
            t[i] = t[i] * x + v[i]
            u[i] = t[i]
          }
        }""",
        "",
    ),
    "an element that does not move": (
        """alloc t: f64[n] zero
        for i in 0:n {
          t[0] = t[0] + v[i]
          u[i] = t[0]
        }""",
        "",
    ),
    "an element that is looked up": (
        """alloc t: f64[n] zero
        for i in 0:n {
          t[k[i]] = t[k[i]] + v[i]
          u[i] = t[k[i]]
        }""",
        "",
    ),
    "its extent is asked for": (
        """alloc t: f64[n]
        for i in 0:n any {
          t[i] = v[i] * x
          u[i] = t[i] * f64(extent(t, 0))
        }""",
        "",
    ),
    "a row at a time": (
        """alloc t: f64[n, m]
        for i in 0:n any {
          for j in 0:m any { t[i, j] = a[i, j] * x }
          for l in 1:m any { a[i, l] = t[i, l - 1] }
        }""",
        "",
    ),
    "the bounds of its loop are read from it": (
        """alloc t: i64[n] zero
        for i in 0:t[0] any {
          t[i] = 1
          u[i] = f64(t[i])
        }""",
        "",
    ),
    "subscripts that follow the length of a list": (
        """declare g: growable f64
        alloc t: f64[n] zero
        for i in 0:n {
          t[i - extent(g, 0)] = t[i - extent(g, 0)] + v[i]
          u[i] = t[i - extent(g, 0)]
          push g: x
        }""",
        "",
    ),
    "a library call": (
        """alloc t: f64[n] zero
        alloc y: f64[n]
        alloc p: i64[n]
        for i in 0:n {
          t[i] = v[i]
          lib sort(y, p; t)
          u[i] = t[i] + y[0]
        }""",
        "",
    ),
    "a cell that a loop adds to": (
        """alloc c: f64[] zero
        for i in 0:n any { c[] += u[i] }
        v[0] = c[]""",
        "",
    ),
    "a cell that keeps the largest": (
        """alloc c: f64[]
        c[] = x
        c[] max= u[0]
        v[0] = c[]""",
        "",
    ),
    "a cell that a failure shows": (
        """alloc c: f64[]
        c[] = x
        if x > 7.0 { fail ValueError('{}', c[]) }
        v[0] = c[]""",
        "",
    ),
    "a cell that a branch writes": (
        """alloc c: f64[]
        c[] = x
        if x > 0.0 { c[] = u[0] }
        v[0] = c[]""",
        "",
    ),
    "a cell that the condition of a loop reads": (
        """alloc c: f64[]
        c[] = x
        for i in 0: while c[] < 2.0 { c[] = c[] * 2.0 }
        v[0] = c[]""",
        "",
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_not_contracted(name: str) -> None:
    stays(contract, *WHOLE[name])


def test_zeros_keep_their_signs() -> None:
    """0 + -0 is 0: a sum that starts at zero keeps that zero."""
    module = program("""alloc t: f64[n] zero
    for i in 0:n any {
      t[i] += v[i]
      u[i] = 1.0 / t[i]
    }""")
    args = {**sizes(), "v": np.array([-0.0, 0.0, 1.0, np.nan])}
    u = run_with(transformed(module, [contract]), args)[1]["u"]
    np.testing.assert_array_equal(u, [np.inf, np.inf, 1.0, np.nan])
