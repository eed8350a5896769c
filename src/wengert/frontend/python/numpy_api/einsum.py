"""np.einsum."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from wengert.analysis.affine import constant
from wengert.ir import build
from wengert.ir.nodes import ZERO, Expr
from wengert.ir.types import BOOL

from .. import arrays, numeric
from ..registry import handles
from ..values import RArray
from .common import (
    add_to,
    array,
    consume,
    dtype_of,
    hint_of,
    only_default,
    permute,
    require_equal,
    scalar,
    static_integer,
)
from .products import matrix_product, times
from .reduce import written
from .shape import diagonal

if TYPE_CHECKING:
    from ..interp import Interp

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


@handles(np.einsum)
def einsum(
    interp: Interp, *operands: Any, out: Any = None, dtype: Any = None, order: Any = "K", casting: Any = "safe",
    optimize: Any = False,
) -> Any:  # fmt: skip
    """Sums of products: a matrix product where it is one, else loops over all indices, those of the result outside."""
    only_default(interp, "einsum", casting=(casting, "safe"))
    stage = interp.stage
    terms, values, result = _parse(interp, operands)
    kind = numeric.result_type(values) if dtype is None else dtype_of(interp, dtype)
    extents = _extents(interp, terms, values)
    if out is None and len(values) == 1 and set(result) == set(terms[0]) and kind is values[0].dtype:
        view = _view(interp, values[0], terms[0], result)
        if view is not None:
            return view
    product = _as_matrix_product(interp, terms, values, result, kind)
    if product is not None:
        return written(interp, product, out, "einsum")
    inner = [c for c in dict.fromkeys("".join(terms)) if c not in result]
    letters = [*result, *inner]
    values = [_prepared(interp, v, t, letters) for v, t in zip(values, terms, strict=True)]
    target = stage.alloc(kind, tuple(extents[c] for c in result), hint_of(interp, "einsum"), zero=True)
    for v in values:
        consume(stage, v)

    def body(index: tuple[Expr, ...]) -> None:
        at = dict(zip(letters, index, strict=True))
        value: Expr | None = None
        for v, t in zip(values, terms, strict=True):
            where = [ZERO if constant(e) == 1 else at[c] for e, c in zip(v.shape, t, strict=True)]
            factor = build.cast(arrays.element(v, where), kind)
            value = factor if value is None else times(value, factor)
        assert value is not None
        add_to(stage, target, [at[c] for c in result], value, "max" if kind is BOOL else "add")

    arrays.nest(stage, [extents[c] for c in letters], body)
    total = scalar(stage, arrays.element(target, ())) if not result else target
    return written(interp, total, out, "einsum")


def _view(interp: Interp, value: RArray, term: str, result: str) -> RArray | None:
    """Of one array, all of whose indices are kept, the result is a view: transposed, or of diagonals; None if it is
    no memory that one can look at so."""
    while value.lazy is None and len(set(term)) < len(term):
        c = next(c for c in term if term.count(c) > 1)
        p = term.index(c)
        q = term.index(c, p + 1)
        value = diagonal(interp, value, 0, p, q)
        term = "".join(x for k, x in enumerate(term) if k not in (p, q)) + c
    if value.lazy is not None:
        return None  # a temporary: nobody sees that it is a copy
    return replace(permute(interp.stage, value, [term.index(c) for c in result]), readonly=False)


def _prepared(interp: Interp, value: RArray, term: str, letters: list[str]) -> RArray:
    """Lazy operands that would be computed more than once are stored."""
    repeated = any(c not in term for c in letters)
    return arrays.stored(interp.stage, value) if repeated and value.cost > 0 else value


def _parse(interp: Interp, operands: tuple[Any, ...]) -> tuple[list[str], list[RArray], str]:
    """The subscripts of each operand, the operands, and the subscripts of the result; ellipses get letters."""
    if isinstance(operands[0], str):
        subscripts, values = operands[0].replace(" ", ""), [array(interp, v) for v in operands[1:]]
    else:
        subscripts, values = _from_lists(interp, operands)
    left, arrow, right = subscripts.partition("->")
    terms = left.split(",")
    if len(terms) != len(values):
        problem = "fewer" if len(terms) > len(values) else "more"
        raise ValueError(
            f"{problem} operands provided to einstein sum function than specified in the subscripts string"
        )
    free = [c for c in reversed(LETTERS) if c not in subscripts]
    dots = max(
        (v.rank - len(t.replace("...", "")) for t, v in zip(terms, values, strict=True) if "..." in t), default=0
    )
    wild = "".join(free[:dots])
    for k, (t, v) in enumerate(zip(terms, values, strict=True)):
        missing = v.rank - len(t.replace("...", ""))
        if "..." in t and missing >= 0:
            terms[k] = t.replace("...", wild[len(wild) - missing :])
        if len(terms[k]) != v.rank:
            raise ValueError(
                "einstein sum subscripts string contains too many subscripts for operand "
                f"{k}" if len(terms[k]) > v.rank else
                "operand has more dimensions than subscripts given in einstein sum, but no '...' ellipsis provided"
            )  # fmt: skip
        if not all(c in LETTERS for c in terms[k]):
            raise ValueError("invalid subscript in einstein sum subscripts string, subscripts must be letters")
    if arrow:
        result = right.replace("...", wild)
    else:
        joined = "".join(terms)
        result = wild + "".join(sorted(c for c in set(joined) if joined.count(c) == 1 and c not in wild))
    for c in result:
        if c not in "".join(terms):
            raise ValueError(
                f"einstein sum subscripts string included output subscript '{c}' which never appeared in an input"
            )
        if result.count(c) > 1:
            raise ValueError(f"einstein sum subscripts string includes output subscript '{c}' multiple times")
    return terms, values, result


def _from_lists(interp: Interp, operands: tuple[Any, ...]) -> tuple[str, list[RArray]]:
    """The other calling convention: arrays and lists of integers in turn."""
    pairs, rest = list(zip(operands[0::2], operands[1::2], strict=False)), operands[2 * (len(operands) // 2) :]

    def letter(label: Any) -> str:
        number = label if isinstance(label, int) else static_integer(interp, label, "a subscript of einsum")
        if not 0 <= number < len(LETTERS):
            raise ValueError(f"subscript is not within the valid range [0, {len(LETTERS)})")
        return LETTERS[number]

    def spell(labels: Any) -> str:
        return "".join("..." if k is Ellipsis else letter(k) for k in interp.static_iterable(labels))

    subscripts = ",".join(spell(labels) for _, labels in pairs)
    if rest:
        subscripts += "->" + spell(rest[0])
    return subscripts, [array(interp, v) for v, _ in pairs]


def _extents(interp: Interp, terms: list[str], values: list[RArray]) -> dict[str, Expr]:
    extents: dict[str, Expr] = {}
    for t, v in zip(terms, values, strict=True):
        for c, e in zip(t, v.shape, strict=True):
            have = extents.setdefault(c, e)
            if constant(have) == 1:
                extents[c] = e
            elif constant(e) != 1:
                require_equal(
                    interp.stage, have, e,
                    f"operands could not be broadcast together: subscript '{c}' has sizes {{}} and {{}}",
                )  # fmt: skip
    return extents


def _as_matrix_product(interp: Interp, terms: list[str], values: list[RArray], result: str, kind: Any) -> RArray | None:
    """The einsum of two matrices summed over one index, as a product in the order and transposition it needs."""
    if len(values) != 2 or any(len(t) != 2 or t[0] == t[1] for t in terms) or len(result) != 2:
        return None
    if not kind.is_inexact or any(constant(e) == 1 for v in values for e in v.shape):
        return None
    shared = set(terms[0]) & set(terms[1])
    if len(shared) != 1 or shared & set(result) or set(result) != set(terms[0]) ^ set(terms[1]):
        return None
    (k,) = shared
    pairs = list(zip(terms, values, strict=True))
    if result[0] in terms[1]:
        pairs.reverse()
    (t0, a), (t1, b) = pairs
    a = a if t0 == result[0] + k else permute(interp.stage, a, (1, 0))
    b = b if t1 == k + result[1] else permute(interp.stage, b, (1, 0))
    return matrix_product(interp, a, b, kind)
