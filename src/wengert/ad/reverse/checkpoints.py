"""Loops whose iterations run again in the reverse sweep, from states that are stored now and then: the choice, and what
the program needs for it.

The body of such a loop becomes a function, the *step*. The forward sweep calls it, and stores the state (what steps
read of what steps write) at some of the iterations, in a number of *slots*; the reverse sweep runs steps again from
the nearest state before, and reverses, from the last to the first, either every step on its own (its function is
reversed jointly, see `call`, and may contain such loops itself), or *segments* of some steps each: another function,
with the loop itself in it, which keeps what its steps need until it is reversed. How many slots there are and how long
a segment is are parameters of the derivative, so that one code serves every memory limit (see `revolve`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeGuard

from wengert.ad.reverse.outline import outline
from wengert.analysis.alias import analyse
from wengert.ir.nodes import Call, Function, Loop, Module, Param, Scalar, Stmt, Var
from wengert.ir.types import I64
from wengert.ir.walk import callees, function_names, map_statements, statements, unused

SEGMENT = "s"
"""What the name of a segment's function ends in, beyond that of a step."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The loop of a function of the flat program whose iterations run again; in segments, or step by step."""

    function: str
    var: str
    segmented: bool


@dataclass(frozen=True, slots=True)
class Checkpointed:
    """A loop with a choice: the functions of one step and of a segment (the step itself if there are none), and the
    names of the scalars that say how many slots there are and how long a segment is."""

    choice: Choice
    step: str
    again: str
    slots: str
    length: str | None


@dataclass(frozen=True, slots=True)
class LoopOf:
    """A loop that runs in sequence, in nothing but such loops: their variables, outermost first, the statement of the
    flat program."""

    function: str
    around: tuple[str, ...]
    stmt: Loop


def sequential_loops(f: Function) -> Iterator[LoopOf]:
    """The loops of a function that could be chosen, outer ones first."""

    def visit(block: tuple[Stmt, ...], around: tuple[str, ...]) -> Iterator[LoopOf]:
        for s in block:
            if isinstance(s, Loop) and s.order != "any":
                yield LoopOf(f.name, around, s)
                yield from visit(s.body, (*around, s.var))

    yield from visit(f.body, ())


@dataclass
class Checkpoints:
    """The program with steps as functions; what was chosen, by function and loop variable, and the derivative's further
    parameters, in the order of the choices (slots, and length if there are segments)."""

    module: Module
    before: Module = field(default_factory=Module)
    """The program as it was."""
    loops: dict[tuple[str, str], Checkpointed] = field(default_factory=dict[tuple[str, str], Checkpointed])
    counts: tuple[str, ...] = ()
    origin: dict[str, str] = field(default_factory=dict[str, str])
    """By function of a step or segment, the function it was part of."""
    changed: set[str] = field(default_factory=set[str])
    """Functions that are not those of the program as it was."""

    def inside(self, function: str) -> bool:
        """Whether a function has such loops, or calls one that has."""
        seen, todo = {function}, [function]
        while todo:
            name = todo.pop()
            if any(key[0] == name for key in self.loops):
                return True
            new = callees(self.module.functions[name]) - seen
            seen |= new
            todo += new
        return False


class NotCheckpointable(ValueError):
    """The iterations of a loop cannot run again from stored states."""


def run_again(choice: Choice) -> str:
    """The name of the function of a step, or of a segment, where it was free."""
    return f"{choice.function}_{choice.var}{SEGMENT if choice.segmented else ''}"


def with_checkpoints(module: Module, choices: Sequence[Choice]) -> Checkpoints:
    """The flat program, changed for these choices; raises NotCheckpointable."""
    made = Checkpoints(module, module)
    found: dict[Choice, Checkpointed] = {}
    for choice in sorted(choices, key=lambda c: -_depth(module, c)):
        found[choice] = _outline(made, choice)
    for choice, loop in found.items():
        for f in tuple(made.module.functions.values()):
            if any(isinstance(s, Loop) and any(_calls(x, loop.step) for x in s.body) for s in statements(f.body)):
                made.loops[f.name, choice.var] = loop
                for name in (loop.slots, loop.length):
                    if name is not None:
                        _pass_down(made, f.name, name)
    ordered = [found[c] for c in choices]
    made.counts = tuple(n for x in ordered for n in (x.slots, x.length) if n is not None)
    return made


