"""Which loops become one, and which must not."""

from __future__ import annotations

import pytest

from ad.checks import run_with
from optimise.checks import becomes, keep_meaning, normal, sizes, stays, transformed
from wengert.ir.text import parse
from wengert.optimise.fuse import fuse

FUSED = {
    "sums into one cell": (
        """alloc s: f64[] zero
        for i in 0:n any { s[] += u[i] }
        for j in 0:n any { s[] += u[j] * u[j] }
        v[0] = s[]""",
        """alloc s: f64[] zero
        for i in 0:n any {
          s[] += u[i]
          s[] += u[i] * u[i]
        }
        v[0] = s[]""",
    ),
    "sums into one row": (
        """for i in 0:n any { for j in 0:m any { v[j] += a[i, j] } }
        for l in 0:n any { for o in 0:m any { v[o] += a[l, o] * x } }""",
        """for i in 0:n any {
          for j in 0:m any {
            v[j] += a[i, j]
            v[j] += a[i, j] * x
          }
        }""",
    ),
    "three nests, each pair of which shares something": (
        """alloc s: f64[n, m]
        alloc t: f64[n, m]
        for i in 0:n any { for j in 0:m any { s[i, j] = a[i, j] * x } }
        for i2 in 0:n any { for j2 in 0:m any { t[i2, j2] = s[i2, j2] + x } }
        for i3 in 0:n any { for j3 in 0:m any { a[i3, j3] = t[i3, j3] * s[i3, j3] } }""",
        """alloc s: f64[n, m]
        alloc t: f64[n, m]
        for i in 0:n any {
          for j in 0:m any {
            s[i, j] = a[i, j] * x
            t[i, j] = s[i, j] + x
            a[i, j] = t[i, j] * s[i, j]
          }
        }""",
    ),
    "one writes what the other reads": (
        """for i in 0:n any { u[i] = v[i] * 2.0 }
        for j in 0:n any { v[j] = u[j] + 1.0 }""",
        """for i in 0:n any {
          u[i] = v[i] * 2.0
          v[i] = u[i] + 1.0
        }""",
    ),
    "bounds that are equal, spelled otherwise": (
        """for i in 1:n - 1 any { u[i] = 1.0 }
        for j in 2 - 1:n + 1 - 2 any { v[j] = u[j] }""",
        """for i in 1:n - 1 any {
          u[i] = 1.0
          v[i] = u[i]
        }""",
    ),
    "both read the same": (
        """for i in 1:n any { u[i] = a[i, 0] }
        for j in 1:n any { v[j] = a[j - 1, 0] }""",
        """for i in 1:n any {
          u[i] = a[i, 0]
          v[i] = a[i - 1, 0]
        }""",
    ),
    "the same shift in both": (
        """for i in 1:n any { u[i - 1] = x }
        for j in 1:n any { v[j] = u[j - 1] }""",
        """for i in 1:n any {
          u[i - 1] = x
          v[i] = u[i - 1]
        }""",
    ),
    "three in a row": (
        """for i in 0:n any { u[i] = x }
        for j in 0:n any { v[j] = u[j] }
        for l in 0:n any { u[l] = v[l] * v[l] }""",
        """for i in 0:n any {
          u[i] = x
          v[i] = u[i]
          u[i] = v[i] * v[i]
        }""",
    ),
    "what is between and needed goes before, the rest after": (
        """for i in 0:n any { u[i] = x }
        let y = x * x
        alloc t: f64[n]
        a[0, 0] = y
        for j in 0:n any { t[j] = u[j] * y }
        for l in 0:n { v[l] = t[l] }""",
        """let y = x * x
        alloc t: f64[n]
        for i in 0:n any {
          u[i] = x
          t[i] = u[i] * y
        }
        a[0, 0] = y
        for l in 0:n { v[l] = t[l] }""",
    ),
    "nests": (
        """alloc t: f64[n, m]
        for i in 0:n any { for j in 0:m any { t[i, j] = a[i, j] * x } }
        for l in 0:n any { for o in 0:m any { a[l, o] = t[l, o] + t[l, o] } }""",
        """alloc t: f64[n, m]
        for i in 0:n any {
          for j in 0:m any {
            t[i, j] = a[i, j] * x
            a[i, j] = t[i, j] + t[i, j]
          }
        }""",
    ),
    "a sum after what it adds up": (
        """alloc s: f64[] zero
        for i in 0:n any { u[i] = v[i] * v[i] }
        for j in 0:n any { s[] += u[j] }
        v[0] = s[]""",
        """alloc s: f64[] zero
        for i in 0:n any {
          u[i] = v[i] * v[i]
          s[] += u[i]
        }
        v[0] = s[]""",
    ),
    "branches in both": (
        """for i in 0:n any { if v[i] > 0.0 { u[i] = v[i] } }
        for j in 0:n any { if v[j] > 1.0 { u[j] += x } else { u[j] = u[j] * 2.0 } }""",
        """for i in 0:n any {
          if v[i] > 0.0 { u[i] = v[i] }
          if v[i] > 1.0 { u[i] += x } else { u[i] = u[i] * 2.0 }
        }""",
    ),
}


