# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""What SciPy's functions mean on runtime values. Imported when a program first calls SciPy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import scipy.integrate
import scipy.linalg

from wengert.analysis.affine import isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Expr

from . import arrays
from .numpy_api import decompositions, linalg, scans
from .numpy_api.common import (
    add_to_cell,
    array,
    cast,
    hint_of,
    insert_axis,
    loop,
    only_default,
    permute,
    require_equal,
    store,
)
from .numpy_api.join import hstack
from .registry import handles
from .values import RArray

if TYPE_CHECKING:
    from .interp import Interp


@handles(scipy.linalg.inv)
def inv(interp: Interp, a: Any, overwrite_a: Any = False, check_finite: Any = True, *, assume_a: Any = None,
        lower: Any = False) -> RArray:  # fmt: skip
    only_default(interp, "inv", assume_a=(assume_a, None))
    return linalg.inv(interp, a)


@handles(scipy.linalg.solve)
def solve(
    interp: Interp, a: Any, b: Any, lower: Any = False, overwrite_a: Any = False, overwrite_b: Any = False,
    check_finite: Any = True, assume_a: Any = None, transposed: Any = False,
) -> RArray:  # fmt: skip
    """Solved as a general matrix, whatever structure is promised; of a promised triangle only that triangle is read."""
    matrix = array(interp, a)
    if assume_a in ("sym", "her", "pos", "symmetric", "hermitian", "positive definite"):
        matrix = _from_triangle(interp, matrix, bool(lower), assume_a in ("sym", "symmetric"))
    elif assume_a not in (None, "gen", "general"):
        raise interp.stage.refuse(f"solve with assume_a={assume_a!r}", "leave assume_a out")
    if transposed:
        matrix = permute(interp.stage, matrix, (1, 0))
    return linalg.solve(interp, matrix, b)


def _from_triangle(interp: Interp, a: RArray, lower: bool, symmetric: bool) -> RArray:
    """The symmetric (or Hermitian) matrix that one triangle stands for."""
    stage = interp.stage
    a = arrays.stored(stage, a)

    def at(i: Any) -> Expr:
        given = build.ge(i[0], i[1]) if lower else build.le(i[0], i[1])
        mirrored: Expr = arrays.element(a, (i[1], i[0]))
        if a.dtype.is_complex and not symmetric:
            mirrored = build.op("conj", mirrored)
        return build.select(given, arrays.element(a, i), mirrored)

    return arrays.lazy(stage, a.dtype, a.shape, at, [a])


@handles(scipy.linalg.cholesky)
def cholesky(interp: Interp, a: Any, lower: Any = False, overwrite_a: Any = False, check_finite: Any = True) -> RArray:
    return linalg.cholesky(interp, a, upper=not lower)


