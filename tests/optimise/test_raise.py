"""Which sums in loops become matrix products, what they become, and that they stay the same sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from backend import native
from derivatives import assert_derivatives
from optimise import nests
from optimise.checks import Outcome, derivatives, outcome, transformed
from wengert.ir import build
from wengert.ir.nodes import Buffer, LibCall, Loop, Module, Store
from wengert.ir.text import parse, show
from wengert.ir.types import F64
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise import raise_contractions as raising
from wengert.optimise.raise_contractions import raise_contractions


def products(module: Module) -> int:
    calls = [s for f in module.functions.values() for s in statements(f.body) if isinstance(s, LibCall)]
    return sum(s.op in ("matmul", "ranged_matmul") for s in calls)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few turns in a block, so that small matrices have many."""
    monkeypatch.setattr(raising, "TURNS", (3, 2))


def agree(found: Outcome, wanted: Outcome, eps: float) -> None:
    assert not isinstance(found[0], type), found
    assert not isinstance(wanted[0], type), wanted
    pairs = [(found[1][k], v) for k, v in wanted[1].items()] + list(zip(found[0], wanted[0], strict=True))  # type: ignore[index, union-attr, arg-type]
    for a, b in pairs:
        a, b = np.asarray(a), np.asarray(b)
        finite = np.isfinite(b)
        np.testing.assert_array_equal(np.isfinite(a), finite)
        scale = float(np.max(np.abs(b[finite]), initial=1.0))
        np.testing.assert_allclose(a[finite], b[finite], rtol=1e4 * eps, atol=1e3 * eps * scale)


def same_sums(module: Module, args: dict[str, object], made: Module, eps: float = 2.2e-16) -> None:
    wanted = outcome(module, args)
    for order in ("forward", "reverse"):
        agree(outcome(made, args, order), wanted, eps)


SIZES = (0, 1, 2, 3, 4, 7, 8)
RAISED = 150


@pytest.mark.parametrize("seed", range(RAISED))
def test_random_nests(seed: int) -> None:
    module = nests.program(seed)
    verify(module)
    made = transformed(module, [raise_contractions])
    if made is module:
        return
    for n in SIZES:
        same_sums(module, nests.arguments(seed, n), made)


def test_most_random_nests_are_raised() -> None:
    assert sum(products(raise_contractions(nests.program(seed))) > 0 for seed in range(RAISED)) > RAISED // 3


@pytest.mark.parametrize("seed", range(60))
def test_what_is_not_finite_stays_where_it_is(seed: int) -> None:
    """A triangle's product reads nothing of the other triangle; infinite elements may be NaN instead, and NaN infinite
    (inf * (1 - 1) for inf - inf)."""
    module = nests.program(seed)
    made = transformed(module, [raise_contractions])
    for n in (3, 7):
        same_sums(module, nests.arguments(seed, n, special=True), made)


@pytest.mark.parametrize("dtype", ["f32", "c128"])
@pytest.mark.parametrize("seed", range(30))
def test_dtypes(dtype: str, seed: int) -> None:
    module = nests.program(seed, dtype)
    made = transformed(module, [raise_contractions])
    for n in (1, 7):
        same_sums(module, nests.arguments(seed, n, dtype), made, 1.2e-7 if dtype == "f32" else 2.2e-16)


@pytest.mark.parametrize("seed", range(30))
def test_integers_stay_loops(seed: int) -> None:
    module = nests.program(seed, "i64")
    assert products(raise_contractions(module)) == 0


@pytest.mark.parametrize("seed", range(40))
def test_derivatives(seed: int) -> None:
    module = nests.program(seed)
    for n in (4, 5):
        args = nests.arguments(seed, n)
        if not isinstance(outcome(module, args)[0], list):
            continue
        for m, a in derivatives(module, args):
            made = transformed(m, [raise_contractions])
            if made is not m:
                same_sums(m, a, made)


