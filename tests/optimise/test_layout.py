"""Which arrays change the order of their axes, and which must not."""

from __future__ import annotations

import pytest

from optimise.checks import becomes, stays
from wengert.optimise.layout import layout

PERMUTED = {
    "columns": (
        """alloc t: f64[n, m]
        for j in 0:m { for i in 0:n any { t[i, j] = a[i, j] * x } }
        for j2 in 0:m { for i2 in 0:n any { u[i2] += t[i2, j2] } }""",
        """alloc t: f64[m, n]
        for j in 0:m { for i in 0:n any { t[j, i] = a[i, j] * x } }
        for j2 in 0:m { for i2 in 0:n any { u[i2] += t[j2, i2] } }""",
    ),
    "the deepest accesses decide": (
        """alloc t: f64[n, m]
        for j in 0:m any { t[0, j] = x }
        for j2 in 0:m { for i in 1:n any { t[i, j2] = a[i, j2] + x } }
        for j3 in 0:m any { a[0, j3] = t[0, j3] }
        for j4 in 0:m { for i2 in 0:n any { v[i2] += t[i2, j4] } }""",
        """alloc t: f64[m, n]
        for j in 0:m any { t[j, 0] = x }
        for j2 in 0:m { for i in 1:n any { t[j2, i] = a[i, j2] + x } }
        for j3 in 0:m any { a[0, j3] = t[j3, 0] }
        for j4 in 0:m { for i2 in 0:n any { v[i2] += t[j4, i2] } }""",
    ),
    "one of three, the others in order": (
        """alloc t: f64[n, m, 3] zero
        for j in 0:m { for l in 0:3 { for i in 1:n any { t[i - 1, j, l] = a[i, j] } } }
        for j2 in 0:m { for l2 in 0:3 { for i2 in 0:n any { u[i2] += t[i2, j2, l2] } } }""",
        """alloc t: f64[m, 3, n] zero
        for j in 0:m { for l in 0:3 { for i in 1:n any { t[j, l, i - 1] = a[i, j] } } }
        for j2 in 0:m { for l2 in 0:3 { for i2 in 0:n any { u[i2] += t[j2, l2, i2] } } }""",
    ),
}
LEFT = {
    "rows": """
        alloc t: f64[n, m]
        for i in 0:n any { for j in 0:m any { t[i, j] = a[i, j] * x } }
        for i2 in 0:n any { for j2 in 0:m any { a[i2, j2] = t[i2, j2] + x } }""",
    "an array of the caller": """
        for j in 0:m { for i in 0:n any { a[i, j] = a[i, j] * x } }""",
    "columns a little more often than rows": """
        alloc t: f64[n, m]
        for i in 0:n { for j in 0:m any { t[i, j] = a[i, j] } }
        for j2 in 0:m { for i2 in 0:n any { u[i2] += t[i2, j2] } }
        for i3 in 0:n { for j3 in 0:m any { a[i3, j3] = t[i3, j3] } }
        for j4 in 0:m { for i4 in 0:n any { v[i4] += t[i4, j4] * t[i4, j4] } }""",
    "a view of it": """
        alloc t: f64[n, m]
        for j in 0:m { for i in 0:n any { t[i, j] = a[i, j] } }
        view w: f64[n] = t[0, 1] along (0: 1)
        for i2 in 0:n any { u[i2] = w[i2] }""",
    "it is read as one row": """
        alloc t: f64[n, m]
        for j in 0:m { for i in 0:n any { t[i, j] = a[i, j] } }
        reshape w: f64[n * m] = t
        for i2 in 0:n any { u[i2] = w[i2] }""",
    "the library works on it": """
        alloc t: f64[n, m]
        alloc p: f64[n, m]
        alloc s: f64[m, m] zero
        for j in 0:m { for i in 0:n any { t[i, j] = a[i, j] } }
        for j2 in 0:m { s[j2, j2] = x }
        lib matmul(p; t, s)
        for i2 in 0:n any { u[i2] = p[i2, 0] }""",
}


@pytest.mark.parametrize("name", PERMUTED)
def test_permuted(name: str) -> None:
    becomes(layout, *PERMUTED[name])


@pytest.mark.parametrize("name", LEFT)
def test_left(name: str) -> None:
    stays(layout, LEFT[name])


def test_results_keep_their_axes() -> None:
    stays(
        layout,
        """alloc t: f64[n, m]
        for j in 0:m { for i in 0:n any { t[i, j] = a[i, j] } }""",
        "t",
    )
