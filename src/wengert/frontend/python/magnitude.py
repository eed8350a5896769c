"""How large Python integers can get, so that only those that nothing bounds are computed with overflow checks.

Python's integers grow, those of a compiled program have 64 bits. A sum, product or power whose exact result surely fits
is ordinary index arithmetic, a polynomial over sizes and loop variables; any other is a checked operation, which raises
OverflowError. What bounds an integer: the facts of staging (loop variables lie within their ranges), what it was
computed by, and memory for what counts elements. Integer arguments and extents of arrays are bounded by *limits*, which
are chosen when first needed and guarded from then on: beyond one, a call gets another variant.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from wengert.analysis.affine import canonical, polynomial
from wengert.ir.nodes import Cast, Const, Expr, Extent, Op, Select, Var
from wengert.ir.types import BOOL, I64, DType

if TYPE_CHECKING:
    from .stage import Stage

LARGEST = 2**63 - 1
UNKNOWN = 2**63  # the bound of any 64-bit integer
MEMORY = 2**47  # nothing in memory has more elements
TURNS = 2**56  # no loop gets as far: years at one iteration per cycle
EXACT = 2**53  # integers up to this are floats
LEVELS = (2**31, 2**20, 2**15, 0)  # limits tried, loosest first; 0: the least power of two that serves this call
DEEP = 24  # definitions and bounds followed from an integer


class Magnitudes:
    """Bounds of absolute values. `limits`: arguments and extents are below these in absolute value; `floors`: the
    largest of some is at least that, for else there would be limits. Both are guarded."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.limits: dict[str, int] = {}
        self.floors: dict[tuple[str, ...], int] = {}
        self._known: dict[str, int] = {}
        self._products: dict[Expr, int] = {}

    def know(self, name: str, bound: int) -> None:
        """Note that an integer never exceeds a bound, for reasons that its definition does not tell."""
        self._known[name] = bound

    def know_product(self, product: Expr, *bounds: Expr) -> None:
        """Note that a product (of a stride and a position, say) is no larger than these together."""
        self._products[canonical(product)] = sum(self.of(b) for b in bounds)

    def of(self, e: Expr) -> int:
        """A bound of the absolute value of an integer."""
        return _Query(self, self.limits).of(e)

    def fits(self, e: Expr, largest: int = LARGEST) -> bool:
        """Whether the exact absolute value of an integer is surely no larger than that; this may set limits."""
        query = _Query(self, self.limits)
        if query.of(e) <= largest:
            return True
        sizes = {name: abs(self.stage.concrete[name]) for name in query.sizes}
        for level in LEVELS if sizes else ():
            limits = dict(self.limits)
            for name, size in sizes.items():
                limit = level or 1 << size.bit_length()
                if size < limit:
                    limits[name] = min(limit, limits.get(name, limit))
            if _Query(self, limits).of(e) <= largest:
                self.limits = limits
                return True
        floor = next((level for level in LEVELS[1:-1] if max(sizes.values(), default=0) >= level), 0)
        if floor:  # a call with smaller sizes than these may do without checks
            self.floors[tuple(sorted(sizes))] = floor
        return False

    def product_known(self, monomial: tuple[Expr, ...]) -> int | None:
        if not self._products or len(monomial) < 2:
            return None
        return self._products.get(canonical(_product(monomial)))

    def known(self, name: str) -> int:
        return self._known.get(name, UNKNOWN)


def _product(factors: tuple[Expr, ...]) -> Expr:
    result = factors[0]
    for x in factors[1:]:
        result = Op("mul", (result, x), I64)
    return result


class _Query:
    """One question under some limits. `sizes`: the arguments and extents that were met on the way."""

    def __init__(self, magnitudes: Magnitudes, limits: Mapping[str, int]) -> None:
        self.magnitudes, self.limits = magnitudes, limits
        self.stage = magnitudes.stage
        self.sizes: set[str] = set()
        self.found: dict[str, int] = {}
        self.depth = 0

    def of(self, e: Expr) -> int:
        total = 0
        for monomial, factor in polynomial(e).items():
            known = self.magnitudes.product_known(monomial)
            bound = math.prod(map(self._atom, monomial))
            total += abs(factor) * (bound if known is None else min(bound, known))
        return total

    def _atom(self, e: Expr) -> int:
        if self.depth > DEEP:
            return UNKNOWN
        self.depth += 1
        try:
            return min(self._named(e.name) if isinstance(e, Var) else self._computed(e), UNKNOWN)
        finally:
            self.depth -= 1

    def _named(self, name: str) -> int:
        if name in self.found:
            return self.found[name]
        self.found[name] = UNKNOWN  # what is asked for on the way to itself
        bound = self.magnitudes.known(name)
        if name in self.stage.concrete:
            self.sizes.add(name)
            bound = min(bound, self.limits.get(name, UNKNOWN + 1) - 1)
        low, high = self.stage.facts.bounds.get(Var(name, I64), (None, None))
        if low is not None and high is not None:
            bound = min(bound, max(self.of(low), self.of(high)))
        definition = self.stage.definitions.get(name)
        if definition is not None and bound > MEMORY:
            bound = min(bound, self.of(definition))
        self.found[name] = bound
        return bound

    def _computed(self, e: Expr) -> int:
        match e:
            case Extent():
                return MEMORY
            case Select(_, x, y):
                return max(self.of(x), self.of(y))
            case Cast(value, _):
                return _range(value.dtype)
            case Op("bitand", (_, Const(mask))) | Op("bitand", (Const(mask), _)) if mask.real >= 0:
                return int(mask.real)
            case Op(name, (a,)):
                return _unary(name, self.of(a)) if a.dtype is I64 else UNKNOWN
            case Op(name, (a, b)):
                return _binary(name, self.of(a), self.of(b)) if a.dtype is I64 else UNKNOWN
            case _:
                return UNKNOWN


def _range(dtype: DType) -> int:
    """A bound of the values of a dtype that are converted to an integer."""
    if dtype is BOOL:
        return 1
    return 2 ** (8 * dtype.numpy.itemsize - (dtype.numpy.kind == "i")) if dtype.is_integer else UNKNOWN


def _unary(name: str, a: int) -> int:
    match name:
        case "abs":
            return a
        case "bitnot":
            return a + 1
        case _:
            return 1 if name == "sign" else UNKNOWN


def _binary(name: str, a: int, b: int) -> int:
    match name:
        case "addc" | "subc":
            return a + b
        case "mulc":
            return a * b
        case "max" | "min":
            return max(a, b)
        case "floordiv" | "shr":
            return a
        case "mod":
            return max(b - 1, 0)
        case "ipow" | "ipowc":
            return _power(a, b)
        case "shl" | "shlc":
            return UNKNOWN if b >= 64 and a > 0 else a << min(b, 64)
        case "bitand" | "bitor" | "bitxor":
            return 1 << max(a, b).bit_length()
        case _:
            return UNKNOWN


def _power(a: int, b: int) -> int:
    return UNKNOWN if b >= 64 and a > 1 else min(a ** min(b, 64), UNKNOWN)
