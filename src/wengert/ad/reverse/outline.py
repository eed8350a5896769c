"""Bodies of loops as functions, so that an iteration can run again in the reverse sweep: a checkpoint per iteration.

The iterations of a loop may store more than the state that each of them starts from: loops inside it have states of
their own. As calls (see `call`), they can be reversed jointly, which stores what each iteration reads of what earlier
ones wrote. As a call is opaque to what else is proved about the loop, that is planned as a whole, and the cheaper plan
is taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from math import prod

from wengert.ad.reverse.plan import Plan
from wengert.ad.reverse.regions import Prepared, Region
from wengert.analysis.activity import Flow
from wengert.analysis.alias import AliasAnalysis, analyse
from wengert.analysis.cost.counts import Counts
from wengert.analysis.cost.nominal import STORED
from wengert.analysis.entry import EntryReads
from wengert.ir.nodes import Block, Buffer, Call, Expr, Function, Loop, Module, Param, Scalar, Stmt, Var
from wengert.ir.types import DType
from wengert.ir.walk import (
    expressions,
    free_names,
    map_statements,
    names_in,
    statements,
    storages,
    subexpressions,
    unused,
    writes,
)

WORTH = 0.75
"""What the states may cost at most, as a part of what the loop stores, for a plan with them to be made."""


def outlinings(p: Prepared, plan: Plan, flow: Flow) -> Iterator[Module]:
    """The modules with one loop's body as a function for which a plan may be cheaper, outer loops first."""
    function = flow.module.functions[p.function.name]
    counts = Counts(function)
    for region, stored in _storing(p, plan):
        loops = [r.loop for r in region.loops() if r.loop is not None]
        made = outline(flow.module, flow.aliases, function, loops)
        if made is None:
            continue
        module, body = made
        trips = prod(map(counts.trips, loops))
        if _state(module, body, counts) * trips <= WORTH * stored:
            yield module


def _storing(p: Prepared, plan: Plan) -> Iterator[tuple[Region, float]]:
    """The bodies of loops that run in sequence, in nothing but such loops, and what is stored in each."""
    regions = {name: d.region for name, d in p.definitions.items()} | {n: s.region for n, s in p.snapshots.items()}
    regions |= {n: site.region for n, site in p.calls.items()} | p.home
    total: dict[Region, float] = {}
    for name, cost in plan.stored.items():
        for region in regions[name].loops():
            if region.loop is None or region.loop.order == "any":
                break
            total[region] = total.get(region, 0.0) + cost
    yield from ((region, total[region]) for region in p.root.tree() if region in total)


def _state(module: Module, body: Function, counts: Counts) -> float:
    """What storing the state costs that an iteration starts from: what it reads of what iterations write."""
    read = EntryReads(module, analyse(module)).of(body.name)
    return sum(
        counts.size(p) * STORED
        for k, p in enumerate(body.params)
        if isinstance(p, Buffer) and p.intent == "inout" and k in read
    )


def outline(
    module: Module, aliases: AliasAnalysis, f: Function, loops: Sequence[Loop]
) -> tuple[Module, Function] | None:
    """The module with the body of the last of these loops of a function, which lie in each other, as a function, and
    that; None if it works on refs, growables or overlapping storages from outside. The loops run in sequence from then
    on, as they were found to have to: the call does not show why."""
    loop, around = loops[-1], {x.var for x in loops}
    body = next(s.body for s in statements(f.body) if isinstance(s, Loop) and s.var == loop.var)
    found, known = storages(f), aliases.aliases[f.name]
    free = free_names(body)
    mine = [found[n] for n in sorted(free & found.keys())]
    classes = [known.of(s.name) for s in mine]
    if len(set(classes)) < len(classes) or any(known.is_rebindable(s.name) for s in mine):
        return None
    written = {known.of(n) for s in statements(body) for n in writes(s, module)}
    buffers: list[Param] = []
    for s in mine:
        if not isinstance(s, Buffer):
            return None
        intent = "inout" if known.of(s.name) in written else "in"
        buffers.append(Buffer(s.name, s.dtype, s.shape, s.strided, intent))
    shapes = [e for s in mine if isinstance(s, Buffer) for e in s.shape]
    types = _types(body, shapes)
    scalars = sorted((free - found.keys()) | {n for e in shapes for n in names_in(e)})
    params: list[Param] = [Scalar(n, types[n]) for n in scalars]
    made = Function(unused(f"{f.name}_{loop.var}", module.functions), (*params, *buffers), body, (), loop.span)
    call = Call(made.name, (*(Var(n, types[n]) for n in scalars), *(b.name for b in buffers)), loop.span)

    def visit(stmt: Stmt) -> Block:
        if not isinstance(stmt, Loop) or stmt.var not in around:
            return (stmt,)
        return (replace(stmt, order="sequential", body=(call,) if stmt.var == loop.var else stmt.body),)

    calling = replace(f, body=map_statements(f.body, visit))
    return Module({**module.functions, f.name: calling, made.name: made}, module.entry), made


def _types(body: Block, shapes: Iterable[Expr]) -> dict[str, DType]:
    """The dtypes of the scalars that a block, or extents, name."""
    exprs = (*shapes, *(e for s in statements(body) for e in expressions(s)))
    return {x.name: x.dtype for e in exprs for x in subexpressions(e) if isinstance(x, Var)}
