"""Store whatever the program's memory does not keep."""

from __future__ import annotations

from math import isinf

from wengert.ad.reverse.problem import Problem, Schedule


def store_all(problem: Problem) -> Schedule:
    """Every demand is stored, unless memory keeps it, or it cannot be stored, or has to be had again with another."""
    schedule: Schedule = {}
    todo = [(name, False) for name in sorted(problem.demands)]
    while todo:
        name, forced = todo.pop()
        node = problem.nodes[name]
        if schedule.get(name) == "again" or (name in schedule and not forced):
            continue
        again = forced or isinf(node.store) or (node.kept and not node.together)
        schedule[name] = "again" if again else "stored"
        if again:
            todo += [(n, False) for n in sorted(node.needs)] + [(n, True) for n in sorted(node.together)]
    return schedule
