"""Zero times infinity, ties, NaN on sides not taken, and second derivatives through the guards."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ad.checks import unique
from wengert.ad.forward import jvp
from wengert.ad.reverse import vjp
from wengert.ir.interpret import run
from wengert.ir.nodes import Module
from wengert.ir.text import parse
from wengert.ir.verify import verify


def scalar_function(body: str) -> Module:
    return unique(parse("entry f\nfunc f(x: f64) -> (y) {\nalloc y: f64[]\n" + body + "\n}"))


def gradients(module: Module, x: float) -> tuple[float, float]:
    """The derivative of y at x, forward and reverse."""
    f, r = jvp(module, module.entry, ["x"]), vjp(module, module.entry, ["x"], ["y"])
    verify(f)
    verify(r)
    return float(run(f, [x, 1.0])[1]), float(run(r, [x, np.asarray(1.0)])[1])


def second(module: Module, x: float) -> list[float]:
    """The second derivative at x by all four combinations."""
    f, r = jvp(module, module.entry, ["x"]), vjp(module, module.entry, ["x"], ["y"])
    ff, fr = jvp(f, f.entry, ["x"]), vjp(f, f.entry, ["x"], ["y_dot"])
    rf, rr = jvp(r, r.entry, ["x"]), vjp(r, r.entry, ["x"], ["x_adj"])
    for m in (ff, fr, rf, rr):
        verify(m)
    one = np.asarray(1.0)
    return [
        float(run(ff, [x, 1.0, 1.0])[3]),
        float(run(fr, [x, 1.0, one])[2]),
        float(run(rf, [x, one, 1.0])[3]),
        float(run(rr, [x, one, one])[2]),
    ]


@pytest.mark.parametrize(
    ("body", "x", "first", "then"),
    [
        ("y[] = select(x < 1.0, x, sqrt(x))", 0.0, 1.0, 0.0),
        ("let r = sqrt(x * x)  y[] = r * r", 0.0, 0.0, None),
        ("y[] = 1.0 / (1.0 + exp(-x))", -1000.0, 0.0, 0.0),
        ("y[] = select(x > 20.0, x, log(1.0 + exp(x)))", 1000.0, 1.0, 0.0),
        ("y[] = select(x > 20.0, x * x, exp(x) * x * exp(x))", 1000.0, 2000.0, 2.0),
        ("y[] = select(x > 0.0, pow(x, 1.5), x * x)", 0.0, 0.0, 2.0),
        ("y[] = select(x > 0.0, log(x), 3.0 * x)", 0.0, 3.0, 0.0),
        ("y[] = max(x, -x)", 0.0, 1.0, 0.0),
        ("y[] = min(x * x, exp(x) * exp(x))", 500.0, 1000.0, 2.0),
        ("let l = log(x)  y[] = l * l", 1.0, 0.0, 2.0),
        ("let l = log(x)  y[] = l * l * l", 1.0, 0.0, 0.0),
        ("y[] = pow(x, 2.0)", 0.0, 0.0, 2.0),
        ("y[] = pow(x, 3.0)", -2.0, 12.0, -12.0),
        ("y[] = abs(x) * x", 0.0, 0.0, None),
        ("let a = sin(x)  let q = a / x  y[] = select(x == 0.0, 1.0, q)", 0.0, 0.0, 0.0),
        ("let z = complex(x, 0.0)  y[] = abs(z) * abs(z)", 0.0, 0.0, None),
        ("y[] = x  y[] max= x", 2.0, 1.0, 0.0),
    ],
)
def test_singular(body: str, x: float, first: float, then: float | None) -> None:
    module = scalar_function(body)
    assert gradients(module, x) == pytest.approx((first, first))
    if then is not None:
        assert second(module, x) == pytest.approx([then] * 4)


def test_nan_is_not_hidden() -> None:
    """A partial that is meant to be infinite stays infinite."""
    assert gradients(scalar_function("y[] = sqrt(x)"), 0.0) == (math.inf, math.inf)
    assert all(map(math.isnan, gradients(scalar_function("y[] = log(x) * x"), math.nan)))


@pytest.mark.parametrize(("x", "value"), [(0.2, (0.28901376, 9.0660864, 67.395584))])
def test_logistic_map(x: float, value: tuple[float, ...]) -> None:
    module = scalar_function("y[] = x\nfor t in 0:3 { let v = y[]  y[] = 4.0 * v * (1.0 - v) }")
    assert float(run(module, [x])[0]) == pytest.approx(value[0], rel=1e-14)
    assert gradients(module, x) == pytest.approx((value[1], value[1]), rel=1e-14)
    assert second(module, x) == pytest.approx([value[2]] * 4, rel=1e-14)


def test_twenty_nested_calls_are_linear_in_size() -> None:
    """f = f(x) + f(x), twenty deep: one derived function per level."""
    functions = "".join(
        f"func g{k}(r: f64[] inout, x: f64) {{ alloc a: f64[] zero  call g{k - 1}(a, x)  r[] = a[] + a[] }}\n"
        for k in range(1, 21)
    )
    text = f"entry f\nfunc f(x: f64, y: f64) -> (r) {{ alloc r: f64[]  call g20(r, x * y) }}\n{functions}"
    module = parse(text + "func g0(r: f64[] inout, x: f64) { r[] = x }")
    forward, reverse = jvp(module, "f", ["x", "y"]), vjp(module, "f", ["x", "y"], ["r"])
    assert len(forward.functions) <= 22
    assert len(reverse.functions) <= 44
    assert float(run(forward, [2.0, 3.0, 0.0, 1.0])[1]) == 2097152
    gradient: Any = run(reverse, [2.0, 3.0, np.asarray(1.0)])
    assert (float(gradient[1]), float(gradient[2])) == (3145728, 2097152)
