"""Which loops skip blocks of turns, and which must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from optimise.checks import becomes, keep_meaning, program, stays, transformed
from wengert.optimise.skip import skip

BAND = "-x <= u[i] and u[i] < x"

SKIPPED = {
    "a sum in a band, and a count": (
        f"""alloc s: f64[] zero
        alloc c: i64[] zero
        for i in 0:n any {{
          let in_band = {BAND}
          c[] += i64(in_band)
          let w = v[i]
          if in_band {{ s[] += w * u[i] }}
        }}
        v[0] = s[] + f64(c[])""",
        f"""alloc s: f64[] zero
        alloc c: i64[] zero
        for low in 0:n step 64 any {{
          let high = min(low + 64, n)
          alloc hits: i64[] zero
          for i in low:high any {{
            let in_band = {BAND}
            c[] += i64(in_band)
            hits[] += i64(in_band)
          }}
          if hits[] > 0 {{
            for j in low:high any {{
              let again = {BAND.replace("[i]", "[j]")}
              let w = v[j]
              if again {{ s[] += w * u[j] }}
            }}
          }}
        }}
        v[0] = s[] + f64(c[])""",
    ),
    "what the condition reads, too, is written": (
        "for i in 0:n any { if u[i] == x { u[i] = v[i] } }",
        """for low in 0:n step 64 any {
          let high = min(low + 64, n)
          alloc hits: i64[] zero
          for i in low:high any { hits[] += i64(u[i] == x) }
          if hits[] > 0 { for j in low:high any { if u[j] == x { u[j] = v[j] } } }
        }""",
    ),
}


@pytest.mark.parametrize("name", SKIPPED)
def test_skipped(name: str) -> None:
    becomes(skip, *SKIPPED[name])


STAY = {
    "a condition that may often hold": "for i in 0:n any { if u[i] > x { v[i] = u[i] } }",
    "a mask": "alloc w: bool[n] zero\nfor i in 0:n any { if w[i] { v[i] = u[i] } }",
    "a few turns": f"for i in 0:n - n + 4 any {{ if {BAND} {{ v[i] = u[i] }} }}",
    "in sequence": f"for i in 0:n {{ if {BAND} {{ v[i] = u[i] }} }}",
    "something else otherwise": f"for i in 0:n any {{ if {BAND} {{ v[i] = u[i] }} else {{ v[i] = x }} }}",
    "what is done in any case reads what is written": f"""for i in 0:n any {{
          if {BAND} {{ v[i] = x }}
          a[i, 0] = v[i]
        }}""",
    "what is done in any case writes what is read": f"""for i in 0:n any {{
          if {BAND} {{ a[i, 0] = v[i] }}
          v[i] = x
        }}""",
    "what is done in any case is asked for": """for i in 0:n any {
          let y = v[i]
          v[i] = 0.0
          if -x <= y and y < x { a[i, 0] = y }
        }""",
    "names behind it read what it writes": f"""for i in 0:n any {{
          if {BAND} {{ v[i] = x }}
          let y = v[i]
          a[i, 0] = y
        }}""",
    "both add to one element, and read it": f"""for i in 0:n any {{
          v[i] += x
          if {BAND} {{ v[i] += u[i] }}
        }}""",
    "the condition is dear": "for i in 0:n any { if sin(u[i]) == x { v[i] = u[i] } }",
    "the condition asks at a distance that varies": "for i in 0:n any { if u[k[i]] == x { v[i] = x } }",
    "something that may fail": f"for i in 0:n any {{ if {BAND} {{ k[i] = addc(7, k[i]) }} }}",
    "an end that is written": f"for i in 0:k[0] any {{ if {BAND} {{ k[i + 1] = 0 }} }}",
    "nothing to do": f"for i in 0:n any {{ if {BAND} {{ let y = v[i] }} }}",
}


@pytest.mark.parametrize("name", STAY)
def test_stay(name: str) -> None:
    stays(skip, STAY[name])


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 200])
def test_blocks_of_any_number_of_turns(n: int) -> None:
    rng = np.random.default_rng(n)
    text = SKIPPED["a sum in a band, and a count"][0].replace("v[0] = s[] + f64(c[])", "")
    module = program(text, "s, c")
    assert transformed(module, [skip]) != module
    for x in (0.0, 0.01, 3.0, np.nan):
        args: dict[str, Any] = {
            "u": rng.standard_normal(n),
            "v": rng.standard_normal(n),
            "a": np.zeros((n, 1)),
            "k": np.zeros(n, dtype=np.int64),
            "x": x,
            "n": n,
            "m": 1,
        }
        keep_meaning(module, args, ((skip,),))
