"""Random nests that are products of matrices, nearly: triangles, other statements beside the sums, arrays that the
nest also writes, turns in either direction. Every subscript is in range for matrices of n rows and columns."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from wengert.ir.nodes import Module
from wengert.ir.text import parse

HEAD = """entry f
func f(a: {t}[n, n] inout, b: {t}[n, n] inout, c: {t}[n, n] inout, u: {t}[n] inout, x: {t}, n: i64) -> () {{
{body}
}}"""


def arguments(seed: int, n: int, dtype: str = "f64", special: bool = False) -> dict[str, Any]:
    """With `special`, a few elements are infinite or not numbers."""
    rng = np.random.default_rng(seed)
    numpy = {"f64": np.float64, "f32": np.float32, "c128": np.complex128, "i64": np.int64}[dtype]

    def some(*shape: int) -> np.ndarray:
        if numpy is np.int64:
            return rng.integers(-3, 4, shape)
        values = rng.standard_normal(shape) / max(n, 1)
        if numpy is np.complex128:
            values = values + 1j * rng.standard_normal(shape) / max(n, 1)
        if special and values.size:
            flat = values.reshape(-1)
            flat[rng.integers(0, flat.size)] = rng.choice([np.nan, np.inf])
        return values.astype(numpy)

    x = {"f64": np.float64, "f32": np.float32, "c128": np.complex128, "i64": np.int64}[dtype](2)
    return {"a": some(n, n), "b": some(n, n), "c": some(n, n), "u": some(n), "x": x, "n": n}


def program(seed: int, dtype: str = "f64") -> Module:
    return parse(text(random.Random(seed), dtype))


def text(rng: random.Random, dtype: str) -> str:
    body = "\n".join(_Nest(rng, k, dtype).lines() for k in range(rng.randint(1, 2)))
    return HEAD.format(t=dtype, body=body)


class _Nest:
    def __init__(self, rng: random.Random, number: int, dtype: str) -> None:
        self.rng, self.dtype = rng, dtype
        self.i, self.j, self.k = (f"{v}{number}" for v in "ijk")
        self.number = number
        self.triangle = rng.choice(["", "", f"0:{self.i}", f"0:{self.i} + 1", f"{self.i}:n", f"{self.i} + 1:n"])
        self.shifted = self.triangle.endswith(":n") and rng.random() < 0.4

    def loop(self, var: str, bounds: str, body: str) -> str:
        low, high = bounds.split(":")
        if self.rng.random() < 0.3:
            return f"for {var} in ({high}) - 1:({low}) - 1 step -1 {{\n{body}\n}}"
        return f"for {var} in {low}:{high} {{\n{body}\n}}"

    def lines(self) -> str:
        """The outermost loop runs over i; what is innermost, and whether the triangle is j's or k's, varies."""
        rng = self.rng
        second = rng.choice([self.j, self.k])
        third = self.k if second == self.j else self.j
        moved = {v: v for v in (self.i, self.j, self.k)}
        ranges = {self.j: "0:n", self.k: "0:n"}
        bent = rng.choice([self.j, self.k])
        if self.triangle:
            ranges[bent] = self.triangle
            if self.shifted:
                ranges[bent] = f"0:n - ({self.triangle.split(':')[0]})"
                moved[bent] = f"{bent} + {self.triangle.split(':')[0]}"
        at = [moved[self.i], moved[self.j], moved[self.k]]
        kind = rng.choice(["sum", "sum", "sum", "cell", "cell", "row"])
        if kind == "row" and ranges[self.j] != "0:n":
            kind = "sum"
        target, factors = self.product(at, kind == "sum")
        value = self.value(factors)
        n = self.number
        if kind == "cell" and second != self.j:
            kind = "sum"
        if kind == "cell":
            inner = self.loop(self.k, ranges[self.k], f"d{n}[] += {value}")
            use = f"{target} += y{n}" if rng.random() < 0.7 else f"{target} = y{n}"
            start = f"d{n}[] = 0.0" if self.dtype == "f64" else ""
            cell = f"alloc d{n}: {self.dtype}[] {'' if start else 'zero'}\n{start}"
            middle = self.loop(self.j, ranges[self.j], f"{cell}\n{inner}\nlet y{n} = d{n}[]\n{use}")
        elif kind == "row":
            nest = self.loop(second, ranges[second], self.loop(third, ranges[third], f"d{n}[{self.j}] += {value}"))
            use = self.loop(f"l{n}", "0:n", f"c[{self.i}, l{n}] += d{n}[l{n}]")
            middle = f"alloc d{n}: {self.dtype}[n] zero\n{nest}\n{use}"
        else:
            others = "\n".join(self.other(at, second, third) for _ in range(rng.choice([0, 0, 0, 1])))
            inner = self.loop(third, ranges[third], f"{target} += {value}\n{others}")
            middle = self.loop(second, ranges[second], self.aside(second) + inner)
        before, after = self.beside(), self.beside()
        return self.loop(self.i, "0:n", f"{before}\n{middle}\n{after}")

    def product(self, at: list[str], any_target: bool) -> tuple[str, list[str]]:
        """A target without one of the subscripts, and factors with it and one of the others each."""
        rng = self.rng
        free = rng.choice([(0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0)] if any_target else [(0, 1, 2)])
        x, y, z = (at[k] for k in free)
        target = rng.choice(["c", "c", "c", "a"])

        def element(p: str, q: str, name: str) -> str:
            return f"{name}[{p}, {q}]" if rng.random() < 0.5 else f"{name}[{q}, {p}]"

        names = rng.choice([("a", "b"), ("a", "b"), ("a", "a"), ("c", "b")])
        return element(x, y, target), [element(x, z, names[0]), element(z, y, names[1])]

    def value(self, factors: list[str]) -> str:
        rng = self.rng
        more = [*factors]
        if rng.random() < 0.4:
            more.insert(rng.randrange(3), "x")
        if rng.random() < 0.2:
            more.append(f"u[{rng.choice([self.i, self.j, self.k])}]")
        text = " * ".join(more)
        if rng.random() < 0.2:
            text = f"-({text})"
        return f"{text} + {factors[0]} * {factors[1]}" if rng.random() < 0.15 else text

    def aside(self, second: str) -> str:
        rng = self.rng
        if rng.random() < 0.7:
            return ""
        return rng.choice([f"u[{second}] += c[{self.i}, {second}]\n", f"c[{self.i}, {second}] = x\n"])

    def other(self, at: list[str], second: str, third: str) -> str:
        """Another sum in the innermost loop."""
        x, y = self.rng.sample([self.i, second, third], 2)
        return self.rng.choice([f"u[{x}] += b[{x}, {y}]", f"b[{x}, {y}] += x", f"u[{y}] += x * c[{x}, {y}]"])

    def beside(self) -> str:
        """A loop over one row, before or after the sums of a turn."""
        rng, i, m = self.rng, self.i, f"m{self.rng.randrange(10**9)}"
        if rng.random() < 0.5:
            return ""
        array = rng.choice("abc")
        where = rng.choice([f"{array}[{i}, {m}]", f"{array}[{m}, {i}]"])
        what = rng.choice([f"{where} = {where} * x", f"{where} += x", f"u[{m}] += {where}", f"{where} = x"])
        return self.loop(m, rng.choice(["0:n", f"0:{i}", f"0:{i} + 1", f"{i}:n"]), what)
