"""The storage problem and its schedules: what a planner sees, and what it answers.

A `Problem` is a graph. Each node is something that the reverse sweep may need: a scalar, the final contents of an array
that does not live that long, or a copy of a buffer as it was at some point. A node is either *stored* in the forward
sweep or had *again* in the reverse sweep (computed, or loaded from memory that still holds it), which needs other
nodes. A planner is a pure function `Problem -> Schedule`; `replay` checks a schedule and adds up what it costs.

Costs are in units of a floating-point addition, with nominal trip counts and extents where the sizes are not known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isinf
from typing import Literal, TypeAlias

Answer: TypeAlias = Literal["stored", "again"]
Schedule: TypeAlias = dict[str, Answer]


@dataclass(frozen=True, slots=True)
class Node:
    """`store` and `again` are what the two ways cost (inf: not possible). Having it again requires the nodes `needs` to
    be available, and the nodes `together` to be had again as well: states in between of theirs are read. `kept`: memory
    of the program holds it to the end. `stepwise`: it is had again statement by statement, so that what it needs may
    need it, as it was at another time."""

    name: str
    store: float
    again: float
    needs: frozenset[str] = frozenset()
    together: frozenset[str] = frozenset()
    kept: bool = False
    stepwise: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """The nodes by name (operands first, except in cycles), and those that the reverse sweep asks for."""

    nodes: dict[str, Node]
    demands: frozenset[str]


Planner: TypeAlias = Callable[[Problem], Schedule]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a schedule costs: storing and computing again."""

    stored: float
    again: float

    @property
    def total(self) -> float:
        return self.stored + self.again


DEAR = 256.0
"""How much more storing costs where tapes should be small."""


def with_dear_tapes(problem: Problem) -> Problem:
    """The problem for a planner that should store little, at the price of time."""
    nodes = {name: replace(node, store=DEAR * node.store) for name, node in problem.nodes.items()}
    return Problem(nodes, problem.demands)


class PlanError(AssertionError):
    """A schedule does not answer its problem: a fault of the planner."""


def replay(problem: Problem, schedule: Schedule) -> Cost:
    """Follow a schedule from the demands down; raises PlanError unless everything needed is answered by a way that is
    possible."""
    todo = list(problem.demands)
    done: set[str] = set()
    stored = again = 0.0
    while todo:
        name = todo.pop()
        if name in done:
            continue
        done.add(name)
        node, answer = problem.nodes[name], schedule.get(name)
        if answer is None:
            raise PlanError(f"{name} is needed but not planned")
        if isinf(node.store if answer == "stored" else node.again):
            raise PlanError(f"{name} cannot be {'stored' if answer == 'stored' else 'had again'}")
        if answer == "stored":
            stored += node.store
            continue
        again += node.again
        apart = sorted(n for n in node.together if schedule.get(n) != "again")
        if apart:
            raise PlanError(f"{name} is had again without {', '.join(apart)}")
        todo += [*node.needs, *node.together]
    _check_order(problem, {n for n in done if schedule[n] == "again"})
    return Cost(stored, again)


def _check_order(problem: Problem, again: set[str]) -> None:
    """Raises PlanError if what is had again needs itself, other than as it was at another time."""
    nodes = problem.nodes
    needs = {n: {m for m in nodes[n].needs if m in again and not nodes[m].stepwise} for n in again}
    users: dict[str, list[str]] = {}
    for name, needed in needs.items():
        for other in needed:
            users.setdefault(other, []).append(name)
    ready = [n for n, needed in needs.items() if not needed]
    for name in ready:
        for user in users.get(name, ()):
            needs[user].discard(name)
            if not needs[user]:
                ready.append(user)
    if len(ready) < len(again):
        raise PlanError(f"{', '.join(sorted(again - set(ready)))}: had again from one another")


__all__ = ["Answer", "Cost", "Node", "PlanError", "Planner", "Problem", "Schedule", "inf", "replay", "with_dear_tapes"]
