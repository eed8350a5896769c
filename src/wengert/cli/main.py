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

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Exact gradients of ordinary NumPy programs, at native speed.",
)
bench = typer.Typer(no_args_is_help=True, help="Verify and time collections of programs.")
app.add_typer(bench, name="bench")

TargetArgument = Annotated[str, typer.Argument(metavar="FILE.py:FUNC", help="A function of a Python file.")]
ArgsOption = Annotated[
    str | None,
    typer.Option("--args", metavar="EXPR", help="The arguments, a Python tuple; sees the file's names and np."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
WrtOption = Annotated[
    str | None, typer.Option(metavar="NAMES", help="Arguments to differentiate, by name, with commas between.")
]


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
    mode: Annotated[str, typer.Option(help="value: the program itself; vjp: value and gradient.")] = "vjp",
    whole: Annotated[bool, typer.Option("--whole", help="With the tables that Python's call needs.")] = False,
) -> None:
    """Print the C code of a function's derivative (or of the function itself), with its own names and lines."""
    from wengert.cli.emit import source
    from wengert.cli.target import load

    if mode not in ("value", "vjp"):
        typer.echo(f"wengert: --mode is value or vjp, not {mode!r}", err=True)
        raise typer.Exit(2)
    found = load(target)
    values = found.arguments(args)
    with progress(f"compiling {found.name}"):
        text = source(found.function, values, mode, None if wrt is None else tuple(wrt.split(",")), whole)
    typer.echo(text, nl=False)


@app.command()
def explain(
    target: TargetArgument,
    args: ArgsOption = None,
    wrt: WrtOption = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what is kept and recomputed.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List what a function's reverse sweep stores, with source lines and bytes, and the peak it allocates."""
    from wengert.cli.target import load
    from wengert.explanation import explain_all

    found = load(target)
    values = found.arguments(args)
    with progress(f"differentiating {found.name}"):
        explanation = explain_all(found.function, values, None if wrt is None else tuple(wrt.split(",")))
    typer.echo(json.dumps(asdict(explanation), indent=2) if as_json else "\n".join(explanation.lines(everything)))


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


@bench.command()
def npbench(
    checkout: Annotated[Path, typer.Argument(help="A folder with a checkout of github spcl/npbench.")],
    verify: Annotated[bool, typer.Option("--verify", help="Compare values and derivatives with plain NumPy.")] = False,
    only: Annotated[str, typer.Option(metavar="NAMES", help="Programs, with commas between.")] = "",
    preset: Annotated[str, typer.Option(help="Sizes of the value comparison: S, M, L or paper.")] = "S",
    seed: Annotated[int, typer.Option(help="Of the random directions and weights.")] = 0,
    timeout: Annotated[float, typer.Option(help="Seconds per program.")] = 300.0,
    memory: Annotated[float, typer.Option(help="GiB of address space per program.")] = 16.0,
    jobs: Annotated[int, typer.Option(help="Programs at a time (--against: competitors that compile at a time).")] = 1,
    against: Annotated[str, typer.Option(metavar="NAMES", help="Time beside these: numpy, numba, jax.")] = "",
    threads: Annotated[int, typer.Option(help="Of every competitor (--against).")] = 1,
    rewrites: Annotated[
        Path | None, typer.Option(help="JAX programs beside NPBench's (default: benchmarks/jax_programs.py).")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Write a bar chart (--against; needs matplotlib).")] = None,
    page: Annotated[bool, typer.Option("--markdown", help="Print a table for a page (--against).")] = False,
    as_json: JsonOption = False,
) -> None:
    """The programs of NPBench as they are: native value and derivatives against NumPy.

    Values are compared at the preset's sizes: floats to 1e-10 relative to the largest (single precision 1e-5),
    integers identical. Derivatives are compared at sizes scaled down from them, all sizes by one factor, until one
    NumPy run takes 10 ms and has 20,000 float inputs, because differences need many runs.

    jvp and vjp: all float outputs with respect to all float inputs, against complex steps or differences of the NumPy
    program to 1e-6 (single precision: against the program in double precision, to 2e-3), and against each other to
    1e-10. hvp: Hessian-vector products, forward over reverse, of the randomly weighted sum of all float outputs,
    against differences of the verified gradients to 1e-5 (single precision: of the program in double precision, to
    2e-3), and symmetric, <u, H v> = <v, H u>, to 1e-9. Programs whose data are integers get floats in their place
    where that runs.

    --against: the gradient of a fixed randomly weighted sum of all float outputs with respect to all float arrays, by
    wengert and JAX, and the program itself by NumPy, Numba (NPBench's own programs) and wengert. Every competitor has a
    process; values and gradients are compared (to 1e-6, single precision 2e-3) before anything is timed; then they take
    turns. Medians; the first call, which compiles, apart. Needs `pip install wengert[bench]`.
    """
    from wengert.cli.npbench import Limits, Result, run_all, table
    from wengert.cli.npbench import as_json as to_json
    from wengert.cli.npbench_programs import programs

    if verify == bool(against):
        typer.echo(
            "say what to do with the programs: --verify compares values and derivatives with NumPy, "
            "--against numpy,numba,jax times them beside others",
            err=True,
        )
        raise typer.Exit(2)
    chosen = programs(checkout, tuple(name for name in only.split(",") if name))
    for program in chosen:
        program.parameters(preset)
    if against:
        from wengert.cli.npbench_against import Contest, Setting, chosen_rivals, hold_all
        from wengert.cli.npbench_report import as_json as contests_json
        from wengert.cli.npbench_report import markdown
        from wengert.cli.npbench_report import plot as draw
        from wengert.cli.npbench_report import table as contests_table

        own = rewrites or Path(__file__).parents[3] / "benchmarks" / "jax_programs.py"
        setting = Setting(
            checkout,
            preset,
            chosen_rivals(against),
            threads,
            Limits(timeout, memory),
            rewrites=own if own.exists() else None,
            jobs=jobs,
        )

        def said(contest: Contest) -> None:
            states = ", ".join(f"{name} {entry.status}" for name, entry in contest.entries.items())
            typer.echo(f"{contest.name}: {states}", err=True)

        contests = hold_all(chosen, setting, said)
        if plot is not None:
            draw(contests, plot)
        lines = markdown(contests) if page else contests_table(contests)
        typer.echo(contests_json(contests, setting) if as_json else "\n".join(lines))
        wrong = any(one.entries.get("wengert") is None or one.entries["wengert"].status != "ok" for one in contests)
        raise typer.Exit(1 if wrong else 0)
    done = 0

    def report(result: Result) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            typer.echo(f"[{done}/{len(chosen)}] {result.name}: {'ok' if result.ok else 'FAIL'}", err=True)

    results = run_all(chosen, checkout, preset, seed, Limits(timeout, memory), jobs, report)
    typer.echo(to_json(results) if as_json else "\n".join(table(results)))
    raise typer.Exit(0 if all(result.ok for result in results) else 1)


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
