"""IR programs for derivative tests: name -> (text, arguments). Each isolates a construct or a combination."""

from __future__ import annotations

from typing import Any

import numpy as np

U = np.array([0.7, -1.2, 0.4, 1.9])
V = np.array([1.1, 0.3, -0.8, 0.5])
A = np.array([[1.2, 0.3, -0.4], [0.2, 1.5, 0.6], [-0.1, 0.4, 1.1]])

PROGRAMS: dict[str, tuple[str, dict[str, Any]]] = {
    "straight line": (
        """entry f
        func f(x: f64, y: f64) -> (s) {
          alloc s: f64[]
          let a = x * y
          let b = sin(a) + x / y
          s[] = b * a - exp(x)
        }""",
        {"x": 0.7, "y": 1.3},
    ),
    "same operand twice": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          for i in 0:n any { s[] += u[i] * u[i] }
        }""",
        {"u": U, "n": 4},
    ),
    "no trips": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          s[] = u[0]
          for i in n:0 { s[] = s[] * u[i] }
          for i in 0:0 any { s[] += u[i] }
        }""",
        {"u": U, "n": 4},
    ),
    "product in a cell": (
        """entry f
        func f(u: f64[n], n: i64) -> (p) {
          alloc p: f64[]
          p[] = 1.0
          for i in 0:n { p[] = p[] * u[i] }
        }""",
        {"u": U, "n": 4},
    ),
    "backwards and with a step": (
        """entry f
        func f(u: f64[n], n: i64) -> (p) {
          alloc p: f64[]
          p[] = 1.0
          for i in n - 1:-1 step -1 { p[] = p[] * u[i] + sin(u[i]) }
          for i in 0:n step 3 { p[] = p[] * cos(u[i]) }
          for i in n - 1:-1 step -2 { p[] = p[] * u[i] + u[i] }
          for i in 1:n step 2 any { p[] += u[i] * u[i] * u[i] }
        }""",
        {"u": U, "n": 4},
    ),
    "overwritten after use": (
        """entry f
        func f(x: f64[n] inout, n: i64) -> (y) {
          alloc y: f64[n]
          for i in 0:n any {
            y[i] = x[i] * x[i]
            x[i] = sin(x[i])
          }
        }""",
        {"x": U, "n": 4},
    ),
    "in place three times": (
        """entry f
        func f(x: f64[n] inout, n: i64) -> (s) {
          alloc s: f64[] zero
          for i in 0:n any { x[i] = x[i] * x[i] }
          for i in 0:n any { x[i] = sin(x[i]) * x[i] }
          for t in 0:3 {
            for i in 1:n { x[i] = x[i] * x[i - 1] }
          }
          for i in 0:n any { s[] += x[i] * x[i] }
        }""",
        {"x": U, "n": 4},
    ),
    "recurrence in an array": (
        """entry f
        func f(x: f64, n: i64) -> (y) {
          alloc y: f64[n]
          y[0] = x
          for i in 1:n { y[i] = y[i - 1] * x + sin(y[i - 1]) }
        }""",
        {"x": 0.8, "n": 5},
    ),
    "stencil in time": (
        """entry f
        func f(u: f64[n] inout, nu: f64, n: i64, steps: i64) -> (s) {
          alloc s: f64[] zero
          for t in 0:steps {
            alloc un: f64[n]
            for i in 0:n any { un[i] = u[i] }
            for i in 1:n - 1 any { u[i] = un[i] - nu * un[i] * (un[i] - un[i - 1]) }
          }
          for i in 0:n any { s[] += u[i] * u[i] }
        }""",
        {"u": np.array([0.7, -1.2, 0.4, 1.9, 0.3]), "nu": 0.3, "n": 5, "steps": 3},
    ),
    "triangular": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          for i in 0:n {
            for j in 0:i any { s[] += sin(u[i] * u[j]) }
            for j in i:n {
              let c = s[]
              s[] = c * cos(u[j]) + u[i]
            }
          }
        }""",
        {"u": U, "n": 4},
    ),
    "triangular any nest": (
        """entry f
        func f(u: f64[n] inout, n: i64) -> (w) {
          alloc w: f64[n, n] zero
          for i in 0:n any {
            for j in 0:i + 1 any {
              let a = u[i] * 2.0
              w[i, j] = a * u[j]
            }
          }
          for i in 0:n any { u[i] = 1.0 }
          for i in 0:n any {
            for j in i:n any {
              for k in j:i + 2 { w[i, j] = w[i, j] * w[i, j] + u[j] }
            }
          }
        }""",
        {"u": U, "n": 4},
    ),
    "lower triangular solve": (
        """entry f
        func f(l: f64[n, n], b: f64[n], n: i64) -> (x) {
          alloc x: f64[n]
          for i in 0:n {
            alloc t: f64[]
            t[] = b[i]
            for j in 0:i { t[] += -(l[i, j] * x[j]) }
            x[i] = t[] / l[i, i]
          }
        }""",
        {"l": A, "b": U[:3], "n": 3},
    ),
    "in place cholesky": (
        """entry f
        func f(a: f64[n, n] inout, n: i64) -> (a) {
          for k in 0:n {
            a[k, k] = sqrt(a[k, k])
            for i in k + 1:n { a[i, k] = a[i, k] / a[k, k] }
            for j in k + 1:n {
              for i in j:n { a[i, j] += -(a[i, k] * a[j, k]) }
            }
          }
        }""",
        {"a": A @ A.T + 3 * np.eye(3), "n": 3},
    ),
    "branch on data": (
        """entry f
        func f(a: f64[n] inout, n: i64) -> (b) {
          alloc b: f64[n]
          for i in 0:n any {
            if a[i] > 0.5 {
              b[i] = a[i] * a[i]
            } else {
              b[i] = 3.0 * a[i]
              if a[i] < 0.0 { a[i] = a[i] * b[i] }
            }
          }
        }""",
        {"a": U, "n": 4},
    ),
    "branch on a carried scalar": (
        """entry f
        func f(a: f64[n], n: i64) -> (s) {
          alloc s: f64[]
          s[] = 0.3
          for i in 0:n {
            let c = s[]
            let d = c * a[i]
            if c > 0.25 { s[] = d + 0.1 } else { s[] = sin(d) - c }
            s[] = s[] * c
          }
        }""",
        {"a": U, "n": 4},
    ),
    "let used in nested blocks": (
        """entry f
        func f(a: f64[n], y: f64, n: i64) -> (s) {
          alloc s: f64[] zero
          let e = exp(y)
          for i in 0:n any {
            let c = e * a[i]
            for j in 0:n any {
              if a[j] > 0.0 { s[] += c * sin(a[j] * e) + c * c }
            }
          }
          s[] += e * y
        }""",
        {"a": U, "y": 0.4, "n": 4},
    ),
    "while": (
        """entry f
        func f(x: f64) -> (s) {
          alloc s: f64[]
          s[] = x
          for k in 0: while s[] < 20.0 {
            let c = s[]
            s[] = c * c + f64(k) * sin(c)
          }
        }""",
        {"x": 1.3},
    ),
    "while in loops": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          for i in 0:n any {
            alloc v: f64[]
            v[] = u[i]
            for k in 0:5 while v[] < 5.0 and v[] > -5.0 {
              let c = v[]
              for j in 0:k { v[] = v[] * 1.1 + c * c * 0.1 }
              v[] += 0.5 * c
            }
            s[] += v[] * v[] * u[i]
          }
        }""",
        {"u": U, "n": 4},
    ),
    "while with a step": (
        """entry f
        func f(x: f64) -> (s) {
          alloc s: f64[]
          s[] = x
          for k in 7:0 step -3 while s[] < 20.0 { s[] = s[] * s[] + f64(k) * x }
        }""",
        {"x": 0.6},
    ),
    "running maximum": (
        """entry f
        func f(u: f64[n], n: i64) -> (m, l) {
          alloc m: f64[]
          m[] = -10.0
          for i in 0:n any { m[] max= u[i] * u[i] }
          alloc l: f64[n]
          for i in 0:n any {
            l[i] = u[i]
            for j in 0:n any { l[i] min= sin(u[j]) * u[i] }
          }
        }""",
        {"u": U, "n": 4},
    ),
    "maximum of a view": (
        """entry f
        func f(u: f64[n], n: i64) -> (m) {
          alloc m: f64[n]
          for i in 0:n any { m[i] = u[i] }
          for i in 0:n any {
            view w: f64[] = m[1] along ()
            w[] max= u[i] * u[i] * 2.0
          }
        }""",
        {"u": U, "n": 4},
    ),
    "gather and scatter": (
        """entry f
        func f(u: f64[n], p: i64[m], n: i64, m: i64) -> (y, z) {
          alloc y: f64[m]
          for i in 0:m any { y[i] = u[p[i]] * u[p[i]] }
          alloc z: f64[n] zero
          for i in 0:m any { z[p[i]] += y[i] * u[p[i]] }
        }""",
        {"u": U, "p": np.array([2, 0, 2, 3, 3]), "n": 4, "m": 5},
    ),
    "indices that change": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc k: i64[]
          k[] = 0
          alloc s: f64[]
          s[] = 1.0
          for i in 0:n {
            let j = k[]
            s[] = s[] * u[j] + 0.1
            k[] = (j * 3 + 2) mod n
          }
        }""".replace("(j * 3 + 2) mod n", "mod(j * 3 + 2, n)"),
        {"u": U, "n": 4},
    ),
    "views": (
        """entry f
        func f(a: f64[m, n] inout, m: i64, n: i64) -> (s) {
          alloc s: f64[] zero
          view d: f64[m] = a[0, 0] along (0: 1)
          for i in 0:m any {
            view row: f64[n] = a[i, n - 1] along (1: -1)
            for j in 1:n { row[j] = row[j] * row[j - 1] }
            s[] += row[0] * row[n - 1]
          }
          for i in 0:m any { d[i] = d[i] * d[i] }
          view t: f64[n, m] = a[0, 0] along (1: 1, 0: 1)
          view u: f64[n] = t[0, 1] along (0: 1)
          for i in 0:n any { s[] += u[i] * t[i, 0] }
        }""",
        {"a": A, "m": 3, "n": 3},
    ),
    "repeating view": (
        """entry f
        func f(a: f64[n] inout, n: i64) -> (s) {
          alloc s: f64[] zero
          view r: f64[3, n] = a[0] along (none: 1, 0: 1)
          view q: f64[n] = r[1, n - 1] along (1: -1)
          for i in 0:3 any {
            for j in 0:n any { s[] += sin(r[i, j]) * q[j] }
          }
          for i in 0:n any { a[i] = a[i] * 2.0 }
          for j in 0:n any { s[] += r[0, j] * q[j] }
        }""",
        {"a": U, "n": 4},
    ),
    "repeating view of a ref": (
        """entry f
        func f(a: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          alloc b: f64[n]
          alloc c: f64[n]
          for i in 0:n any { b[i] = sin(a[i])  c[i] = a[i] * a[i] }
          declare r: ref f64 rank 1
          declare t: ref f64 rank 1
          rebind r = b
          for k in 0:3 {
            view w: f64[2, n] = r[0] along (none: 1, 0: 1)
            rebind t = r
            rebind r = c
            for i in 0:n any { s[] += w[1, i] * r[n - 1 - i] * w[0, 0] }
            for i in 0:n any { t[i] = t[i] * s[] * 0.1 }
            for i in 0:n any { s[] += w[1, i] * w[0, i] }
            if k == 1 { rebind r = b }
          }
        }""",
        {"a": U, "n": 4},
    ),
    "reshape": (
        """entry f
        func f(a: f64[6]) -> (b) {
          alloc b: f64[2, 3]
          reshape flat: f64[6] = b
          for i in 0:6 any { flat[i] = a[i] * a[i] }
          for i in 0:3 any { b[1, i] = b[0, i] * b[1, i] }
        }""",
        {"a": np.array([0.7, -1.2, 0.4, 1.9, 0.2, -0.6])},
    ),
    "local buffers": (
        """entry f
        func f(a: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          for i in 0:n {
            alloc t: f64[i + 1]
            for j in 0:i + 1 any { t[j] = a[j] * a[i] }
            for j in 1:i + 1 { t[j] = t[j] * t[j - 1] + t[j] }
            s[] += t[i]
          }
        }""",
        {"a": U, "n": 4},
    ),
    "swapped refs": (
        """entry f
        func f(u: f64[n], n: i64, steps: i64) -> (s, x) {
          alloc b0: f64[n]
          alloc b1: f64[n]
          for i in 0:n any { b0[i] = u[i]  b1[i] = 0.5 }
          declare x: ref f64 rank 1
          declare y: ref f64 rank 1
          declare t: ref f64 rank 1
          rebind x = b0
          rebind y = b1
          for k in 0:steps {
            for i in 0:n any { y[i] = x[i] * x[i] + sin(x[n - 1 - i]) * y[i] }
            rebind t = x
            rebind x = y
            rebind y = t
          }
          alloc s: f64[] zero
          for i in 0:n any { s[] += x[i] * y[i] }
        }""".replace("x[i] * x[i] + sin(x[n - 1 - i]) * y[i] }", "x[i] * x[i] + sin(x[n - 1 - i]) }"),
        {"u": U, "n": 4, "steps": 3},
    ),
    "fresh buffers through a ref": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          declare z: ref f64 rank 1
          alloc first: f64[n]
          for i in 0:n any { first[i] = u[i] }
          rebind z = first
          for k in 0:n - 1 {
            let m = extent(z, 0)
            alloc next: f64[m - 1]
            for i in 0:m - 1 { next[i] = z[i] * z[i + 1] + z[i] }
            if z[0] > 0.5 {
              next[0] = next[0] * next[0]
              rebind z = next
            } else {
              rebind z = next
              z[0] = z[0] * 2.0
            }
          }
          alloc s: f64[] zero
          s[] = z[0] * first[1]
        }""",
        {"u": U, "n": 4},
    ),
    "refs in a branch, views of refs": (
        """entry f
        func f(u: f64[n], v: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          for k in 0:3 {
            declare r: ref f64 rank 1
            if u[k] > 0.5 { rebind r = u } else { rebind r = v }
            view w: f64[n] = r[n - 1] along (0: -1)
            rebind r = v
            for i in 0:n any { s[] += w[i] * r[i] * w[0] }
          }
        }""",
        {"u": U, "v": V, "n": 4},
    ),
    "list of arrays": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          declare g: growable f64 rank 1
          declare r: ref f64 rank 1
          for k in 0:n {
            alloc a: f64[k + 1]
            for i in 0:k + 1 any { a[i] = u[i] * u[k] }
            pushref g: a
          }
          alloc s: f64[] zero
          view q: f64[2] = g[2, 1] along (1: 1)
          for i in 0:2 any { q[i] = q[i] * q[i] }
          for k in 0:n - 1 {
            popref r = g
            for i in 0:extent(r, 0) any { s[] += r[i] * sin(r[0]) }
          }
          for k in 0:2 {
            declare h: growable f64 rank 1
            pushref h: u
            pushref h: r
            popref r = g
            pushref g: r
            popref r = h
            s[] = s[] * r[0] * u[k]
          }
        }""",
        {"u": U, "n": 4},
    ),
    "growable": (
        """entry f
        func f(u: f64[n], n: i64) -> (s, g) {
          declare g: growable f64
          alloc s: f64[] zero
          for i in 0:n {
            push g: u[i] * u[i]
            if u[i] > 0.5 { push g: sin(u[i]) }
          }
          for k in 0: while extent(g, 0) > 3 {
            pop x = g
            g[0] = g[0] * x
            s[] += x * g[1]
          }
          resize g: 2
          g[4] = s[] * g[0]
          resize g: -1
          push g: g[1] * u[1]
          for i in 0:3 {
            declare h: growable f64
            push h: u[i] * g[i]
            push h: u[i] * s[]
            g[i] = h[1] * h[0]
            pop y = h
            s[] = s[] + y * y
          }
        }""",
        {"u": U, "n": 4},
    ),
    "calls": (
        """entry f
        func f(u: f64[n], y: f64, n: i64) -> (s) {
          alloc s: f64[] zero
          alloc w: f64[n]
          for i in 0:n any { w[i] = u[i] }
          for k in 0:3 {
            let c = y * f64(k)
            call g(w, c, s, n)
            view t: f64[2] = w[1] along (0: 2)
            call g(t, s[], s, 2)
          }
        }
        func g(x: f64[m] strided inout, c: f64, s: f64[] inout, m: i64) {
          for i in 1:m { x[i] = x[i] * sin(x[i - 1]) + c }
          s[] += x[0] * x[m - 1] * c
        }""",
        {"u": U, "y": 0.7, "n": 4},
    ),
    "call in an any loop": (
        """entry f
        func f(u: f64[n], n: i64) -> (y) {
          alloc y: f64[n]
          for i in 0:n any {
            alloc t: f64[]
            call g(t, u[i], i)
            y[i] = t[] * t[]
          }
        }
        func g(r: f64[] inout, x: f64, k: i64) {
          alloc v: f64[] zero
          for j in 0:k + 1 any { v[] += sin(x * f64(j + 1)) }
          r[] = v[] * x
        }""",
        {"u": U, "n": 4},
    ),
    "recursion": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          call tree(u, s, 0, n, n)
        }
        func tree(u: f64[n], s: f64[] inout, lo: i64, hi: i64, n: i64) {
          if hi - lo == 1 {
            s[] += u[lo] * u[lo] * s[] + sin(u[lo])
          } else {
            let mid = floordiv(lo + hi, 2)
            alloc a: f64[] zero
            alloc b: f64[]
            b[] = s[]
            call tree(u, a, lo, mid, n)
            call tree(u, b, mid, hi, n)
            s[] = a[] * b[] + a[]
          }
        }""",
        {"u": U, "n": 4},
    ),
    "overlapping arguments": (
        """entry f
        func f(u: f64[n], n: i64) -> (w) {
          alloc w: f64[n]
          for i in 0:n any { w[i] = u[i] }
          view a: f64[3] = w[0] along (0: 1)
          view b: f64[3] = w[1] along (0: 1)
          call g(a, b)
        }
        func g(x: f64[3] strided inout, y: f64[3] strided inout) {
          for i in 0:3 {
            x[i] = x[i] * y[i]
            y[i] = sin(x[i]) + y[i] * y[0]
          }
        }""",
        {"u": U, "n": 4},
    ),
    "refs in a callee": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc w: f64[n]
          for i in 0:n any { w[i] = u[i] }
          alloc s: f64[] zero
          declare g: growable f64 rank 1
          for k in 0:2 { call h(w, u, s, g, n) }
          declare r: ref f64 rank 1
          popref r = g
          popref r = g
          s[] = s[] * r[1]
        }
        func h(w: f64[n] inout, u: f64[n], s: f64[] inout, g: growable f64 rank 1, n: i64) {
          declare r: ref f64 rank 1
          if u[0] > 10.0 { rebind r = u } else { rebind r = w }
          for i in 0:n { r[i] = r[i] * u[i] }
          alloc mine: f64[n]
          for i in 0:n any { mine[i] = r[i] * u[0] }
          pushref g: mine
          s[] += r[0] * r[1]
        }""".replace("u: f64[n], s", "u: f64[n] inout, s").replace("func f(u: f64[n], n", "func f(u: f64[n] inout, n"),
        {"u": U, "n": 4},
    ),
    "select": (
        """entry f
        func f(u: f64[n], n: i64) -> (y) {
          alloc y: f64[n]
          for i in 0:n any {
            let a = u[i]
            y[i] = select(a > 0.5, a * a, select(a < 0.0, -a, sin(a))) * max(a, 0.2) + min(a * a, 1.0)
          }
        }""",
        {"u": U, "n": 4},
    ),
    "complex": (
        """entry f
        func f(z: c128[n], w: c128, x: f64, n: i64) -> (y, r) {
          alloc y: c128[n]
          alloc r: f64[] zero
          for i in 0:n {
            let a = z[i] * w + c128(x)
            let b = exp(a) / (w + z[i]) - conj(a)
            y[i] = sqrt(b) * complex(real(a), imag(b) * x) + log(a)
            r[] += abs(b) * angle(a) + real(y[i]) * imag(a) + f64(b)
            r[] = r[] * cos(x)
          }
        }""",
        {"z": np.array([0.7 + 0.2j, -1.2 + 1j, 0.4 - 0.3j]), "w": 0.8 - 0.5j, "x": 0.6, "n": 3},
    ),
    "mixed precision": (
        """entry f
        func f(u: f64[n], k: i64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          for i in 0:n any {
            let a = f64(k[i]) * u[i]
            let j = i64(u[i])
            s[] += a * a + f64(j) * floor(u[i]) * u[i]
          }
        }""",
        {"u": U, "k": np.array([1, 2, 3, 4]), "n": 4},
    ),
    "inactive work": (
        """entry f
        func f(u: f64[n], c: f64[n], n: i64) -> (s, q) {
          alloc s: f64[] zero
          alloc q: f64[n]
          alloc t: f64[] zero
          for i in 0:n { t[] = t[] * 0.5 + c[i] }
          for i in 0:n any { q[i] = c[i] * t[] }
          for i in 0:n any {
            s[] += u[i] * q[i]
            let unused = sin(u[i])
          }
        }""",
        {"u": U, "c": V, "n": 4},
    ),
    "failures": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          for i in 0:n {
            if u[i] > 5.0 { fail ValueError('too large: {}', u[i]) }
            s[] = s[] * u[i] + u[i]
          }
        }""",
        {"u": U, "n": 4},
    ),
    "deep nest in while": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc s: f64[]
          s[] = 0.2
          alloc x: f64[n]
          for i in 0:n any { x[i] = u[i] }
          for t in 0: while s[] < 3.0 {
            for i in 0:n any {
              for j in 0:3 {
                if x[i] > 0.0 { x[i] = x[i] * 1.1 + u[j] * 0.1 } else { x[i] = sin(x[i]) * u[i] }
              }
              for j in 0:i any { s[] += 0.05 * x[i] * x[i] * u[j] * u[j] }
            }
            s[] = s[] * s[] + s[] + 0.1
          }
        }""",
        {"u": np.abs(U), "n": 4},
    ),
    "store then accumulate in one iteration": (
        """entry f
        func f(u: f64[n], n: i64) -> (y) {
          alloc y: f64[n]
          for i in 0:n any {
            y[i] = u[i]
            y[i] += u[i] * u[i]
            y[i] = y[i] * u[i]
            for j in 0:2 { y[i] += u[j] * u[i] }
          }
        }""",
        {"u": U, "n": 4},
    ),
    "checked integers in subscripts": (
        """entry f
        func f(u: f64[n], n: i64) -> (s) {
          alloc s: f64[] zero
          for i in 0:n {
            let k = subc(mulc(i, 3), mulc(n, floordiv(mulc(i, 3), n)))
            let c = s[]
            s[] = c * u[k] + u[i]
          }
        }""",
        {"u": U, "n": 4},
    ),
}
