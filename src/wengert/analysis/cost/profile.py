"""What the sizes alone do not say: how often loops turn whose end depends on data, how long lists get, and how often
branches are taken.

`Profile` says it; `questions` lists what a module leaves open, and `counted` is the module that counts it as it runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from wengert.ir import build as b
from wengert.ir.nodes import (
    Accumulate,
    Alloc,
    Block,
    Buffer,
    Call,
    Expr,
    Extent,
    Function,
    Growable,
    If,
    Let,
    Load,
    Loop,
    Module,
    Pop,
    Push,
    PushRef,
    Ref,
    Resize,
    Scalar,
    Stmt,
    Var,
)
from wengert.ir.types import F64
from wengert.ir.walk import blocks, function_names, rebuild, statements, storages, subexpressions, unused

Key: TypeAlias = tuple[str, str]
"""A function, and a loop's variable, or `if 3` for its fourth branch in textual order, or a list or ref."""


@dataclass(frozen=True, slots=True)
class Profile:
    """`turns`: the mean trip count; `taken`: the part of times that a condition held; `lengths`: extents of lists and
    refs, at their longest."""

    turns: Mapping[Key, float] = field(default_factory=dict[Key, float])
    taken: Mapping[Key, float] = field(default_factory=dict[Key, float])
    lengths: Mapping[Key, float] = field(default_factory=dict[Key, float])


def branches(function: Function) -> dict[int, str]:
    """The name of every `If` of a function, by its identity."""
    found = [s for s in statements(function.body) if isinstance(s, If)]
    return {id(s): f"if {k}" for k, s in enumerate(found)}


def open_places(function: Function) -> tuple[list[Loop], list[If]]:
    """Loops and branches on which more than scalar parameters decides: what arrays hold, how long lists are."""
    known = {p.name for p in function.params if isinstance(p, Scalar)}
    loops: list[Loop] = []
    ifs: list[If] = []

    def is_known(e: Expr) -> bool:
        return not any(isinstance(x, (Load, Extent)) or (isinstance(x, Var) and x.name not in known)
                       for x in subexpressions(e))  # fmt: skip

    def walk(block: Block) -> None:
        for s in block:
            match s:
                case Let(name, value) if is_known(value):
                    known.add(name)
                case Loop(start=start, stop=stop, cond=cond):
                    known.add(s.var)
                    if cond is not None or stop is None or not (is_known(start) and is_known(stop)):
                        loops.append(s)
                case If(cond=cond) if not is_known(cond):
                    ifs.append(s)
                case _:
                    pass
            for inner in blocks(s):
                walk(inner)

    walk(function.body)
    return loops, ifs


@dataclass(frozen=True, slots=True)
class Questions:
    """A module's open questions: each has two places in the array of counts, (times asked, sum of answers)."""

    loops: Sequence[Key]
    ifs: Sequence[Key]
    lists: Sequence[Key]

    def __bool__(self) -> bool:
        return bool(self.loops or self.ifs or self.lists)

    def answer(self, counts: Sequence[float]) -> Profile:
        """What a run has counted, as a profile."""
        pairs = list(zip(counts[::2], counts[1::2], strict=True))
        n, m = len(self.loops), len(self.ifs)

        def means(keys: Sequence[Key], at: int) -> dict[Key, float]:
            rows = zip(keys, pairs[at : at + len(keys)], strict=True)
            return {key: total / times for key, (times, total) in rows if times}

        longest = {key: total for key, (_, total) in zip(self.lists, pairs[n + m :], strict=True)}
        return Profile(means(self.loops, 0), means(self.ifs, n), longest)


def questions(module: Module) -> Questions:
    loops: list[Key] = []
    ifs: list[Key] = []
    lists: list[Key] = []
    for f in module.functions.values():
        open_loops, open_ifs = open_places(f)
        names = branches(f)
        loops += [(f.name, s.var) for s in open_loops]
        ifs += [(f.name, names[id(s)]) for s in open_ifs]
        lists += [(f.name, s.name) for s in storages(f).values() if isinstance(s, (Growable, Ref))]
    return Questions(loops, ifs, lists)


COUNTS = "run_counts"


def counted(module: Module) -> tuple[Module, Questions]:
    """The module with one more result, the last: the counts that `Questions.answer` takes."""
    asked = questions(module)
    places = {key: k for k, key in enumerate((*asked.loops, *asked.ifs, *asked.lists))}
    taken = set[str]().union(*(function_names(f) for f in module.functions.values()))
    counts = Buffer(unused(COUNTS, taken), F64, (b.i64(2 * len(places)),), intent="inout")
    functions = {
        f.name: _Counting(f, counts, places).function(f.name == module.entry) for f in module.functions.values()
    }
    return Module(functions, module.entry), asked


class _Counting:
    def __init__(self, f: Function, counts: Buffer, places: Mapping[Key, int]) -> None:
        self.f, self.counts, self.places = f, counts, places
        self.ifs = branches(f)
        self.storages = storages(f)

    def function(self, is_root: bool) -> Function:
        body = self._block(self.f.body)
        if not is_root:
            return replace(self.f, body=body, params=(*self.f.params, self.counts))
        local = replace(self.counts, intent="local")
        return replace(self.f, body=(Alloc(local, True), *body), results=(*self.f.results, local.name))

    def _add(self, place: int, value: Expr) -> Accumulate:
        return Accumulate(self.counts.name, (b.i64(place),), value, "add")

    def _block(self, block: Block) -> Block:
        return tuple(new for s in block for new in self._statement(s))

    def _statement(self, s: Stmt) -> Block:
        made = rebuild(s, block=self._block) if blocks(s) else s
        one = b.const(1.0, F64)
        match made:
            case Call():
                return (replace(made, args=(*made.args, self.counts.name)),)
            case Loop() if (place := self.places.get((self.f.name, made.var))) is not None:
                return (
                    self._add(2 * place, one),
                    replace(made, order="sequential", body=(self._add(2 * place + 1, one), *made.body)),
                )
            case Loop():
                return (replace(made, order="sequential"),)
            case If():
                place = self.places.get((self.f.name, self.ifs[id(s)]))
                if place is None:
                    return (made,)
                return (
                    self._add(2 * place, one),
                    replace(made, then=(self._add(2 * place + 1, one), *made.then)),
                )
            case Push(growable=g) | Resize(growable=g) | PushRef(growable=g):
                return (made, self._length(g))
            case Pop():
                return (made,)
            case _:
                name = getattr(made, "ref", None)
                return (made, self._length(name)) if isinstance(name, str) and name in self.storages else (made,)

    def _length(self, name: str) -> Stmt:
        place = self.places[self.f.name, name]
        length = b.cast(b.extent(self.storages[name], 0), F64)
        return Accumulate(self.counts.name, (b.i64(2 * place + 1),), length, "max")


__all__ = ["Key", "Profile", "Questions", "branches", "counted", "questions"]
