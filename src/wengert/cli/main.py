"""The command `wengert`. Exit codes: 0 all is well, 1 something was found wrong, 2 the question cannot be answered."""

from __future__ import annotations

import json
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from wengert.cli.bench.commands import bench
from wengert.cli.options import ArgsOption, JsonOption, ModeOption, TargetArgument, WrtOption

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exact gradients of ordinary NumPy programs, at native speed.",
)
app.add_typer(bench, name="bench")


def checked(mode: str) -> str:
    """The mode, if it is one."""
    if mode not in ("value", "vjp"):
        typer.echo(f"wengert: --mode is value or vjp, not {mode!r}", err=True)
        raise typer.Exit(2)
    return mode


@contextmanager
def progress(text: str) -> Generator[None]:
    """Say what is being done, on stderr, if a person is watching."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


@app.command()
def check(
    target: TargetArgument,
    args: ArgsOption = None,
    wrt: WrtOption = None,
    seed: Annotated[int, typer.Option(help="Of the random directions and weights.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare native value, JVP and VJP of a function with plain Python and differences."""
    from wengert.cli.target import load
    from wengert.verify import positions, verify

    found = load(target)
    values = found.arguments(args)
    chosen = None if wrt is None else positions(found.function, wrt.split(","))
    with progress(f"checking {found.name}"):
        report = verify(found.function, values, wrt=chosen, seed=seed)
    if as_json:
        findings = [asdict(finding) for finding in report.findings]
        typer.echo(
            json.dumps({"function": found.name, "ok": report.ok, "findings": findings, "fault": report.fault}, indent=2)
        )
    else:
        typer.echo(str(report))
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def emit(
    target: TargetArgument,
    args: ArgsOption = None,
    wrt: WrtOption = None,
    mode: ModeOption = "vjp",
    whole: Annotated[bool, typer.Option("--whole", help="With the tables that Python's call needs.")] = False,
) -> None:
    """Print the C code of a function's derivative (or of the function itself), with its own names and lines."""
    from wengert.cli.emit import source
    from wengert.cli.target import load

    found = load(target)
    values = found.arguments(args)
    with progress(f"compiling {found.name}"):
        text = source(found.function, values, checked(mode), None if wrt is None else tuple(wrt.split(",")), whole)
    typer.echo(text, nl=False)


