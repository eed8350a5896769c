"""What is supported of SciPy, in lines as those of `entries`; `csr_array` and the like are matrices of 9 by 12."""

from __future__ import annotations

SPECIAL = """
scipy.special.j0 | scipy.special.j0(v)
scipy.special.j1 | scipy.special.j1(v)
scipy.special.y0 | scipy.special.y0(u)
scipy.special.y1 | scipy.special.y1(u)
scipy.special.i0 | scipy.special.i0(v)
scipy.special.i1 | scipy.special.i1(v)
scipy.special.i0e | scipy.special.i0e(u)
scipy.special.i1e | scipy.special.i1e(u)
scipy.special.k0 | scipy.special.k0(u)
scipy.special.k1 | scipy.special.k1(u)
scipy.special.k0e | scipy.special.k0e(u)
scipy.special.k1e | scipy.special.k1e(u)
scipy.special.jn | scipy.special.jn(2, u)
scipy.special.sinc | scipy.special.sinc(v)
scipy.special.jv | scipy.special.jv(2, u)
scipy.special.yv | scipy.special.yv(1.5, u)
scipy.special.iv | scipy.special.iv(0.5, u)
scipy.special.ive | scipy.special.ive(2, u)
scipy.special.kv | scipy.special.kv(2, u)
scipy.special.kve | scipy.special.kve(1, u)
scipy.special.erf | scipy.special.erf(v)
scipy.special.erfc | scipy.special.erfc(v)
scipy.special.erfcx | scipy.special.erfcx(v)
scipy.special.erfinv | scipy.special.erfinv(u / 3)
scipy.special.erfcinv | scipy.special.erfcinv(u / 2)
scipy.special.dawsn | scipy.special.dawsn(v)
scipy.special.ndtr | scipy.special.ndtr(v)
scipy.special.ndtri | scipy.special.ndtri(u / 3)
scipy.special.log_ndtr | scipy.special.log_ndtr(v * 3)
scipy.special.gamma | scipy.special.gamma(u)
scipy.special.gammaln | scipy.special.gammaln(u)
scipy.special.loggamma | scipy.special.loggamma(u)
scipy.special.digamma | scipy.special.digamma(u)
scipy.special.psi | scipy.special.psi(u)
scipy.special.gammainc | scipy.special.gammainc(1.5, u)
scipy.special.gammaincc | scipy.special.gammaincc(2.0, u)
scipy.special.betainc | scipy.special.betainc(1.5, 2.5, u / 3)
scipy.special.beta | scipy.special.beta(u, u[::-1])
scipy.special.betaln | scipy.special.betaln(u, u[::-1])
scipy.special.ellipk | scipy.special.ellipk(u / 3)
scipy.special.ellipe | scipy.special.ellipe(u / 3)
scipy.special.expi | scipy.special.expi(u)
scipy.special.exp1 | scipy.special.exp1(u)
scipy.special.spence | scipy.special.spence(u / 3)
scipy.special.expit | scipy.special.expit(v)
scipy.special.log_expit | scipy.special.log_expit(v)
scipy.special.logit | scipy.special.logit(u / 3)
scipy.special.xlogy | scipy.special.xlogy(u, u)
scipy.special.xlog1py | scipy.special.xlog1py(v, u)
scipy.special.entr | scipy.special.entr(u)
scipy.special.rel_entr | scipy.special.rel_entr(u, u[::-1])
scipy.special.kl_div | scipy.special.kl_div(u, u[::-1])
scipy.special.boxcox | scipy.special.boxcox(u, 0.3)
scipy.special.boxcox1p | scipy.special.boxcox1p(u, 0.3)
scipy.special.inv_boxcox | scipy.special.inv_boxcox(u, 0.3)
scipy.special.inv_boxcox1p | scipy.special.inv_boxcox1p(u, 0.3)
scipy.special.exprel | scipy.special.exprel(v)
scipy.special.exp10 | scipy.special.exp10(v)
scipy.special.cosm1 | scipy.special.cosm1(v)
scipy.special.huber | scipy.special.huber(0.7, v)
scipy.special.pseudo_huber | scipy.special.pseudo_huber(0.7, v)
scipy.special.sindg | scipy.special.sindg(v * 90)
scipy.special.cosdg | scipy.special.cosdg(v * 90)
scipy.special.cbrt | scipy.special.cbrt(u)
scipy.special.exp2 | scipy.special.exp2(v)
scipy.special.expm1 | scipy.special.expm1(v)
scipy.special.log1p | scipy.special.log1p(u)
scipy.special.eval_legendre | scipy.special.eval_legendre(4, v)
scipy.special.eval_chebyt | scipy.special.eval_chebyt(3, v)
scipy.special.eval_chebyu | scipy.special.eval_chebyu(3, v)
scipy.special.eval_hermite | scipy.special.eval_hermite(3, v)
scipy.special.eval_hermitenorm | scipy.special.eval_hermitenorm(3, v)
scipy.special.eval_laguerre | scipy.special.eval_laguerre(3, v)
scipy.special.polygamma | scipy.special.polygamma(2, u)
scipy.special.zeta | scipy.special.zeta(2.5, u)
scipy.special.multigammaln | scipy.special.multigammaln(u + 2, 3)
scipy.special.spherical_jn | scipy.special.spherical_jn(1, u)
scipy.special.spherical_yn | scipy.special.spherical_yn(0, u)
scipy.special.factorial | scipy.special.factorial(u)
scipy.special.logsumexp | scipy.special.logsumexp(m, axis=1)
scipy.special.softmax | scipy.special.softmax(m, axis=0)
scipy.special.log_softmax | scipy.special.log_softmax(m, axis=1)
scipy.special.gammasgn | scipy.special.gammasgn(v) | steps
"""

