"""What is written into arrays that nobody looks at afterwards goes, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from ad.checks import run_with
from optimise import nests
from optimise.checks import normal, outcome, program, sizes
from wengert.ir.nodes import Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.optimise.final_writes import drop_final_writes


def becomes(before: str, after: str, results: str = "") -> None:
    """With u unread, a program becomes another."""
    made = drop_final_writes(program(before, results), {"u"})
    verify(made)
    assert normal(made) == normal(program(after, results)), show(made)


KEPT = {
    "an element that is read in a later turn": "for i in 1:n { u[i] = v[i]\nv[i] = u[i - 1] }",
    "an element that another loop reads": "for i in 0:n { u[i] = v[i] }\nfor j in 0:n { v[j] += u[j] }",
    "elements that later turns read": "for i in 0:n { u[i] = 1.0\nfor l in 0:i { v[l] += u[l] } }",
    "what a loop goes on for": "for i in 0:n while u[0] < 1.0 { u[0] += 1.0\nv[0] += 1.0 }",
    "what an inner loop goes on for": "for j in 0:3 { for i in 0:n while u[0] < 1.0 { u[0] += 1.0\nv[0] += 1.0 } }",
    "what a sum that is read adds to": "for i in 0:n { u[i] = 1.0\nu[i] += 2.0\nv[i] = u[i] }",
    "what may be read under another name": "reshape w: f64[n] = u\nfor i in 0:n { u[i] = 1.0\nv[i] = w[i] }",
    "what a failure depends on": "for i in 0:n { u[i] += v[i]\nif u[i] > 1e9 { fail ValueError('too large') } }",
    "what a number that is read depends on": "for i in 1:n { u[i] += u[i - 1]\nlet s = u[i]\nv[0] += s }",
    "another array": "for i in 0:n { v[i] = 1.0 }",
}


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    becomes(KEPT[name], KEPT[name])


GONE = {
    "after it was read": ("for i in 0:n { v[i] = u[i]\nu[i] = 0.0 }", "for i in 0:n { v[i] = u[i] }"),
    "elements that only earlier turns read": (
        "for i in 0:n { for l in i + 1:n { v[l] += u[l] }\nu[i] = 0.0 }",
        "for i in 0:n { for l in i + 1:n { v[l] += u[l] } }",
    ),
    "turns that go down": (
        "for i in n - 1:0 step -1 { v[i] += u[i - 1]\nu[i] = 3.0 }",
        "for i in n - 1:0 step -1 { v[i] += u[i - 1] }",
    ),
    "only sums": ("for i in 0:n { u[i] += v[i]\nv[i] = 0.0 }", "for i in 0:n { v[i] = 0.0 }"),
    "a statement by itself": ("u[0] = v[0]\nv[0] = 1.0", "v[0] = 1.0"),
    "what only itself reads": (
        "for l in 0:3 { for i in 1:n { u[i] += u[i - 1] * 0.5 }\nfor j in 0:n { v[j] += 1.0 } }",
        "for l in 0:3 { for j in 0:n { v[j] += 1.0 } }",
    ),
    "what only a local array that nobody reads remembers": (
        "for l in 0:3 { alloc t: f64[n]\nfor i in 1:n { t[i] = u[i - 1] }\nfor j in 1:n { u[j] += t[j] } }\nv[0] = 1.0",
        "v[0] = 1.0",
    ),
}


@pytest.mark.parametrize("name", GONE)
def test_gone(name: str) -> None:
    becomes(*GONE[name])
    wanted, found = (outcome(program(text), sizes()) for text in GONE[name])
    assert isinstance(wanted[1], dict)
    assert isinstance(found[1], dict)
    for array in ("v", "a"):
        np.testing.assert_array_equal(found[1][array], wanted[1][array])


def test_results_are_read() -> None:
    becomes("for i in 0:n { u[i] = 1.0 }", "for i in 0:n { u[i] = 1.0 }", "u")


@pytest.mark.parametrize("seed", range(200))
def test_random_nests(seed: int) -> None:
    module = nests.program(seed)
    for unread in ("a", "b", "c"):
        made = drop_final_writes(module, {unread})
        verify(made)
        if made is not module:
            _agree(module, made, unread, seed)


def _agree(module: Module, made: Module, unread: str, seed: int) -> None:
    for n in (1, 2, 5):
        args = nests.arguments(seed, n)
        _, found = run_with(made, args)
        _, wanted = run_with(module, args)
        for name in {"a", "b", "c", "u"} - {unread}:
            np.testing.assert_array_equal(found[name], wanted[name])


def test_random_nests_have_final_writes() -> None:
    assert sum(drop_final_writes(m, {"c"}) is not m for m in map(nests.program, range(50))) > 10


CALLEE = """entry f
func f(u: f64[n] inout, v: f64[n] inout, n: i64) {{
  {outside}
  for k in 0:2 {{
    {alloc}
    call g(v, r, w, n)
    {use}
  }}
}}
func g(v: f64[n] inout, r: f64[n] inout, w: f64[n] inout, n: i64) {{
  for i in 0:n any {{
    {read}
    r[i] = v[i] * 3.0
    v[i] += r[i]
    w[i] = v[i]
  }}
}}"""
BOTH = "alloc r: f64[n]\nalloc w: f64[n] zero"


@pytest.mark.parametrize(
    ("outside", "alloc", "use", "read", "goes"),
    [
        ("", BOTH, "u[k] += v[k]", "", True),
        ("", BOTH, "u[k] += w[k]", "", False),
        ("", BOTH, "call g(v, w, r, n)", "", False),
        ("alloc w: f64[n] zero", "alloc r: f64[n]", "u[k] += v[k]", "v[i] += w[i]", False),
        ("alloc w: f64[n] zero", "alloc r: f64[n]", "call g(v, r, w, n)", "", True),
        ("alloc w: f64[n] zero", "alloc r: f64[n]", "call g(v, r, w, n)\nu[k] += w[k]", "", False),
        ("alloc w: f64[n] zero", "alloc r: f64[n]", "call g(v, w, r, n)", "", False),
        ("alloc w: f64[n] zero", "alloc r: f64[n]", "call g(u, r, w, n)\nw[k] = 1.0", "", True),
        ("alloc w: f64[n] zero\nreshape z: f64[n] = w", "alloc r: f64[n]", "u[k] += z[k]", "", False),
        ("", "alloc r: f64[n]\nreshape w: f64[n] = u", "u[k] += v[k]", "", False),
    ],
)
def test_what_every_caller_ignores(outside: str, alloc: str, use: str, read: str, goes: bool) -> None:
    module = parse(CALLEE.format(outside=outside, alloc=alloc, use=use, read=read))
    verify(module)
    made = drop_final_writes(module, ())
    verify(made)
    assert ("w[i] =" not in show(made)) is goes, show(made)
    args = {"u": np.array([0.3, 0.7, 0.1]), "v": np.array([0.2, 0.9, 0.4]), "n": 3}
    found, wanted = run_with(made, args)[1], run_with(module, args)[1]
    for name in ("u", "v"):
        np.testing.assert_array_equal(found[name], wanted[name])


def test_what_was_read_for_last_writes_alone() -> None:
    """The last loop's writes go, then what it reads, then the writes that only it has read."""
    becomes(
        "for i in 0:n { u[i] = v[i]\nv[i] = 1.0 }\nfor j in 0:n { let t = u[j]\nu[j] = 2.0 * t }",
        "for i in 0:n { v[i] = 1.0 }",
    )
