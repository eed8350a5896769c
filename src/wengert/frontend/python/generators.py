"""Generators: a loop over one runs its body, and what loops over it runs at every yield, as Python interleaves them.

So what is yielded may be changed in place afterwards, and a generator that never ends is left by a break. A generator
is looped over from its beginning, once; `next` takes its first element only.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from . import generator_programs as programs
from .control import ExitNow, Target
from .frame import Frame
from .interp import Interp
from .python_values import python_method
from .source import FunctionNode, liveness_of, scope_of
from .subclasses import SubArray
from .values import MISSING, RGenerator, RList

USED = "used"
_lists: dict[ast.AST, ast.ListComp] = {}  # what lists made of generators are known by
_loops: dict[ast.YieldFrom, ast.For] = {}


@dataclass(eq=False)
class Consumer:
    """What loops over a running generator: its frame, how it takes an item, what of its locals is read later. With
    nowhere to leave for it is a with statement: `left` is what its body may leave for, `falls` whether it ends."""

    frame: Frame
    take: Callable[[Any], bool]
    live: frozenset[str] | None
    handlers: int
    loops: list[tuple[Target, Target]]
    leaving: Target | None
    left: set[Target] = field(default_factory=set[Target])
    falls: bool = True


def own_nodes(node: FunctionNode) -> list[ast.AST]:
    """The nodes of a function's body without those of inner functions."""
    out: list[ast.AST] = []
    todo: list[ast.AST] = list(node.body) if isinstance(node.body, list) else [node.body]
    while todo:
        n = todo.pop()
        out.append(n)
        if not isinstance(n, (ast.FunctionDef, ast.Lambda, ast.GeneratorExp, ast.ClassDef)):
            todo.extend(ast.iter_child_nodes(n))
    return out


def is_generator(node: FunctionNode) -> bool:
    return any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in own_nodes(node))


class Generators(Interp):
    """Runs generators. A part of the interpreter."""

    def make_generator(self, frame: Frame) -> RGenerator:
        """The generator that a call of a function with yields gives: its body has not begun."""
        self.stage.note_created(frame.locals)
        return RGenerator(frame, self.stage.note_created({}))

    def opened(self, value: Any) -> Any:
        """What a loop over the value runs over: the value itself, or what its class's __iter__ gives."""
        value = self.resolve(value)
        method = None if isinstance(value, (RGenerator, SubArray)) else python_method(value, "__iter__")
        if method is None or hasattr(value, "_fields"):
            return value
        made = self.resolve(self.call(method, [value], {}))
        if python_method(made, "__next__") is not None:
            return self.call(programs.stepped, [made], {})
        return made if made is value else self.opened(made)

    def generator_for(self, node: ast.For, generator: RGenerator) -> bool:
        """for target in generator: body."""
        consumer = self.frame
        leaving = self.target("break")
        live = liveness_of(consumer.node)
        names = None
        if node in live.head and node in live.after:
            names = frozenset(live.head[node] | live.after[node] | scope_of(consumer.node).captured)

        def take(item: Any) -> bool:
            self.assign(node.target, item)
            return self.exec_block(node.body)

        def run() -> bool:
            try:
                self.run_generator(generator, Consumer(consumer, take, names, len(self.handlers), self.loops, leaving))
            except ExitNow:
                return False
            return self.exec_block(node.orelse) if node.orelse else True

        path = self.body(run)
        outer = frozenset(t for t in path.exits if t is not leaving)
        if not path.falls and leaving not in path.exits:
            self.bodies[-1].exits |= outer
            return False
        self.guard(outer)
        return True

    def run_generator(self, generator: RGenerator, consumer: Consumer) -> None:
        """Run the body of a generator to its end, what it yields being taken by `consumer`."""
        state = generator.state
        if state.get(USED, MISSING) is not MISSING:
            if state[USED] is True:
                return  # it has ended
            reason = f"the generator {generator.frame.name} is used again after a part of it was taken"
            raise self.stage.refuse(reason, "take all of it by one loop, or make a list of it")
        for n in own_nodes(generator.frame.node) if consumer.leaving is not None else ():
            closes = isinstance(n, ast.Try) and bool(n.finalbody)
            if closes and any(isinstance(y, (ast.Yield, ast.YieldFrom)) for y in ast.walk(n)):
                name = generator.frame.name
                raise self.stage.refuse(f"{name} yields inside try ... finally", "yield outside of it")
        self.stage.write(state, USED, "begun")
        frame = replace(generator.frame, depth=len(self.frames), returns=None)
        self.consumers.append((frame, consumer))
        try:
            self.run_frame(frame)
        finally:
            self.consumers.pop()
        self.stage.write(state, USED, True)

    def yielded(self, value: Any) -> None:
        """At a yield of the current frame: its consumer takes the value."""
        generator = self.frame
        found = next((c for f, c in reversed(self.consumers) if f is generator), None)
        if found is None:
            raise self.stage.refuse("yield outside of a function that is looped over", "return a list instead")
        turn = self.target("continue")
        handlers, loops, frames = self.handlers, self.loops, self.frames
        if found.leaving is None:
            self.loops = found.loops
        else:
            self.handlers = handlers[: found.handlers]
            self.loops = [*found.loops, (found.leaving, turn)]
        self.frames = [*frames, found.frame]
        span = self.stage.span

        try:
            path = self.body(lambda: self.contained(lambda: found.take(self.settle(value))))
        finally:
            self.handlers, self.loops, self.frames, self.stage.span = handlers, loops, frames, span
        outer = frozenset(t for t in path.exits if t is not turn)
        falls = path.falls or turn in path.exits
        if found.leaving is None:  # the generator goes on when its with statement is left, unless by an exception
            found.falls = found.falls and path.falls
            found.left |= {t for t in outer if t.kind != "raise"}
            falls, outer = path.falls or bool(found.left), frozenset(t for t in outer if t.kind == "raise")
        if not falls:
            self.bodies[-1].exits |= outer
            raise ExitNow
        self.guard(outer)

    def listed(self, generator: RGenerator) -> list[Any] | RList:
        """All that a generator yields."""
        place = self.call_node or generator.frame.node
        node = _lists.setdefault(place, ast.ListComp(ast.Name("$item", ast.Load()), []))
        if node in self.stage.decisions.static_lists:
            self.stage.unrolled.update(n for n in ast.walk(generator.frame.node) if isinstance(n, ast.For))
        items = self.new_list(node, [])

        def take(item: Any) -> bool:
            self.call_method(items, "append", [item], {})
            return True

        leaving = self.target("break")
        consumer = Consumer(self.frame, take, None, len(self.handlers), self.loops, leaving)
        self.run_generator(generator, consumer)
        return items

    def yield_from(self, node: ast.YieldFrom) -> None:
        """yield from x, as a loop that yields what x gives."""
        item = ast.Name("$item", ast.Load())
        loop = _loops.get(node)
        if loop is None:
            again = ast.Expr(ast.Yield(item))
            loop = ast.For(ast.Name("$item", ast.Store()), node.value, [again], [])
            for made in (item, again, again.value, loop, loop.target):
                ast.copy_location(made, node)
            _loops[node] = loop
        if not self.exec_for(loop):
            raise ExitNow

    def consumed(self, locals_: dict[str, Any], name: Any) -> bool:
        """Whether a local of something that loops over a running generator is not read again."""
        for _, consumer in self.consumers:
            if consumer.frame.locals is locals_:
                return consumer.live is not None and name not in consumer.live and name != "$ret"
        return False
