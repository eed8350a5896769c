"""Which loops run again, from how many stored states, in segments of what length, so that a derivative stays within a
memory limit and takes the least time that is found.

*What is decided.* For every outermost sequential loop of the program: whether its values are kept as without a limit,
or its iterations run again, in segments or step by step (then each loop inside it runs again, in segments or step by
step); and for each loop that runs again the number of slots c and the length k of a segment. The first selects code,
the second is a parameter of it.

*What it takes.* Memory is that of `backend.c.footprint`, the bytes of the code that is going to run: no estimate. Time
is that of the cost model (`plan_time`). The plan that stores all is one candidate among others: where its tape would
lie beyond the caches, or in memory that the system has to give at every call, running iterations again may be quicker.
"""

from __future__ import annotations

from dataclasses import replace

from wengert.analysis.cost import Profile, predict
from wengert.backend.c.footprint import Unbounded
from wengert.plan_search import Search
from wengert.plan_time import PLAIN, Counts, Rates, given
from wengert.variants import NOTHING, Choices, Decided, Infeasible, Made, Sizes, Turns, Variants


class Planner(Variants):
    """Plans for one program and transform."""

    def seconds(self, plan: Decided, sizes: Sizes) -> float:
        """The time of a whole call that a plan is predicted to take."""
        made = self.code(())
        assert made is not None
        turns = {(made[0].entry, var): float(n) for (_, var), n in plan.turns}  # of the root, whose name is another
        everything = predict(made[0], {n: float(x) for n, x in sizes.items()}, profile=Profile(turns)).seconds
        try:
            peak = self.footprint((), sizes).peak
        except Unbounded:
            return everything + plan.seconds
        if not plan.choices:
            return everything + given(peak) if not plan.remade else everything + plan.seconds
        search = Search(self, sizes, peak, turns=plan.turns)
        search.variant(search.outermost())
        return everything - search.kept(peak) + plan.seconds

    def fixed(self, sizes: Sizes, counts: Counts) -> Decided | None:
        """The outermost loops with these counts each, whatever that takes; None if they cannot run again."""
        search = Search(self, sizes, 2**62)
        return search.fixed(search.outermost(), counts)

    def replayed(self, plan: Decided, sizes: Sizes, limit: int, disk: int = 0) -> Decided | None:
        """A plan that was found elsewhere, with the peak that its code has here; None if that is beyond the limit."""
        if self.code(plan.choices, plan.remade) is None:
            return None
        found = Search(self, sizes, limit, disk).evaluated(plan.choices, plan.counts, plan.remade, plan.on_disk)
        return None if found is None or found.peak > limit else replace(found, seconds=plan.seconds, turns=plan.turns)

    def plan(self, sizes: Sizes, limit: int, disk: int = 0, rates: Rates = PLAIN, turns: Turns = ()) -> Decided:
        """The plan for a call with these sizes that takes the least time found, with at most `disk` bytes on disk, at
        these rates, if loops of unknown length have these turns; raises Infeasible."""
        return replace(self._plan(sizes, limit, disk, rates, turns), turns=turns)

    def _plan(self, sizes: Sizes, limit: int, disk: int, rates: Rates, turns: Turns) -> Decided:
        try:
            found = Search(self, sizes, limit, turns=turns).best()
        except Infeasible as failed:
            if not disk:
                raise
            return Search(self, sizes, limit, disk, rates, turns).best(failed.least)
        if not disk or (not found.choices and not found.remade):
            return found
        try:
            other = Search(self, sizes, limit, disk, rates, turns).best()
        except Infeasible:
            return found
        return other if other.seconds < found.seconds else found


__all__ = ["NOTHING", "Choices", "Decided", "Infeasible", "Made", "Planner", "Sizes", "Turns"]
