"""Which products become one, and that they stay the same."""

from __future__ import annotations

import numpy as np
import pytest

import wengert as wg
from backend import native
from optimise.checks import outcome, transformed
from optimise.test_raise import agree
from wengert.ir.nodes import LibCall, Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise.share_factors import share_factors

HEAD = """entry f
func f(a: f64[n, n], b: f64[n, n], x: f64[n, n], c: f64[n, n] inout, n: i64) -> () {{
view d: f64[n, n] = c[0, 0] along (1: 1, 0: 1)
view y: f64[n, n] = x[0, 0] along (1: 1, 0: 1)
view back: f64[n, n] = y[0, 0] along (1: 1, 0: 1)
{body}
}}"""
SHARED = {
    "the right factor": "lib add_matmul(c; c, a, x, negative=0)\nlib add_matmul(c; c, b, x, negative=0)",
    "the left factor": "lib add_matmul(c; c, x, a, negative=0)\nlib add_matmul(c; c, x, b, negative=0)",
    "one is subtracted": "lib add_matmul(c; c, a, x, negative=0)\nlib add_matmul(c; c, b, x, negative=1)",
    "both are subtracted": "lib add_matmul(c; c, a, x, negative=1)\nlib add_matmul(c; c, b, x, negative=1)",
    "the first is not added": "lib matmul(c; a, x)\nlib add_matmul(c; c, b, x, negative=1)",
    "to the transpose": "lib add_matmul(c; c, a, x, negative=0)\nlib add_matmul(d; d, y, b, negative=0)",
    "to the transpose, the left factor": """
        lib add_matmul(c; c, x, a, negative=1)
        lib add_matmul(d; d, b, y, negative=0)""",
    "by two names": "lib add_matmul(c; c, a, x, negative=0)\nlib add_matmul(c; c, b, back, negative=0)",
    "names in between": """
        lib add_matmul(c; c, a, x, negative=0)
        let k = n - 1
        view w: f64[n, n] = x[k - k, 0] along (0: 1, 1: 1)
        lib add_matmul(c; c, b, w, negative=0)""",
}
APART = {
    "no common factor": "lib add_matmul(c; c, a, x, negative=0)\nlib add_matmul(c; c, x, b, negative=0)",
    "the transpose": "lib add_matmul(c; c, a, x, negative=0)\nlib add_matmul(c; c, b, y, negative=0)",
    "another target": "lib add_matmul(c; c, a, x, negative=0)\nlib add_matmul(d; d, b, x, negative=0)",
    "the second is not added": "lib add_matmul(c; c, a, x, negative=0)\nlib matmul(c; b, x)",
    "upside down": """
        view w: f64[n, n] = x[n - 1, 0] along (0: -1, 1: 1)
        lib add_matmul(c; c, a, x, negative=0)
        lib add_matmul(c; c, b, w, negative=0)""",
    "something in between": """
        lib add_matmul(c; c, a, x, negative=0)
        for i in 0:n any { c[i, i] = 0.0 }
        lib add_matmul(c; c, b, x, negative=0)""",
}


def products(module: Module) -> int:
    return sum(isinstance(s, LibCall) for s in statements(module.root.body))


@pytest.mark.parametrize("name", [*SHARED, *APART])
def test_products(name: str) -> None:
    module = parse(HEAD.format(body={**SHARED, **APART}[name]))
    verify(module)
    made = transformed(module, [share_factors])
    assert products(made) == (1 if name in SHARED else 2), show(made)
    rng = np.random.default_rng(3)
    for n in (0, 1, 4, 30):
        args: dict[str, object] = {k: rng.standard_normal((n, n)) for k in "abxc"} | {"n": n}
        agree(outcome(made, args), outcome(module, args), 2.2e-16)
        native.agree_uncut(made, list(args.values()), 1e-11)


def test_three_of_them() -> None:
    text = "\n".join(f"lib add_matmul(c; c, {k}, x, negative=0)" for k in "aba")
    assert products(transformed(parse(HEAD.format(body=text)), [share_factors])) == 1


def test_a_gram_matrix_takes_one_product_each_way() -> None:
    """And its gradient is (G + G^T) X."""

    def gram(x: np.ndarray) -> np.ndarray:
        return x @ x.T

    rng = np.random.default_rng(0)
    x, g = rng.standard_normal((20, 7)), rng.standard_normal((20, 20))
    value, pullback = wg.vjp(gram, x)
    np.testing.assert_allclose(value, x @ x.T, rtol=1e-12)
    np.testing.assert_allclose(pullback(g)[0], (g + g.T) @ x, rtol=1e-12)