@pytest.mark.parametrize("name", FUSED)
def test_fused(name: str) -> None:
    becomes(fuse, *FUSED[name])


APART = {
    "the second reads a neighbour": """
        for i in 1:n any { u[i] = x }
        for j in 1:n any { v[j] = u[j - 1] }""",
    "the second reads it backwards": """
        for i in 0:n any { u[i] = v[i] * x }
        for j in 0:n any { v[j] = u[n - 1 - j] }""",
    "the second overwrites what the first reads elsewhere": """
        for i in 1:n any { u[i] = v[i - 1] }
        for j in 1:n any { v[j] = x }""",
    "both write, at a shift": """
        for i in 1:n any { u[i] = x }
        for j in 1:n any { u[j - 1] = 2.0 }""",
    "other bounds": """
        for i in 0:n any { u[i] = x }
        for j in 1:n any { v[j] = u[j] }""",
    "other steps": """
        for i in 0:n any { u[i] = x }
        for j in 0:n step 2 any { v[j] = u[j] }""",
    "nothing shared": """
        for i in 0:n any { u[i] = x }
        for j in 0:n any { v[j] = 2.0 }""",
    "a sequential loop": """
        for i in 0:n any { u[i] = x }
        for j in 0:n { v[j] = u[j] }""",
    "a failure between": """
        for i in 0:n any { u[i] = v[i] }
        if x > 0.5 { fail ValueError('no') }
        for j in 0:n any { v[j] = u[j] * 2.0 }""",
    "a failure inside": """
        for i in 0:n any {
          u[i] = v[i]
          if v[i] > 7.0 { fail ValueError('no') }
        }
        for j in 0:n any { v[j] = u[j] * 2.0 }""",
    "a name between that depends on the first": """
        for i in 0:n any { u[i] = v[i] }
        let y = u[1]
        for j in 0:n any { v[j] = u[j] * y }""",
    "a store between that the second reads": """
        for i in 0:n any { u[i] = v[i] }
        u[1] = 4.0
        for j in 0:n any { v[j] = u[j] }""",
    "integers that may overflow between": """
        for i in 0:n any { u[i] = v[i] }
        let z = addc(n, k[0])
        k[0] = z
        for j in 0:n any { v[j] = u[j] * f64(z) }""",
    "a bound that may overflow": """
        for i in 0:n any { u[i] = v[i] }
        for t in 0:mulc(n, 9000000000000000000) { a[0, 0] = 1.0 }
        for j in 0:n any { v[j] = u[j] }""",
    "a loop between that may not end": """
        for i in 0:n any { u[i] = v[i] }
        for t in 0: while a[0, 0] > 0.0 { a[0, 0] = a[0, 0] - 1.0 }
        for j in 0:n any { v[j] = u[j] }""",
    "a sum that the second needs whole": """
        alloc s: f64[] zero
        for i in 0:n any { s[] += u[i] }
        for j in 0:n any { v[j] = u[j] / s[] }""",
    "sums into one cell that is read": """
        alloc s: f64[] zero
        for i in 0:n any { s[] += u[i] }
        for j in 0:n any { v[j] = s[] }
        v[0] = s[]""",
    "a view of what the first writes": """
        view w: f64[n] = u[n - 1] along (0: -1)
        for i in 0:n any { u[i] = x }
        for j in 0:n any { v[j] = w[j] }""",
    "writes through a view of what the second reads": """
        reshape w: f64[n] = u
        for i in 0:n any { w[i] = x }
        for j in 0:n any { v[j] = u[j] }""",
    "bounds that the first changes": """
        for i in 0:k[0] any { k[i] = 1 }
        for j in 0:k[0] any { u[j] = f64(k[j]) }""",
    "windows that overlap": """
        view w: f64[n - 1, 2] = u[0] along (0: 1, 0: 1)
        for i in 0:n - 1 any { w[i, 0] = v[i] }
        for j in 0:n - 1 any { v[j] = w[j, 1] + w[j, 0] }""",
    "nests that meet along the inner axis": """
        for i in 0:n any { for j in 1:m any { a[i, j] = x * u[i] } }
        for l in 0:n any { for o in 1:m any { u[l] += a[l, o - 1] * v[l] } }""",
    "a transposed reading": """
        alloc t: f64[n, n]
        for i in 0:n any { for j in 0:n any { t[i, j] = u[i] + v[j] } }
        for l in 0:n any { for o in 0:n any { u[l] += t[o, l] } }""",
    "sums that meet in lanes only when fused": """
        for i in 1:n any { u[i] += v[i] }
        for j in 1:n any { u[j - 1] += v[j] }""",
    "a scatter before, a sum after": """
        for i in 0:n any { u[k[i]] += v[i] }
        for j in 0:n any { v[j] = u[j] }""",
    "the largest is searched": """
        alloc s: f64[]
        s[] = -1.0
        for i in 0:n any { u[i] = v[i] }
        for j in 0:n any { s[] max= u[j] }
        v[0] = s[]""",
}


