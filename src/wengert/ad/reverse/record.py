"""What a plan decided, value by value, and how the sizes of the tapes are found: by the derivative itself.

A derivative that is made with a `Record` has one more result, a vector of counts: for each stored value the number of
elements that its tape came to hold, for each stack its length after the forward sweep.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from wengert.ad.reverse.plan import Plan, Push, Reserve
from wengert.ad.reverse.regions import Prepared, span_of
from wengert.ir import build as b
from wengert.ir.build import Emitter
from wengert.ir.nodes import Alloc, Buffer, Expr, Growable, Span
from wengert.ir.types import I64, DType
from wengert.ir.walk import names_in

How: TypeAlias = Literal["kept", "stored", "inverted", "recomputed"]


@dataclass(frozen=True, slots=True)
class Decision:
    """How the reverse sweep gets a value: `kept` (the program's own memory still holds it), `stored` (on a tape),
    `inverted` (memory that is taken back holds it again, or, an array, is that memory) or `recomputed`. `place`: where
    the vector of counts says how many elements are stored (None: nothing is, or, for a function that is called, its
    stacks say it). `transient`: it is stored in the reverse sweep, by a call that runs again there, until that is
    reversed. `pinned`: the user asked for it."""

    function: str
    name: str
    how: How
    array: bool
    dtype: DType
    span: Span | None
    place: int | None = None
    on_stack: bool = False
    transient: bool = False
    pinned: bool = False


@dataclass
class Record:
    """The decisions of all functions, the stacks by their place in the vector, and the name of that result."""

    decisions: list[Decision] = field(default_factory=list[Decision])
    stacks: dict[int, DType] = field(default_factory=dict[int, DType])
    result: str = ""


class Sizes:
    """Emits the counts into a vector at the top level."""

    def __init__(self, record: Record, e: Emitter, p: Prepared, plan: Plan) -> None:
        names = [*plan.hoisted, *plan.places]
        self.e, self.record = e, record
        self.places = {name: k for k, name in enumerate(names)}
        record.result = e.fresh("tape_sizes")
        record.decisions += decisions(p, plan, self.places)

    def note(self, name: str, count: Expr) -> None:
        """An item stores that many elements."""
        self.e.accumulate(self.record.result, (b.i64(self.places[name]),), count)

    def note_stacks(self, stacks: Iterable[Growable]) -> None:
        """After the forward sweep: the lengths of the stacks."""
        for k, stack in enumerate(stacks, len(self.places)):
            self.record.stacks[k] = stack.dtype
            self.e.store(self.record.result, (b.i64(k),), b.extent(stack, 0))

    def declaration(self) -> Alloc:
        """The vector, when everything is noted."""
        length = len(self.places) + len(self.record.stacks)
        return Alloc(Buffer(self.record.result, I64, (b.i64(length),)), True, None)


def decisions(p: Prepared, plan: Plan, places: dict[str, int], joint: bool = False) -> Iterator[Decision]:
    """The decisions about one function's values, in the order of the program; `joint`: of one that runs again."""
    function = p.function.name

    def stacked(name: str) -> bool:
        return isinstance(plan.places.get(name), (Push, Reserve))

    def made(name: str, how: How, array: bool, dtype: DType, span: Span | None, place: str = "") -> Decision:
        k = places.get(place or name)
        on_stack, transient = stacked(place or name), joint and (how == "stored" or place in plan.places)
        pinned = (place or name) in plan.pinned
        return Decision(function, name, how, array, dtype, span, k, on_stack, transient, pinned)

    for name, definition in p.definitions.items():
        if name in plan.answers:
            yield made(name, _how(name, plan), False, definition.dtype, span_of(definition))
    for name in (*plan.hoisted, *plan.rebuilt_arrays):
        alloc = next(s for s in p.home[name].stmts if isinstance(s, Alloc) and s.buffer.name == name)
        yield made(name, "stored" if name in plan.hoisted else "recomputed", True, alloc.buffer.dtype, alloc.span)
    copies = {memory.copy.name for memory in plan.inverted}
    for memory in plan.inverted:
        s, span = memory.copy, memory.updates[0].write.stmt.span
        yield made(s.storage, "inverted", True, s.dtype, span, s.name)
    for s in p.snapshots.values():
        if s.name in plan.places and s.name not in copies:
            yield made(s.storage, "stored", True, s.dtype, span_of(s), s.name)


def _how(name: str, plan: Plan) -> How:
    match plan.answers[name]:
        case "stored":
            return "stored"
        case "recomputed":
            return "recomputed"
        case "reloaded" if names_in(plan.ways[name]) & {memory.copy.name for memory in plan.inverted}:
            return "inverted"
        case "reloaded" if names_in(plan.ways[name]) & plan.rebuilt_arrays:
            return "recomputed"
        case _:
            return "kept"
