"""What the names of a function stand for while the cost model walks through it: numbers, linear forms, parts of arrays.

A loop's variable stands for a typical value wherever a number is wanted, and for itself in subscripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from wengert.analysis.cost.counts import MANY, Counts, itemsize
from wengert.analysis.cost.regions import Linear, Range, Region
from wengert.ir.nodes import Buffer, Cast, Const, Expr, Function, Let, Loop, Op, Var, View

Index = tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class _Window:
    """A view: for each axis of the base where it starts and how the view's axes move there."""

    base: str
    start: tuple[Linear | None, ...]
    steps: tuple[tuple[tuple[int, float], ...], ...]


class Scope:
    def __init__(
        self,
        function: Function,
        known: Mapping[str, float],
        lengths: Mapping[str, float],
        turns: Mapping[str, float] | None = None,
    ) -> None:
        """`known`: values of scalar parameters; `lengths`: of lists and of what refs name; `turns`: of loops."""
        self.function = function
        self.counts = Counts(function, {**lengths, **known}, turns)
        self.lengths = lengths
        self._forms: dict[str, Linear] = {}
        self._windows: dict[str, _Window] = {}
        self._shapes: dict[str, tuple[float, ...]] = {}

    # -- names

    def let(self, stmt: Let) -> None:
        found = self.counts.value(stmt.value)
        if found is not None:
            self.counts.known[stmt.name] = found
        else:
            self.counts.known.pop(stmt.name, None)
        if stmt.value.dtype.is_integer:
            form = self.form(stmt.value)
            if form is None:
                self._forms.pop(stmt.name, None)
            else:
                self._forms[stmt.name] = form

    def open(self, loop: Loop, typical: float | None) -> None:
        self._forms[loop.var] = Linear(((loop.var, 1.0),), 0.0)
        if typical is None:
            self.counts.known.pop(loop.var, None)
        else:
            self.counts.known[loop.var] = typical

    def close(self, loop: Loop) -> None:
        self._forms.pop(loop.var, None)
        self.counts.known.pop(loop.var, None)

    def form(self, e: Expr) -> Linear | None:
        """A subscript as a linear form of the open loops' variables."""
        match e:
            case Const(value):
                return Linear((), float(value.real))
            case Var(name) if name in self._forms:
                return self._forms[name]
            case Cast(value):
                return self.form(value)
            case Op(("add" | "sub" | "addc" | "subc") as name, (a, b)):
                first, second = self.form(a), self.form(b)
                if first is not None and second is not None:
                    return first.plus(second, 1.0 if name.startswith("add") else -1.0)
            case Op("neg", (a,)):
                first = self.form(a)
                if first is not None:
                    return first.times(-1.0)
            case Op(("mul" | "mulc"), (a, b)):
                first, second = self.form(a), self.form(b)
                if first is not None and second is not None and not (first.terms and second.terms):
                    return first.times(second.constant) if first.terms else second.times(first.constant)
            case _:
                pass
        found = self.counts.value(e)
        return None if found is None else Linear((), found)

    # -- arrays

    def shape(self, storage: str) -> tuple[float, ...]:
        found = self._shapes.get(storage)
        if found is None:
            declared = self.counts.storages[storage]
            if isinstance(declared, Buffer):
                found = tuple(map(self.counts.extent, declared.shape))
            else:
                found = (self.lengths.get(storage, MANY),) * max(declared.rank, 1)
            self._shapes[storage] = found
        return found

    def declare(self, buffer: Buffer) -> None:
        """Extents may depend on names that change from turn to turn."""
        self._shapes[buffer.name] = tuple(map(self.counts.extent, buffer.shape))

    def view(self, stmt: View) -> None:
        self.declare(stmt.buffer)
        if not isinstance(self.counts.storages[stmt.base], Buffer):
            return
        steps: list[list[tuple[int, float]]] = [[] for _ in stmt.start]
        for k, (axis, step) in enumerate(stmt.axes):
            if axis is not None:
                steps[axis].append((k, self.counts.value(step) or 1.0))
        start = tuple(map(self.form, stmt.start))
        self._windows[stmt.buffer.name] = _Window(stmt.base, start, tuple(map(tuple, steps)))

    def place(self, storage: str, index: Index) -> tuple[str, list[Linear | None]]:
        """The array that an element belongs to, views followed, and its subscripts."""
        return self._resolved(storage, [self.form(e) for e in index])

    def _resolved(self, storage: str, forms: list[Linear | None]) -> tuple[str, list[Linear | None]]:
        while (window := self._windows.get(storage)) is not None:
            moved: list[Linear | None] = []
            for start, steps in zip(window.start, window.steps, strict=True):
                total = start
                for axis, step in steps:
                    inner = forms[axis]
                    total = None if total is None or inner is None else total.plus(inner, step)
                moved.append(total)
            storage, forms = window.base, moved
        return storage, forms

    def region(self, storage: str, index: Index, written: bool) -> Region:
        """What one access touches."""
        return self._region(*self.place(storage, index), written)

    def _region(self, root: str, forms: list[Linear | None], written: bool) -> Region:
        shape = self.shape(root)
        axes = tuple(
            Range((), 0.0, n - 1.0) if f is None else Range(f.terms, f.constant, f.constant)
            for f, n in zip(forms, shape, strict=False)
        )
        size = itemsize(self.counts.storages[root].dtype)
        return Region(root, axes, shape[: len(axes)], size, 1.0, written, None in forms)

    def whole(self, storage: str, written: bool) -> Region:
        """All of an array or view."""
        extents = self.shape(storage)
        names = [f"axis {k}" for k in range(self.counts.storages[storage].rank)]
        found = self._region(*self._resolved(storage, [Linear(((n, 1.0),), 0.0) for n in names]), written)
        for name, extent in zip(names, extents, strict=False):
            found = found.closed(name, Linear((), 0.0), 1.0, extent)
        return found
