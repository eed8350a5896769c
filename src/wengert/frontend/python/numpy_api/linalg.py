"""numpy.linalg: systems of equations, factors, norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.analysis.affine import constant
from wengert.codes import Code
from wengert.ir import build
from wengert.ir.nodes import ZERO, Expr, LibCall
from wengert.ir.types import F64, DType

from .. import arrays, numeric
from ..registry import handles
from ..stage import Stage
from ..values import RArray, RScalar
from . import programs
from .common import (
    array,
    axis_of,
    cast,
    cast_any,
    fix,
    flat,
    hint_of,
    insert_axis,
    integer_expr,
    permute,
    require_equal,
    scalar,
    several,
)
from .reduce import max_, min_, sum_
from .shape import diagonal

if TYPE_CHECKING:
    from ..interp import Interp


class EighResult(NamedTuple):
    """As numpy.linalg.eigh returns it."""

    eigenvalues: Any
    eigenvectors: Any


class SlogdetResult(NamedTuple):
    """As numpy.linalg.slogdet returns it."""

    sign: Any
    logabsdet: Any


# -- the last two axes --------------------------------------------------------------------------------------------


@handles(np.linalg.diagonal)
def diagonal_of_stack(interp: Interp, x: Any, *, offset: Any = 0) -> RArray:
    return diagonal(interp, x, offset, -2, -1)


@handles(np.linalg.trace)
def trace_of_stack(interp: Interp, x: Any, *, offset: Any = 0, dtype: Any = None) -> Any:
    return sum_(interp, diagonal(interp, x, offset, -2, -1), axis=-1, dtype=dtype)


# -- one matrix or a stack -------------------------------------------------------------------------------------


def inexact(*values: RArray) -> DType:
    """The dtype numpy.linalg computes in."""
    kind = numeric.result_type(values)
    return kind if kind.is_inexact else F64


def square(interp: Interp, a: Any) -> RArray:
    """A square matrix, or a stack of them, of an inexact dtype, in memory."""
    value = array(interp, a)
    if value.rank < 2:
        raise np.linalg.LinAlgError(f"{value.rank}-dimensional array given. Array must be at least two-dimensional")
    require_square(interp, value)
    return arrays.stored(interp.stage, cast(interp.stage, value, inexact(value)))


def require_square(interp: Interp, value: RArray) -> None:
    """Raise LinAlgError here unless the last two extents are equal."""
    p, q = value.shape[-2:]
    if interp.stage.same(p, q):
        return
    message = "Last 2 dimensions of the array must be square"
    if constant(p) is not None and constant(q) is not None:
        raise np.linalg.LinAlgError(message)
    interp.stage.fail_if(interp.stage.let(build.ne(p, q)), "LinAlgError", message)


def over_stack(interp: Interp, value: RArray, body: Callable[[tuple[Expr, ...]], None]) -> None:
    """Run `body` for every matrix of a stack, given its index."""
    if value.rank == 2:
        body(())
    else:
        arrays.nest(interp.stage, value.shape[:-2], body)


def at(interp: Interp, a: RArray, index: Sequence[Expr]) -> RArray:
    """The part of a stack with the leading axes fixed."""
    for i in index:
        a = fix(interp.stage, a, 0, i)
    return a


def library(interp: Interp, op: str, outs: Sequence[RArray], ins: Sequence[RArray], **attrs: object) -> None:
    """Emit a library call on whole views."""
    stage = interp.stage
    names = [[arrays.as_storage(stage, v) for v in group] for group in (outs, ins)]
    stage.emit(LibCall(op, tuple(names[0]), tuple(names[1]), tuple(attrs.items()), stage.span))


# -- equations and factors -------------------------------------------------------------------------------------


def caught(interp: Interp) -> bool:
    """Whether the program handles a LinAlgError raised here."""
    return any(issubclass(np.linalg.LinAlgError, kinds) for h in interp.handlers for kinds in h.kinds)


def foresee(interp: Interp, value: RArray, program: Any, message: str) -> None:
    """If the program handles LinAlgError, find out by a program of our own whether the library will raise it."""
    if not caught(interp):
        return
    if value.rank != 2:
        raise interp.stage.refuse("an error of a stack of matrices is caught", "loop over the matrices")
    failure = interp.call(program, [value], {})
    interp.stage.fail_if(numeric.as_scalar(failure).expr, "LinAlgError", message)


@handles(np.linalg.inv)
def inv(interp: Interp, a: Any) -> RArray:
    value = square(interp, a)
    foresee(interp, value, programs.singular, "Singular matrix")
    return inverse_of(interp, value)


def inverse_of(interp: Interp, value: RArray) -> RArray:
    """The inverse of a square matrix or of a stack of them."""
    target = interp.stage.alloc(value.dtype, value.shape, hint_of(interp, "inverse"))
    over_stack(interp, value, lambda i: library(interp, "inv", [at(interp, target, i)], [at(interp, value, i)]))
    return target


@handles(np.linalg.solve)
def solve(interp: Interp, a: Any, b: Any) -> RArray:
    """X with a X = b, for a vector or matrix b; stacks of equal shape."""
    stage = interp.stage
    matrix, right = square(interp, a), array(interp, b)
    if right.rank == 0:
        raise np.linalg.LinAlgError("0-dimensional array given. Array must be at least one-dimensional")
    kind = inexact(matrix, right)
    vector = right.rank == 1
    if vector:
        right = insert_axis(stage, right, 1)
    matrix, right = (arrays.stored(stage, cast(stage, v, kind)) for v in (matrix, right))
    signature = "(m,m),(m)->(m)" if vector else "(m,m),(m,n)->(m,n)"
    require_equal(
        stage, right.shape[-2], matrix.shape[-1],
        f"solve: Input operand 1 has a mismatch in its core dimension 0, with gufunc signature {signature} "
        "(size {} is different from {})",
    )  # fmt: skip
    foresee(interp, matrix, programs.singular, "Singular matrix")
    batch = arrays.broadcast_shapes(stage, [matrix.shape[:-2], right.shape[:-2]])
    matrix = arrays.broadcast(stage, matrix, (*batch, *matrix.shape[-2:]))
    right = arrays.broadcast(stage, right, (*batch, *right.shape[-2:]))
    target = stage.alloc(kind, right.shape, hint_of(interp, "solution"))
    over_stack(
        interp, matrix,
        lambda i: library(interp, "solve", [at(interp, target, i)], [at(interp, matrix, i), at(interp, right, i)]),
    )  # fmt: skip
    return arrays.drop_axis(target, target.rank - 1) if vector else target


@handles(np.linalg.cholesky)
def cholesky(interp: Interp, a: Any, /, *, upper: Any = False) -> RArray:
    value = square(interp, a)
    foresee(interp, value, programs.indefinite, "Matrix is not positive definite")
    target = interp.stage.alloc(value.dtype, value.shape, hint_of(interp, "factor"))
    source = _mirrored(interp, value) if upper else value
    over_stack(interp, source, lambda i: library(interp, "cholesky", [at(interp, target, i)], [at(interp, source, i)]))
    return _mirrored(interp, target) if upper else target


def _mirrored(interp: Interp, value: RArray) -> RArray:
    """The conjugate transpose, in memory if complex."""
    turned = permute(interp.stage, value, [*range(value.rank - 2), value.rank - 1, value.rank - 2])
    if not value.dtype.is_complex:
        return turned
    result = numeric.ufunc(interp.stage, np.conjugate, turned)
    assert isinstance(result, RArray)
    return arrays.stored(interp.stage, result)


@handles(np.linalg.det)
def det(interp: Interp, a: Any) -> Any:
    value = square(interp, a)
    target = interp.stage.alloc(value.dtype, value.shape[:-2], hint_of(interp, "det"))
    over_stack(interp, value, lambda i: library(interp, "det", [at(interp, target, i)], [at(interp, value, i)]))
    return scalar(interp.stage, arrays.element(target, ()), "det") if target.rank == 0 else target


@handles(np.linalg.eigh)
def eigh(interp: Interp, a: Any, UPLO: Any = "L") -> EighResult:
    stage = interp.stage
    value = square(interp, a)
    if str(UPLO).upper() not in ("L", "U"):
        raise ValueError("UPLO argument must be 'L' or 'U'")
    source = value if str(UPLO).upper() == "L" else _mirrored(interp, value)
    values = stage.alloc(value.dtype.real, value.shape[:-1], "eigenvalues")
    vectors = stage.alloc(value.dtype, value.shape, "eigenvectors")
    over_stack(
        interp, source,
        lambda i: library(interp, "eigh", [at(interp, values, i), at(interp, vectors, i)], [at(interp, source, i)]),
    )  # fmt: skip
    return EighResult(values, vectors)


@handles(np.linalg.eigvalsh)
def eigvalsh(interp: Interp, a: Any, UPLO: Any = "L") -> RArray:
    return eigh(interp, a, UPLO).eigenvalues


# -- norms -----------------------------------------------------------------------------------------------------


@handles(np.linalg.norm)
def norm(interp: Interp, x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """Vector norms of any order; of matrices Frobenius, 1, -1, inf, -inf."""
    stage = interp.stage
    value = array(interp, x)
    if not value.dtype.is_inexact:
        value = cast(stage, value, F64)
    if isinstance(ord, RScalar):
        if not ord.dtype.is_integer:
            raise stage.refuse(
                "the order of a norm is a run-time number", "use a constant, or write the norm out", Code.STATIC
            )
        ord = stage.static_int(integer_expr(interp, ord), "the order of a norm")
    elif isinstance(ord, np.generic):
        ord = cast_any(ord).item()
    if axis is None and (ord is None or (ord in ("f", "fro") and value.rank == 2) or (ord == 2 and value.rank == 1)):
        total = _sum_of_squares(interp, value, None, keepdims)
        return _root(interp, total)
    if axis is None:
        axes: tuple[int, ...] = tuple(range(value.rank))
    else:
        axes = tuple(axis_of(interp, k, value.rank) for k in several(axis))
    if len(axes) == 1:
        return vector_norm(interp, value, ord, axes[0], keepdims)
    if len(axes) == 2:
        return matrix_norm(interp, value, ord, axes, keepdims)
    raise ValueError("Improper number of dimensions to norm.")


def _sum_of_squares(interp: Interp, value: RArray, axis: Any, keepdims: Any) -> Any:
    real = value.dtype.real

    def fn(stage: Stage, e: list[Expr]) -> Expr:
        z = stage.let(e[0])
        if not value.dtype.is_complex:
            return build.mul(z, z)
        re, im = stage.let(build.op("real", z)), stage.let(build.op("imag", z))
        return build.add(build.mul(re, re), build.mul(im, im))

    return sum_(interp, numeric.elementwise(interp.stage, fn, real, [value]), axis=axis, keepdims=keepdims)


def _root(interp: Interp, total: Any) -> Any:
    return numeric.ufunc(interp.stage, np.sqrt, total)


def vector_norm(interp: Interp, value: RArray, ord: Any, axis: int, keepdims: Any) -> Any:
    """The norm of the vectors along an axis."""
    stage = interp.stage
    if ord is None or ord == 2:
        return _root(interp, _sum_of_squares(interp, value, axis, keepdims))
    size = numeric.ufunc(stage, np.absolute, value)
    if ord == np.inf:
        return max_(interp, size, axis=axis, keepdims=keepdims)
    if ord == -np.inf:
        return min_(interp, size, axis=axis, keepdims=keepdims)
    if isinstance(ord, str):
        raise ValueError(f"Invalid norm order '{ord}' for vectors")
    if ord == 0:
        nonzero = cast(stage, numeric.ufunc_of_array(stage, np.not_equal, value, 0), value.dtype.real)
        return sum_(interp, nonzero, axis=axis, keepdims=keepdims)
    if ord == 1:
        return sum_(interp, size, axis=axis, keepdims=keepdims)
    total = sum_(interp, numeric.ufunc(stage, np.power, size, float(ord)), axis=axis, keepdims=keepdims)
    return numeric.ufunc(stage, np.power, total, 1.0 / ord)


def matrix_norm(interp: Interp, value: RArray, ord: Any, axes: tuple[int, ...], keepdims: Any) -> Any:
    """The norm of the matrices along two axes."""
    stage = interp.stage
    row, column = axes
    if row == column:
        raise ValueError("Duplicate axes given.")
    if ord in (None, "fro", "f"):
        return _root(interp, _sum_of_squares(interp, value, axes, keepdims))
    if ord in (2, -2, "nuc"):
        from .decompositions import spectral_norm

        return spectral_norm(interp, value, ord, axes, keepdims)
    if ord not in (1, -1, np.inf, -np.inf):
        raise ValueError("Invalid norm order for matrices.")
    size = numeric.ufunc(stage, np.absolute, value)
    first, second = (row, column) if ord in (1, -1) else (column, row)
    sums = sum_(interp, size, axis=first, keepdims=True)
    result = (max_ if ord in (1, np.inf) else min_)(interp, sums, axis=second, keepdims=True)
    if keepdims:
        return result
    for k in sorted(axes, reverse=True):
        result = fix(stage, result, k, ZERO)
    return scalar(stage, arrays.element(result, ())) if result.rank == 0 else result


@handles(np.linalg.vector_norm)
def vector_norm_function(interp: Interp, x: Any, /, *, axis: Any = None, keepdims: Any = False, ord: Any = 2) -> Any:
    value = array(interp, x)
    if axis is None and not keepdims:
        return norm(interp, flat(interp.stage, value), ord)
    if axis is None or isinstance(axis, (tuple, list)):
        raise interp.stage.refuse("vector_norm over several axes", "reshape, or use np.linalg.norm")
    return norm(interp, value, ord, axis, keepdims)


@handles(np.linalg.matrix_norm)
def matrix_norm_function(interp: Interp, x: Any, /, *, keepdims: Any = False, ord: Any = "fro") -> Any:
    return norm(interp, x, ord, (-2, -1), keepdims)