def _calls(stmt: Stmt, function: str) -> TypeGuard[Call]:
    return isinstance(stmt, Call) and stmt.function == function


def _depth(module: Module, choice: Choice) -> int:
    """How many loops a loop lies in."""
    loops = (s for s in statements(module.functions[choice.function].body) if isinstance(s, Loop))
    return sum(any(isinstance(s, Loop) and s.var == choice.var for s in statements(loop.body)) for loop in loops)


def _find(made: Checkpoints, choice: Choice) -> tuple[Function | None, Loop | None]:
    """The function that has the loop by now, and the loop."""
    for f in made.module.functions.values():
        if made.origin.get(f.name, f.name) == choice.function:
            for s in statements(f.body):
                if isinstance(s, Loop) and s.var == choice.var:
                    return f, s
    return None, None


def _outline(made: Checkpoints, choice: Choice) -> Checkpointed:
    """Make the functions of one loop."""
    module = made.module
    f, loop = _find(made, choice)
    if f is None or loop is None:
        raise NotCheckpointable(f"{choice.function} has no loop over {choice.var}")
    outlined = outline(module, analyse(module), f, [loop])
    if outlined is None or loop.order == "any":
        raise NotCheckpointable(
            f"the loop over {choice.var} works on names that are bound anew, on lists or on overlapping arrays"
        )
    module, step = outlined
    taken = {n for g in module.functions.values() for n in function_names(g)}
    slots = unused(f"{choice.var}_slots", taken)
    length = unused(f"{choice.var}_length", {*taken, slots}) if choice.segmented else None
    again = step
    if choice.segmented:
        again = _segment(module, loop, step)
        module = replace(module, functions={**module.functions, again.name: again})
    for g in (step, again):
        made.origin[g.name] = choice.function
        made.changed.add(g.name)
    made.changed.add(f.name)
    made.module = module
    return Checkpointed(choice, step.name, again.name, slots, length)


def _segment(module: Module, loop: Loop, step: Function) -> Function:
    """The function of some consecutive steps: its first two parameters are the loop variable's range."""
    taken = {loop.var, *function_names(step)}
    first, last = unused(f"{loop.var}_first", taken), unused(f"{loop.var}_last", taken)
    params: list[Param] = [Scalar(first, I64), Scalar(last, I64), *(p for p in step.params if p.name != loop.var)]
    body = replace(loop, start=Var(first, I64), stop=Var(last, I64), cond=None, body=step.body)
    return Function(unused(f"{step.name}{SEGMENT}", module.functions), tuple(params), (body,), (), loop.span)


def _pass_down(made: Checkpoints, function: str, name: str) -> None:
    """Give a function a scalar parameter, and pass it from the root to there."""
    todo, done = [function], set[str]()
    while todo:
        target = todo.pop()
        f = made.module.functions[target]
        if target in done or any(p.name == name for p in f.params):
            continue
        done.add(target)
        made.changed.add(target)
        functions = dict(made.module.functions)
        functions[target] = replace(f, params=(*f.params, Scalar(name, I64)))
        for g in tuple(functions.values()):
            if target in callees(g):
                functions[g.name] = replace(g, body=map_statements(g.body, partial(_with, function=target, name=name)))
                todo.append(g.name)
        made.module = Module(functions, made.module.entry)


def _with(stmt: Stmt, function: str, name: str) -> tuple[Stmt, ...]:
    if _calls(stmt, function):
        return (replace(stmt, args=(*stmt.args, Var(name, I64))),)
    return (stmt,)
