"""Store whatever the program's memory does not keep."""

from __future__ import annotations

from math import isinf

from wengert.ad.reverse.problem import Problem, Schedule


def store_all(problem: Problem) -> Schedule:
    """Every demand is stored, unless memory keeps it or it cannot be stored."""
    schedule: Schedule = {}
    todo = sorted(problem.demands)
    while todo:
        name = todo.pop()
        node = problem.nodes[name]
        if schedule.get(name) == "again" or (name in schedule and not isinf(node.store)):
            continue
        again = not isinf(node.again) and (isinf(node.store) or (node.kept and not node.together))
        schedule[name] = "again" if again else "stored"
        if again:
            todo += [*node.needs, *node.together]
    return schedule
