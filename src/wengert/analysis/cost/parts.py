"""What the cost model says of statements, and what it asks of their shape."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wengert.analysis.cost.machine import Machine
from wengert.analysis.cost.regions import Bytes, Parts, Region, Regions, Traffic, footprint, sizes, union
from wengert.analysis.cost.scope import Scope
from wengert.ir.nodes import Accumulate, Block, Call, Let, LibCall, Loop, Pop, Push, Stmt, Store
from wengert.ir.walk import blocks, definitions, expressions, loads, names_in, statements


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one run: `seconds`, of which the processor alone would need `core`; what must come from beyond each cache;
    which parts of arrays are touched; bytes allocated at the most at a time; operations as the backend counts them;
    what the statements in it touch and move, one by one."""

    seconds: float
    core: float
    traffic: Traffic
    regions: Regions
    peak: float = 0.0
    work: float = 0.0
    parts: Parts = ()

    @property
    def touched(self) -> float:
        """Bytes."""
        return footprint(self.regions).total


@dataclass(slots=True)
class Spent:
    seconds: float = 0.0
    times: float = 0.0


def has_inner(s: Stmt) -> bool:
    return any(isinstance(x, (Loop, Call, LibCall)) for inner in blocks(s) for x in statements(inner))


def is_innermost(loop: Loop) -> bool:
    return not has_inner(loop)


def sums(loop: Loop) -> bool:
    """Whether a vector loop adds to an element that is the same in all turns."""
    moving = definitions(loop.body) | {loop.var}
    return any(isinstance(s, Accumulate) and not any(names_in(e) & moving for e in s.index) for s in loop.body)


def shapes_inner(loop: Loop) -> bool:
    """Whether what a turn does depends on the loop's variable: bounds inside, or conditions."""
    moving = {loop.var}
    for s in statements(loop.body):
        match s:
            case Let(name, value) if value.dtype.is_integer and names_in(value) & moving:
                moving.add(name)
            case Loop(start=start, stop=stop):
                if names_in(start) & moving or (stop is not None and names_in(stop) & moving):
                    return True
            case _:
                pass
    return False


def mean(costs: list[Cost]) -> Cost:
    """Of equally likely turns; the regions are those of the one that touches most."""
    if len(costs) == 1:
        return costs[0]
    share = 1.0 / len(costs)
    traffic = costs[0].traffic.times(share)
    for c in costs[1:]:
        traffic = traffic.plus(c.traffic, share)
    most = max(costs, key=lambda c: c.touched)
    return Cost(
        sum(c.seconds for c in costs) * share,
        sum(c.core for c in costs) * share,
        traffic,
        most.regions,
        max(c.peak for c in costs),
        sum(c.work for c in costs) * share,
        most.parts,
    )


def all_beyond(touched: Bytes, machine: Machine) -> Traffic:
    return Traffic(tuple(touched for _ in sizes(machine)))


def touched(block: Block, scope: Scope) -> Regions:
    """What statements without loops inside touch in one run."""
    found: list[Region] = []
    arrays = scope.counts.storages
    for s in statements(block):
        for e in expressions(s):
            found += [scope.region(x.storage, x.index, False) for x in loads(e) if arrays[x.storage].rank]
        match s:
            case Store(storage, index) | Accumulate(storage, index):
                if arrays[storage].rank:
                    found.append(scope.region(storage, index, True))
            case Push(growable=g):
                found.append(replace(scope.whole(g, True), touches=1.0))
            case Pop(growable=g):
                found.append(replace(scope.whole(g, False), touches=1.0))
            case _:
                pass
    return union(found)
