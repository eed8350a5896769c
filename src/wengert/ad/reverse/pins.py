"""Pins: values that the user wants stored, or had again, whatever the planner would do.

A pin is the name of a value (as `wg.explain` shows it), of a variable (all values that it takes), or a source line (all
values that are made there). What is pinned to be *stored* is not had again: of a variable its arrays, and its numbers
only if it has no arrays (those are elements, read from what is stored). What is pinned to be *recomputed* is not
stored. What the program's own memory keeps is left there. A pin that no value answers to, or that cannot be obeyed (the
states that a loop carries cannot be computed again from what is left), is refused.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf, isinf
from typing import Any, TypeAlias

from wengert.ad.reverse.problem import Problem, Schedule
from wengert.ad.reverse.regions import Prepared, span_of
from wengert.errors import PinError
from wengert.ir.nodes import Alloc, Span

Pin: TypeAlias = str | int


def _pins(given: Pin | Iterable[Pin], option: str) -> tuple[Pin, ...]:
    found: Any = (given,) if isinstance(given, (str, int)) else given
    pins: list[Any] = list(found) if type(found) in (tuple, list, set, frozenset) else [None]
    if not all(isinstance(pin, (str, int)) and not isinstance(pin, bool) for pin in pins):
        raise PinError(f"{option}={given!r}: pins are names of variables, or numbers of source lines")
    return tuple(sorted(set(pins), key=str))


@dataclass(frozen=True, slots=True)
class Pins:
    """What is to be stored, what is to be recomputed, and whether floats may be had by undoing updates."""

    store: tuple[Pin, ...] = ()
    recompute: tuple[Pin, ...] = ()
    invert: bool = False

    @staticmethod
    def of(store: Pin | Iterable[Pin], recompute: Pin | Iterable[Pin], invert: bool = False) -> Pins:
        """From what the user gives; raises PinError."""
        made = Pins(_pins(store, "store"), _pins(recompute, "recompute"), invert)
        both = set(made.store) & set(made.recompute)
        if both:
            raise PinError(f"{', '.join(sorted(map(repr, both)))}: pinned to be stored and to be recomputed")
        return made

    def __bool__(self) -> bool:
        """Whether any value is pinned."""
        return bool(self.store or self.recompute)


NO_PINS = Pins()


@dataclass(frozen=True, slots=True)
class Obeyed:
    """What has become of pins in one function: those that values answer to, those that were broken, with the values;
    the nodes for which they left one way; the variables that the function's reverse needs."""

    met: frozenset[Pin] = frozenset()
    broken: tuple[tuple[Pin, str], ...] = ()
    settled: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


