"""numpy.linalg: singular values, QR, eigenvalues of general matrices, and what follows from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.analysis.affine import constant
from wengert.ir import build
from wengert.ir.nodes import Expr
from wengert.ir.types import F64, I64

from .. import arrays, numeric
from ..registry import handles
from ..values import Choice, RArray, RScalar
from . import programs
from .common import NO_VALUE, array, cast, holds, insert_axis, only_default, permute, stored
from .linalg import at, inexact, library, over_stack
from .reduce import max_, min_, sum_

if TYPE_CHECKING:
    from ..interp import Interp


class SVDResult(NamedTuple):
    """As numpy.linalg.svd returns it."""

    U: Any
    S: Any
    Vh: Any


class QRResult(NamedTuple):
    """As numpy.linalg.qr returns it."""

    Q: Any
    R: Any


class EigResult(NamedTuple):
    """As numpy.linalg.eig returns it."""

    eigenvalues: Any
    eigenvectors: Any


def matrices(interp: Interp, a: Any) -> RArray:
    """A matrix, or a stack of them, of an inexact dtype, in memory."""
    value = array(interp, a)
    if value.rank < 2:
        raise np.linalg.LinAlgError(f"{value.rank}-dimensional array given. Array must be at least two-dimensional")
    return arrays.stored(interp.stage, cast(interp.stage, value, inexact(value)))


def smaller(interp: Interp, m: Expr, n: Expr) -> Expr:
    """The smaller one of two extents."""
    stage = interp.stage
    if stage.same(m, n) or stage.less(n, m):
        return n
    return m if stage.less(m, n) else stage.let(build.min_(m, n), "k")


# -- singular values -------------------------------------------------------------------------------------------


@handles(np.linalg.svd)
def svd(interp: Interp, a: Any, full_matrices: Any = True, compute_uv: Any = True, hermitian: Any = False) -> Any:
    only_default(interp, "svd", hermitian=(hermitian, False))
    stage = interp.stage
    value = matrices(interp, a)
    m, n = value.shape[-2:]
    k = smaller(interp, m, n)
    batch = value.shape[:-2]
    full = compute_uv and holds(interp.resolve(full_matrices)) and not stage.same(m, n)
    left = stage.alloc(value.dtype, (*batch, m, m if full else k), "left")
    values = stage.alloc(value.dtype.real, (*batch, k), "singular")
    right = stage.alloc(value.dtype, (*batch, n if full else k, n), "right")
    name = "full_svd" if full else "svd"
    over_stack(
        interp, value,
        lambda i: library(interp, name, [at(interp, x, i) for x in (left, values, right)], [at(interp, value, i)]),
    )  # fmt: skip
    return SVDResult(left, values, right) if compute_uv else values


@handles(np.linalg.svdvals)
def svdvals(interp: Interp, x: Any, /) -> RArray:
    return svd(interp, x, compute_uv=False)


def spectral_norm(interp: Interp, value: RArray, ord: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """The largest, the smallest or the sum of the singular values of the matrices along two axes."""
    others = [k for k in range(value.rank) if k not in axes]
    values = svdvals(interp, permute(interp.stage, value, [*others, *axes]))
    result = {2: max_, -2: min_, "nuc": sum_}[ord](interp, values, axis=-1)
    if keepdims:
        result = array(interp, result)
        for k in sorted(axes):
            result = insert_axis(interp.stage, result, k)
    return result


def _limit(interp: Interp, value: RArray, rcond: Any) -> RArray:
    """Below which part of the largest a singular value counts as zero: given, or epsilon times the larger extent."""
    stage = interp.stage
    if rcond is None:
        extent = build.cast(stage.let(build.max_(*value.shape[-2:])), F64)
        limit = build.mul(extent, float(np.finfo(value.dtype.numpy).eps))
    else:
        number = interp.resolve(rcond)
        number = array(interp, number) if isinstance(number, RArray) else number
        if isinstance(number, RArray) and number.rank:
            raise stage.refuse("one tolerance for each matrix", "loop over the matrices")
        if isinstance(number, RArray):
            number = RScalar(stage.let(arrays.element(number, ())), False)
        limit = build.cast(numeric.as_scalar(number).expr, F64)
    cell = stage.cell(F64, "limit", init=stage.let(limit))
    return stage.whole(cell)


@handles(np.linalg.pinv)
def pinv(
    interp: Interp, a: Any, rcond: Any = None, hermitian: Any = False, *, rtol: Any = NO_VALUE
) -> RArray:  # fmt: skip
    only_default(interp, "pinv", hermitian=(hermitian, False))
    if rcond is not None and rtol is not NO_VALUE:
        raise ValueError("`rtol` and `rcond` can't be both set.")
    if rcond is None:
        rcond = 1e-15 if rtol is NO_VALUE else rtol
    return pseudo_inverse(interp, a, rcond)


def pseudo_inverse(interp: Interp, a: Any, rcond: Any) -> RArray:
    """The pseudo-inverse; `rcond` None: epsilon times the larger extent."""
    value = matrices(interp, a)
    m, n = value.shape[-2:]
    limit = _limit(interp, value, rcond)
    target = interp.stage.alloc(value.dtype, (*value.shape[:-2], n, m), "inverse")
    over_stack(interp, value, lambda i: library(interp, "pinv", [at(interp, target, i)], [at(interp, value, i), limit]))
    return target


@handles(np.linalg.lstsq)
def lstsq(interp: Interp, a: Any, b: Any, rcond: Any = None) -> Any:
    """The solution of least norm; residuals, rank and singular values as NumPy gives them."""
    matrix, right = array(interp, a), array(interp, b)
    if matrix.rank != 2:
        raise np.linalg.LinAlgError(f"{matrix.rank}-dimensional array given. Array must be two-dimensional")
    kind = inexact(matrix, right)
    matrix, right = (arrays.stored(interp.stage, cast(interp.stage, v, kind)) for v in (matrix, right))
    limit = _limit(interp, matrix, rcond)
    if not interp.stage.same(matrix.shape[0], right.shape[0]):
        _require_equal(interp, matrix.shape[0], right.shape[0])
    inverse = pseudo_inverse(interp, matrix, RScalar(interp.stage.let(arrays.element(limit, ())), False))
    size = RScalar(interp.stage.let(arrays.element(limit, ())), False)
    return interp.call(programs.lstsq, [matrix, right, inverse, svdvals(interp, matrix), size], {})


def _require_equal(interp: Interp, p: Expr, q: Expr) -> None:
    """Raise LinAlgError here unless the extents are equal."""
    if constant(p) is not None and constant(q) is not None:
        raise np.linalg.LinAlgError("Incompatible dimensions")
    interp.stage.fail_if(interp.stage.let(build.ne(p, q)), "LinAlgError", "Incompatible dimensions")


@handles(np.linalg.matrix_rank)
def matrix_rank(interp: Interp, A: Any, tol: Any = None, hermitian: Any = False, *, rtol: Any = None) -> Any:
    only_default(interp, "matrix_rank", hermitian=(hermitian, False))
    value = array(interp, A)
    if value.rank < 2:
        raise interp.stage.refuse("matrix_rank of a vector", "use np.any")
    values = svdvals(interp, value)
    if tol is not None:
        return interp.call(programs.rank_above, [values, tol], {})
    limit = _limit(interp, values if rtol is not None else matrices(interp, value), rtol)
    part = RScalar(interp.stage.let(arrays.element(limit, ())), False)
    return interp.call(programs.rank_beyond, [values, part], {})


@handles(np.linalg.cond)
def cond(interp: Interp, x: Any, p: Any = None) -> Any:
    value = stored(interp, x)
    if value.rank < 2:
        raise np.linalg.LinAlgError(f"{value.rank}-dimensional array given. Array must be at least two-dimensional")
    if p in (None, 2, -2):
        return interp.call(programs.condition, [svdvals(interp, value), p == -2], {})
    return interp.call(programs.condition_by_norms, [value, p], {})


# -- QR --------------------------------------------------------------------------------------------------------


@handles(np.linalg.qr)
def qr(interp: Interp, a: Any, mode: Any = "reduced") -> Any:
    """Of a wide matrix, the columns beyond the square are Q* times theirs."""
    stage = interp.stage
    value = matrices(interp, a)
    if value.rank != 2:
        raise stage.refuse("qr of a stack of matrices", "loop over the matrices")
    if mode not in ("reduced", "r", "complete"):
        raise stage.refuse(f"qr with mode={mode!r}", "use the modes 'reduced' or 'r'")
    m, n = value.shape
    if mode == "complete" and not (stage.same(m, n) or stage.less(m, n)):
        message = "columns of Q beyond those of the matrix are not unique and not supported"
        if constant(m) is not None and constant(n) is not None:
            raise stage.refuse(message, "use mode='reduced'")
        stage.refuse_if(stage.let(build.gt(m, n)), f"{message}: use mode='reduced'")
    if stage.same(m, n) or stage.less(n, m):
        q, r = tall_qr(interp, value)
    else:
        q, r = interp.call(programs.wide_qr, [value, tall_qr_of], {})
    return r if mode == "r" else QRResult(q, r)


def tall_qr(interp: Interp, value: RArray) -> tuple[RArray, RArray]:
    """Q and R of a matrix that is not wide."""
    m, n = value.shape
    value = arrays.stored(interp.stage, value)
    q, r = interp.stage.alloc(value.dtype, (m, n), "q"), interp.stage.alloc(value.dtype, (n, n), "r")
    library(interp, "qr", [q, r], [value])
    return q, r


def tall_qr_of(a: Any) -> Any:
    """Named in programs; its meaning is `tall_qr`."""
    return np.linalg.qr(a)


handles(tall_qr_of)(tall_qr)


# -- eigenvalues -----------------------------------------------------------------------------------------------


@handles(np.linalg.eig)
def eig(interp: Interp, a: Any) -> EigResult:
    """Of a real matrix, real numbers if all imaginary parts are zero, else complex ones: a choice at run time."""
    stage = interp.stage
    values, vectors = complex_eig(interp, a)
    if array(interp, a).dtype.is_complex:
        return EigResult(values, vectors)
    some = interp.call(np.any, [interp.call(np.not_equal, [interp.get_attribute(values, "imag"), 0], {})], {})
    tag = stage.let(build.cast(some.expr, I64), "kind")
    kinds = [(arrays.copy(stage, interp.get_attribute(x, "real")), x) for x in (values, vectors)]
    return EigResult(*(Choice(tag, pair) for pair in kinds))


def complex_eig(interp: Interp, a: Any) -> tuple[RArray, RArray]:
    """Eigenvalues and eigenvectors as complex numbers, in LAPACK's order for matrices of this kind."""
    stage = interp.stage
    value = matrices(interp, a)
    real = not value.dtype.is_complex
    if real:
        value = arrays.stored(stage, cast(stage, value, value.dtype.complex))
    if not stage.same(*value.shape[-2:]):
        from .linalg import require_square

        require_square(interp, value)
    values = stage.alloc(value.dtype, value.shape[:-1], "eigenvalues")
    vectors = stage.alloc(value.dtype, value.shape, "eigenvectors")
    largest = stage.alloc(I64, value.shape[:-1], "largest")
    outs = (values, vectors, largest)
    over_stack(
        interp,
        value,
        lambda i: library(interp, "eig", [at(interp, x, i) for x in outs], [at(interp, value, i)], real=real),
    )
    return values, vectors


@handles(np.linalg.eigvals)
def eigvals(interp: Interp, a: Any) -> Any:
    return eig(interp, a).eigenvalues


# -- polynomials -----------------------------------------------------------------------------------------------


@handles(np.roots)
def roots(interp: Interp, p: Any) -> Any:
    value = stored(interp, p)
    if value.rank != 1:
        raise ValueError("Input must be a rank-1 array.")
    return interp.call(programs.roots, [value], {})


@handles(np.polyfit)
def polyfit(
    interp: Interp, x: Any, y: Any, deg: Any, rcond: Any = None, full: Any = False, w: Any = None, cov: Any = False
) -> Any:
    only_default(interp, "polyfit", full=(full, False), cov=(cov, False))
    return interp.call(programs.polyfit, [stored(interp, x), stored(interp, y), deg, rcond, w], {})