@handles(scipy.linalg.cho_factor)
def cho_factor(interp: Interp, a: Any, lower: Any = False, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    """The factor and its side; the other triangle is zero here, in SciPy it is arbitrary."""
    return cholesky(interp, a, lower), lower


@handles(scipy.linalg.cho_solve)
def cho_solve(interp: Interp, c_and_lower: Any, b: Any, overwrite_b: Any = False, check_finite: Any = True) -> RArray:
    factor, lower = interp.static_iterable(c_and_lower)
    trans = "C"
    if lower:
        y = solve_triangular(interp, factor, b, lower=True)
        return solve_triangular(interp, factor, y, trans=trans, lower=True)
    y = solve_triangular(interp, factor, b, trans=trans, lower=False)
    return solve_triangular(interp, factor, y, lower=False)


@handles(scipy.linalg.det)
def det(interp: Interp, a: Any, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    return linalg.det(interp, a)


@handles(scipy.linalg.norm)
def norm(
    interp: Interp, a: Any, ord: Any = None, axis: Any = None, keepdims: Any = False, check_finite: Any = True
) -> Any:
    return linalg.norm(interp, a, ord, axis, keepdims)


@handles(scipy.linalg.eigh)
def eigh(
    interp: Interp, a: Any, b: Any = None, *, lower: Any = True, eigvals_only: Any = False, overwrite_a: Any = False,
    overwrite_b: Any = False, type: Any = 1, check_finite: Any = True, subset_by_index: Any = None,
    subset_by_value: Any = None, driver: Any = None,
) -> Any:  # fmt: skip
    only_default(
        interp, "eigh", b=(b, None), subset_by_index=(subset_by_index, None), subset_by_value=(subset_by_value, None)
    )
    values, vectors = linalg.eigh(interp, a, "L" if lower else "U")
    return values if eigvals_only else (values, vectors)


@handles(scipy.linalg.eigvalsh)
def eigvalsh(interp: Interp, a: Any, b: Any = None, *, lower: Any = True, overwrite_a: Any = False,
             overwrite_b: Any = False, type: Any = 1, check_finite: Any = True, subset_by_index: Any = None,
             subset_by_value: Any = None, driver: Any = None) -> Any:  # fmt: skip
    only_default(interp, "eigvalsh", b=(b, None), subset_by_index=(subset_by_index, None))
    return linalg.eigvalsh(interp, a, "L" if lower else "U")


@handles(scipy.linalg.pinv)
def pinv(
    interp: Interp, a: Any, *, atol: Any = None, rtol: Any = None, return_rank: Any = False, check_finite: Any = True
) -> RArray:
    only_default(interp, "pinv", atol=(atol, None), return_rank=(return_rank, False))
    return decompositions.pseudo_inverse(interp, a, rtol)


@handles(scipy.linalg.solve_triangular)
def solve_triangular(
    interp: Interp, a: Any, b: Any, trans: Any = 0, lower: Any = False, unit_diagonal: Any = False,
    overwrite_b: Any = False, check_finite: Any = True,
) -> RArray:  # fmt: skip
    """Substitution, a row at a time; the other triangle is not read."""
    stage = interp.stage
    matrix, right = array(interp, a), array(interp, b)
    kind = linalg.inexact(matrix, right)
    if matrix.rank != 2:
        raise stage.refuse("solve_triangular of a stack of matrices", "loop over the matrices")
    linalg.require_square(interp, matrix)
    matrix, right = (arrays.stored(stage, cast(stage, v, kind)) for v in (matrix, right))
    conjugate = False
    if trans in (1, "T", 2, "C"):
        matrix, lower = permute(stage, matrix, (1, 0)), not lower
        conjugate = trans in (2, "C") and kind.is_complex
    vector = right.rank == 1
    if vector:
        right = insert_axis(stage, right, 1)
    n = matrix.shape[0]
    require_equal(stage, n, right.shape[0], "shapes of a {} and b {} are incompatible")
    zero = build.zero(kind)
    if not unit_diagonal:
        bad = stage.cell(build.BOOL, "singular", init=build.const(False, build.BOOL))
        arrays.nest(
            stage, (n,), lambda i: add_to_cell(stage, bad, build.eq(arrays.element(matrix, (*i, *i)), zero), "max")
        )
        stage.fail_if(
            stage.load_cell(bad, "singular"), "LinAlgError", "A singular matrix detected: zero on the diagonal"
        )
    target = stage.alloc(kind, right.shape, hint_of(interp, "solution"))

    def entry(i: Expr, k: Expr) -> Expr:
        value = arrays.element(matrix, (i, k))
        return build.op("conj", value) if conjugate else value

    def row(step: Expr) -> None:
        i = step if lower else isub(isub(n, ONE), step)
        first, last = (ZERO, i) if lower else (build.add(i, ONE), n)

        def column(j: Expr) -> None:
            cell = stage.cell(kind, "rest", init=stage.let(arrays.element(right, (i, j))))

            def subtract(k: Expr) -> None:
                add_to_cell(stage, cell, build.neg(build.mul(entry(i, k), arrays.element(target, (k, j)))))

            loop(stage, first, last, subtract, "k")
            rest = stage.load_cell(cell, "rest")
            store(stage, target, (i, j), rest if unit_diagonal else build.div(rest, entry(i, i)))

        loop(stage, ZERO, right.shape[1], column, "j", parallel=True)

    loop(stage, ZERO, n, row, "i")
    return arrays.drop_axis(target, 1) if vector else target


@handles(scipy.linalg.block_diag)
def block_diag(interp: Interp, *arrs: Any) -> RArray:
    from .numpy_api.create import zeros
    from .numpy_api.join import vstack
    from .numpy_api.shape import two_dimensional
    from .values import RScalar

    blocks = [two_dimensional(interp, array(interp, a)) for a in arrs]
    rows: list[Any] = []
    for k, b in enumerate(blocks):
        row = [
            b if m == k else zeros(interp, (RScalar(b.shape[0], True), RScalar(o.shape[1], True)), b.dtype.numpy)
            for m, o in enumerate(blocks)
        ]
        rows.append(hstack(interp, row))
    return vstack(interp, rows)


@handles(scipy.integrate.trapezoid)
def trapezoid(interp: Interp, y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    return scans.trapezoid(interp, y, x, dx, axis)
