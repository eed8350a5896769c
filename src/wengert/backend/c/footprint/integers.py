"""Integers of a program that is followed without being run: sums of multiples of unknowns with known ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

Number: TypeAlias = int | float
"""An integer, inf or -inf."""
EXACT = 2**53
"""Integers below are floats."""


@dataclass(frozen=True, slots=True)
class Linear:
    """constant + sum of factor * unknown; unknowns are numbers of a table of ranges."""

    constant: Number
    terms: tuple[tuple[int, int], ...] = ()


class Integers:
    """The unknowns and what is known of them."""

    def __init__(self) -> None:
        self.ranges: list[tuple[Number, Number]] = []
        self.caps: dict[tuple[int, bool], tuple[Linear, Linear]] = {}
        """Two bounds, both valid, from above (True) or below, of unknowns that are the less or the greater of two."""

    def unknown(self, low: Number, high: Number) -> Linear:
        if low == high:
            return Linear(low)
        self.ranges.append((low, high))
        return Linear(0, ((len(self.ranges) - 1, 1),))

    def any(self) -> Linear:
        return self.unknown(-inf, inf)

    def bounds(self, x: Linear) -> tuple[Number, Number]:
        return self.low(x), self.high(x)

    def low(self, x: Linear) -> Number:
        return -self.high(self.sum(Linear(0), x, -1))

    def high(self, x: Linear) -> Number:
        """The greatest value. What is the less of two (minus the greater) is at most either."""
        total = x.constant
        for unknown, factor in x.terms:
            total += factor * self.ranges[unknown][factor > 0]
        for unknown, factor in x.terms:
            for other in self.caps.get((unknown, factor > 0), ()):
                rest = Linear(x.constant, tuple(t for t in x.terms if t[0] != unknown))
                scaled = Linear(other.constant * factor, tuple((u, f * factor) for u, f in other.terms))
                total = min(total, self.high(self.sum(rest, scaled)))
        return total

    def sum(self, a: Linear, b: Linear, sign: int = 1) -> Linear:
        terms = dict(a.terms)
        for unknown, factor in b.terms:
            terms[unknown] = terms.get(unknown, 0) + sign * factor
        return Linear(a.constant + sign * b.constant, tuple((u, f) for u, f in sorted(terms.items()) if f))

    def operation(self, name: str, args: list[Linear]) -> Linear:
        bounds = [self.bounds(a) for a in args]
        match name, args:
            case "ipow" | "ipowc", [a, b] if (
                bounds[0][0] >= 1 and bounds[1][0] >= 0 and _is_small(bounds[0][1], bounds[1][1])
            ):
                return self.unknown(int(bounds[0][0]) ** int(bounds[1][0]), int(bounds[0][1]) ** int(bounds[1][1]))
            case "add" | "addc", [a, b]:
                return self.sum(a, b)
            case "sub" | "subc", [a, b]:
                return self.sum(a, b, -1)
            case "neg", [a]:
                return self.sum(Linear(0), a, -1)
            case "mul" | "mulc", [a, b]:
                if not a.terms or not b.terms:
                    x, c = (b, a.constant) if not a.terms else (a, b.constant)
                    if c == 0:
                        return Linear(0)
                    if isinstance(c, int):
                        return Linear(x.constant * c, tuple((u, f * c) for u, f in x.terms))
                products = [times(p, q) for p in bounds[0] for q in bounds[1]]
                return self.unknown(min(products), max(products))
            case "min", [a, b]:
                return self.extreme(a, b, -1)
            case "max", [a, b]:
                return self.extreme(a, b, 1)
            case "floordiv", [a, b] if bounds[1][0] > 0:
                ends = [_floordiv(p, q) for p in bounds[0] for q in bounds[1]]
                return self.unknown(min(ends), max(ends))
            case "mod", [a, b] if bounds[1][0] > 0:
                if not a.terms and not b.terms and a.constant not in (inf, -inf):
                    return Linear(a.constant % b.constant)
                return self.unknown(0, bounds[1][1] - 1)
            case "abs", [_]:
                low, high = bounds[0]
                return self.unknown(0 if low < 0 < high else min(abs(low), abs(high)), max(abs(low), abs(high)))
            case (("eq" | "ne" | "lt" | "le" | "gt" | "ge" | "and" | "or" | "not" | "xor"), _):
                return self.unknown(0, 1)
            case _:
                return self.any()

    def extreme(self, a: Linear, b: Linear, sign: int) -> Linear:
        low, high = self.bounds(self.sum(a, b, -1))
        if low >= 0:
            return a if sign > 0 else b
        if high <= 0:
            return b if sign > 0 else a
        pick = max if sign > 0 else min
        (low, high), (low2, high2) = self.bounds(a), self.bounds(b)
        made = self.unknown(pick(low, low2), pick(high, high2))
        for unknown, _ in made.terms:
            self.caps[unknown, sign < 0] = a, b
        return made


def times(a: Number, b: Number) -> Number:
    return 0 if a == 0 or b == 0 else a * b


def _floordiv(a: Number, b: Number) -> Number:
    if b == inf:
        return 0 if a >= 0 else -1
    return a if a in (inf, -inf) else a // b


def rounded(n: Number) -> Number:
    return n if n == inf else 64 if n <= 0 else (int(n) + 63) // 64 * 64


def _is_small(a: Number, b: Number) -> bool:
    """Whether a power does not wrap."""
    return max(a, b) < EXACT and b * math.log2(max(a, 1)) < 62


def real_operation(name: str, args: list[tuple[float, float]]) -> tuple[float, float] | None:
    """The least and the greatest result of an operation on floats between these; None if it is not known."""
    match name, args:
        case "add" | "addc", [(a, b), (c, d)]:
            found = a + c, b + d
        case "sub" | "subc", [(a, b), (c, d)]:
            found = a - d, b - c
        case "mul" | "mulc", [(a, b), (c, d)]:
            ends = a * c, a * d, b * c, b * d
            found = min(ends), max(ends)
        case "div", [(a, b), (c, d)] if c > 0 or d < 0:
            ends = a / c, a / d, b / c, b / d
            found = min(ends), max(ends)
        case "neg", [(a, b)]:
            found = -b, -a
        case "ceil", [(a, b)]:
            found = float(math.ceil(a)), float(math.ceil(b))
        case "floor", [(a, b)]:
            found = float(math.floor(a)), float(math.floor(b))
        case _:
            return None
    return found if all(abs(x) < EXACT for x in found) else None
