"""The default planner: the cheapest schedule, a minimum cut.

Every node v becomes two vertices. The arc source -> v_in carries the cost of having v again, v_in -> v_out that of
storing it, and operand_out -> v_in is uncuttable; the demands are tied to the sink. A cut that has v_in on the sink's
side pays for having v again, and then its operands' outs are on that side too; one that separates v_in from v_out
stores v. So cuts are schedules, with the same cost (max-flow min-cut; the partition of a joint graph into a forward
and a backward one by a cut is from Chen et al., arXiv:1604.06174, and functorch's min-cut partitioner; the cost of
recomputation and the nodes for arrays are ours).
"""

from __future__ import annotations

from math import isinf

from wengert.ad.reverse.planners.flow import source_side
from wengert.ad.reverse.problem import Problem, Schedule

TOTAL = 2**30
"""What all finite capacities add up to, about."""
UNCUTTABLE = 2**31 - 1


def minimum_cut(problem: Problem) -> Schedule:
    """The schedule of least cost (to the resolution of the integers that capacities are rounded to)."""
    names = _relevant(problem)
    if all(problem.nodes[n].kept for n in names):
        return dict.fromkeys(names, "again")
    index = {name: k for k, name in enumerate(names)}
    source, sink = 2 * len(names), 2 * len(names) + 1
    costs = [c for n in names for c in (problem.nodes[n].store, problem.nodes[n].again) if not isinf(c)]
    scale = TOTAL / max(sum(costs) + len(costs), 1.0)
    scale = min(scale, 1e6)

    def capacity(cost: float) -> int:
        return UNCUTTABLE if isinf(cost) else max(int(cost * scale), 1 if cost else 0)

    arcs: list[tuple[int, int, int]] = []
    for name in names:
        node, k = problem.nodes[name], 2 * index[name]
        arcs.append((k, k + 1, capacity(node.store)))
        if node.again:
            arcs.append((source, k, capacity(node.again)))
        arcs += [(2 * index[n] + 1, k, UNCUTTABLE) for n in node.needs]
        arcs += [(2 * index[n], k, UNCUTTABLE) for n in node.together]
    arcs += [(2 * index[n] + 1, sink, UNCUTTABLE) for n in problem.demands]
    ours = source_side(sink + 1, (arc for arc in arcs if arc[2]), source, sink)
    schedule: Schedule = {}
    todo = list(problem.demands)
    while todo:
        name = todo.pop()
        if name in schedule:
            continue
        if 2 * index[name] in ours:
            schedule[name] = "stored"
        else:
            schedule[name] = "again"
            todo += [*problem.nodes[name].needs, *problem.nodes[name].together]
    return schedule


def _relevant(problem: Problem) -> list[str]:
    """What may be needed at all."""
    found: dict[str, None] = {}
    todo = sorted(problem.demands)
    while todo:
        name = todo.pop()
        if name not in found:
            found[name] = None
            node = problem.nodes[name]
            if not isinf(node.again):
                todo += [*node.needs, *node.together]
    return list(found)
