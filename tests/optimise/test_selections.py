"""Which lists of places are not made, and which must be."""

from __future__ import annotations

import pytest

from optimise.checks import becomes, stays
from wengert.optimise.selections import selections

COUNT = """alloc c: i64[]
c[] = 0
for i0 in 0:n any { c[] += i64(u[i0] > x) }
let t = c[]
alloc index: i64[t]
alloc place: i64[]
place[] = 0"""
LIST = f"""{COUNT}
for i in 0:n {{
  if u[i] > x {{
    let p = place[]
    index[p] = i
    place[] = p + 1
  }}
}}"""

UNMADE = {
    "a sum": (
        f"""{LIST}
        alloc s: f64[] zero
        for k0 in 0:t any {{ s[] += v[index[k0]] }}
        v[0] = s[] / f64(t)""",
        """alloc c: i64[]
        c[] = 0
        alloc s: f64[] zero
        for i0 in 0:n any {
          c[] += i64(u[i0] > x)
          if u[i0] > x { s[] += v[i0] }
        }
        let t = c[]
        v[0] = s[] / f64(t)""",
    ),
    "in sequence, and in a loop inside": (
        f"""{LIST}
        for k0 in 0:t {{
          for j in 0:m {{ a[index[k0], j] = a[0, j] + v[j] }}
          v[index[k0]] = x
        }}""",
        """for i in 0:n {
          if u[i] > x {
            for j in 0:m { a[i, j] = a[0, j] + v[j] }
            v[i] = x
          }
        }""",
    ),
    "two axes": (
        """alloc c: i64[]
        c[] = 0
        for i0 in 0:n any { for j0 in 0:m any { c[] += i64(a[i0, j0] > x) } }
        let t = c[]
        alloc rows: i64[t]
        alloc columns: i64[t]
        alloc place: i64[]
        place[] = 0
        for i in 0:n {
          for j in 0:m {
            if a[i, j] > x {
              let p = place[]
              rows[p] = i
              columns[p] = j
              place[] = p + 1
            }
          }
        }
        for k0 in 0:t any {
          let row = rows[k0]
          u[row] += v[columns[k0]]
        }""",
        """for i in 0:n any {
          for j in 0:m any {
            if a[i, j] > x { u[i] += v[j] }
          }
        }""",
    ),
}


@pytest.mark.parametrize("name", UNMADE)
def test_unmade(name: str) -> None:
    becomes(selections, *UNMADE[name])


MADE = {
    "read twice": f"{LIST}\nfor k0 in 0:t any {{ v[index[k0]] = x }}\nfor k1 in 0:t {{ u[index[k1]] = x }}",
    "the place in the list is used": f"{LIST}\nfor k0 in 0:t any {{ v[index[k0]] = u[k0] }}",
    "read at another place": f"{LIST}\nfor k0 in 0:t - 1 any {{ v[index[k0]] = f64(index[k0 + 1]) }}",
    "an extent that changes": f"""{LIST.replace("i64[t]", "i64[c[]]")}
        c[] = min(t, 1)
        for k0 in 0:c[] any {{ v[index[k0]] = x }}""",
    "not all of it": f"{LIST}\nfor k0 in 0:min(t, 1) any {{ v[index[k0]] = x }}",
    "not surely all of it": f"""{LIST}
        for k0 in 0:t any {{ if v[k0] > x {{ a[index[k0], 0] = x }} }}""",
    "what the condition reads is written in between": f"{LIST}\nu[0] = x\nfor k0 in 0:t any {{ v[index[k0]] = x }}",
    "what the condition reads is written by the visit": f"""{LIST}
        for k0 in 0:t {{ u[n - 1 - index[k0]] = x }}""",
    "dear in lanes": f"{LIST}\nfor k0 in 0:t any {{ v[index[k0]] = sin(v[index[k0]]) }}",
    "counted from one": f"{LIST.replace('place[] = 0', 'place[] = 1').replace('i64[t]', 'i64[t + 1]')}"
    "\nfor k0 in 1:t + 1 any { v[index[k0]] = x }",
    "zero where nothing was listed": f"""{LIST.replace("i64[t]", "i64[n] zero")}
        for k0 in 0:n {{ v[index[k0]] = x }}""",
    "also listed otherwise": f"{LIST.replace('let t = c[]', 'let t = c[] + 1')}"
    "\nindex[t - 1] = 0\nfor k0 in 0:t any { a[index[k0], 0] += x }",
}


@pytest.mark.parametrize("name", MADE)
def test_made(name: str) -> None:
    stays(selections, MADE[name])
