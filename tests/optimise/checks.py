"""What passes over a module must keep: its meaning, whatever the order of `any` loops, and the rules of the IR."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ad.checks import Args, active_params, jvp_of, outputs, random_like, run_with, values, vjp_of
from wengert.ir.nodes import Function, Module
from wengert.ir.text import parse, show
from wengert.ir.verify import verify
from wengert.ir.walk import defined, rename_block, statements
from wengert.pipeline import LAST, Pass

ORDERS = ("forward", "reverse", "random")
ALONE: tuple[tuple[Pass, ...], ...] = tuple((p,) for p in LAST)
SELECTIONS: tuple[tuple[Pass, ...], ...] = (LAST, *ALONE, *itertools.combinations(LAST, len(LAST) - 1))
"""All passes, each alone, all but one."""

Outcome = tuple[list[np.ndarray], Args] | tuple[type[Exception], str]


def outcome(module: Module, args: Mapping[str, Any], order: str = "forward") -> Outcome:
    """The results and the arguments afterwards, or the error."""
    try:
        return run_with(module, args, order)
    except (ArithmeticError, ValueError, LookupError) as error:
        return type(error), str(error)


def transformed(module: Module, passes: Iterable[Pass]) -> Module:
    """The module after some passes, verified after each."""
    for run in passes:
        module = run(module)
        verify(module)
    return module


def is_exact(passes: Sequence[Pass]) -> bool:
    """Whether the passes keep results to the last bit (but for the sign of zeros): whether no sum is reordered."""
    reordering = {
        "expand",
        "factor_sums",
        "fuse",
        "gather",
        "interchange",
        "independent",
        "mirror",
        "place_products",
        "raise_contractions",
        "selections",
        "share_factors",
        "skip",
        "split",
        "strips",
    }
    return not {p.__name__ for p in passes} & reordering


def agree(found: Outcome, wanted: Outcome, exact: bool) -> None:
    if isinstance(found[0], type) or isinstance(wanted[0], type):
        assert found == wanted
        return
    pairs = list(zip(found[0], wanted[0], strict=True))
    pairs += [(found[1][name], value) for name, value in wanted[1].items()]  # type: ignore[index, union-attr]
    for a, b in pairs:
        if exact or np.asarray(b).dtype.kind not in "fc":
            np.testing.assert_array_equal(a, b)
        else:
            scale = float(np.max(np.abs(b), initial=0.0, where=np.isfinite(b)))
            eps = float(np.finfo(np.asarray(b).dtype).eps)
            np.testing.assert_allclose(a, b, rtol=1e5 * eps, atol=1e5 * eps * max(1.0, scale))


def keep_meaning(module: Module, args: Args, selections: Iterable[Sequence[Pass]] = SELECTIONS) -> None:
    """Every selection of passes keeps what the module computes: exactly in order, to rounding in other orders."""
    wanted = outcome(module, args)
    seen: list[Module] = []
    for passes in selections:
        made = transformed(module, passes)
        if made == module or any(made == s for s in seen):
            continue
        seen.append(made)
        for order in ORDERS:
            agree(outcome(made, args, order), wanted, is_exact(passes) and order == "forward")


def derivatives(module: Module, args: Args) -> list[tuple[Module, Args]]:
    """The module's jvp and vjp with random directions and seeds."""
    wrt = active_params(module)
    of = outputs(module, wrt)
    rng = np.random.default_rng(0)
    direction = {x: random_like(rng, args[x]) for x in wrt}
    seeds = [random_like(rng, v) for v in values(module, *run_with(module, args), of)]
    forward, push = jvp_of(module, args, wrt)
    backward, pull = vjp_of(module, args, wrt, of)
    return [(forward, push(direction)[0]), (backward, pull(seeds)[0])]


def normal(module: Module) -> str:
    """The text of a module with local names numbered in the order of their definitions."""
    return show(Module({n: _numbered(f) for n, f in module.functions.items()}, module.entry))


def _numbered(f: Function) -> Function:
    order = [name for s in statements(f.body) if (name := defined(s)) is not None]
    names = {name: f"x{k}" for k, name in enumerate(order)}
    results = tuple(names.get(r, r) for r in f.results)
    return Function(f.name, f.params, rename_block(f.body, names), results)


HEAD = "entry f\nfunc f(u: f64[n] inout, v: f64[n] inout, a: f64[n, m] inout, k: i64[n] inout, x: f64, n: i64, m: i64)"


def program(body: str, results: str = "") -> Module:
    """A module of one function with arrays u, v (n), a (n, m) and k (integers, n), a number x, sizes n and m."""
    module = parse(f"{HEAD} -> ({results}) {{\n{body}\n}}")
    verify(module)
    return module


def sizes() -> Args:
    rng = np.random.default_rng(7)
    u, v, a = rng.standard_normal(4), rng.standard_normal(4), rng.standard_normal((4, 3))
    return {"u": u, "v": v, "a": a, "k": np.array([2, 3, 1, 2]), "x": 0.3, "n": 4, "m": 3}


def becomes(run: Pass, before: str, after: str, results: str = "") -> None:
    """The pass makes one program of another, but for names, and keeps its meaning."""
    module = program(before, results)
    made = transformed(module, [run])
    assert normal(made) == normal(program(after, results)), show(made)
    keep_meaning(module, sizes())


def stays(run: Pass, body: str, results: str = "") -> None:
    """The pass leaves a program as it is."""
    module = program(body, results)
    made = transformed(module, [run])
    assert normal(made) == normal(module), show(made)
    keep_meaning(module, sizes())
