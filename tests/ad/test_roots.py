"""Roots of sums of squares and squares of roots: which are seen, and which must not be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from ad.checks import unique
from wengert.ad.forward import jvp
from wengert.ad.reverse import vjp
from wengert.ad.roots import smooth_roots, sums_of_squares
from wengert.analysis.alias import analyse
from wengert.ir.interpret import run
from wengert.ir.nodes import Let, Module, Var
from wengert.ir.text import parse
from wengert.ir.types import F64
from wengert.ir.verify import verify
from wengert.ir.walk import statements
from wengert.optimise.flatten import flatten


def function(body: str) -> Module:
    return unique(parse("entry f\nfunc f(x: f64, w: f64) -> (y) {\nalloc y: f64[]\n" + body + "\n}"))


def slopes(module: Module, x: float, w: float = 1.0) -> tuple[float, float]:
    """dy/dx, forward and reverse."""
    f, r = jvp(module, "f", ["x"]), vjp(module, "f", ["x"], ["y"])
    verify(f)
    verify(r)
    return float(run(f, [x, w, 1.0])[1]), float(run(r, [x, w, np.asarray(1.0)])[1])


SUM = "alloc s: f64[] zero\nfor k in 0:3 { s[] += x * x }\nlet u = s[]\n"


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        ("let u = x * x", True),
        ("let u = x * x + w * w", True),
        (SUM, True),
        (SUM.replace("s[] += x * x", "s[] max= x * x"), True),
        (SUM.replace("let u = s[]", "let u = s[] / 3.0"), True),
        ("let u = pow(x, 4.0)", True),
        ("let u = 2.0 * (x * x)", True),
        ("let u = select(x > 0.0, x * x, 0.0)", True),
        ("let u = x * x - w * w", False),
        ("let u = x * w", False),
        ("let u = x", False),
        ("let u = abs(x)", False),
        ("let u = (x * x) / w", False),
        ("let u = pow(x, 3.0)", False),
        ("let u = -2.0 * (x * x)", False),
        (SUM.replace("let u", "s[] += w\nlet u"), False),
        (SUM.replace("let u", "s[] += -1.0\nlet u"), False),
    ],
)
def test_sums_of_squares(body: str, seen: bool) -> None:
    module = flatten(function(body + "\ny[] = u"))
    f = module.functions["f"]
    is_square = sums_of_squares(f, analyse(module).aliases["f"])
    names = [s.name for s in statements(f.body) if isinstance(s, Let) and s.value.dtype is F64]
    last = "x" if body == "let u = x" else names[-1]
    assert is_square(Var(last, F64)) == seen


@pytest.mark.parametrize(
    ("body", "x", "slope"),
    [
        ("y[] = sqrt(x * x)", 0.0, 0.0),
        ("y[] = sqrt(x * x)", -2.0, -1.0),
        (SUM + "y[] = sqrt(u)", 0.0, 0.0),
        (SUM + "y[] = sqrt(u)", 2.0, math.sqrt(3.0)),
        ("y[] = sqrt(x)", 0.0, math.inf),
        ("y[] = sqrt(x * w)", 0.0, math.inf),
        ("let r = sqrt(x)  y[] = r * r", 0.0, 1.0),
        ("let r = sqrt(x)  y[] = pow(r, 2.0)", 4.0, 1.0),
        ("let r = sqrt(x)  y[] = r * r", -1.0, math.nan),
        ("let r = abs(x)  y[] = r * r", -3.0, -6.0),
        ("let r = hypot(x, w)  y[] = r * r", 3.0, 6.0),
        ("let z = complex(x, w)  let r = abs(z)  y[] = r * r", 3.0, 6.0),
        ("y[] = sqrt(1.0 + x * x)", 0.0, 0.0),
    ],
)
def test_slopes(body: str, x: float, slope: float) -> None:
    found = slopes(function(body), x)
    if math.isnan(slope):
        assert math.isnan(float(run(function(body), [x, 1.0])[0]))
    else:
        assert found == pytest.approx((slope, slope))


def test_positive_arguments_are_left_alone() -> None:
    """1 + x^2 has no zero, so nothing is added to the program; neither without roots."""
    for body in ("y[] = sqrt(1.0 + x * x)", "y[] = sin(x) * x"):
        module = flatten(function(body))
        assert smooth_roots(module) == module
