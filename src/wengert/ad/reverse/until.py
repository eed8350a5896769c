"""Until when the reverse sweep needs a value: how late it may be had again.

The reverse of a region runs its statements backwards. At its *point* k, those from k on are reversed and the others are
not. What lives in a region, a scalar or an array, is used there by the reverses of the statements that name it, the
first of which runs at the point after the last such statement: it may be had again there, or earlier. Others that are
made from it when they are had again need it where they are. A scalar of a nested region may be wanted again at a point
of a region around that, too, when an array which lives there is rebuilt.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from wengert.ad.reverse.kept import Kept, entry
from wengert.ad.reverse.regions import Prepared, Region
from wengert.ir.nodes import Accumulate, Alloc, Declare, Expr, Let, LibCall, Load, Pop, Reshape, Stmt, Store, View
from wengert.ir.walk import expressions, names_in, used

Points = dict[Region, int]
"""By region, the first point of its reverse at which a value is needed."""


class Uses:
    """Which values the reverse of a function uses where, and what each is made from when it is had again.

    `together`: by array that can be rebuilt, those that are rebuilt only with it. `further`: what is wanted right after
    statements, beside the names in them.
    """

    def __init__(
        self,
        p: Prepared,
        kept: Kept,
        final: Mapping[str, Load],
        together: Mapping[str, Iterable[str]],
        further: Iterable[tuple[Region, int, Iterable[Expr]]],
    ) -> None:
        self.p, self.kept, self.arrays = p, kept, together.keys()
        self.direct: dict[str, Points] = {}
        self.parts: dict[str, set[str]] = {}
        """By value, what it is made from."""
        for region in p.root.tree():
            for k, stmt in enumerate(region.stmts):
                self._statement(region, k, stmt)
            for k, name in region.notes.items():
                self._use(name, region, k + 1)
        for s in p.snapshots.values():
            self._all(s.shape, s.region, len(s.region.stmts))
        for region, k, exprs in further:
            self._all(exprs, region, k + 1)
        for name, load in final.items():
            self._made(name, load.index)
        for name, value in p.remade.items():
            self._made(name, (value,))
        for array, others in together.items():
            for other in others:
                self.parts.setdefault(array, set()).add(other)
                if p.home[other] is p.home[array]:
                    self.parts.setdefault(other, set()).add(array)

    def points(self, loaded: Mapping[str, Iterable[Expr]]) -> dict[str, Points]:
        """The points of every value, if those `loaded` are had by loads with these subscripts."""
        found = {name: dict(points) for name, points in self.direct.items()}
        todo = list(found)
        while todo:
            user = todo.pop()
            parts = self.parts.get(user, set())
            if user in loaded:
                parts = {n for e in loaded[user] for n in names_in(e)}
            for name in parts:
                home = self._home(name)
                mine = found.setdefault(name, {})
                changed = False
                for region, point in found[user].items():
                    if home is not None and region in home.ancestors() and mine.get(region, -1) < point:
                        mine[region] = point
                        changed = True
                if changed:
                    todo.append(name)
        return found

    def _home(self, name: str) -> Region | None:
        definition = self.p.definitions.get(name)
        return self.p.home.get(name) if definition is None else definition.region

    def _base(self, name: str) -> str:
        while name in self.p.bases:
            name = self.p.bases[name]
        return name

    def _use(self, name: str, region: Region, point: int) -> None:
        """A name is used at a point of a region."""
        name = self._base(name)
        home = self._home(name)
        if home is None or home not in region.ancestors():
            return
        if region is not home:
            point = entry(region, point, home) + 1
        points = self.direct.setdefault(name, {})
        points[home] = max(points.get(home, 0), point)

    def _all(self, exprs: Iterable[Expr], region: Region, point: int) -> None:
        for e in exprs:
            for name in names_in(e):
                self._use(name, region, point)

    def _made(self, value: str, exprs: Iterable[Expr]) -> None:
        """A value is made from expressions."""
        parts = self.parts.setdefault(value, set())
        parts |= {self._base(n) for e in exprs for n in names_in(e)}

    def _statement(self, region: Region, k: int, stmt: Stmt) -> None:
        # Adjoints are declared where the reverse of a region starts.
        point = len(region.stmts) if isinstance(stmt, (Alloc, Declare, View, Reshape)) else k + 1
        for name in used(stmt):
            self._use(name, region, point)
        match stmt:
            case Let(name, value):
                self._use(name, region, k + 1)
                self._made(name, (value,))
                if isinstance(value, Load):
                    self._made(name, self.kept.resolve_fully(value.storage, value.index)[1])
            case Pop(name):
                self._use(name, region, k + 1)
            case Store(storage, index, value) | Accumulate(storage, index, value):
                storage, index = self.kept.resolve_fully(storage, index)
                self._written(storage, region, k, (*index, value))
            case LibCall(outs=outs, ins=ins):
                views = [n for n in (*outs, *ins) if isinstance(n, str)]
                exprs = [e for e in ins if not isinstance(e, str)]
                while views:
                    name = views.pop()
                    exprs += () if name not in self.p.views else expressions(self.p.views[name])
                    views += [self.p.bases[name]] if name in self.p.bases else []
                for out in map(self._base, outs):
                    self._written(out, region, k, exprs)
                    if out in self.arrays:
                        self.parts[out] |= {self._base(n) for n in (*outs, *ins) if isinstance(n, str)} - {out}
            case _:
                pass

    def _written(self, array: str, region: Region, k: int, exprs: Iterable[Expr]) -> None:
        """An array is written by a statement: what that takes, and the loops and branches around it."""
        array = self._base(array)
        if array not in self.arrays:
            return
        self._made(array, exprs)
        home = self.p.home[array]
        while region is not home and region.parent is not None:
            region, k = region.parent, region.position
            self._made(array, expressions(region.stmts[k]))
