"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

TargetArgument = Annotated[str, typer.Argument(metavar="FILE.py:FUNC", help="A function of a Python file.")]
ArgsOption = Annotated[
    str | None,
    typer.Option("--args", metavar="EXPR", help="The arguments, a Python tuple; sees the file's names and np."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
WrtOption = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Arguments to differentiate, by name, with commas between.")
]
ModeOption = Annotated[str, typer.Option("--mode", help="value: the program itself; vjp: value and gradient.")]


def pins_of(text: str) -> list[str | int]:
    """Names and numbers of lines, with commas between."""
    return [int(p) if p.isdigit() else p for p in map(str.strip, text.split(",")) if p]
