"""Which zeros need not be written, and which must be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ad.checks import run_with
from optimise.checks import becomes, program, sizes, stays, transformed
from wengert.ir.nodes import Accumulate, Alloc, Module, Store
from wengert.ir.walk import statements
from wengert.optimise.first_writes import drop_zeros

DROPPED = {
    "every element once": (
        """alloc t: f64[n] zero
        for i in 0:n any { t[i] += v[i] }
        for j in 0:n any { t[j] += x }""",
        """alloc t: f64[n]
        for i in 0:n any { t[i] = v[i] }
        for j in 0:n any { t[j] += x }""",
    ),
    "more sums at the same element": (
        """alloc t: f64[n] zero
        for i in 0:n any {
          t[i] += v[i]
          t[i] += u[i]
        }""",
        """alloc t: f64[n]
        for i in 0:n any {
          t[i] = v[i]
          t[i] += u[i]
        }""",
    ),
    "a nest, transposed": (
        """alloc t: f64[m, n] zero
        for i in 0:n any {
          let y = u[i]
          for j in 0:m any { t[j, i] += a[i, j] * y }
        }""",
        """alloc t: f64[m, n]
        for i in 0:n any {
          let y = u[i]
          for j in 0:m any { t[j, i] = a[i, j] * y }
        }""",
    ),
    "in a loop": (
        """alloc s: f64[n] zero
        for r in 0:2 {
          alloc t: f64[n] zero
          for i in 0:n any { t[i] += v[i] }
          for j in 0:n any { s[j] += t[j] }
        }""",
        """alloc s: f64[n] zero
        for r in 0:2 {
          alloc t: f64[n]
          for i in 0:n any { t[i] = v[i] }
          for j in 0:n any { s[j] += t[j] }
        }""",
    ),
    "by another shape": (
        """alloc t: f64[n, m] zero
        reshape r: f64[n, 1, m] = t
        for i in 0:n any { for j in 0:1 any { for l in 0:m any { r[i, j, l] += a[i, l] } } }
        for i1 in 0:n any { t[i1, 0] += x }""",
        """alloc t: f64[n, m]
        reshape r: f64[n, 1, m] = t
        for i in 0:n any { for j in 0:1 any { for l in 0:m any { r[i, j, l] = a[i, l] } } }
        for i1 in 0:n any { t[i1, 0] += x }""",
    ),
    "viewed first": (
        """alloc t: f64[n] zero
        view r: f64[n] = t[n - 1] along (0: -1)
        for i in 0:n any { t[i] += v[i] }
        for j in 0:n any { r[j] += x }""",
        """alloc t: f64[n]
        view r: f64[n] = t[n - 1] along (0: -1)
        for i in 0:n any { t[i] = v[i] }
        for j in 0:n any { r[j] += x }""",
    ),
    "an axis of one element, and extents that are asked for": (
        """alloc t: f64[n, m] zero
        reshape r: f64[n, 1, m] = t
        for i in 0:extent(r, 0) any { for l in 0:extent(r, 2) any { r[i, 0, l] += a[i, l] } }""",
        """alloc t: f64[n, m]
        reshape r: f64[n, 1, m] = t
        for i in 0:extent(r, 0) any { for l in 0:extent(r, 2) any { r[i, 0, l] = a[i, l] } }""",
    ),
    "by the transpose": (
        """alloc t: f64[m, n] zero
        view r: f64[n, m] = t[0, 0] along (1: 1, 0: 1)
        for i in 0:n any { for j in 0:m any { r[i, j] += a[i, j] } }""",
        """alloc t: f64[m, n]
        view r: f64[n, m] = t[0, 0] along (1: 1, 0: 1)
        for i in 0:n any { for j in 0:m any { r[i, j] = a[i, j] } }""",
    ),
}


@pytest.mark.parametrize("name", DROPPED)
def test_dropped(name: str) -> None:
    becomes(drop_zeros, *DROPPED[name], results="s" if name == "in a loop" else "t")


KEPT = {
    "a part by a view": """view r: f64[n - 1] = t[1] along (0: 1)
        for i in 0:n - 1 any { r[i] += v[i] }
        for j in 0:n any { t[j] += x }""",
    "added to by another name, too": """view r: f64[n] = t[0] along (0: 1)
        for i in 0:n any {
          t[i] += v[i]
          r[i] += x
        }""",
    "read by another name before": """view r: f64[n] = t[0] along (0: 1)
        for j in 0:n any { u[j] = r[j] }
        for i in 0:n any { t[i] += v[i] }""",
    "not every element": "for i in 1:n any { t[i] += v[i] }",
    "not to the end": "for i in 0:n - 1 any { t[i] += v[i] }",
    "steps": "for i in 0:n step 2 any { t[i] += v[i] }",
    "of another size": "for i in 0:m any { t[i] += v[i] }",
    "no trips": "for i in 0:0 any { t[i] += v[i] }",
    "on a condition": "for i in 0:n any { if v[i] > 0.0 { t[i] += v[i] } }",
    "in a branch": "if x > 0.5 { for i in 0:n any { t[i] += v[i] } }",
    "several times": "for i in 0:n any { for j in 0:m any { t[i] += a[i, j] } }",
    "several times, rows outside": "for i in 0:m any { for j in 0:n any { t[j] += a[j, i] } }",
    "again and again": "for r in 0:2 { for i in 0:n any { t[i] += v[i] } }",
    "in sequence": "for i in 0:n { t[i] += v[i] }",
    "a neighbour, too": """for i in 0:n any {
          t[i] += v[i]
          t[max(i - 1, 0)] += x
        }""",
    "backwards": "for i in 0:n any { t[n - 1 - i] += v[i] }",
    "looked up": "for i in 0:n any { t[k[i]] += v[i] }",
    "the largest": "for i in 0:n any { t[i] max= v[i] }",
    "read before": """for i in 0:n any {
          let y = t[i]
          t[i] += v[i] + y
        }""",
    "read in the sum": "for i in 0:n any { t[i] += v[i] * t[i] }",
    "read first, elsewhere": """u[0] = t[1]
        for i in 0:n any { t[i] += v[i] }""",
    "viewed in the loop": """for i in 0:n any {
          t[i] += v[i]
          view r: f64[n] = t[n - 1] along (0: -1)
          r[i] += x
        }""",
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    stays(drop_zeros, f"alloc t: f64[n] zero\n{KEPT[name]}", "t")


def test_kept_under_a_diagonal() -> None:
    stays(drop_zeros, "alloc t: f64[n, n] zero\nfor i in 0:n any { t[i, i] += v[i] }", "t")
    stays(drop_zeros, "alloc t: f64[n, n] zero\nfor i in 0:n any { for j in 0:i any { t[i, j] += v[i] } }", "t")
    stays(drop_zeros, "alloc t: f64[n, n] zero\nfor i in 0:n any { for j in 0:n any { t[i, i] += v[j] } }", "t")
    rows = "for i in 0:min(n, m) any { for j in 0:m any { t[i, j] += u[j] } }"
    stays(drop_zeros, f"alloc t: f64[n, m] zero\n{rows}", "t")


def test_kept_when_what_extents_are_read_from_changes() -> None:
    stays(
        drop_zeros,
        """alloc t: f64[k[0]] zero
        k[0] = 1
        for i in 0:k[0] any { t[i] += v[i] }
        for l in 0:2 any { u[l] = t[l] }""",
    )
    stays(
        drop_zeros,
        """declare g: growable f64
        push g: x
        push g: x
        alloc t: f64[extent(g, 0)] zero
        resize g: -1
        for i in 0:extent(g, 0) any { t[i] += v[i] }
        for l in 0:2 any { u[l] = t[l] }""",
    )


def test_an_empty_array_and_special_values() -> None:
    module = program("alloc t: f64[n] zero\nfor i in 0:n any { t[i] += v[i] }", "t")
    made = transformed(module, [drop_zeros])
    v = np.array([-0.0, 0.0, np.nan, -np.inf])
    np.testing.assert_array_equal(run_with(made, {**sizes(), "v": v})[0][0], v)
    empty = {**sizes(), "n": 0, "u": np.zeros(0), "v": np.zeros(0), "a": np.zeros((0, 3)), "k": np.zeros(0, np.int64)}
    assert run_with(made, empty)[0][0].shape == (0,)


def test_a_statement_that_occurs_twice() -> None:
    """Only the first of two equal sums, be they one object, is a store."""
    module = program("alloc t: f64[n] zero\nfor i in 0:n any { t[i] += v[i] }", "t")
    alloc, loop = module.root.body
    assert isinstance(alloc, Alloc)
    twice = replace(loop, body=loop.body * 2)  # type: ignore[call-arg, union-attr]
    module = Module({"f": replace(module.root, body=(alloc, twice))}, "f")
    made = transformed(module, [drop_zeros])
    kinds = [type(s) for s in statements(made.root.body) if isinstance(s, (Store, Accumulate))]
    assert kinds == [Store, Accumulate]
    np.testing.assert_array_equal(run_with(made, sizes())[0][0], 2 * sizes()["v"])
