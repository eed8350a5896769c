"""`wengert emit`: the C code of a compiled program or of its derivative."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import wengert as wg
from wengert import differences as fd
from wengert.codes import Code
from wengert.errors import WengertError
from wengert.programs import program_of
from wengert.verify import output_floats

TABLES = "static const wg_param wg_params[]"


class NothingToEmit(WengertError, ValueError):
    """The program has no float outputs: there is no derivative."""

    code = Code.NAME


def source(f: Callable[..., Any], args: tuple[Any, ...], mode: str, wrt: tuple[str, ...] | None, whole: bool) -> str:
    """The C source; without `whole` only the functions, not the tables by which Python calls them."""
    text = (_value(f, args) if mode == "value" else _vjp(f, args, wrt)).with_suffix(".c").read_text()
    return text if whole else text.split(TABLES)[0].rstrip() + "\n"


def _value(f: Callable[..., Any], args: tuple[Any, ...]) -> Path:
    fd.run(wg.compile(f), args)
    found = program_of(f).find("value", args, {})
    assert found is not None
    return found[0].kernel.path


def _vjp(f: Callable[..., Any], args: tuple[Any, ...], wrt: tuple[str, ...] | None) -> Path:
    chosen, outputs = everything(f, args, wrt)
    wg.vjp(f, *args, wrt=chosen, of=outputs)
    found = program_of(f).find(("vjp", chosen, outputs), args, {})
    assert found is not None
    return found[0].plan[-1].path


def everything(
    f: Callable[..., Any], args: tuple[Any, ...], wrt: tuple[str, ...] | None
) -> tuple[tuple[int | str, ...], tuple[int | str, ...]]:
    """`wrt` and `of` of the pullback of all that the program computes: its return value and the arguments it mutates.

    Runs the program once. Raises NothingToEmit if none of that is a float.
    """
    plain = fd.run(f, args)
    of = fd.mutated(f, args)
    if not output_floats(plain, of):
        raise NothingToEmit("the program returns no floats and mutates none: there is no derivative")
    chosen = wrt if wrt is not None else tuple(i for i, arg in enumerate(args) if fd.floats(arg))
    return chosen, ("return", *of) if fd.floats(plain.value) else of
