"""numpy.linalg, scipy.linalg and numpy.fft: systems of equations, factors, norms, transforms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from wengert.analysis.affine import constant, iadd, imul, isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Const, Expr, LibCall, Var
from wengert.ir.types import C64, C128, F32, F64, I64, DType

from .. import arrays, numeric
from ..registry import handles
from ..stage import Stage
from ..values import RArray, RScalar
from .common import (
    array,
    axis_of,
    cast,
    fix,
    flat,
    generated,
    hint_of,
    insert_axis,
    integer_expr,
    only_default,
    part,
    permute,
    require_equal,
    require_nonempty,
    scalar,
)
from .reduce import max_, min_, sum_

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


@handles(np.linalg.inv)
def inv(interp: Interp, a: Any) -> RArray:
    value = square(interp, a)
    target = interp.stage.alloc(value.dtype, value.shape, hint_of(interp, "inverse"))
    over_stack(interp, value, lambda i: library(interp, "inv", [at(interp, target, i)], [at(interp, value, i)]))
    return target


def pinv(interp: Interp, a: Any) -> RArray:
    """The pseudo-inverse of a square matrix of full rank: its inverse. Raises LinAlgError where the rank is in doubt."""
    stage = interp.stage
    value = array(interp, a)
    if value.rank == 2 and not stage.same(*value.shape):
        message = "the pseudo-inverse of a matrix that is not square is not supported"
        stage.fail_if(stage.let(build.ne(*value.shape)), "LinAlgError", message)
    value = square(interp, value)
    if value.rank != 2:
        raise stage.refuse("the pseudo-inverse of a stack of matrices", "loop over the matrices")
    inverse = inv(interp, value)
    epsilon = max(float(np.finfo(value.dtype.numpy).eps), 1e-15)
    condition = numeric.ufunc(stage, np.multiply, norm(interp, value), norm(interp, inverse))
    limit = build.div(build.const(1 / epsilon, F64), build.cast(build.max_(value.shape[0], ONE), F64))
    fine = build.lt(build.cast(numeric.as_scalar(condition).expr, F64), limit)
    stage.fail_if(
        stage.let(build.not_(fine)), "LinAlgError",
        "the pseudo-inverse of a matrix that is singular to working precision is not supported",
    )  # fmt: skip
    return inverse


@handles(np.linalg.pinv)
def pinv_function(
    interp: Interp, a: Any, rcond: Any = None, hermitian: Any = False, *, rtol: Any = np._NoValue
) -> RArray:
    only_default(interp, "pinv", rcond=(rcond, None), rtol=(rtol, np._NoValue))
    value = array(interp, a)
    if value.rank == 2 and constant(isub(*value.shape)) not in (None, 0):
        raise interp.stage.refuse("the pseudo-inverse of a matrix that is not square", "solve the normal equations")
    return pinv(interp, value)


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
    return eigh(interp, a, UPLO).eigenvalues  # type: ignore[no-any-return]


# -- norms -----------------------------------------------------------------------------------------------------


@handles(np.linalg.norm)
def norm(interp: Interp, x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    """Vector norms of any order; of matrices Frobenius, 1, -1, inf, -inf."""
    stage = interp.stage
    value = array(interp, x)
    if not value.dtype.is_inexact:
        value = cast(stage, value, F64)
    if isinstance(ord, (RScalar, np.generic)):
        ord = stage.static_int(integer_expr(interp, ord), "the order of a norm") if isinstance(ord, RScalar) else ord.item()
    if axis is None and (ord is None or (ord in ("f", "fro") and value.rank == 2) or (ord == 2 and value.rank == 1)):
        total = _sum_of_squares(interp, value, None, keepdims)
        return _root(interp, total)
    if axis is None:
        axes: tuple[int, ...] = tuple(range(value.rank))
    else:
        axes = tuple(axis_of(interp, k, value.rank) for k in (axis if isinstance(axis, (tuple, list)) else (axis,)))
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
        nonzero = cast(stage, numeric.ufunc(stage, np.not_equal, value, 0), value.dtype.real)  # type: ignore[arg-type]
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
    if ord not in (1, -1, np.inf, -np.inf):
        if ord in (2, -2, "nuc"):
            raise stage.refuse(f"the matrix norm of order {ord!r} needs singular values", "use the Frobenius, 1 or inf norm")
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


# -- Fourier transforms ----------------------------------------------------------------------------------------


def _transform(interp: Interp, a: Any, n: Any, axis: Any, norm_: Any, inverse: bool) -> RArray:
    stage = interp.stage
    value = array(interp, a)
    if value.rank == 0:
        raise np.exceptions.AxisError(-1, 0)
    kind = C64 if value.dtype in (F32, C64) else C128
    place = axis_of(interp, axis, value.rank)
    if n is not None:
        value = _resized(interp, value, place, integer_expr(interp, n))
    length = value.shape[place]
    require_nonempty(stage, length, f"Invalid number of FFT data points ({constant(length) or 0}) specified.")
    if norm_ not in (None, "backward", "ortho", "forward"):
        raise ValueError(f'Invalid norm value {norm_}; should be "backward", "ortho" or "forward".')
    moved = permute(stage, value, [*(k for k in range(value.rank) if k != place), place])
    source = arrays.stored(stage, cast(stage, moved, kind))
    target = stage.alloc(kind, source.shape, hint_of(interp, "spectrum"))

    def line(i: tuple[Expr, ...]) -> None:
        library(interp, "fft", [at(interp, target, i)], [at(interp, source, i)], inverse=inverse)

    arrays.nest(stage, source.shape[:-1], line)
    result = target
    power = {None: 0.0, "backward": 0.0, "ortho": 0.5, "forward": 1.0}[norm_] * (1 if inverse else -1)
    if power:
        scale = build.op("pow", build.cast(length, F64), build.const(power, F64))
        factor = RScalar(stage.let(build.cast(scale, kind.real), "scale"), False)
        result = numeric.ufunc(stage, np.multiply, target, factor)  # type: ignore[assignment]
    order = list(range(value.rank - 1))
    order.insert(place, value.rank - 1)
    return permute(stage, result, order)


def _resized(interp: Interp, value: RArray, axis: int, n: Expr) -> RArray:
    """Cut or padded with zeros to n elements along an axis."""
    stage = interp.stage
    have = value.shape[axis]
    if stage.same(n, have):
        return value
    if stage.facts.nonnegative(isub(have, n)):
        return part(stage, value, axis, ZERO, n)
    value = arrays.stored(stage, value)
    shape = (*value.shape[:axis], n, *value.shape[axis + 1 :])
    target = stage.alloc(value.dtype, shape, "padded", zero=True)
    both = have if stage.facts.nonnegative(isub(n, have)) else stage.extent(build.min_(n, have))
    arrays.fill(stage, part(stage, target, axis, ZERO, both), lambda i: arrays.element(value, i))
    return target


@handles(np.fft.fft)
def fft(interp: Interp, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> RArray:
    only_default(interp, "fft", out=(out, None))
    return _transform(interp, a, n, axis, norm, False)


@handles(np.fft.ifft)
def ifft(interp: Interp, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> RArray:
    only_default(interp, "ifft", out=(out, None))
    return _transform(interp, a, n, axis, norm, True)


def _over_axes(interp: Interp, a: Any, s: Any, axes: Any, norm_: Any, inverse: bool) -> RArray:
    if s is not None:
        raise interp.stage.refuse("multi-dimensional transforms with s= are not supported", "pad the array first")
    value = array(interp, a)
    places = range(value.rank) if axes is None else axes
    for k in places:
        value = _transform(interp, value, None, k, norm_, inverse)
    return value


@handles(np.fft.fft2)
def fft2(interp: Interp, a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> RArray:
    return _over_axes(interp, a, s, axes, norm, False)


@handles(np.fft.ifft2)
def ifft2(interp: Interp, a: Any, s: Any = None, axes: Any = (-2, -1), norm: Any = None, out: Any = None) -> RArray:
    return _over_axes(interp, a, s, axes, norm, True)


@handles(np.fft.fftn)
def fftn(interp: Interp, a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> RArray:
    return _over_axes(interp, a, s, axes, norm, False)


@handles(np.fft.ifftn)
def ifftn(interp: Interp, a: Any, s: Any = None, axes: Any = None, norm: Any = None, out: Any = None) -> RArray:
    return _over_axes(interp, a, s, axes, norm, True)


@handles(np.fft.rfft)
def rfft(interp: Interp, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> RArray:
    """The non-negative half of the spectrum of a real array."""
    stage = interp.stage
    value = array(interp, a)
    if value.dtype.is_complex:
        raise stage.refuse("rfft of a complex array", "use fft")
    place = axis_of(interp, axis, value.rank)
    full = arrays.stored(stage, _transform(interp, value, n, place, norm, False))
    half = iadd(_half(interp, full.shape[place]), ONE)
    return part(stage, full, place, ZERO, half)


def _half(interp: Interp, n: Expr) -> Expr:
    value = constant(n)
    if value is not None:
        return Const(value // 2, I64)
    named = interp.stage.let(build.op("floordiv", n, Const(2, I64)), "half")
    if isinstance(named, Var):
        interp.stage.facts.assume(named, 0, n)
    return named


@handles(np.fft.irfft)
def irfft(interp: Interp, a: Any, n: Any = None, axis: Any = -1, norm: Any = None, out: Any = None) -> Any:
    """The real array of a half spectrum: the other half is its mirror image."""
    stage = interp.stage
    value = array(interp, a)
    place = axis_of(interp, axis, value.rank)
    m = value.shape[place]
    length = imul(Const(2, I64), isub(m, ONE)) if n is None else integer_expr(interp, n)
    require_nonempty(stage, length, "Invalid number of FFT data points specified.")
    kind = C64 if value.dtype in (F32, C64) else C128
    half = arrays.stored(stage, _resized(interp, cast(stage, value, kind), place, iadd(_half(interp, length), ONE)))
    shape = (*half.shape[:place], length, *half.shape[place + 1 :])

    def element(i: Sequence[Expr]) -> Expr:
        k = i[place]
        mirror = isub(length, k)
        near = build.le(k, mirror)
        first = build.or_(build.eq(k, ZERO), build.eq(k, mirror))
        where = stage.let(build.select(near, k, mirror))
        z = stage.let(arrays.element(half, [*i[:place], where, *i[place + 1 :]]))
        real = build.cast(build.op("real", z), kind)
        return build.select(first, real, build.select(near, z, build.op("conj", z)))

    whole = arrays.lazy(stage, kind, shape, element, [half])
    spectrum = arrays.stored(stage, _transform(interp, whole, None, place, norm, True))
    return arrays.lazy(
        stage, kind.real, shape, lambda i: build.op("real", arrays.element(spectrum, i)), [spectrum]
    )


@handles(np.fft.fftfreq)
def fftfreq(interp: Interp, n: Any, d: Any = 1.0, device: Any = None) -> RArray:
    return _frequencies(interp, n, d, symmetric=True)


@handles(np.fft.rfftfreq)
def rfftfreq(interp: Interp, n: Any, d: Any = 1.0, device: Any = None) -> RArray:
    return _frequencies(interp, n, d, symmetric=False)


def _frequencies(interp: Interp, n: Any, d: Any, symmetric: bool) -> RArray:
    stage = interp.stage
    count = integer_expr(interp, n)
    spacing = build.cast(numeric.as_scalar(interp.resolve(d)).expr, F64)
    unit = stage.let(build.div(build.const(1.0, F64), build.mul(build.cast(count, F64), spacing)), "unit")
    if not symmetric:
        points = iadd(_half(interp, count), ONE)
        return generated(stage, F64, (points,), lambda i: build.mul(build.cast(i[0], F64), unit))
    positive = _half(interp, iadd(count, ONE))

    def value(i: Sequence[Expr]) -> Expr:
        k = build.select(build.lt(i[0], positive), i[0], build.sub(i[0], count))
        return build.mul(build.cast(k, F64), unit)

    return generated(stage, F64, (count,), value)


def _shifted(interp: Interp, x: Any, axes: Any, inverse: bool) -> RArray:
    from .join import roll

    value = array(interp, x)
    places = tuple(range(value.rank)) if axes is None else axes if isinstance(axes, (tuple, list)) else (axes,)
    for k in places:
        place = axis_of(interp, k, value.rank)
        half = _half(interp, value.shape[place])
        by = isub(ZERO, half) if inverse else half
        value = roll(interp, value, RScalar(by, True), place)
    return value


@handles(np.fft.fftshift)
def fftshift(interp: Interp, x: Any, axes: Any = None) -> RArray:
    return _shifted(interp, x, axes, False)


@handles(np.fft.ifftshift)
def ifftshift(interp: Interp, x: Any, axes: Any = None) -> RArray:
    return _shifted(interp, x, axes, True)


