"""Alias classes, what functions write, and what is active."""

from __future__ import annotations

from wengert.analysis.activity import Flow
from wengert.analysis.alias import analyse
from wengert.ir.text import parse
from wengert.optimise.flatten import flatten

CALLS = """entry f
func f(x: f64[n] inout, y: f64[n] inout, z: f64[n] inout, n: i64) {
  view v: f64[n] = x[0] along (0: 1)
  call g(v, x, z, n)
  call h(y, z[0], n)
}
func g(a: f64[n] strided inout, b: f64[n], c: f64[n] inout, n: i64) {
  a[0] = b[1]
  call h(c, 2.0, n)
}
func h(r: f64[n] inout, s: f64, n: i64) {
  if n > 3 { call h(r, s * 2.0, n - 1) }
  r[0] = s
}"""


def test_views_and_overlapping_arguments() -> None:
    analysis = analyse(parse(CALLS))
    f, g = analysis.aliases["f"], analysis.aliases["g"]
    assert f.may_overlap("v", "x")
    assert not f.may_overlap("x", "y")
    assert g.may_overlap("a", "b")
    assert not g.may_overlap("a", "c")


def test_written_parameters() -> None:
    written = analyse(parse(CALLS)).written
    assert written["h"] == {0}
    assert written["g"] == {0, 1, 2}  # b may be a
    assert written["f"] == {0, 1, 2}


def test_refs_connect_all_they_name_through_calls() -> None:
    module = parse("""entry f
    func f(x: f64[n] inout, y: f64[n] inout, z: f64[n] inout, n: i64) {
      declare s: growable f64 rank 1
      pushref s: x
      call g(y, s, n)
      z[0] = 1.0
    }
    func g(a: f64[n] inout, t: growable f64 rank 1, n: i64) {
      pushref t: a
    }""")
    aliases = analyse(module).aliases["f"]
    assert aliases.may_overlap("x", "y")
    assert not aliases.may_overlap("x", "z")
    assert aliases.is_rebindable("y")
    assert not aliases.is_rebindable("z")


def test_activity_is_what_lies_between() -> None:
    flow = Flow(
        flatten(
            parse("""entry f
    func f(x: f64[n], c: f64[n], n: i64) -> (s, q) {
      alloc s: f64[] zero
      alloc q: f64[n]
      alloc w: f64[n]
      alloc k: i64[n]
      for i in 0:n any {
        let a = x[i]
        let b = c[i]
        w[i] = a * b
        q[i] = b
        k[i] = i64(a)
        let d = f64(k[i])
        s[] += w[i] * d
      }
    }""")
        )
    )
    active = flow.activity("f", ["x"], ["s"])
    assert active.storages == {"x", "w", "s"}
    assert {"a"} <= active.values
    assert not {"b", "d"} & active.values
    assert flow.activity("f", ["c"], ["q"]).storages == {"c", "q"}
    assert not flow.activity("f", ["x"], ["q"]).storages


def test_activity_through_recursion() -> None:
    flow = Flow(flatten(parse(CALLS)))
    assert flow.activity("f", ["z"], ["y"]).storages == {"z", "y"}
    assert not flow.activity("f", ["y"], ["x"]).storages
    assert flow.through["h"] == {"r": set(), "s": {"r"}, "n": set()}
