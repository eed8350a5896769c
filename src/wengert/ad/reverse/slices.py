"""What it takes to rebuild an array in the reverse sweep: the slice of its region that writes it.

An array that is allocated in a region (a loop body, say) is gone when the reverse sweep comes to the region. It can be
rebuilt there by running the statements again that write it, in the order of the program, with the loops and branches
around them. What these statements read must be available:

- a scalar is, as the reverse sweep has it, if the plan says so (`needs`);
- a scalar that depends on a load of a *passing* state of an array of this region, which is overwritten later, is
  computed in place as the slice runs (`inline`); that array must then be rebuilt too (`together`).
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field

from wengert.ad.reverse.kept import Kept
from wengert.ad.reverse.regions import Prepared, Region
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Buffer,
    Expr,
    If,
    LibCall,
    Load,
    Loop,
    Reshape,
    Store,
    Var,
    View,
)
from wengert.ir.walk import names_in


class Impossible(Exception):
    """The array cannot be rebuilt."""


@dataclass
class Slice:
    """How an array of a region is rebuilt. `statements` are places in the region's tree: writers, what nests them, and
    views that library operations use; `names` the scalars they read. `restored`: buffers (or views) that library
    operations read, and where, which must be as they were then (see `inversion`)."""

    array: str
    home: Region
    statements: set[tuple[Region, int]] = field(default_factory=set[tuple[Region, int]])
    needs: set[str] = field(default_factory=set[str])
    inline: set[str] = field(default_factory=set[str])
    together: set[str] = field(default_factory=set[str])
    names: set[str] = field(default_factory=set[str])
    restored: set[tuple[str, Region, int]] = field(default_factory=set[tuple[str, Region, int]])


class Slicer:
    """Finds the slices of one function's arrays. `restorable`: buffers that may be taken back."""

    def __init__(self, p: Prepared, kept: Kept, final: dict[str, Load], restorable: Container[str] = ()) -> None:
        self.p, self.kept, self.final, self.restorable = p, kept, final, restorable
        self._passing: dict[tuple[str, Region], bool] = {}

    def slice(self, array: str) -> Slice | None:
        """The slice of an array, None if it cannot be rebuilt."""
        alloc = self.kept.allocation(array)
        if alloc is None or array in self.p.bases:
            return None
        made = Slice(array, self.p.home[array])
        try:
            self._scalars(made, alloc.buffer.shape)
            for w in self.kept.writes.get(self.p.aliases.of(array), ()):
                self._writer(made, w.region, w.position)
        except Impossible:
            return None
        made.together.discard(array)
        return made

    def _writer(self, made: Slice, region: Region, position: int) -> None:
        stmt = region.stmts[position]
        if made.home not in region.ancestors():
            raise Impossible
        match stmt:
            case Alloc(buffer) if buffer.name == made.array:
                pass
            case Store(storage, index, value) | Accumulate(storage, index, value):
                base, index = self.kept.resolve_fully(storage, index)
                if base != made.array:
                    raise Impossible
                self._scalars(made, (*index, value))
            case LibCall(outs=outs, ins=ins):
                for out in outs:
                    self._output(made, region, out)
                for k in ins:
                    if isinstance(k, str):
                        self._input(made, region, position, k)
                    else:
                        self._scalars(made, (k,))
            case _:
                raise Impossible
        self._enclose(made, region, position)

    def _enclose(self, made: Slice, region: Region, position: int) -> None:
        """Take a statement, and the loops and branches around it, into the slice."""
        while (region, position) not in made.statements:
            made.statements.add((region, position))
            match region.stmts[position]:
                case Loop(start=start, stop=stop, cond=cond):
                    if cond is not None or stop is None:
                        raise Impossible
                    self._scalars(made, (start, stop))
                case If(cond=cond):
                    self._scalars(made, (cond,))
                case _:
                    pass
            if region is made.home:
                return
            assert region.parent is not None
            region, position = region.parent, region.position

    def _output(self, made: Slice, region: Region, out: str) -> None:
        """Another result of a library operation is rebuilt too."""
        base = self._views(made, out)
        if base == made.array:
            return
        if self.kept.allocation(base) is None or made.home not in self.p.home[base].ancestors():
            raise Impossible
        made.together.add(base)

    def _input(self, made: Slice, region: Region, position: int, name: str) -> None:
        """A library operation reads a storage: one that holds the same in the reverse sweep, or is rebuilt too."""
        if not isinstance(self.p.storages[name], Buffer):
            raise Impossible
        base = self._views(made, name)
        if self._is_local(base, made.home):
            if base != made.array:
                made.together.add(base)
            return
        if self.kept.is_top(base) and self.kept.is_final(name, None, region, position):
            return
        if base not in self.restorable:
            raise Impossible
        made.restored.add((base, region, position))

    def _views(self, made: Slice, name: str) -> str:
        """The storage that a chain of views shows; the views that are not at the top level become part of the slice."""
        while name in self.p.bases:
            home = self.p.home[name]
            if not self.kept.is_top(name):
                if made.home not in home.ancestors():
                    raise Impossible
                found = (
                    (k, s) for k, s in enumerate(home.stmts) if isinstance(s, (View, Reshape)) and s.buffer.name == name
                )
                position, stmt = next(found)
                if isinstance(stmt, View):
                    self._scalars(made, (*stmt.start, *(step for _, step in stmt.axes)))
                self._scalars(made, stmt.buffer.shape)
                self._enclose(made, home, position)
            elif self.kept.is_top(self.p.bases[name]):
                return name
            name = self.p.bases[name]
        return name

    def _is_local(self, storage: str, home: Region) -> bool:
        """Whether a storage lives and dies within the region."""
        return self.kept.allocation(storage) is not None and home in self.p.home[storage].ancestors()

    # -- scalars

    def _scalars(self, made: Slice, exprs: tuple[Expr, ...]) -> None:
        todo = [n for e in exprs for n in names_in(e)]
        while todo:
            name = todo.pop()
            definition = self.p.definitions.get(name)
            if definition is None or name in made.names:
                continue  # a loop variable, or done
            made.names.add(name)
            if made.home not in definition.region.ancestors() or not self._is_passing(name, made.home):
                made.needs.add(name)
                continue
            value = definition.value
            if value is None:
                raise Impossible
            made.inline.add(name)
            if isinstance(value, Load):
                base, index = self.kept.resolve_fully(value.storage, value.index)
                if name not in self.final:
                    made.together.add(base)
                todo += [n for e in index for n in names_in(e)]
            else:
                todo += names_in(value)

    def _is_passing(self, name: str, home: Region) -> bool:
        """Whether a scalar depends on a load of a state that passes, of an array of the region, by operations alone."""
        definition = self.p.definitions[name]
        value = definition.value
        if value is None or home not in definition.region.ancestors() or self._is_decision(name):
            return False
        if isinstance(value, Load):
            base, _ = self.kept.resolve_fully(value.storage, value.index)
            return name not in self.final and self._is_local(base, home) and base not in self.p.bases
        known = self._passing.get((name, home))
        if known is None:
            inner = [n for n in names_in(value) if n in self.p.definitions]
            known = self._passing[name, home] = any(self._is_passing(n, home) for n in inner)
        return known

    def _is_decision(self, name: str) -> bool:
        """A discrete value made from floats is recorded, never made again."""
        value = self.p.definitions[name].value
        if value is None or isinstance(value, (Load, Var)) or value.dtype.is_inexact:
            return False
        return any(self.p.definitions[n].dtype.is_inexact for n in names_in(value) if n in self.p.definitions)
