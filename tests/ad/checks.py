"""The check of derivative tests on IR: both modes against differences and each other, and again on the derivatives.

`check(text, args)` parses a module, and for the inexact parameters (or `wrt`):

1. runs `jvp` along a random direction and compares with central differences of order eight;
2. runs `vjp` with random seeds and compares <seed, J d> with <J* seed, d>, under three orders of `any` loops;
3. if `depth` > 0, does the same to the modules that `jvp` and `vjp` gave (forward over forward ...).

All modules are verified, and must leave the primal results as they were.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from wengert.ad.forward import jvp
from wengert.ad.reverse import vjp
from wengert.ad.reverse.pins import NO_PINS, Pins
from wengert.ad.reverse.planners import minimum_cut
from wengert.ad.reverse.problem import Planner
from wengert.ad.reverse.record import Record
from wengert.ir.interpret import run
from wengert.ir.nodes import Block, Buffer, Expr, Function, Growable, Loop, Module, Scalar
from wengert.ir.text import parse
from wengert.ir.verify import verify
from wengert.ir.walk import defined, rebuild, rename_expr, storages

Args = dict[str, Any]
WEIGHTS = ((1, 4 / 5), (2, -1 / 5), (3, 4 / 105), (4, -1 / 280))


def run_with(module: Module, args: Mapping[str, Any], any_order: Any = "forward") -> tuple[list[np.ndarray], Args]:
    """The results (copied), and the arguments afterwards."""
    mine = copy.deepcopy(dict(args))
    results = run(module, [mine[p.name] for p in module.root.params], any_order)
    return [np.array(r) for r in results], mine


def active_params(module: Module) -> list[str]:
    return [p.name for p in module.root.params if p.dtype.is_inexact and not isinstance(p, Growable)]


def outputs(module: Module, wrt: Sequence[str]) -> list[str]:
    """Inexact results and inout parameters of wrt, each once."""
    root = module.root
    found = storages(root)
    names = [r for r in root.results if found[r].dtype.is_inexact]
    names += [p.name for p in root.params if isinstance(p, Buffer) and p.intent == "inout" and p.name in wrt]
    return list(dict.fromkeys(names))


def values(module: Module, results: Sequence[Any], after: Args, names: Sequence[str]) -> list[np.ndarray]:
    root = module.root
    return [np.array(results[root.results.index(n)] if n in root.results else after[n]) for n in names]


def random_like(rng: np.random.Generator, value: Any) -> Any:
    a = np.asarray(value)
    d = rng.standard_normal(a.shape)
    if a.dtype.kind == "c":
        d = d + 1j * rng.standard_normal(a.shape)
    return np.asarray(d, a.dtype)


def inner(xs: Sequence[Any], ys: Sequence[Any]) -> float:
    return float(sum(np.real(np.vdot(x, y)) for x, y in zip(xs, ys, strict=True)))


def differences(module: Module, args: Args, wrt: Sequence[str], direction: Args, of: Sequence[str], h: float) -> Any:
    def at(t: float) -> list[np.ndarray]:
        moved = dict(args)
        for x in wrt:
            moved[x] = np.asarray(args[x] + t * direction[x], np.asarray(args[x]).dtype)
        return values(module, *run_with(module, moved), of)

    total = [np.zeros_like(v) for v in at(0.0)]
    for k, w in WEIGHTS:
        total = [a + w * (p - m) for a, p, m in zip(total, at(k * h), at(-k * h), strict=True)]
    return [a / h for a in total]


def jvp_of(module: Module, args: Args, wrt: Sequence[str]) -> tuple[Module, Any]:
    """The jvp module and a function direction -> (its arguments, primal results, tangents of the outputs)."""
    d = jvp(module, module.entry, wrt)
    verify(d)
    root, primal = d.root, module.root
    extra = root.params[len(primal.params) :]
    of = outputs(module, wrt)

    def apply(direction: Args, any_order: Any = "forward") -> tuple[Args, list[np.ndarray], list[np.ndarray]]:
        mine = {**args, **{p.name: direction[x] for p, x in zip(extra, wrt, strict=True)}}
        results, after = run_with(d, mine, any_order)
        n = len(primal.results)
        dots = [
            results[n + primal.results.index(r)] if r in primal.results else after[extra[wrt.index(r)].name] for r in of
        ]
        return mine, results[:n], dots

    return d, apply


def vjp_of(
    module: Module,
    args: Args,
    wrt: Sequence[str],
    of: Sequence[str],
    planner: Planner = minimum_cut,
    pins: Pins = NO_PINS,
    record: Record | None = None,
) -> tuple[Module, Any]:
    """The vjp module and a function seeds -> (its arguments, primal results, gradients)."""
    d = vjp(module, module.entry, wrt, of, record, planner, pins=pins)
    verify(d)
    root, primal = d.root, module.root
    extra = list(root.params[len(primal.params) :])

    def apply(seeds: Sequence[Any], any_order: Any = "forward") -> tuple[Args, list[np.ndarray], list[np.ndarray]]:
        mine, rest = dict(args), list(extra)
        for s in seeds:
            sizes = list(np.shape(s))
            while isinstance(rest[0], Scalar):
                mine[rest.pop(0).name] = sizes.pop(0)
            mine[rest.pop(0).name] = s
        results, _ = run_with(d, mine, any_order)
        n = len(primal.results)
        return mine, results[:n], results[n : n + len(wrt)]

    return d, apply


def check(
    text: str | Module,
    args: Args,
    wrt: Sequence[str] | None = None,
    depth: int = 1,
    seed: int = 0,
    rtol: float = 1e-7,
    h: float = 3e-3,
    fd: bool = True,
    tolerance: float = 1e-9,
    orders: Sequence[Any] = ("forward", "reverse", "random"),
) -> None:
    module = unique(parse(text)) if isinstance(text, str) else text
    verify(module)
    rng = np.random.default_rng(seed)
    wrt = active_params(module) if wrt is None else list(wrt)
    of = outputs(module, wrt)
    assert wrt and of
    base, _ = run_with(module, args)
    direction = {x: random_like(rng, args[x]) for x in wrt}

    forward, apply = jvp_of(module, args, wrt)
    forward_args, results, dots = apply(direction)
    for a, r in zip(base, results, strict=True):
        np.testing.assert_array_equal(a, r)
    scale = max([1.0, *(float(np.max(np.abs(d), initial=0)) for d in dots)])
    if fd:
        expected = differences(module, args, wrt, direction, of, h)
        for name, d, e in zip(of, dots, expected, strict=True):
            np.testing.assert_allclose(d, e, rtol=rtol, atol=rtol * scale, err_msg=f"tangent of {name}")

    backward, pull = vjp_of(module, args, wrt, of)
    seeds = [random_like(rng, d) for d in dots]
    left = inner(seeds, dots)
    size = max(1e-300, sum(float(np.sum(np.abs(s) * np.abs(d))) for s, d in zip(seeds, dots, strict=True)))
    for order in orders:
        backward_args, results, gradients = pull(seeds, order)
        if order == "forward":
            for a, r in zip(base, results, strict=True):
                np.testing.assert_array_equal(a, r)
        right = inner(gradients, [direction[x] for x in wrt])
        more = sum(float(np.sum(np.abs(g) * np.abs(direction[x]))) for g, x in zip(gradients, wrt, strict=True))
        assert abs(left - right) <= tolerance * max(size, more), f"<s, J d> = {left!r}, <J* s, d> = {right!r} ({order})"

    if depth > 0:
        options: Any = {"depth": depth - 1, "seed": seed + 1, "rtol": max(rtol, 1e-6), "h": h}
        options |= {"fd": fd, "orders": orders, "tolerance": tolerance}
        check(forward, forward_args, **options)
        check(backward, backward_args, **options)


def unique(module: Module) -> Module:
    """`module` with names made unique within each function (the programs of the tests reuse loop variables)."""
    return Module({name: _unique(f) for name, f in module.functions.items()}, module.entry)


def _unique(f: Function) -> Function:
    taken = {p.name for p in f.params}

    def rename(e: Expr, names: dict[str, str]) -> Expr:
        return rename_expr(e, names)

    def block(stmts: Block, names: dict[str, str]) -> Block:
        names, done = dict(names), []
        for s in stmts:
            inner = names
            if (new := defined(s)) is not None:
                fresh, k = new, 0
                while fresh in taken:
                    k += 1
                    fresh = f"{new}{k}"
                taken.add(fresh)
                inner = {**names, new: fresh}
                if not isinstance(s, Loop):
                    names[new] = fresh
            mine = names if not isinstance(s, Loop) else inner
            done.append(
                rebuild(
                    s,
                    expr=lambda e, mine=mine: rename(e, mine),
                    name=lambda n, mine=mine: mine.get(n, n),
                    block=lambda b, mine=mine: block(b, mine),
                )
            )
        return tuple(done)

    return Function(f.name, f.params, block(f.body, {}), f.results, f.span)
