"""Which loops may run on threads, how their iterations meet, and which loops must not."""

from __future__ import annotations

import pytest

from optimise.checks import program
from wengert.analysis.access import folded
from wengert.analysis.alias import analyse
from wengert.analysis.parallel import Sharing, sharing
from wengert.analysis.ranges import Ranges
from wengert.ir.nodes import Buffer, Loop
from wengert.ir.walk import statements, storages


def found(body: str, private: bool = True) -> Sharing | None:
    """What is found about the first loop of a program."""
    module = program(body)
    f = module.root
    aliases = analyse(module).aliases[f.name]
    loop = next(s for s in statements(f.body) if isinstance(s, Loop))

    def is_private(buffer: Buffer) -> bool:
        return private or not buffer.shape

    return sharing(loop, storages(f), aliases, folded(f.body, aliases), Ranges(f), is_private)


APART = {
    "elements": "for i in 0:n any { u[i] = v[i] * x }",
    "elements that are read before": "for i in 0:n any { u[i] = u[i] * x + a[i, 0] }",
    "downwards in steps": "for i in n - 1:-1 step -2 any { u[i] = v[i] }",
    "the same shift everywhere": "for i in 1:n any { u[i - 1] = u[i - 1] + v[i] }",
    "rows": "for i in 0:n any { for j in 1:m { a[i, j] = a[i, j - 1] * x } }",
    "columns": "for i in 0:m any { for j in 1:n { a[j, i] = a[j - 1, i] * x } }",
    "a triangle": "for i in 0:n any { for j in 0:i { u[i] += a[i, 0] * v[j] } }",
    "a branch": "for i in 0:n any { if v[i] > 0.0 { u[i] = x } else { u[i] max= v[i] } }",
    "a cell of its own": """for i in 0:n any {
        alloc s: f64[] zero
        for j in 0:m { s[] += a[i, j] }
        u[i] = s[]
    }""",
    "a cell of its own that is reset": """for i in 0:n any {
        alloc s: f64[]
        s[] = v[i]
        for j in 0:m { s[] = s[] * a[i, j] }
        u[i] = s[]
    }""",
    "a small array of its own": """for i in 0:n any {
        alloc w: f64[4] zero
        for j in 0:4 { w[j] = v[i] * f64(j) }
        for l in 0:3 { w[l] += w[l + 1] }
        u[i] = w[0]
    }""",
    "a view of what is only read": """for i in 0:n any {
        view w: f64[m] = a[i, 0] along (1: 1)
        for j in 0:m { u[i] += w[j] }
    }""",
    "a view of a whole array, made before": """view w: f64[m, n] = a[0, 0] along (1: 1, 0: 1)
    for i in 0:n any { for j in 0:m { w[j, i] = w[j, i] * x } }""",
    "a subscript from data that are only read": "for i in 0:n any { u[i] = v[k[i]] }",
}
MEETING = {
    "one sum": ("for i in 0:n any { u[0] += v[i] }", 1, 0),
    "two sums": ("for i in 0:n any { u[0] += v[i]  k[1] += 1 }", 2, 0),
    "a sum in an inner loop": ("for i in 0:n any { for j in 0:m any { u[n - 1] += a[i, j] } }", 1, 0),
    "a sum under a condition": ("for i in 0:n any { if v[i] > 0.0 { u[0] += v[i] } }", 1, 0),
    "neighbours": ("for i in 1:n any { u[i] += v[i]  u[i - 1] += x }", 0, 1),
    "neighbours three apart": ("for i in 0:n - 3 any { u[i] += v[i]  u[i + 3] += x }", 0, 3),
    "neighbours far apart in other columns": (
        "for i in 0:n - 7 any { a[i, 0] += v[i]  a[i + 7, 1] += x  u[0] += x }",
        1,
        7,
    ),
    "neighbours on both sides": (
        "for i in 1:n - 1 any { for j in 0:m { a[i - 1, j] += x  a[i + 1, j] += x  a[i, j] += x } }",
        0,
        2,
    ),
    "neighbours along one axis, together along the other": (
        "for i in 0:n any { for j in 1:m { a[i, j] += x  a[i, j - 1] += x } }",
        0,
        0,
    ),
    "neighbours and a sum": ("for i in 1:n any { u[i] += v[i]  u[i - 1] += x  k[0] += 1 }", 1, 1),
}
ROWS = {
    "places that are added to and depend on data": "for i in 0:n any { u[k[i]] += x }",
    "sums along the other axis": "for i in 0:n any { for j in 0:m { v[j] += a[i, j] } }",
    "two sums in one array": "for i in 0:n any { u[0] += v[i]  u[1] += v[i] }",
    "a sum in what also moves": "for i in 1:n any { u[0] += v[i]  u[i] += x }",
    "a constant gap on different axes": "for i in 0:m any { a[i, 0] += x  a[0, i] += x }",
    "neighbours that a size sets apart": "for i in 0:n - m any { u[i] += x  u[i + m] += x }",
    "a subscript named inside": """for i in 0:n any {
        let p = k[i]
        u[p] += x
    }""",
    "an array and a row of another": "for i in 0:n any { for j in 0:m { v[j] += a[i, j]  u[0] += x } }",
}
NOT = {
    "in sequence": "for i in 1:n { u[i] = v[i] }",
    "one place": "for i in 0:1 any { u[0] = x }",
    "a place that depends on data": "for i in 0:n any { u[k[i]] = x }",
    "a place that moves with the inner loop only": "for i in 0:1 any { for j in 0:m { a[0, j] = x } }",
    "two loop variables": "for i in 0:1 any { for j in 0:m { u[i + j] = x } }",
    "a doubled variable": "for i in 0:2 any { u[2 * i] = x }",
    "backwards": "for i in 0:n any { u[n - 1 - i] = x }",
    "a sum that is read": """for i in 0:n any {
        u[0] += v[i]
        if v[i] > 9.0 { a[i, 0] = u[0] }
    }""",
    "neighbours of which one is the largest": "for i in 1:n any { u[i] += v[i]  u[i - 1] max= x }",
    "the largest": "for i in 0:n any { u[0] max= v[i] }",
    "two names of one array": """reshape w: f64[n] = u
    for i in 0:n any { u[i] = w[i] * x }""",
    "a view made inside, that moves against the loop": """for i in 0:n any {
        view w: f64[i + 1] = u[n - 1 - i] along (0: 1)
        w[i] += x
    }""",
    "a view with two axes along one": """view w: f64[2, 2] = u[0] along (0: 1, 0: 1)
    for i in 0:2 any { for j in 0:2 { w[i, j] += x } }""",
    "what a ref names": """declare r: ref f64 rank 1
    rebind r = u
    for i in 0:n any { r[i] = x }""",
    "a checked integer": "for i in 0:n any { k[i] = addc(k[i], 1) }",
    "a failure": "for i in 0:n any { if v[i] > 9.0 { fail ValueError('large') }  u[i] = x }",
    "a loop with a condition": """for i in 0:n any {
        alloc s: f64[] zero
        for j in 0:m while s[] < 1.0 { s[] += a[i, j] }
        u[i] = s[]
    }""",
}


@pytest.mark.parametrize("name", APART)
def test_iterations_do_not_meet(name: str) -> None:
    assert found(APART[name]) == Sharing()


@pytest.mark.parametrize("name", MEETING)
def test_iterations_meet_where_they_add(name: str) -> None:
    body, sums, reach = MEETING[name]
    sharing = found(body)
    assert sharing is not None
    assert (len(sharing.sums), sharing.reach) == (sums, reach)


@pytest.mark.parametrize("name", ROWS)
def test_parts_have_rows_of_arrays_that_all_add_to(name: str) -> None:
    sharing = found(ROWS[name])
    assert sharing is not None
    assert len(sharing.rows) == 1


def test_neighbours_are_a_bounded_distance_apart() -> None:
    sharing = found("let s = min(1, max(0, n - 1)) for i in 0:n - 2 any { u[i] += v[i]  u[i + s] += x }")
    assert sharing == Sharing(reach=1)


@pytest.mark.parametrize("name", NOT)
def test_not_on_threads(name: str) -> None:
    assert found(NOT[name]) is None


def test_memory_must_be_private() -> None:
    assert found(APART["a small array of its own"], private=False) is None
    assert found(APART["a cell of its own"], private=False) == Sharing()