@pytest.mark.parametrize("name", APART)
def test_not_fused(name: str) -> None:
    stays(fuse, APART[name])


def test_a_call_between() -> None:
    module = parse("""entry f
    func g(w: f64[n] inout, n: i64) { w[0] = w[1] }
    func f(u: f64[n] inout, v: f64[n] inout, a: f64[n, m] inout, k: i64[n] inout, x: f64, n: i64, m: i64) {
      for i in 0:n any { u[i] = v[i] * 2.0 }
      call g(u, n)
      for j in 0:n any { v[j] = u[j] }
    }""")
    assert normal(transformed(module, [fuse])) == normal(module)
    keep_meaning(module, sizes())
    assert run_with(module, sizes())[1]["v"][0] == 2 * sizes()["v"][1]


def test_arrays_of_a_caller_that_may_be_one() -> None:
    module = parse("""entry f
    func g(p: f64[n] strided inout, q: f64[n] strided inout, n: i64) {
      for i in 0:n any { p[i] = 3.0 }
      for j in 0:n any { q[j] = q[j] + p[j] * 2.0 }
    }
    func f(u: f64[n] inout, v: f64[n] inout, a: f64[n, m] inout, k: i64[n] inout, x: f64, n: i64, m: i64) {
      view w: f64[n] = u[n - 1] along (0: -1)
      call g(u, w, n)
      call g(v, v, n)
    }""")
    assert normal(transformed(module, [fuse])) == normal(module)
    keep_meaning(module, sizes())
