"""Which products are formed where they go, what that becomes, and that they stay the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

from backend import native
from optimise.checks import outcome, transformed
from optimise.test_raise import agree
from wengert.ir.nodes import Alloc, LibCall, Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise.place_products import place_products

HEAD = """entry f
func f(a: {t}[n, m], b: {t}[m, p], c: {t}[n, p] inout, d: {t}[p, n] inout, e: {t}[n, n, p] inout, s: {t}[n, m] inout,
       n: i64, m: i64, p: i64) -> ({results}) {{
alloc q: {t}[n, p]
{body}
}}"""
PLACED = {
    "added": "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] } }",
    "subtracted, by names": """
        lib matmul(q; a, b)
        for i in 0:n any { for j in 0:p any {
          let k = i + 1 - 1
          let x = q[i, j]
          let y = -x
          c[k, j] += y
        } }""",
    "copied": "lib matmul(q; a, b)\nfor i in 0:n { for j in 0:p { c[i, j] = q[i, j] } }",
    "transposed": "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:p any { d[j, i] += q[i, j] } }",
    "columns first": "lib matmul(q; a, b)\nfor j in 0:p any { for i in 0:n any { c[i, j] += q[i, j] } }",
    "into a part, upside down": """
        lib matmul(q; a, b)
        for i in 0:n any { for j in 0:p any { e[n - 1 - i, 0, j] += q[i, j] } }""",
    "extents that are asked for": """
        lib matmul(q; a, b)
        for i in 0:extent(c, 0) any { for j in 0:extent(b, 1) any { c[i, j] += q[i, j] } }""",
    "from another start": """
        lib matmul(q; a, b)
        for i in 2:n + 2 any { for j in p:p + p any { c[i - 2, j - p] += q[i - 2, j - p] } }""",
    "past what changes the target": """
        lib matmul(q; a, b)
        for i0 in 0:n any { for j0 in 0:p any { c[i0, j0] = c[i0, j0] * 0.5 } }
        for i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] } }""",
    "before the factors change": """
        alloc r: f64[n, m]
        for i0 in 0:n any { for j0 in 0:m any { r[i0, j0] = a[i0, j0] } }
        lib matmul(q; r, b)
        for i1 in 0:n any { for j1 in 0:m any { r[i1, j1] = 0.0 } }
        for i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] } }
        for i2 in 0:n any { for j2 in 0:m any { s[i2, j2] = r[i2, j2] } }""",
    "into what a turn has to itself": """
        for t in 0:n any {
          alloc r: f64[n, p]
          alloc own: f64[n, p] zero
          lib matmul(r; a, b)
          for i in 0:n any { for j in 0:p any { own[i, j] += r[i, j] } }
          for j0 in 0:p any { c[t, j0] += own[t, j0] }
        }""",
    "in sequence": """
        for t in 0:3 {
          alloc r: f64[n, p]
          lib matmul(r; a, b)
          for i in 0:n any { for j in 0:p any { c[i, j] += r[i, j] } }
        }""",
    "one after the other": """
        alloc r: f64[n, p]
        lib matmul(q; a, b)
        lib matmul(r; s, b)
        for i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] } }
        for i1 in 0:n any { for j1 in 0:p any { c[i1, j1] += r[i1, j1] } }""",
}
LEFT = {
    "a part of it": "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:p - 1 any { c[i, j] += q[i, j] } }",
    "a triangle": "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:min(i, p) any { c[i, j] += q[i, j] } }",
    "elsewhere, too": """
        lib matmul(q; a, b)
        for i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] } }
        for i1 in 0:n any { for j1 in 0:p any { d[j1, i1] += q[i1, j1] } }""",
    "a sum of rows": "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:p any { c[0, j] += q[i, j] } }",
    "a diagonal": """
        lib matmul(q; a, b)
        for i in 0:n any { for j in 0:p any { e[i, i, j] += q[i, j] } }""",
    "times itself": "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] * q[i, j] } }",
    "the largest": "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:p any { c[i, j] max= q[i, j] } }",
    "negated copies": "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:p any { c[i, j] = -q[i, j] } }",
    "what is a factor": """
        view square: f64[n, n] = e[0, 0, 0] along (0: 1, 1: 1)
        alloc r: f64[n, p]
        view part: f64[n, p] = e[0, 0, 0] along (0: 1, 2: 1)
        lib matmul(r; square, c)
        for i in 0:n any { for j in 0:p any { part[i, j] += r[i, j] } }""",
    "what changes on both sides": """
        alloc r: f64[n, m]
        for i0 in 0:n any { for j0 in 0:m any { r[i0, j0] = a[i0, j0] } }
        lib matmul(q; r, b)
        for i1 in 0:n any { for j1 in 0:m any { r[i1, j1] = c[i1, 0] } }
        for i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] } }
        for i2 in 0:n any { for j2 in 0:m any { s[i2, j2] = r[i2, j2] } }""",
    "in turns at once": """
        for t in 0:3 any {
          alloc r: f64[n, p]
          lib matmul(r; a, b)
          for i in 0:n any { for j in 0:p any { c[i, j] += r[i, j] } }
        }""",
    "past a failure": """
        alloc r: f64[n, m]
        for i0 in 0:n any { for j0 in 0:m any { r[i0, j0] = a[i0, j0] } }
        lib matmul(q; r, b)
        for i1 in 0:n any { for j1 in 0:m any { r[i1, j1] = 0.0 } }
        if n > 100 { fail ValueError("too many") }
        for i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] } }""",
    "twice the same element": """
        view v: f64[n, p] = c[0, 0] along (1: 1, 1: 1)
        lib matmul(q; a, b)
        for i in 0:n any { for j in 0:p any { v[i, j] += q[i, j] } }""",
}
RESULT = "lib matmul(q; a, b)\nfor i in 0:n any { for j in 0:p any { c[i, j] += q[i, j] } }"


def module_of(body: str, results: str = "", dtype: str = "f64") -> Module:
    module = parse(HEAD.format(t=dtype, body=body.replace("f64", dtype), results=results))
    verify(module)
    return module


def arguments(n: int, m: int, p: int, dtype: str = "f64") -> dict[str, object]:
    rng = np.random.default_rng(3)
    shapes = {"a": (n, m), "b": (m, p), "c": (n, p), "d": (p, n), "e": (n, n, p), "s": (n, m)}
    found: dict[str, object] = {}
    for name, shape in shapes.items():
        values = rng.standard_normal(shape)
        if dtype == "c128":
            values = values + 1j * rng.standard_normal(shape)
        found[name] = values.astype(np.complex128 if dtype == "c128" else np.float64)
    return found | {"n": n, "m": m, "p": p}


def copies(module: Module) -> int:
    """Products that have an array of their own."""
    names = {s.buffer.name for s in statements(module.root.body) if isinstance(s, Alloc)}
    return sum(isinstance(s, LibCall) and s.outs[0] in names for s in statements(module.root.body))


@pytest.mark.parametrize("dtype", ["f64", "c128"])
@pytest.mark.parametrize("name", PLACED)
def test_placed(name: str, dtype: str) -> None:
    module = module_of(PLACED[name].replace("0.5", f"{dtype}(0.5)").replace("0.0", f"{dtype}(0.0)"), dtype=dtype)
    made = transformed(module, [place_products])
    assert copies(made) == 0, show(made)
    for n, m, p in ((3, 4, 2), (1, 1, 1), (0, 2, 3), (3, 0, 2), (20, 17, 70)):
        args = arguments(n, m, p, dtype)
        for order in ("forward", "reverse"):
            agree(outcome(made, args, order), outcome(module, args), 2.2e-16)
        native.agree_uncut(made, list(args.values()), 1e-11)


@pytest.mark.parametrize("name", LEFT)
def test_left(name: str) -> None:
    module = module_of(LEFT[name])
    made = transformed(module, [place_products])
    assert not any(isinstance(s, LibCall) and s.op == "add_matmul" for s in statements(made.root.body)), show(made)
    assert copies(made) == copies(module)


def test_what_is_handed_back_stays() -> None:
    module = module_of(RESULT, "q")
    assert transformed(module, [place_products]) is module


@pytest.mark.parametrize("seed", range(40))
def test_random_sequences(seed: int) -> None:
    """Statements of the above in any order: whatever stays or goes, the values are the same."""
    rng = random.Random(seed)
    pieces = [
        "lib matmul({q}; {x}, b)",
        "for i in 0:n any { for j in 0:p any { c[i, j] += {q}[i, j] } }",
        "for i in 0:n any { for j in 0:p any { c[i, j] = {q}[i, j] } }",
        "for i in 0:n any { for j in 0:p any { d[j, i] += -{q}[i, j] } }",
        "for i in 0:n any { for j in 0:m any { s[i, j] += a[i, j] * 0.5 } }",
        "for i in 0:n any { for j in 0:p any { c[i, j] = c[i, j] * 0.5 + d[j, i] } }",
    ]
    body: list[str] = []
    for k in range(3):
        body += [f"alloc q{k}: f64[n, p]", f"lib matmul(q{k}; {rng.choice('as')}, b)"]
        for _ in range(rng.randint(0, 2)):
            body.append(rng.choice(pieces[4:]))
        for _ in range(rng.choice((1, 1, 1, 2))):
            body.append(rng.choice(pieces[1:4]).replace("{q}", f"q{rng.randint(0, k) if rng.random() < 0.3 else k}"))
    text = "\n".join(
        line.replace("for i ", f"for i{t} ")
        .replace("for j ", f"for j{t} ")
        .replace("[i, j]", f"[i{t}, j{t}]")
        .replace("[j, i]", f"[j{t}, i{t}]")
        for t, line in enumerate(body)
    )
    module = module_of(text)
    made = transformed(module, [place_products])
    for n, m, p in ((3, 4, 2), (1, 5, 1)):
        args = arguments(n, m, p)
        agree(outcome(made, args), outcome(module, args), 2.2e-16)
