"""`wengert passes`: what the passes did to a program, or to its derivative."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from wengert import pipeline
from wengert.cli.emit import everything
from wengert.cli.target import UnknownName
from wengert.ir.nodes import Alloc, Block, Loop, Module, Stmt
from wengert.ir.text import show
from wengert.ir.walk import map_statements, statements
from wengert.pipeline import Step
from wengert.programs import program_of
from wengert.transform import Pulled

ALL = "all"


@dataclass(frozen=True, slots=True)
class Counts:
    """How large a program is: loops, statements and allocations in its text."""

    loops: int
    statements: int
    arrays: int

    @classmethod
    def of(cls, module: Module) -> Counts:
        found = [s for f in module.functions.values() for s in statements(f.body)]
        return cls(sum(isinstance(s, Loop) for s in found), len(found), sum(isinstance(s, Alloc) for s in found))


@dataclass(frozen=True, slots=True)
class Passes:
    """The passes over the program as it was staged, and then over what is compiled: it, or its derivative."""

    program: Sequence[Step]
    compiled: Sequence[Step]

    @property
    def all(self) -> Sequence[Step]:
        return (*self.program, *self.compiled)


@contextmanager
def without(names: Sequence[str]) -> Generator[None]:
    """Leave passes out, beside those that the environment names."""
    check(names, [one.__name__ for one in pipeline.LAST])
    before = os.environ.get("WENGERT_WITHOUT")
    os.environ["WENGERT_WITHOUT"] = ",".join(sorted({*pipeline.skipped(), *names}))
    try:
        yield
    finally:
        del os.environ["WENGERT_WITHOUT"]
        if before is not None:
            os.environ["WENGERT_WITHOUT"] = before


def trace(f: Callable[..., Any], args: tuple[Any, ...], mode: str, wrt: tuple[str, ...] | None) -> Passes:
    """Run the passes over a program (`mode` "value"), or over it and then its pullback ("vjp"); compiles nothing."""
    first: list[Step] = []
    last: list[Step] = []
    staged = program_of(f).stage(args, {})
    with pipeline.observed(first.append):
        module = pipeline.prepare(staged.module, staged.names)
    with pipeline.observed(last.append):
        if mode == "value":
            pipeline.finish(module)
        else:
            chosen, outputs = everything(f, args, wrt)
            Pulled.of(f, args, {}, staged, module, list(chosen), outputs).make(())
    return Passes(first, last)


def check(names: Sequence[str], among: Sequence[str]) -> None:
    """Refuse what is not the name of a pass."""
    unknown = [name for name in names if name not in among]
    if unknown:
        raise UnknownName(f"no pass {', '.join(unknown)} here; there are {', '.join(dict.fromkeys(among))}")


@dataclass(frozen=True, slots=True)
class Shown:
    """Which texts are wanted: before and after which pass ("all", or ""), with places in the source or not."""

    before: str = ""
    after: str = ""
    spans: bool = False

    def check(self, passes: Passes) -> None:
        """Refuse what has not run."""
        check([name for name in (self.before, self.after) if name not in ("", ALL)], [s.name for s in passes.all])

    def of(self, step: Step) -> Iterator[tuple[str, str]]:
        """What is wanted of a step: "before" or "after", and the text."""
        for when, wanted, module in (("before", self.before, step.before), ("after", self.after, step.after)):
            if wanted in (step.name, ALL):
                yield when, show(module if self.spans else _bare(module))


def texts(passes: Passes, shown: Shown) -> Iterator[str]:
    """The texts wanted, each under a heading; one that is as the last is not printed again."""
    shown.check(passes)
    last = ""
    for step in passes.all:
        for when, text in shown.of(step):
            yield f"# {when} {step.name}" + (": as above\n" if text == last else f"\n\n{text}")
            last = text


def _bare(module: Module) -> Module:
    def statement(s: Stmt) -> Block:
        return (replace(s, span=None),)

    functions = {
        name: replace(f, body=map_statements(f.body, statement), span=None) for name, f in module.functions.items()
    }
    return Module(functions, module.entry)


def changed(step: Step) -> bool:
    """Whether the pass did anything."""
    return step.before != step.after


def table(passes: Passes, derivative: bool, seconds: bool) -> Iterator[str]:
    """A line per pass: how large the program is after it; with `seconds` how long it took, too."""
    yield f"{'':<21} {'loops':>6} {'statements':>11} {'arrays':>7}" + (f" {'ms':>8}" if seconds else "")
    heads = ("program", "its derivative" if derivative else "what is compiled")
    for head, steps in zip(heads, (passes.program, passes.compiled), strict=True):
        if steps:
            yield _row(head, Counts.of(steps[0].before))
        for step in steps:
            cells = _row(f"  {step.name}", Counts.of(step.after))
            time = f" {1e3 * step.seconds:>8.2f}" if seconds else ""
            yield cells + time + ("" if changed(step) else "  unchanged")


def _row(name: str, counts: Counts) -> str:
    return f"{name:<21} {counts.loops:>6} {counts.statements:>11} {counts.arrays:>7}"


def as_json(passes: Passes, shown: Shown) -> dict[str, Any]:
    """Everything, for scripts: sizes, times, and the texts wanted."""
    shown.check(passes)

    def one(step: Step) -> dict[str, Any]:
        return {
            "name": step.name,
            "seconds": step.seconds,
            "changed": changed(step),
            "before": asdict(Counts.of(step.before)),
            "after": asdict(Counts.of(step.after)),
            "texts": dict(shown.of(step)),
        }

    return {"program": [one(s) for s in passes.program], "compiled": [one(s) for s in passes.compiled]}