SCIPY = """
scipy.linalg.inv | scipy.linalg.inv(z)
scipy.linalg.solve | scipy.linalg.solve(z, m[:3])
scipy.linalg.solve_triangular | scipy.linalg.solve_triangular(z, v[:3])
scipy.linalg.solve_banded | scipy.linalg.solve_banded((1, 2), m[:4, :9] + 3, v[:9])
scipy.linalg.solveh_banded | scipy.linalg.solveh_banded(np.abs(m[:2]) + np.array([[0.0], [9.0]]), v[:10])
scipy.linalg.solve_toeplitz | scipy.linalg.solve_toeplitz(np.append(9.0, v[:4]), w[:5])
scipy.linalg.solve_sylvester | scipy.linalg.solve_sylvester(z, z.T + 3, m[:3, :3])
scipy.linalg.solve_continuous_lyapunov | scipy.linalg.solve_continuous_lyapunov(z, m[:3, :3])
scipy.linalg.solve_lyapunov | scipy.linalg.solve_lyapunov(z, m[:3, :3])
scipy.linalg.solve_discrete_lyapunov | scipy.linalg.solve_discrete_lyapunov(z / 9, m[:3, :3])
scipy.linalg.cholesky | scipy.linalg.cholesky(s, lower=True)
scipy.linalg.cho_factor | np.tril(scipy.linalg.cho_factor(s, lower=True)[0])
scipy.linalg.cho_solve | scipy.linalg.cho_solve(scipy.linalg.cho_factor(s), v[:10])
scipy.linalg.lu | scipy.linalg.lu(z)[1]
scipy.linalg.lu_factor | scipy.linalg.lu_factor(z)[0]
scipy.linalg.lu_solve | scipy.linalg.lu_solve(scipy.linalg.lu_factor(z), v[:3])
scipy.linalg.det | scipy.linalg.det(z)
scipy.linalg.expm | scipy.linalg.expm(z)
scipy.linalg.norm | scipy.linalg.norm(z)
scipy.linalg.qr | scipy.linalg.qr(m[:, :4], mode="economic")
scipy.linalg.svd | scipy.linalg.svd(m[:, :3], full_matrices=False)[1]
scipy.linalg.svdvals | scipy.linalg.svdvals(m[:, :3])
scipy.linalg.eig | np.abs(scipy.linalg.eig(z)[1])
scipy.linalg.eigvals | np.abs(scipy.linalg.eigvals(z))
scipy.linalg.eigh | scipy.linalg.eigh(s)[0]
scipy.linalg.eigvalsh | scipy.linalg.eigvalsh(s)
scipy.linalg.lstsq | scipy.linalg.lstsq(m[:, :4], v[:9])[0]
scipy.linalg.pinv | scipy.linalg.pinv(m[:, :4])
scipy.linalg.block_diag | scipy.linalg.block_diag(z, m[:2]) ** 2
scipy.linalg.toeplitz | scipy.linalg.toeplitz(v, w) ** 2
scipy.linalg.hankel | scipy.linalg.hankel(v) ** 2
scipy.linalg.circulant | scipy.linalg.circulant(v) ** 2
scipy.linalg.khatri_rao | scipy.linalg.khatri_rao(z, m[:2, :3])
scipy.integrate.trapezoid | scipy.integrate.trapezoid(v, np.cumsum(u))
scipy.integrate.simpson | scipy.integrate.simpson(v, x=np.cumsum(u))
scipy.integrate.cumulative_trapezoid | scipy.integrate.cumulative_trapezoid(v, np.cumsum(u), initial=0)
scipy.integrate.quad | scipy.integrate.quad(lambda t: np.exp(-a * t * t) * v[0], 0, x)[0]
scipy.integrate.solve_ivp | scipy.integrate.solve_ivp(lambda t, y: np.sin(a * y), (0, 0.1), v, t_eval=[0.05, 0.1]).y
scipy.optimize.brentq | scipy.optimize.brentq(lambda y: y**3 + y * u[0] - a, -9, 9)
scipy.optimize.brenth | scipy.optimize.brenth(lambda y, c: y**3 + y - c, -9, 9, args=(a,))
scipy.optimize.bisect | scipy.optimize.bisect(lambda y: y**3 + y - a, -9, 9, xtol=1e-15)
scipy.optimize.ridder | scipy.optimize.ridder(lambda y: y**3 + y - a, -9, 8, xtol=1e-15)
scipy.optimize.newton | scipy.optimize.newton(lambda y: y**3 + y - a, 0.3, tol=1e-13)
scipy.optimize.root_scalar | scipy.optimize.root_scalar(lambda y: y**3 + y - a, bracket=(-9, 9)).root
scipy.optimize.fsolve | scipy.optimize.fsolve(lambda y: y**3 + y - v, np.zeros(12), xtol=1e-13)
scipy.optimize.root | scipy.optimize.root(lambda y, c: y**3 + y - c, np.ones(12), args=(v,), tol=1e-13).x
scipy.optimize.minimize_scalar | scipy.optimize.minimize_scalar(lambda y: np.cosh(y - x) + a * y, tol=1e-12).x
scipy.optimize.brent | scipy.optimize.brent(lambda y, c: np.cosh(y - c), args=(x,), tol=1e-12)
scipy.optimize.golden | scipy.optimize.golden(lambda y: np.cosh(y - x) + u[0], tol=1e-12)
scipy.optimize.fminbound | scipy.optimize.fminbound(lambda y: np.cosh(y - x), -9, 9, xtol=1e-9)
scipy.optimize.minimize | scipy.optimize.minimize(lambda y: ((y - v) @ (y - v), 2 * (y - v)), v * 0, jac=True).x
scipy.optimize.fmin | scipy.optimize.fmin(lambda y: (y[0] - np.sin(x)) ** 2 * a, [0.5], xtol=1e-13)
scipy.optimize.fmin_bfgs | scipy.optimize.fmin_bfgs(lambda y: (y - a * v) @ (y - a * v), u, lambda y: 2 * (y - a * v))
scipy.optimize.fmin_cg | scipy.optimize.fmin_cg(lambda y: (y - v) @ (y - v), v * 0, lambda y: 2 * (y - v))
scipy.optimize.fmin_ncg | scipy.optimize.fmin_ncg(lambda y: (y - v) @ (y - v), v * 0, lambda y: 2 * (y - v))
scipy.optimize.fmin_l_bfgs_b | scipy.optimize.fmin_l_bfgs_b(lambda y: ((y - v) @ (y - v), 2 * (y - v)), v * 0)[0]
scipy.optimize.leastsq | scipy.optimize.leastsq(lambda y: y**3 + 5 * y - v, np.zeros(12), xtol=1e-13, ftol=1e-13)[0]
scipy.optimize.least_squares | scipy.optimize.least_squares(lambda y: y**3 + 5 * y - v, v * 0, gtol=1e-13).x
scipy.optimize.curve_fit | scipy.optimize.curve_fit(lambda t, b: b * t, u, v, 1.0, jac=lambda t, b: t[:, None])[0]
scipy.sparse.csr_array | csr_array.T @ (csr_array @ v)
scipy.sparse.csc_array | (csc_array * a).dot(np.outer(v, u))
scipy.sparse.coo_array | m[:, 0] @ coo_array + coo_array.T @ m[:, 1]
scipy.sparse.csr_matrix | csr_matrix.T @ (csr_matrix @ v)
scipy.sparse.csc_matrix | (csc_matrix * a).dot(np.outer(v, u))
scipy.sparse.coo_matrix | coo_matrix.T @ m[:, 1] + coo_matrix.toarray()[0] * v
"""