@app.command()
def passes(
    target: TargetArgument,
    args: ArgsOption = None,
    wrt: WrtOption = None,
    mode: ModeOption = "vjp",
    print_before: Annotated[str, typer.Option(metavar="PASS", help="Print the IR before it; or all.")] = "",
    print_after: Annotated[str, typer.Option(metavar="PASS", help="Print the IR after it; or all.")] = "",
    spans: Annotated[bool, typer.Option("--spans", help="Print the IR with places in the source.")] = False,
    without: Annotated[str, typer.Option(metavar="PASSES", help="Leave these out, commas between.")] = "",
    time_passes: Annotated[bool, typer.Option("--time-passes", help="Say how long each pass took.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what every pass did to a function and to its derivative (or to the function alone): see docs/passes.md."""
    from wengert.cli import passes as work
    from wengert.cli.target import load

    found = load(target)
    values = found.arguments(args)
    shown = work.Shown(print_before, print_after, spans)
    left_out = [name for name in without.split(",") if name]
    with progress(f"running the passes over {found.name}"), work.without(left_out):
        done = work.trace(found.function, values, checked(mode), None if wrt is None else tuple(wrt.split(",")))
    if as_json:
        typer.echo(json.dumps(work.as_json(done, shown), indent=2))
        return
    texts = list(work.texts(done, shown))
    if texts:
        typer.echo("\n".join(texts), nl=False)
    if not texts or time_passes:
        typer.echo("\n".join(work.table(done, mode == "vjp", time_passes)))


@app.command()
def explain(
    target: TargetArgument,
    args: ArgsOption = None,
    wrt: WrtOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is kept and recomputed.")] = False,
    memory_limit: Annotated[str | None, typer.Option(metavar="SIZE", help="Plan for it: 512 MiB, 2 GB.")] = None,
    disk: Annotated[Path | None, typer.Option(metavar="DIRECTORY", help="Tapes that do not fit may lie there.")] = None,
    disk_limit: Annotated[str | None, typer.Option(metavar="SIZE", help="How much of that.")] = None,
    store: Annotated[str, typer.Option(metavar="PINS", help="Variables or lines to store, with commas.")] = "",
    recompute: Annotated[str, typer.Option(metavar="PINS", help="Variables or lines to recompute.")] = "",
    invert: Annotated[bool, typer.Option("--invert", help="Undo updates of floats in place of a tape.")] = False,
    timeline: Annotated[bool, typer.Option("--timeline", help="Also how memory goes, step by step.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page with the source, annotated.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the timeline (needs matplotlib).")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what a function's reverse sweep stores, with source lines and bytes, and the peak it allocates."""
    from wengert.cli.options import pins_of
    from wengert.cli.target import load
    from wengert.explanation import explain_all

    found = load(target)
    values = found.arguments(args)
    with progress(f"differentiating {found.name}"):
        chosen = None if wrt is None else tuple(wrt.split(","))
        pins = pins_of(store), pins_of(recompute)
        explanation = explain_all(
            found.function, values, chosen, memory_limit, *pins, disk=disk, disk_limit=disk_limit, invert=invert
        )
    if html is not None:
        html.write_text(explanation.html(), "utf-8")
    if plot is not None:
        explanation.plot(plot)
    lines = [*explanation.lines(everything), *(explanation.memory_lines() if timeline else ())]
    typer.echo(json.dumps(asdict(explanation), indent=2) if as_json else "\n".join(lines))


@app.command()
def supported(
    part: Annotated[str, typer.Argument(help="Of the names to list.")] = "",
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As the page docs/numpy.md.")] = False,
) -> None:
    """List what is supported of NumPy: value, JVP, VJP, second order, and how each is done."""
    from wengert.supported import markdown, table

    if as_markdown:
        typer.echo(markdown(), nl=False)
        return
    found = [e for e in table() if part in e.name]
    if as_json:
        rows = [
            {
                "name": e.name, "area": e.area, "sample": e.sample, "value": True, "jvp": e.differentiable,
                "vjp": e.differentiable, "second": e.differentiable, "reason": e.reason, "by": e.by,
            }
            for e in found
        ]  # fmt: skip
        typer.echo(json.dumps(rows, indent=2))
    else:
        for e in found:
            marks = "value, jvp, vjp, second order" if e.differentiable else f"value ({e.reason})"
            typer.echo(f"{e.name:28} {marks:32} {e.by}")
    raise typer.Exit(0 if found else 1)


@app.command()
def errors(
    code: Annotated[str, typer.Argument(help="One code, as WG103; all of them without.")] = "",
    as_json: JsonOption = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="As the page docs/errors.md.")] = False,
) -> None:
    """Explain the code of a refusal: the reason, and the way out."""
    from wengert.cli.target import UnknownName
    from wengert.codes import Code, describe, markdown

    if as_markdown:
        typer.echo(markdown(), nl=False)
        return
    wanted = code.upper().strip("[]")
    found = [entry for entry in Code if wanted in ("", str(entry))]
    if not found:
        raise UnknownName(f"no error {code}; there are {', '.join(map(str, Code))}")
    if as_json:
        typer.echo(json.dumps([asdict(entry.value) for entry in found], indent=2))
    else:
        typer.echo("\n\n".join(map(describe, found)))


@app.command()
def doctor(as_json: JsonOption = False) -> None:
    """Say whether everything wengert needs is there, and differentiate a tiny program end to end."""
    from wengert.cli.doctor import examine

    with progress("examining"):
        items = examine()
    if as_json:
        typer.echo(json.dumps([asdict(item) for item in items], indent=2))
    else:
        for item in items:
            typer.echo(str(item))
    raise typer.Exit(0 if all(item.ok for item in items) else 1)


@app.command()
def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove everything, what `calibrate` measured too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Say where compiled programs are kept, how many files and bytes they are; or remove them."""
    from wengert.runtime.cache import LIMIT, contents, directory, prune

    if clear:
        prune(0)
    files, size = contents()
    if as_json:
        known = {"directory": str(directory()), "files": files, "bytes": size, "limit": LIMIT}
        typer.echo(json.dumps(known, indent=2))
    else:
        typer.echo(f"{directory()}: {files} files, {size / 2**20:.1f} MiB of at most {LIMIT / 2**20:.0f} MiB")


@app.command()
def calibrate(
    default: Annotated[bool, typer.Option("--default", help="Measure nothing: show the committed machine.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure what this machine can do, for the cost model, and store it in the cache: see docs/cost_model.md."""
    from wengert.analysis.cost import DEFAULT
    from wengert.calibration import calibrate as measure
    from wengert.calibration.report import lines

    with progress("measuring"):
        machine = DEFAULT if default else measure()
    typer.echo(json.dumps(machine.as_json(), indent=2) if as_json else "\n".join(lines(machine)))


def version(flag: bool) -> None:
    """Print the version and leave."""
    if flag:
        from importlib.metadata import version as installed

        typer.echo(f"wengert {installed('wengert')}")
        raise typer.Exit


@app.callback()
def options(
    show: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Exact gradients of ordinary NumPy programs, at native speed."""


def main() -> None:
    """Run the command; what wengert refuses, or the user's program raises, is an error message, not a traceback."""
    from wengert.errors import WengertError

    try:
        app()
    except WengertError as error:
        print(f"wengert: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        place = outside(error)
        if place is None:
            raise
        print(f"wengert: the program itself raised, {place}: {type(error).__name__}: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def outside(error: Exception) -> str | None:
    """FILE:LINE where an exception comes from if that is not wengert's own code."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    if not frames or Path(frames[-1].filename).is_relative_to(Path(__file__).parent.parent):
        return None
    return f"{frames[-1].filename}:{frames[-1].lineno}"


if __name__ == "__main__":
    main()