HEAD = """entry f
func f(a: f64[n, m] inout, b: f64[m, p] inout, c: f64[n, p] inout, w: f64[m] inout,
       x: f64, n: i64, m: i64, p: i64) -> () {"""


def rectangles(body: str) -> Module:
    module = parse(f"{HEAD}\n{body}\n}}")
    verify(module)
    return module


def rectangular(n: int, m: int, p: int) -> dict[str, object]:
    rng = np.random.default_rng(3)
    a, b, c, w = (rng.standard_normal(s) for s in ((n, m), (m, p), (n, p), (m,)))
    return {"a": a, "b": b, "c": c, "w": w, "x": 1.5, "n": n, "m": m, "p": p}


PRODUCTS = {
    "a plain product": "for i in 0:n { for j in 0:p { for k in 0:m { c[i, j] += a[i, k] * b[k, j] } } }",
    "in any order": "for k in 0:m any { for j in 0:p any { for i in 0:n any { c[i, j] += b[k, j] * a[i, k] } } }",
    "with weights": "for i in 0:n { for k in 0:m { for j in 0:p { c[i, j] += x * a[i, k] * w[k] * b[k, j] } } }",
    "of computed factors": "for i in 0:n { for k in 0:m { for j in 0:p { c[i, j] += sin(a[i, k]) * exp(b[k, j]) } } }",
    "a dot product in a cell": """
        for i in 0:n {
          for j in 0:p {
            alloc s: f64[] zero
            for k in m - 1:-1 step -1 {
              let t = a[i, k] * b[k, j]
              s[] += t
            }
            c[i, j] = s[]
          }
        }""",
    "of views with negative strides": """
        view r: f64[n, m] = a[n - 1, m - 1] along (0: -1, 1: -1)
        for i in 0:n { for k in 0:m { for j in 0:p { c[i, j] -= r[i, k] * b[k, j] } } }""",
    "between other loops": """
        for i in 0:n {
          for j in 0:p any { c[i, j] = c[i, j] * x }
          for k in 0:m { for j1 in 0:p any { c[i, j1] += a[i, k] * b[k, j1] } }
          for j2 in 0:p any { c[i, j2] = c[i, j2] + 1.0 }
        }""",
    "a factor that changes": """
        for i in 0:n {
          for k in 0:m { for j in 0:p any { b[k, j] += a[i, k] * c[i, j] } }
          for j1 in 0:p any { c[i, j1] = 0.0 }
        }""",
    "three factors": """
        for i in 0:n { for k in 0:m { for j in 0:p { w[k] += a[i, k] * b[k, j] * c[i, j] } } }""",
    "over two variables": """
        alloc t: f64[n, m, p]
        alloc g: f64[n, n] zero
        for i0 in 0:n any { for k0 in 0:m any { for j0 in 0:p any { t[i0, k0, j0] = a[i0, k0] * b[k0, j0] } } }
        for i in 0:n { for i1 in 0:n { for k in 0:m { for j in 0:p { g[i, i1] += t[i, k, j] * t[i1, k, j] } } } }
        for i2 in 0:n { for i3 in 0:n { for j2 in 0:p { c[i2, j2] += g[i2, i3] } } }""",
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_raised(name: str) -> None:
    module = rectangles(PRODUCTS[name].replace("-=", "+= -1.0 *"))
    made = transformed(module, [raise_contractions])
    assert products(made) >= 1, show(made)
    for n, m, p in [(0, 2, 3), (2, 0, 3), (4, 3, 0), (1, 1, 1), (5, 7, 4), (9, 2, 8)]:
        same_sums(module, rectangular(n, m, p), made)


COLUMNS = {
    "a dot product down a column": """
        for j in 0:n {
          alloc s: f64[] zero
          for k in 0:n any { s[] += a[k, 1] * b[k, j] }
          c[2, j] += s[] * x
        }""",
    "a column that is added to": "for j in 1:n { for i in 0:n any { c[i, j] += a[i, 0] * b[0, j] } }",
    "an orthogonalisation": """
        for j in 1:n {
          alloc s: f64[] zero
          for k in 0:n any { s[] += a[k, 0] * c[k, j] }
          b[0, j] = s[]
          for i in 0:n any { c[i, j] += -(a[i, 0] * b[0, j]) }
        }""",
    "a column by what changes": "for j in 1:n { for i in 0:n any { c[i, j] += a[i, 0] * u[j] }\nu[j] = 0.0 }",
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns(name: str) -> None:
    module = parse(nests.HEAD.format(t="f64", body=COLUMNS[name]))
    verify(module)
    made = transformed(module, [raise_contractions])
    assert any(isinstance(s, Loop) and "_low" in s.var for s in statements(made.root.body))
    for n in (4, 9):
        same_sums(module, nests.arguments(0, n), made)


@pytest.mark.parametrize(
    "text",
    [
        "for j in 1:n { for i in 0:n any { c[i, j] += c[i, j - 1] * b[0, j] } }",
        "for j in 1:n { for i in 0:n any { c[i, j] += c[i, 0] * b[0, j] } }",
        "for j in 1:n - 1 { for i in 0:n any { c[i, j] += a[i, 0] * b[0, j] }\nu[j] = c[0, j] * c[0, j + 1] }",
        "for i in 0:n { for k in 0:n { u[i] += a[i, k] * b[0, k] } }",
    ],
)
def test_columns_that_stay(text: str) -> None:
    module = parse(nests.HEAD.format(t="f64", body=text))
    made = transformed(module, [raise_contractions])
    assert not any(isinstance(s, Loop) and "_low" in s.var for s in statements(made.root.body))


SHARED = """entry f
func f(a: f64[n, n], b: f64[n, n], u: f64[n], n: i64,
       c: f64[n, n] inout, e: f64[n, n] inout, f: f64[n, n] inout) -> () {{
  for i in 0:n {{
    for j in 0:n {{
      alloc d: f64[] zero
      d[] += c[i, j]
      c[i, j] = 0.0
      for k in 0:i {{ e[k, j] += a[i, k] * d[] }}
      {between}
      for k1 in 0:n {{ f[k1, i] += b[k1, j] * d[] }}
    }}
  }}
}}"""
BETWEEN = {"": 1, "let t = d[]": 1, "d[] += 1.0": 3, "d[] = u[j]": 3, "for k2 in 0:n { d[] += u[k2] }": 3}


@pytest.mark.parametrize("between", BETWEEN)
def test_what_two_products_want_is_copied_once(between: str) -> None:
    """As it lies for one and turned for the other, unless it changes in between (the first is cut in two)."""
    module = parse(SHARED.format(between=between))
    verify(module)
    made = transformed(module, [raise_contractions])
    assert products(made) >= 2
    copies = [
        s
        for s in statements(made.root.body)
        if isinstance(s, Store) and s.value == build.load(Buffer("d", F64, ()), ())
    ]
    assert len(copies) == BETWEEN[between], show(made)
    rng = np.random.default_rng(1)
    for n in SIZES:
        matrices: dict[str, object] = {x: rng.standard_normal((n, n)) for x in "abcef"}
        same_sums(module, {**matrices, "u": rng.standard_normal(n), "n": n}, made)


SCALED = {
    "rows with fewer and fewer terms": """
        for i in 0:n { for k in 0:i { for j in 0:n { c[k, j] += x * a[i, k] * b[i, j] } } }""",
    "columns, downwards": """
        for i in n - 1:-1 step -1 { for j in 0:n { for k in i + 1:n { c[i, j] += -x * a[k, i] * b[k, j] } } }""",
    "two products of one triangle": """
        for i in 0:n { for k in 0:i { for j in 0:n {
          c[k, j] += x * a[i, k] * b[i, j]
          c[i, j] += x * a[i, k] * b[k, j]
        } } }""",
    "a scale that is a sum of the turn": """
        for i in 0:n {
          let s = x + u[i]
          for k in 0:i { for j in 0:n { c[k, j] += s * a[i, k] * b[i, j] } }
        }""",
}


@pytest.mark.parametrize("name", SCALED)
@pytest.mark.parametrize("x", [1.5, 0.0, np.inf, np.nan])
def test_scaled_triangles(name: str, x: float) -> None:
    """One product, of the scaled triangle; what has no terms is not scaled."""
    module = parse(nests.HEAD.format(t="f64", body=SCALED[name]))
    verify(module)
    made = transformed(module, [raise_contractions])
    loops = [s for s in statements(made.root.body) if isinstance(s, Loop) and abs(s.step) == raising.TURNS[0]]
    assert len(loops) == 1, show(made)
    assert not any(isinstance(s, Loop) and abs(s.step) == raising.TURNS[1] for s in statements(made.root.body)), show(
        made
    )
    for n in SIZES:
        args = nests.arguments(2, n) | {"x": x}
        wanted, found = outcome(module, args)[1], outcome(made, args)[1]
        assert isinstance(wanted, dict)
        assert isinstance(found, dict)
        finite = np.isfinite(wanted["c"])
        np.testing.assert_array_equal(np.isfinite(found["c"]), finite)
        np.testing.assert_allclose(found["c"][finite], wanted["c"][finite], rtol=1e-12, atol=1e-13)


def test_a_triangle_is_filled_once() -> None:
    made = transformed(
        parse(nests.HEAD.format(t="f64", body=SCALED["two products of one triangle"])), [raise_contractions]
    )
    filled = [s for s in statements(made.root.body) if isinstance(s, Store) and s.storage.startswith("factor")]
    assert len(filled) == 1, show(made)


def test_natively() -> None:
    for text in PRODUCTS.values():
        made = transformed(rectangles(text.replace("-=", "+= -1.0 *")), [raise_contractions])
        native.agree_uncut(made, list(rectangular(13, 11, 12).values()), 1e-12)


LOOPS = {
    "the sum reads what it has added": """
        for i in 1:n { for k in 0:n { for j in 0:n { a[i, j] += a[i - 1, k] * b[k, j] } } }""",
    "what is added to is looked at in between": """
        for i in 0:n { for k in 0:n { for j in 0:n {
          c[i, j] += a[i, k] * b[k, j]
          u[k] += c[i, j]
        } } }""",
    "the largest": "for i in 0:n { for j in 0:n { for k in 0:n { c[i, j] max= a[i, k] * b[k, j] } } }",
    "under a branch": """
        for i in 0:n { for j in 0:n { for k in 0:n { if u[k] > 0.0 { c[i, j] += a[i, k] * b[k, j] } } } }""",
    "a matrix and a vector": "for i in 0:n { for t in 0:3 { for k in 0:n { u[i] += a[i, k] * b[k, t] } } }",
    "small constant extents": "for i in 0:n { for j in 0:3 { for k in 0:3 { c[i, j] += a[i, k] * b[k, j] } } }",
    "subscripts that are looked up": """
        for i in 0:n { for j in 0:n { for k in 0:n { c[i, i64(u[j])] += a[i, k] * b[k, j] } } }""",
    "a failure": """
        for i in 0:n {
          for j in 0:n {
            for k in 0:n { c[i, j] += a[i, k] * b[k, j] }
            if c[i, j] > 100.0 { fail ValueError("too large") }
          }
        }""",
}


@pytest.mark.parametrize("name", LOOPS)
def test_not_raised(name: str) -> None:
    module = parse(nests.HEAD.format(t="f64", body=LOOPS[name]))
    verify(module)
    assert products(transformed(module, [raise_contractions])) == 0


@pytest.mark.parametrize(
    "text",
    [
        "for i in 0:n { for j in 0:i { for k in 0:n { c[i, j] += a[i - 1, k] * b[j, k] } } }",
        "for i in 0:n { for j in 0:i { for k in 0:n { c[i, j] += a[n - i, k] * b[j, k] } } }",
        "for i in 0:n { for j in 0:n - 8 { for k in 0:n { c[i, j] += a[i, k] * b[j + 8, k] } } }",
        "for i in 0:n { for j in 0:n - 8 { for k in 0:n { c[i, j] += exp(a[i, k]) * exp(b[j + 8, k]) } } }",
        "for i in 0:n { for k in 0:n - 9 { for j in 0:n { c[i, j] += a[i, k + 9] * exp(b[k + 9, j]) } } }",
        "for i in 0:n { for j in 0:n { for k in 0:i { c[i, j] += a[i - 1, k] * exp(b[k, i - 1]) * b[k, j] } } }",
    ],
)
def test_nothing_is_read_out_of_range(text: str) -> None:
    """Where a range is empty the subscripts of the other factors need not be in range."""
    module = parse(nests.HEAD.format(t="f64", body=text))
    made = transformed(module, [raise_contractions])
    for n in (0, 1, 5, 8, 9, 10):
        args = nests.arguments(1, n)
        same_sums(module, args, made)
        native.agree_uncut(made, list(args.values()), 1e-12)


def test_products_that_are_the_same_are_formed_once() -> None:
    text = """
        for i in 0:n {
          for j in 0:n {
            alloc s: f64[] zero
            alloc t: f64[] zero
            for k in 0:n any {
              s[] += a[i, k] * b[k, j]
              t[] += b[k, j] * x * a[i, k]
            }
            c[i, j] += s[] * t[]
          }
        }"""
    module = parse(nests.HEAD.format(t="f64", body=text))
    made = transformed(module, [raise_contractions])
    assert products(made) == 1
    same_sums(module, nests.arguments(0, 7), made)


def test_sums_without_terms_stay_zero() -> None:
    """Whatever they are to be multiplied with."""
    text = "for i in 0:n { for j in 0:n { for k in 0:i { c[i, j] += x * a[i, k] * b[k, j] } } }"
    module = parse(nests.HEAD.format(t="f64", body=text))
    made = transformed(module, [raise_contractions])
    assert products(made) >= 1
    args = nests.arguments(0, 7) | {"x": np.float64(np.nan)}
    same_sums(module, args, made)


def test_factors_that_no_term_has_are_not_looked_at() -> None:
    text = "for i in 0:n { for k in 0:n { for j in 0:i { u[k] += a[i, k] * b[k, j] * c[i, j] } } }"
    module = parse(nests.HEAD.format(t="f64", body=text))
    made = transformed(module, [raise_contractions])
    assert products(made) >= 1
    args = nests.arguments(0, 7)
    args["a"][0] = np.nan
    same_sums(module, args, made)


def test_triangles_do_not_see_the_other_triangle() -> None:
    """A lower triangular product and solve with NaN above the diagonal."""
    text = """
        for i in 0:n { for k in 0:i + 1 { for j in 0:n { c[i, j] += a[i, k] * b[k, j] } } }
        for i1 in 0:n { for k1 in 0:i1 { for j1 in 0:n { b[i1, j1] += -a[i1, k1] * b[k1, j1] } } }"""
    module = parse(nests.HEAD.format(t="f64", body=text))
    made = transformed(module, [raise_contractions])
    assert products(made) >= 2
    args = nests.arguments(0, 9)
    args["a"][np.triu_indices(9, 1)] = np.nan
    same_sums(module, args, made)
    results = outcome(made, args)[1]
    assert isinstance(results, dict)
    assert np.isfinite(results["b"]).all()
    assert np.isfinite(results["c"]).all()


def long_chain(a: Any, b: Any) -> Any:
    """Every value is used twice in the next one: there are 2**40 ways from the product to the element."""
    found = np.zeros(a.shape[1])
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            t = a[i, j]
            for _ in (1,) * 40:
                t = t - 0.01 * t * t
            found[j] += t * b[i]
    return found


def test_values_that_share_much_are_followed_once() -> None:
    rng = np.random.default_rng(0)
    assert_derivatives(long_chain, rng.uniform(size=(20, 18)), rng.standard_normal(20), seeds=(0,))
