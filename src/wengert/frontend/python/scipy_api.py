# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
"""What SciPy's functions mean on runtime values. Imported when a program first calls SciPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.integrate
import scipy.linalg
import scipy.special

from wengert.analysis.affine import isub
from wengert.ir import build
from wengert.ir.nodes import ONE, ZERO, Expr

from . import arrays, numeric, scipy_integration, scipy_programs, scipy_special
from .numpy_api import decompositions, linalg, scans
from .numpy_api.common import (
    add_to_cell,
    array,
    cast,
    cast_any,
    hint_of,
    insert_axis,
    loop,
    only_default,
    permute,
    require_equal,
    store,
)
from .numpy_api.extra import programmed
from .numpy_api.join import hstack
from .registry import handles
from .values import RArray, RScalar

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
    """In double precision, as SciPy gives it."""
    return interp.call(np.add, [linalg.det(interp, a), np.float64(0.0)], {})


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


_special: Any = scipy.special


def _inexact(interp: Interp, *values: Any) -> list[RArray]:
    """The arguments as arrays of one floating or complex dtype."""
    found = [array(interp, v) for v in values]
    kind = linalg.inexact(*found)
    return [arrays.stored(interp.stage, cast(interp.stage, v, kind)) for v in found]


@handles(scipy.linalg.lu_factor)
def lu_factor(interp: Interp, a: Any, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    return programmed(interp, scipy_programs.lu_factor, *_inexact(interp, a))


@handles(scipy.linalg.lu_solve)
def lu_solve(interp: Interp, lu_and_piv: Any, b: Any, trans: Any = 0, overwrite_b: Any = False,
             check_finite: Any = True) -> Any:  # fmt: skip
    packed, pivots = interp.static_iterable(lu_and_piv)
    return programmed(interp, scipy_programs.lu_solve, *_inexact(interp, packed), pivots, *_inexact(interp, b), trans)


@handles(scipy.linalg.lu)
def lu(interp: Interp, a: Any, permute_l: Any = False, overwrite_a: Any = False, check_finite: Any = True,
       p_indices: Any = False) -> Any:  # fmt: skip
    only_default(interp, "lu", p_indices=(p_indices, False))
    return programmed(interp, scipy_programs.lu, *_inexact(interp, a), bool(permute_l))


@handles(scipy.linalg.expm)
def expm(interp: Interp, A: Any) -> Any:
    (matrix,) = _inexact(interp, A)
    if matrix.rank != 2:
        raise interp.stage.refuse("expm of a stack of matrices", "loop over the matrices")
    linalg.require_square(interp, matrix)
    return programmed(interp, scipy_programs.expm, matrix)


@handles(scipy.linalg.solve_banded)
def solve_banded(interp: Interp, l_and_u: Any, ab: Any, b: Any, overwrite_ab: Any = False, overwrite_b: Any = False,
                 check_finite: Any = True) -> Any:  # fmt: skip
    below, above = (interp.known_int(k, "the width of a band") for k in interp.static_iterable(l_and_u))
    band, right = _inexact(interp, ab, b)
    message = "invalid values for the number of lower and upper diagonals: l+u+1 does not equal ab.shape[0]"
    require_equal(interp.stage, band.shape[0], build.i64(below + above + 1), message)
    require_equal(interp.stage, band.shape[1], right.shape[0], "shapes of ab and b are not compatible.")
    return _columns(interp, right, lambda b: programmed(interp, scipy_programs.solve_banded, below, above, band, b))


@handles(scipy.linalg.solveh_banded)
def solveh_banded(interp: Interp, ab: Any, b: Any, overwrite_ab: Any = False, overwrite_b: Any = False,
                  lower: Any = False, check_finite: Any = True) -> Any:  # fmt: skip
    """Solved as a general band matrix: one that is not positive definite is not noticed."""
    band, right = _inexact(interp, ab, b)
    width = interp.stage.static_int(band.shape[0], "the width of a band") - 1
    full = programmed(interp, scipy_programs.banded_of_triangle, band, bool(lower))
    return _columns(interp, right, lambda b: programmed(interp, scipy_programs.solve_banded, width, width, full, b))


def _columns(interp: Interp, b: RArray, solve: Callable[[RArray], RArray]) -> RArray:
    """The solution for a matrix of right sides, or for one that is a vector."""
    if b.rank == 1:
        return arrays.drop_axis(solve(insert_axis(interp.stage, b, 1)), 1)
    return solve(b)


@handles(scipy.linalg.toeplitz)
def toeplitz(interp: Interp, c: Any, r: Any = None) -> Any:
    return programmed(interp, scipy_programs.toeplitz, array(interp, c), None if r is None else array(interp, r))


@handles(scipy.linalg.hankel)
def hankel(interp: Interp, c: Any, r: Any = None) -> Any:
    return programmed(interp, scipy_programs.hankel, array(interp, c), None if r is None else array(interp, r))


@handles(scipy.linalg.circulant)
def circulant(interp: Interp, c: Any) -> Any:
    return programmed(interp, scipy_programs.circulant, array(interp, c))


@handles(scipy.linalg.solve_toeplitz)
def solve_toeplitz(interp: Interp, c_or_cr: Any, b: Any, check_finite: Any = True) -> Any:
    pair = isinstance(c_or_cr, tuple)
    c, r = interp.static_iterable(c_or_cr) if pair else (c_or_cr, None)
    matrix = toeplitz(interp, *_inexact(interp, c), None if r is None else _inexact(interp, r)[0])
    return linalg.solve(interp, matrix, b)


@handles(scipy.linalg.solve_sylvester)
def solve_sylvester(interp: Interp, a: Any, b: Any, q: Any) -> Any:
    return programmed(interp, scipy_programs.sylvester, *_inexact(interp, a, b, q))


@handles(scipy.linalg.solve_continuous_lyapunov)
def solve_continuous_lyapunov(interp: Interp, a: Any, q: Any) -> Any:
    a, q = _inexact(interp, a, q)
    return programmed(
        interp, scipy_programs.sylvester, a, interp.call(np.conj, [permute(interp.stage, a, (1, 0))], {}), q
    )


@handles(scipy.linalg.solve_discrete_lyapunov)
def solve_discrete_lyapunov(interp: Interp, a: Any, q: Any, method: Any = None) -> Any:
    return programmed(interp, scipy_programs.discrete_lyapunov, *_inexact(interp, a, q))


@handles(scipy.linalg.khatri_rao)
def khatri_rao(interp: Interp, a: Any, b: Any) -> Any:
    return programmed(interp, scipy_programs.khatri_rao, array(interp, a), array(interp, b))


@handles(scipy.linalg.svd)
def svd(interp: Interp, a: Any, full_matrices: Any = True, compute_uv: Any = True, overwrite_a: Any = False,
        check_finite: Any = True, lapack_driver: Any = "gesdd") -> Any:  # fmt: skip
    found = interp.call(np.linalg.svd, [a], {"full_matrices": full_matrices, "compute_uv": compute_uv})
    return tuple(found) if compute_uv else found


@handles(scipy.linalg.svdvals)
def svdvals(interp: Interp, a: Any, overwrite_a: Any = False, check_finite: Any = True) -> Any:
    return interp.call(np.linalg.svd, [a], {"compute_uv": False})


@handles(scipy.linalg.qr)
def qr(interp: Interp, a: Any, overwrite_a: Any = False, lwork: Any = None, mode: Any = "full", pivoting: Any = False,
       check_finite: Any = True) -> Any:  # fmt: skip
    only_default(interp, "qr", pivoting=(pivoting, False))
    modes = {"full": "complete", "economic": "reduced", "r": "r"}
    if mode not in modes:
        raise interp.stage.refuse(f"qr(mode={mode!r}) is not supported", 'use "full" or "economic"')
    return tuple(interp.call(np.linalg.qr, [a], {"mode": modes[mode]}))


@handles(scipy.linalg.lstsq)
def lstsq(interp: Interp, a: Any, b: Any, cond: Any = None, overwrite_a: Any = False, overwrite_b: Any = False,
          check_finite: Any = True, lapack_driver: Any = None) -> Any:  # fmt: skip
    return tuple(interp.call(np.linalg.lstsq, [a, b, cond], {}))


@handles(scipy.linalg.eigvals)
def eigvals(interp: Interp, a: Any, b: Any = None, overwrite_a: Any = False, check_finite: Any = True,
            homogeneous_eigvals: Any = False) -> Any:  # fmt: skip
    """Complex ones always, as SciPy gives them."""
    only_default(interp, "eigvals", b=(b, None), homogeneous_eigvals=(homogeneous_eigvals, False))
    return decompositions.complex_eig(interp, a)[0]


@handles(scipy.linalg.eig)
def eig(interp: Interp, a: Any, b: Any = None, left: Any = False, right: Any = True, overwrite_a: Any = False,
        overwrite_b: Any = False, check_finite: Any = True, homogeneous_eigvals: Any = False) -> Any:  # fmt: skip
    """Complex eigenvalues always, as SciPy gives them; eigenvectors as those of NumPy."""
    only_default(interp, "eig", b=(b, None), left=(left, False), right=(right, True),
                 homogeneous_eigvals=(homogeneous_eigvals, False))  # fmt: skip
    return decompositions.complex_eig(interp, a)[0], interp.call(np.linalg.eig, [a], {}).eigenvectors


# -- scipy.special -----------------------------------------------------------------------------------------------


@handles(scipy.special.logsumexp)
def logsumexp(interp: Interp, a: Any, axis: Any = None, b: Any = None, keepdims: Any = False,
              return_sign: Any = False) -> Any:  # fmt: skip
    b = None if b is None else array(interp, b)
    return programmed(interp, scipy_programs.logsumexp, array(interp, a), axis, b, bool(keepdims), bool(return_sign))


@handles(scipy.special.softmax)
def softmax(interp: Interp, x: Any, axis: Any = None) -> Any:
    return programmed(interp, scipy_programs.softmax, array(interp, x), axis)


@handles(scipy.special.log_softmax)
def log_softmax(interp: Interp, x: Any, axis: Any = None) -> Any:
    return programmed(interp, scipy_programs.log_softmax, array(interp, x), axis)


@handles(_special.multigammaln)
def multigammaln(interp: Interp, a: Any, d: Any) -> Any:
    return programmed(interp, scipy_programs.multigammaln, a, interp.known_int(d, "the dimension of multigammaln"))


@handles(scipy.special.polygamma)
def polygamma(interp: Interp, n: Any, x: Any) -> Any:
    order = interp.known_int(n, "the order of polygamma")
    value = interp.call(np.add, [x, np.float64(0.0)], {})
    if not isinstance(order, int):
        raise interp.stage.refuse("polygamma of several orders", "call it once for each order")
    return scipy_special.elementwise(interp.stage, lambda stage, a: scipy_special.polygamma(stage, order, a[0]), value)


@handles(scipy.special.zeta)
def zeta(interp: Interp, x: Any, q: Any = None, out: Any = None) -> Any:
    only_default(interp, "zeta", out=(out, None))
    if q is None:
        raise interp.stage.refuse("the Riemann zeta function of run-time data", "pass both arguments: zeta(x, 1)")
    operands = [interp.binary("+", interp.resolve(v), 0.0) for v in (x, q)]
    return scipy_special.elementwise(interp.stage, lambda stage, a: build.op("zeta", *a), *operands)


@handles(scipy.special.spherical_jn)
def spherical_jn(interp: Interp, n: Any, z: Any, derivative: Any = False) -> Any:
    return programmed(interp, scipy_programs.spherical, scipy.special.jv, n, z, bool(derivative))


@handles(scipy.special.spherical_yn)
def spherical_yn(interp: Interp, n: Any, z: Any, derivative: Any = False) -> Any:
    return programmed(interp, scipy_programs.spherical, scipy.special.yv, n, z, bool(derivative))


@handles(scipy.special.factorial)
def factorial(interp: Interp, n: Any, exact: Any = False, extend: Any = "zero") -> Any:
    if exact:
        whole: Any = interp.known_int(n, "the argument of factorial")
        return interp.native(lambda: _special.factorial(whole, True))
    value = interp.call(scipy.special.gamma, [interp.call(np.add, [n, 1.0], {})], {})
    return interp.call(np.add, [value, np.float64(0.0)], {}) if isinstance(value, RArray) else value


# -- scipy.integrate ---------------------------------------------------------------------------------------------


@handles(scipy.integrate.simpson)
def simpson(interp: Interp, y: Any, x: Any = None, *, dx: Any = 1.0, axis: Any = -1) -> Any:
    return programmed(interp, scipy_programs.simpson, y, x, dx, axis)


@handles(scipy.integrate.cumulative_trapezoid)
def cumulative_trapezoid(
    interp: Interp, y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1, initial: Any = None
) -> Any:
    return programmed(interp, scipy_programs.cumulative_trapezoid, y, x, dx, axis, initial)


@handles(scipy.integrate.trapezoid)
def trapezoid(interp: Interp, y: Any, x: Any = None, dx: Any = 1.0, axis: Any = -1) -> Any:
    return scans.trapezoid(interp, y, x, dx, axis)


@handles(scipy.integrate.quad)
def quad(
    interp: Interp, func: Any, a: Any, b: Any, args: Any = (), full_output: Any = 0, epsabs: Any = 1.49e-8,
    epsrel: Any = 1.49e-8, limit: Any = 50, points: Any = None, weight: Any = None, wvar: Any = None,
    wopts: Any = None, maxp1: Any = 50, limlst: Any = 50, complex_func: Any = False,
) -> Any:  # fmt: skip
    """To the tolerances that SciPy is given: what it extrapolates towards singular points is bisected."""
    only_default(
        interp, "quad", full_output=(full_output, 0), points=(points, None), weight=(weight, None),
        complex_func=(complex_func, False),
    )  # fmt: skip
    many = cast_any(args) if isinstance(args, tuple) else (args,)
    most = interp.known_int(limit, "the limit of quad")
    found = programmed(interp, scipy_integration.quad, func, a, b, many, epsabs, epsrel, most)
    return tuple(RScalar(numeric.as_scalar(number).expr, True) for number in found)


@handles(scipy.integrate.solve_ivp)
def solve_ivp(
    interp: Interp, fun: Any, t_span: Any, y0: Any, method: Any = "RK45", t_eval: Any = None,
    dense_output: Any = False, events: Any = None, vectorized: Any = False, args: Any = None, **options: Any,
) -> Any:  # fmt: skip
    """The source of SciPy; with `t_eval` another loop around its solvers, as lists of arrays of many sizes are none."""
    if interp.resolve(t_eval) is None:
        named = {"method": method, "dense_output": dense_output, "events": events, "vectorized": vectorized}
        return interp.call_function(
            cast_any(scipy.integrate.solve_ivp),
            [fun, t_span, programmed(interp, scipy_integration.states, y0)],
            {**named, "args": args, **options},
        )
    only_default(interp, "solve_ivp with t_eval", dense_output=(dense_output, False), events=(events, None))
    return programmed(
        interp, scipy_integration.solve_ivp_at, fun, t_span, y0, method, t_eval, vectorized, args, options
    )


@handles(scipy.integrate.odeint)
def odeint(interp: Interp, *args: Any, **options: Any) -> Any:
    raise interp.stage.refuse(
        "scipy.integrate.odeint calls a library of Fortran",
        "call scipy.integrate.solve_ivp with the method RK45, RK23 or DOP853",
    )