@dataclass
class Pinned:
    """The problem of one function, with pins."""

    pins: Pins
    values: Mapping[str, _Value]
    problem: Problem
    settled: set[str] = field(default_factory=set[str])

    @staticmethod
    def of(pins: Pins, p: Prepared, problem: Problem) -> Pinned:
        """The problem in which what is pinned has one way left, if it has two."""
        made = Pinned(pins, {name: _Value.of(p, name) for name in problem.nodes} if pins else {}, problem)
        nodes = dict(problem.nodes)
        wanted = set[str]()
        for pin in pins.store:
            for name in made.to_store(pin):
                if not nodes[name].kept and not isinf(nodes[name].store):
                    wanted.add(name)  # though what needs it might have been stored in its place
                if made.has_choice(name):
                    nodes[name] = replace(nodes[name], again=inf, needs=frozenset(), together=frozenset())
        for pin in pins.recompute:
            for name in made.answering(pin):
                if made.has_choice(name):
                    nodes[name] = replace(nodes[name], store=inf)
        made.settled = wanted | {n for n in nodes if nodes[n] is not problem.nodes[n]}
        made.problem = Problem(nodes, problem.demands | wanted)
        return made

    def answering(self, pin: Pin) -> list[str]:
        return [n for n, v in self.values.items() if v.answers(pin)]

    def to_store(self, pin: Pin) -> list[str]:
        found = self.answering(pin)
        return [n for n in found if self.values[n].array] or found

    def has_choice(self, name: str) -> bool:
        node = self.problem.nodes[name]
        return not (node.kept or isinf(node.store) or isinf(node.again))

    def obeyed(self, schedule: Schedule) -> Obeyed:
        """Whether a schedule does what is asked; raises PinError if pins exclude one another."""
        if not self.pins:
            return Obeyed()
        nodes = self.problem.nodes
        if any(isinf(nodes[n].store if how == "stored" else nodes[n].again) for n, how in schedule.items()):
            raise PinError(
                "what is pinned cannot all be had: a value that is to be recomputed needs another recomputed with it "
                f"that is to be stored (store={list(self.pins.store)}, recompute={list(self.pins.recompute)})"
            )
        used = {n for n in schedule if not nodes[n].kept}
        stored = {n for n in used if schedule[n] == "stored"}
        broken = [(pin, n) for pin in self.pins.store for n in self.to_store(pin) if n in used - stored]
        broken += [(pin, n) for pin in self.pins.recompute for n in self.answering(pin) if n in stored]
        met = frozenset(pin for pin in (*self.pins.store, *self.pins.recompute) if self.answering(pin))
        names = frozenset(v.names[-1] for v in self.values.values() if v.names)
        return Obeyed(met, tuple(broken), frozenset(self.settled), names)


def check(pins: Pins, found: Iterable[Obeyed]) -> None:
    """Raises PinError for a pin that no value answers to, or that is not obeyed."""
    found = list(found)
    for pin in (*pins.store, *pins.recompute):
        if not any(pin in one.met for one in found):
            what = f"on line {pin}" if isinstance(pin, int) or ":" in pin else f"of the name {pin}"
            names = sorted({name for one in found for name in one.names})
            raise PinError(
                f"the derivative needs no value {what} from the forward sweep; it needs {', '.join(names) or 'none'} "
                "(wg.explain shows them with their lines)"
            )
        broken = sorted({name for one in found for p, name in one.broken if p == pin})
        if broken:
            how, why = ("stored", "it is no more than a name for what is computed again from memory")
            if pin in pins.recompute:
                how, why = ("recomputed", "nothing that is left in the reverse sweep gives it again")
            raise PinError(f"{pin!r} cannot be {how} ({', '.join(broken)}): {why}")


@dataclass(frozen=True, slots=True)
class _Value:
    """A node in the user's words."""

    names: tuple[str, ...]
    array: bool
    span: Span | None

    @staticmethod
    def of(p: Prepared, name: str) -> _Value:
        if name in p.definitions:
            definition = p.definitions[name]
            return _Value(_names(name), False, span_of(definition))
        if name in p.snapshots:
            taken = p.snapshots[name]
            return _Value(_names(taken.storage), True, span_of(taken))
        if name in p.calls:
            return _Value((), False, p.calls[name].stmt.span)
        if name not in p.home:
            return _Value((), True, None)  # memory that is taken back
        alloc = next((s for s in p.home[name].stmts if isinstance(s, Alloc) and s.buffer.name == name), None)
        return _Value(_names(name), True, None if alloc is None else alloc.span)

    def answers(self, pin: Pin) -> bool:
        if isinstance(pin, int):
            return self.span is not None and self.span.line == pin
        file, colon, line = pin.rpartition(":")
        if colon and line.isdigit():
            return self.span is not None and self.span.line == int(line) and os.path.basename(self.span.file) == file
        return pin in self.names


def _names(name: str) -> tuple[str, ...]:
    """What an IR name can be called, the user's variable last: `u_2_at_1` is an element of `u_2`, a value of `u`."""
    found = [name]
    while (shorter := re.sub(r"_(at|\d+)$", "", found[-1])) not in ("", found[-1]):
        found.append(shorter)
    return tuple(found)
