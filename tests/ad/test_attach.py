"""Derivatives that are attached to what a function finds: any order, and only where something is differentiated."""

from __future__ import annotations

import numpy as np
import pytest

from wengert import ad
from wengert.ad.attach import attach, detach, forget
from wengert.ir.interpret import run
from wengert.ir.nodes import Module
from wengert.ir.text import parse, show
from wengert.ir.verify import VerifyError, verify

ROOT = """
entry main

func main(t: f64) -> (y) {
  alloc y: f64[]
  call half(t, y)
  alloc x: f64[]
  call find(y[], x)
  y[] = x[]*t
}

func half(t: f64, y: f64[] inout) { y[] = 0.5*t }

func find(t: f64, x: f64[] inout) attached by newton {
  x[] = 1.0
  for k in 0:60 { x[] = 0.5*(x[] + t/x[]) }
}

func newton(t: f64, found: f64[], x: f64[] inout) {
  let at = held(found[])
  let slope = held(2.0*at)
  x[] = at + change(-((at*at - t)/slope))
}
"""


def module() -> Module:
    made = parse(ROOT.replace("call find(y[], x)", "let s = y[]\n  call find(s, x)"))
    verify(made)
    return made


def test_text_and_value() -> None:
    m = module()
    assert parse(show(m)) == m and "attached by newton" in show(m)
    assert run(m, [2.0])[0] == pytest.approx(2.0)


def test_every_order_is_that_of_the_root() -> None:
    """y = t sqrt(t / 2): derivatives 1.5, 0.75, -0.375 ... times powers of t / 2."""
    t, m = 3.0, module()
    c = np.sqrt(0.5)
    wanted = [1.5 * c * t**0.5, 0.75 * c * t**-0.5, -0.375 * c * t**-1.5, 0.5625 * c * t**-2.5]
    forward, reverse = m, m
    for order, value in enumerate(wanted, 1):
        forward = ad.jvp(forward, forward.entry, ["t"])
        verify(forward)
        dots = [1.0] * (len(forward.root.params) - 1)
        assert run(forward, [t, *dots])[-1] == pytest.approx(value, rel=1e-12), f"forward, order {order}"
        if order <= 2:
            reverse = ad.vjp(reverse, reverse.entry, ["t"], [reverse.root.results[-1]])
            verify(reverse)
            seeds = [np.ones(()) for _ in reverse.root.params[1:]]
            assert run(reverse, [t, *seeds])[-1] == pytest.approx(value, rel=1e-12), f"reverse, order {order}"


def test_words_do_not_outlive_a_derivative() -> None:
    """They stay in the function that is attached, for the next one, and nowhere else."""
    m = module()
    for made in (ad.jvp(m, "main", ["t"]), ad.vjp(m, "main", ["t"], ["y"])):
        for name, f in made.functions.items():
            text = show(Module({name: f}, name))
            assert ("held(" in text or "change(" in text) == (name == "newton")
        done = forget(made)
        verify(done)
        assert "newton" not in done.functions and "find" in done.functions
        assert parse(show(done)) == done
        with pytest.raises(ValueError, match="forgotten"):
            ad.jvp(done, done.entry, ["t"])


def test_what_is_not_differentiated_stays() -> None:
    """A function that searches, and what it calls, is not followed by what derivatives need."""
    m = module()
    again = attach(m)
    assert again.functions["find"] == m.functions["find"] and again.functions["newton"] == m.functions["newton"]
    assert "call newton_now(" in show(again)
    plain = Module({n: f for n, f in m.functions.items() if n == "half"}, "half")
    assert attach(plain) is plain and forget(plain) is plain
    assert detach(plain) == plain


def test_functions_that_are_searched_with_and_differentiated_are_two() -> None:
    text = ROOT.replace("x[] = 1.0\n", "x[] = 1.0\n  call shared(t, x)\n").replace(
        "call half(t, y)", "call half(t, y)\n  call shared(t, y)"
    )
    text = text.replace("call find(y[], x)", "let s = y[]\n  call find(s, x)") + (
        "\nfunc shared(t: f64, y: f64[] inout) {\n  call find2(t, y)\n}\n"
        "func find2(t: f64, y: f64[] inout) attached by same { y[] = 0.5*t }\n"
        "func same(t: f64, found: f64[], y: f64[] inout) { y[] = held(found[]) + change(0.5*t) }\n"
    )
    m = parse(text)
    verify(m)
    made = attach(m)
    verify(made)
    assert made.functions["shared"] == m.functions["shared"]
    assert "call same_now(" in show(Module({"f": made.functions["shared_now"]}, "f"))
    forward = ad.jvp(m, "main", ["t"])
    assert run(forward, [3.0, 1.0])[-1] == pytest.approx(1.5 * np.sqrt(1.5), rel=1e-12)


def test_verifier() -> None:
    for text, problem in (
        (ROOT.replace("attached by newton", "attached by nobody"), "there is no function nobody"),
        (ROOT.replace("attached by newton", "attached by half"), "does not take the parameters"),
    ):
        with pytest.raises(VerifyError, match=problem):
            verify(parse(text.replace("call find(y[], x)", "let s = y[]\n  call find(s, x)")))
