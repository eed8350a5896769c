"""The forward sweep: the primal, with counters, saves and shadows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from wengert.ad.reverse.plan import Plan
from wengert.ad.reverse.record import Sizes
from wengert.ad.reverse.refs import Shadows
from wengert.ad.reverse.regions import Prepared, Region
from wengert.ad.reverse.stacks import Stacks
from wengert.ad.reverse.sweep import Callees, Revolving
from wengert.ad.reverse.tape import Saver
from wengert.ir.nodes import Alloc, Block, Call, If, Let, Loop, Pop, Stmt


class Augment:
    """Emits the forward sweep of one function."""

    def __init__(
        self,
        p: Prepared,
        plan: Plan,
        stacks: Stacks,
        callee: Callees,
        shared_top: bool,
        sizes: Sizes | None = None,
        revolving: Mapping[Region, Revolving] | None = None,
    ) -> None:
        self.revolving = revolving or {}
        self.p, self.plan, self.stacks, self.callee, self.shared_top = p, plan, stacks, callee, shared_top
        self.e = stacks.e
        self.saver = Saver(p, plan, self.e, stacks, sizes)
        self.shadows = Shadows(p, self.e, stacks)

    def region(self, region: Region) -> Block:
        top = region is self.p.root
        with self.e.collect() as stmts:
            for k, stmt in enumerate(region.stmts):
                with self.e.at(stmt.span):
                    self._before(region, k, top)
                    self._statement(region, k, stmt)
            self._before(region, len(region.stmts), top)
            if not (top and self.shared_top):
                self.saver.close(region)
                self.shadows.close(region)
        return tuple(stmts)

    def _before(self, region: Region, k: int, top: bool) -> None:
        if top:
            self.saver.open(k)
        self.saver.snapshots(region, k)

    def _statement(self, region: Region, k: int, stmt: Stmt) -> None:
        match stmt:
            case Loop() if region.inner[k][0] in self.revolving:
                body = region.inner[k][0]
                revolver = self.revolving[body].revolver
                revolver.before(self.e)
                if revolver.segmented():
                    revolver.segments_of_program(self.e)
                    return
                with self.e.collect() as start:
                    revolver.inside(self.e)
                self.e.emit(replace(stmt, body=(*start, *self.region(body))))
            case Loop():
                body = region.inner[k][0]
                self.saver.before_loop(body)
                order = "sequential" if body in self.plan.sequential else stmt.order
                self.e.emit(replace(stmt, body=self.region(body), order=order))
            case If():
                then, orelse = region.inner[k]
                self.e.emit(replace(stmt, then=self.region(then), orelse=self.region(orelse)))
            case Call():
                self._call(stmt, region.calls.get(k))
            case Let() | Pop():
                self.e.emit(stmt)
                self.saver.define(stmt.name)
            case Alloc():
                self.saver.allocate(stmt)
                self.shadows.statement(stmt)
            case _:
                self.e.emit(stmt)
                self.shadows.statement(stmt)

    def _call(self, stmt: Call, site: str | None) -> None:
        if site is None or site in self.plan.reruns:
            self.e.emit(stmt)
            return
        callee = self.callee(stmt.function, self.p.calls[site].active)
        arguments = [stmt.args[k] for k in callee.shadowed]
        shadows = [self.shadows.of_argument(a, stmt) for a in arguments if isinstance(a, str)]
        self.e.call(callee.augmented, *stmt.args, *shadows, *(self.stacks.get(key) for key in callee.stacks))
