"""Which copies become views, and that nothing is seen of it."""

from __future__ import annotations

import random

import numpy as np
import pytest

from backend import native
from optimise.checks import outcome, transformed
from optimise.test_raise import agree
from wengert.ir.nodes import Alloc, Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise.share_copies import share_copies

HEAD = """entry f
func f(a: f64[n, m] inout, b: f64[m, p], w: f64[n + n, m + 1], e: f64[n, 3, m] inout, n: i64, m: i64, p: i64) -> (c) {{
view s: f64[n, m] = w[0, 0] along (0: 2, 1: 1)
alloc c: f64[n, p]
{body}
}}"""
COPY = "alloc q: f64[n, m]\nfor i in 0:n any {{ for j in 0:m any {{ q[i, j] = {value} }} }}\n"
SHARED = {
    "a copy": COPY.format(value="a[i, j]") + "lib matmul(c; q, b)",
    "of a strided array": COPY.format(value="s[i, j]") + "lib matmul(c; q, b)",
    "of a part": COPY.format(value="e[n - 1 - i, 1, j]") + "lib matmul(c; q, b)",
    "by a name": COPY.format(value="x").replace("q[i", "let x = a[i, j]\nq[i") + "lib matmul(c; q, b)",
    "another shape": """
        alloc q: f64[n, 1, m, 1]
        for i in 0:n any { for j in 0:1 any { for k in 0:m any { for l in 0:1 any { q[i, j, k, l] = a[i, k] } } } }
        reshape r: f64[n, m] = q
        lib matmul(c; r, b)""",
    "what changes afterwards": COPY.format(value="a[i, j]")
    + "lib matmul(c; q, b)\nfor i1 in 0:n any { for j1 in 0:m any { a[i1, j1] = 0.0 } }",
    "in a loop": "for t in 0:2 {\n"
    + COPY.format(value="a[i, j]")
    + "lib matmul(c; q, b)\nfor i1 in 0:n any { for j1 in 0:m any { a[i1, j1] = a[i1, j1] + c[i1, 0] } }\n}",
}
LEFT = {
    "what changes meanwhile": COPY.format(value="a[i, j]")
    + "for i1 in 0:n any { for j1 in 0:m any { a[i1, j1] = 0.0 } }\nlib matmul(c; q, b)",
    "by another name": "view v: f64[n, m] = a[0, 0] along (0: 1, 1: 1)\n"
    + COPY.format(value="v[i, j]")
    + "for i1 in 0:n any { for j1 in 0:m any { a[i1, j1] = 0.0 } }\nlib matmul(c; q, b)",
    "a copy that changes": COPY.format(value="a[i, j]")
    + "for i1 in 0:n any { for j1 in 0:m any { q[i1, j1] = q[i1, j1] * 0.5 } }\nlib matmul(c; q, b)",
    "a copy that changes by another name": COPY.format(value="a[i, j]")
    + "view v: f64[n] = q[0, 0] along (0: 1)\nfor i1 in 0:n any { v[i1] += 1.0 }\nlib matmul(c; q, b)",
    "what is computed": COPY.format(value="a[i, j] * 2.0") + "lib matmul(c; q, b)",
    "columns": COPY.format(value="e[j, 0, j]").replace("0:m", "0:min(n, m)") + "lib matmul(c; q, b)",
    "a reshaped part": COPY.format(value="e[i, 1, j]")
    + "reshape r: f64[n, m, 1] = q\nview t: f64[n, m] = r[0, 0, 0] along (0: 1, 1: 1)\nlib matmul(c; t, b)",
    "read and changed at once": COPY.format(value="a[i, j]")
    + "for i1 in 0:n any { for j1 in 0:m any { a[i1, j1] = q[n - 1 - i1, j1] } }\nlib matmul(c; q, b)",
    "in a later turn": COPY.format(value="a[i, j]")
    + """for t in 0:2 {
        lib matmul(c; q, b)
        for i1 in 0:n any { for j1 in 0:m any { a[i1, j1] = a[i1, j1] + c[i1, 0] } }
      }""",
    "read by loops alone": COPY.format(value="a[i, j]")
    + "for i1 in 0:n any { for k in 0:p any { c[i1, k] = q[i1, 0] } }",
}


def module_of(body: str) -> Module:
    module = parse(HEAD.format(body=body))
    verify(module)
    return module


def copies(module: Module) -> int:
    return sum(isinstance(s, Alloc) and s.buffer.name == "q" for s in statements(module.root.body))


def arguments(n: int, m: int, p: int) -> dict[str, object]:
    rng = np.random.default_rng(3)
    shapes = {"a": (n, m), "b": (m, p), "w": (2 * n, m + 1), "e": (n, 3, m)}
    found: dict[str, object] = {name: rng.standard_normal(shape) for name, shape in shapes.items()}
    return found | {"n": n, "m": m, "p": p}


@pytest.mark.parametrize("name", [*SHARED, *LEFT])
def test_copies(name: str) -> None:
    module = module_of({**SHARED, **LEFT}[name])
    made = transformed(module, [share_copies])
    assert copies(made) == (name in LEFT), show(made)
    for n, m, p in ((3, 4, 2), (1, 1, 1), (5, 5, 3), (0, 2, 3)):
        if name == "columns" and n != m:
            continue
        args = arguments(n, m, p)
        agree(outcome(made, args), outcome(module, args), 2.2e-16)
        native.agree_uncut(made, list(args.values()), 1e-11)


def test_what_is_handed_back_stays() -> None:
    text = HEAD.replace("-> (c)", "-> (c, q)").format(body=COPY.format(value="a[i, j]") + "lib matmul(c; q, b)")
    assert copies(transformed(parse(text), [share_copies])) == 1


@pytest.mark.parametrize("seed", range(60))
def test_random_sequences(seed: int) -> None:
    """Copies, copies of copies, changes and uses in any order."""
    rng = random.Random(seed)
    lines = ["alloc q0: f64[n, m]", "for i0 in 0:n any { for j0 in 0:m any { q0[i0, j0] = a[i0, j0] } }"]
    names = ["a", "q0"]
    for k in range(1, 9):
        i, j = f"i{k}", f"j{k}"
        nest = f"for {i} in 0:n any {{ for {j} in 0:m any {{ BODY }} }}"
        match rng.randint(0, 4):
            case 0:
                source = rng.choice(names)
                lines += [f"alloc q{k}: f64[n, m]", nest.replace("BODY", f"q{k}[{i}, {j}] = {source}[{i}, {j}]")]
                names.append(f"q{k}")
            case 1:
                lines += [f"view q{k}: f64[n, m] = {rng.choice(names)}[0, 0] along (0: 1, 1: 1)"]
                names.append(f"q{k}")
            case 2:
                changed = rng.choice(names)
                lines += [nest.replace("BODY", f"{changed}[{i}, {j}] = {changed}[{i}, {j}] * 0.5")]
            case _:
                lines += [f"alloc r{k}: f64[n, p]", f"lib matmul(r{k}; {rng.choice(names)}, b)"]
                lines += [nest.replace("0:m", "0:p").replace("BODY", f"c[{i}, {j}] = c[{i}, {j}] + r{k}[{i}, {j}]")]
    body = "for x in 0:n any { for y in 0:p any { c[x, y] = 0.0 } }\n" + "\n".join(lines)
    module = module_of(body)
    made = transformed(module, [share_copies])
    for n, m, p in ((3, 4, 2), (1, 5, 1)):
        args = arguments(n, m, p)
        agree(outcome(made, args), outcome(module, args), 2.2e-16)
