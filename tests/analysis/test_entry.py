"""What functions read of what their parameters hold at entry: never claimed unread if it matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad import arrays, generator, subscripts
from ad.checks import run_with
from ad.test_random import arguments
from wengert.analysis.alias import analyse
from wengert.analysis.entry import EntryReads
from wengert.ir.nodes import Buffer, Module
from wengert.ir.text import parse
from wengert.ir.types import F64
from wengert.optimise.flatten import flatten

BODIES = {
    "stored before": ("for i in 0:n any { s[i] = x[i] } for j in 0:n { y[j] = s[j] }", False),
    "all of it, backwards": ("for i in 0:n { s[i] = x[i] } for j in n - 1:-1 step -1 { y[j] = s[j] }", False),
    "the interior": ("for i in 0:n - 2 { s[i + 1] = x[i] } for j in 1:n - 1 { y[j] = s[j] }", False),
    "one more": ("for i in 0:n - 2 { s[i + 1] = x[i] } for j in 0:n - 1 { y[j] = s[j] }", True),
    "beyond the last": ("for i in 0:n - 1 { s[i] = x[i] } for j in 0:n { y[j] = s[j] }", True),
    "read first": ("for j in 0:n { y[j] = s[j] } for i in 0:n { s[i] = x[i] }", True),
    "read as it is stored": ("for i in 0:n { s[i] = s[i] + x[i] y[i] = s[i] }", True),
    "perhaps stored": ("for i in 0:n { if x[i] > 0.0 { s[i] = x[i] } } for j in 0:n { y[j] = s[j] }", True),
    "every other": ("for i in 0:n step 2 { s[i] = x[i] } for j in 0:n { y[j] = s[j] }", True),
    "a diagonal": ("for i in 0:n { for k in 0:i { s[i] = x[k] } } for j in 0:n { y[j] = s[j] }", True),
    "equal after a check": (
        "let m = max(n - 1, 0) + 1 if m != n { fail ValueError('') } "
        "for i in 0:m { s[i] = x[i] } for j in 0:n { y[j] = s[j] }",
        False,
    ),
    "only added to": ("for i in 0:n { s[i] += x[i] }", False),
    "added to and read": ("for i in 0:n { s[i] += x[i] } for j in 0:n { y[j] = s[j] }", True),
    "the greatest": ("for i in 0:n { s[0] max= x[i] }", True),
    "through a view": (
        "for i in 0:n { s[i] = x[i] } view v: f64[n] = s[0] along (0: 1) for j in 0:n { y[j] = v[j] }",
        True,
    ),
}


@pytest.mark.parametrize("name", BODIES)
def test_coverage(name: str) -> None:
    body, read = BODIES[name]
    text = f"entry f func f(n: i64, x: f64[n], s: f64[n] inout, y: f64[n] inout) {{ {body} }}"
    module = flatten(parse(text))
    assert (2 in EntryReads(module, analyse(module)).of("f")) == read


def unread(module: Module) -> list[str]:
    flat = flatten(module)
    found = EntryReads(flat, analyse(flat)).of(flat.entry)
    return [p.name for k, p in enumerate(flat.root.params) if isinstance(p, Buffer) and k not in found]


def check_unread(module: Module, args: dict[str, Any]) -> int:
    """Nothing else changes if what is not read holds other numbers; how many parameters are not read."""
    names = unread(module)
    results, after = run_with(module, args)
    rng = np.random.default_rng(1)
    other = {n: rng.standard_normal(np.shape(v)) if n in names else v for n, v in args.items()}
    again, left = run_with(module, other)
    for name, x, y in zip(module.root.results, results, again, strict=True):
        if name not in names:
            np.testing.assert_array_equal(x, y)
    for name in args.keys() - set(names):
        np.testing.assert_array_equal(after[name], left[name])
    return len(names)


def test_what_is_not_read_does_not_matter() -> None:
    total = 0
    for seed in range(500, 560):
        rng = np.random.default_rng(seed)
        total += check_unread(generator.program(seed), arguments(seed, F64))
        total += check_unread(arrays.program(seed), {"u": rng.random(4), "m": rng.random((4, 4)), "n": 4})
        total += check_unread(subscripts.program(seed), {"a": rng.random((4, 4)), "u": rng.random(4), "n": 4})
    assert total > 10
