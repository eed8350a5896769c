"""Minimum cuts of graphs with integer capacities, by maximum flows.

Dinic's method (Soviet Mathematics Doklady 11, 1970): augmenting paths of the least length, all of one length in one
pass. In plain Python, as the graphs are small and importing SciPy's takes longer than most programs take to compile.
"""

from __future__ import annotations

from collections.abc import Iterable

Arc = tuple[int, int, int]
"""Tail, head, capacity."""


def source_side(count: int, arcs: Iterable[Arc], source: int, sink: int) -> set[int]:
    """The vertices, of 0 .. count - 1, that the source reaches in the residual graph of a maximum flow: the smallest
    source's side of a minimum cut, which does not depend on the flow."""
    flow = _Flow(count, arcs)
    while True:
        levels = flow.levels(source)
        if levels[sink] < 0:
            return {v for v, level in enumerate(levels) if level >= 0}
        flow.block(levels, source, sink)


class _Flow:
    """Arcs come in pairs: 2 k and its reverse, 2 k + 1; `left` is what can still flow along each."""

    def __init__(self, count: int, arcs: Iterable[Arc]) -> None:
        self.heads: list[int] = []
        self.left: list[int] = []
        self.out: list[list[int]] = [[] for _ in range(count)]
        for tail, head, capacity in arcs:
            self.out[tail].append(len(self.heads))
            self.out[head].append(len(self.heads) + 1)
            self.heads += (head, tail)
            self.left += (capacity, 0)

    def levels(self, source: int) -> list[int]:
        """The least number of arcs from the source to each vertex; -1 where none lead."""
        found = [-1] * len(self.out)
        found[source] = 0
        reached = [source]
        for v in reached:
            for arc in self.out[v]:
                head = self.heads[arc]
                if self.left[arc] and found[head] < 0:
                    found[head] = found[v] + 1
                    reached.append(head)
        return found

    def block(self, levels: list[int], source: int, sink: int) -> None:
        """Let as much flow as paths of the least length can carry."""
        heads, left = self.heads, self.left
        todo = [list(arcs) for arcs in self.out]
        path: list[int] = []
        at = source
        while True:
            if at == sink:
                amount = min(left[arc] for arc in path)
                full = len(path)
                for k, arc in enumerate(path):
                    left[arc] -= amount
                    left[arc ^ 1] += amount
                    if not left[arc]:
                        full = min(full, k)
                at = heads[path[full] ^ 1]
                del path[full:]
                continue
            arcs = todo[at]
            while arcs and not (left[arcs[-1]] and levels[heads[arcs[-1]]] == levels[at] + 1):
                arcs.pop()
            if arcs:
                path.append(arcs[-1])
                at = heads[arcs[-1]]
            elif path:
                at = heads[path.pop() ^ 1]
                todo[at].pop()
            else:
                return
