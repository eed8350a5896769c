"""Library operations: each alone, with every set of active operands, and where buffers must be saved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ad.checks import check, jvp_of, run_with
from wengert.ir.text import parse

rng = np.random.default_rng(5)
A = rng.standard_normal((3, 3)) + 2 * np.eye(3)
B = rng.standard_normal((3, 2))
SPD = A @ A.T + np.eye(3)
C = A + 1j * rng.standard_normal((3, 3))
D = B + 1j * rng.standard_normal((3, 2))
HPD = C @ C.conj().T + np.eye(3)


def each_type(text: str, real: dict[str, Any], cplx: dict[str, Any], **options: Any) -> None:
    check(text.replace("T[", "f64[").replace("W[", "f64["), real, **options)
    check(text.replace("T[", "c128[").replace("W[", "f64["), cplx, **options)


@pytest.mark.parametrize("wrt", [["a"], ["b"], ["a", "b"]])
def test_matmul(wrt: list[str]) -> None:
    text = """entry f
    func f(a: T[n, k], b: T[k, m], n: i64, k: i64, m: i64) -> (c) {
      alloc c: T[n, m]
      lib matmul(c; a, b)
    }"""
    sizes = {"n": 3, "k": 3, "m": 2}
    each_type(text, {"a": A, "b": B, **sizes}, {"a": C, "b": D, **sizes}, wrt=wrt)


@pytest.mark.parametrize(
    "call",
    [
        "lib add_matmul(c; c, a, b, negative=0)",
        "lib add_matmul(c; c, a, b, negative=1)",
        "lib ranged_matmul(c; a, b, low, high, side=0, axis=0)",
        "lib ranged_matmul(c; b, a, low, high, side=1, axis=1)",
    ],
)
@pytest.mark.parametrize("wrt", [["a"], ["b"], ["a", "b"]])
def test_tangents_of_what_passes_write(wrt: list[str], call: str) -> None:
    """Products are of degree two: a difference is exact."""
    text = f"""entry f
    func f(a: f64[n, n], b: f64[n, n], low: i64[n], high: i64[n], n: i64) -> (c) {{
      alloc c: f64[n, n]
      for i in 0:n any {{ for j in 0:n any {{ c[i, j] = a[i, j] * b[j, i] }} }}
      {call}
    }}"""
    low, high = np.array([0, 0, 1]), np.array([1, 2, 3])
    counts = (low[:, None] <= np.arange(3)) & (np.arange(3) < high[:, None])
    zeros = counts if "side=0" in call else counts.T if "side=1" in call else np.ones((3, 3))
    args = {"a": A * zeros, "b": SPD, "low": low, "high": high, "n": 3}
    direction = {x: rng.standard_normal((3, 3)) * (zeros if x == "a" else 1) for x in wrt}
    module = parse(text)
    forward, push = jvp_of(module, args, wrt)
    _, tangent = run_with(forward, push(direction)[0])[0]
    ends = [run_with(module, args | {x: args[x] + s * d for x, d in direction.items()})[0][0] for s in (1, -1)]
    np.testing.assert_allclose(tangent, (ends[0] - ends[1]) / 2, rtol=1e-12, atol=1e-12)


def test_matrix_times_itself_in_a_loop() -> None:
    """The buffers are overwritten and must be saved: in a box, on the stack, in a branch."""
    text = """entry f
    func f(a: T[n, n] inout, n: i64) -> (s) {
      alloc c: T[n, n]
      alloc b: T[n, n]
      for i in 0:n any { for j in 0:n any { b[i, j] = a[j, i] } }
      alloc s: W[] zero
      for t in 0:2 {
        lib matmul(c; a, a)
        for i in 0:n any { for j in 0:n any { a[i, j] = c[i, j] * a[j, i] } }
      }
      for t in 0: while t < 2 {
        if t == 1 { lib matmul(c; a, a) } else { lib matmul(c; a, b) }
        for i in 0:n any { for j in 0:n any { a[i, j] = c[i, j] * a[0, 1] } }
      }
      for i in 0:n any { s[] += real(a[i, 0] * c[0, i]) }
    }""".replace("c[i, j] * a[j, i]", "c[i, j] * c[j, i]").replace("c[i, j] * a[0, 1]", "c[i, j] * c[0, 1]")
    each_type(text, {"a": A / 2, "n": 3}, {"a": C / 2, "n": 3})


def test_matmul_in_an_any_loop_on_the_stack() -> None:
    text = """entry f
    func f(a: f64[4, n, n] inout, n: i64) -> (a) {
      for t in 0: while t < 2 {
        for k in 0:4 any {
          view s: f64[n, n] = a[k, 0, 0] along (1: 1, 2: 1)
          alloc c: f64[n, n]
          lib matmul(c; s, s)
          for i in 0:n any { for j in 0:n any { s[i, j] = c[i, j] * 0.3 } }
        }
      }
    }"""
    check(text, {"a": rng.standard_normal((4, 2, 2)), "n": 2})


def test_matmul_of_a_repeating_view() -> None:
    text = """entry f
    func f(a: f64[n], b: f64[n, n], n: i64) -> (c) {
      view r: f64[n, n] = a[0] along (none: 1, 0: 1)
      alloc c: f64[n, n]
      lib matmul(c; r, b)
    }"""
    check(text, {"a": A[0], "b": A, "n": 3})


@pytest.mark.parametrize("wrt", [["a"], ["b"], ["a", "b"]])
def test_solve(wrt: list[str]) -> None:
    text = """entry f
    func f(a: T[n, n], b: T[n, m], n: i64, m: i64) -> (x) {
      alloc x: T[n, m]
      lib solve(x; a, b)
    }"""
    sizes = {"n": 3, "m": 2}
    each_type(text, {"a": A, "b": B, **sizes}, {"a": C, "b": D, **sizes}, wrt=wrt)


def test_inv_and_det() -> None:
    text = """entry f
    func f(a: T[n, n], n: i64) -> (x, d) {
      alloc x: T[n, n]
      alloc d: T[]
      lib inv(x; a)
      lib det(d; x)
    }"""
    each_type(text, {"a": A, "n": 3}, {"a": C, "n": 3})


def test_cholesky() -> None:
    text = """entry f
    func f(a: T[n, n], n: i64) -> (l) {
      alloc l: T[n, n]
      lib cholesky(l; a)
    }"""
    each_type(text, {"a": SPD, "n": 3}, {"a": HPD, "n": 3})


@pytest.mark.parametrize("wrt", [["l"], ["g"], ["l", "g"]])
def test_adjoint_of_cholesky(wrt: list[str]) -> None:
    text = """entry f
    func f(l: f64[n, n], g: f64[n, n], n: i64) -> (x) {
      alloc x: f64[n, n]
      lib cholesky_adjoint(x; l, g)
    }"""
    check(text, {"l": np.linalg.cholesky(SPD), "g": A, "n": 3}, wrt=wrt)


def test_eigh() -> None:
    """Eigenvectors by what does not depend on their phases."""
    text = """entry f
    func f(a: T[n, n], n: i64) -> (w, p) {
      alloc w: W[n]
      alloc v: T[n, n]
      lib eigh(w, v; a)
      alloc p: T[n, n]
      for i in 0:n any { for j in 0:n any { p[i, j] = v[i, 0] * conj(v[j, 0]) + v[i, 2] * conj(v[j, 2]) * w[1] } }
    }"""
    check(text.replace("T[", "f64[").replace("W[", "f64["), {"a": SPD, "n": 3})
    check(text.replace("T[", "c128[").replace("W[", "f64[").replace("* w[1]", "* c128(w[1])"), {"a": HPD, "n": 3})


def test_eigenvalues_only() -> None:
    text = """entry f
    func f(a: f64[n, n], n: i64) -> (w) {
      alloc w: f64[n]
      alloc v: f64[n, n]
      lib eigh(w, v; a)
    }"""
    check(text, {"a": SPD, "n": 3})


@pytest.mark.parametrize(("m", "n"), [(3, 3), (5, 3), (3, 5)])
def test_svd(m: int, n: int) -> None:
    """Singular vectors by what does not depend on their signs and phases."""
    text = """entry f
    func f(a: T[m, n], m: i64, n: i64) -> (s, p, r) {
      alloc u: T[m, 3]
      alloc s: W[3]
      alloc v: T[3, n]
      lib svd(u, s, v; a)
      alloc p: T[m, n]
      alloc r: T[m, m]
      for i in 0:m any { for j in 0:n any { p[i, j] = u[i, 0] * v[0, j] + u[i, 2] * v[2, j] * T(s[1]) } }
      for i in 0:m any { for j in 0:m any { r[i, j] = u[i, 1] * conj(u[j, 1]) } }
    }"""
    made = np.random.default_rng(7)
    a, c = made.standard_normal((m, n)), made.standard_normal((m, n)) + 1j * made.standard_normal((m, n))
    check(text.replace("T[", "f64[").replace("W[", "f64[").replace("T(s[1])", "s[1]"), {"a": a, "m": m, "n": n})
    each = text.replace("T[", "c128[").replace("W[", "f64[").replace("T(s[1])", "c128(s[1])")
    check(each, {"a": c, "m": m, "n": n})


@pytest.mark.parametrize(("m", "n"), [(4, 3), (3, 4), (3, 5), (5, 3)])
def test_full_svd(m: int, n: int) -> None:
    """The one further vector of real numbers by what does not depend on its sign; of more than one, the others."""
    last = "u[i, 3] * u[0, 3]" if m == 4 else "u[i, 1] * u[0, 1]"
    text = f"""entry f
    func f(a: f64[m, n], m: i64, n: i64) -> (s, p, r) {{
      alloc u: f64[m, m]
      alloc s: f64[3]
      alloc v: f64[n, n]
      lib full_svd(u, s, v; a)
      alloc p: f64[m, n]
      alloc r: f64[m]
      for i in 0:m any {{ for j in 0:n any {{
        p[i, j] = u[i, 0] * v[0, j] + {"v[3, j] * v[3, 1]" if n == 4 else "u[i, 2] * v[2, j]"}
      }} }}
      for i in 0:m any {{ r[i] = {last} }}
    }}"""
    check(text, {"a": np.random.default_rng(7).standard_normal((m, n)), "m": m, "n": n})


def test_singular_values_only() -> None:
    """Equal ones too."""
    text = """entry f
    func f(a: f64[n, n], n: i64) -> (s) {
      alloc u: f64[n, n]
      alloc s: f64[n]
      alloc v: f64[n, n]
      lib svd(u, s, v; a)
    }"""
    check(text, {"a": A, "n": 3})


@pytest.mark.parametrize(("m", "n"), [(3, 3), (5, 3), (3, 5)])
def test_pinv(m: int, n: int) -> None:
    text = """entry f
    func f(a: T[m, n], m: i64, n: i64) -> (x) {
      alloc x: T[n, m]
      alloc limit: f64[] zero
      lib pinv(x; a, limit)
    }"""
    made = np.random.default_rng(7)
    a, c = made.standard_normal((m, n)), made.standard_normal((m, n)) + 1j * made.standard_normal((m, n))
    sizes = {"m": m, "n": n}
    each_type(text, {"a": a, **sizes}, {"a": c, **sizes})


@pytest.mark.parametrize("of", [["q"], ["r"], ["q", "r"]])
@pytest.mark.parametrize("m", [3, 5])
def test_qr(m: int, of: list[str]) -> None:
    text = """entry f
    func f(a: T[m, n], m: i64, n: i64) -> (OF) {
      alloc q: T[m, n]
      alloc r: T[n, n]
      lib qr(q, r; a)
    }""".replace("OF", ", ".join(of))
    made = np.random.default_rng(7)
    a, c = made.standard_normal((m, 3)), made.standard_normal((m, 3)) + 1j * made.standard_normal((m, 3))
    a, c = a + 2 * np.eye(m, 3), c + 2 * np.eye(m, 3)  # away from where a reflection changes its side
    sizes = {"m": m, "n": 3}
    each_type(text, {"a": a, **sizes}, {"a": c, **sizes})


@pytest.mark.parametrize("of", [["w"], ["v"], ["w", "v"]])
def test_eig(of: list[str]) -> None:
    """The vectors themselves: their lengths and phases are fixed."""
    text = """entry f
    func f(a: c128[n, n], n: i64) -> (OF) {
      alloc w: c128[n]
      alloc v: c128[n, n]
      alloc p: i64[n]
      lib eig(w, v, p; a, real=False)
    }""".replace("OF", ", ".join(of))
    check(text, {"a": C, "n": 3})


def test_sort() -> None:
    text = """entry f
    func f(x: f64[n] inout, n: i64) -> (x) {
      alloc p: i64[n]
      alloc y: f64[n]
      for t in 0:2 {
        lib sort(y, p; x)
        for i in 0:n any { x[i] = sin(y[i]) * f64(p[i] + 1) }
      }
    }"""
    check(text, {"x": np.array([0.7, -1.2, 0.4, 1.9]), "n": 4})


@pytest.mark.parametrize("inverse", [False, True])
def test_fft(inverse: bool) -> None:
    text = """entry f
    func f(x: c128[n], n: i64) -> (y) {
      alloc y: c128[n]
      lib fft(y; x, inverse=INVERSE)
      for i in 0:n any { y[i] = y[i] * y[i] }
    }""".replace("INVERSE", str(inverse))
    check(text, {"x": C[0], "n": 3})
