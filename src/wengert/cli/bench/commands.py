"""`wengert bench SUITE`: verify a suite of programs, or time it beside others."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from wengert.cli.options import JsonOption

if TYPE_CHECKING:
    from wengert.cli.bench.suite import Suite

bench = typer.Typer(no_args_is_help=True, help="Verify and time collections of programs.")

VerifyOption = Annotated[bool, typer.Option("--verify", help="Compare values and derivatives with plain NumPy.")]
OnlyOption = Annotated[str, typer.Option(metavar="NAMES", help="Programs, with commas between.")]
PresetOption = Annotated[str, typer.Option(help="Sizes: S, M, or what else the programs have.")]
SeedOption = Annotated[int, typer.Option(help="Of the random directions and weights.")]
TimeoutOption = Annotated[float, typer.Option(help="Seconds per program.")]
MemoryOption = Annotated[float, typer.Option(help="GiB of address space per program.")]
JobsOption = Annotated[int, typer.Option(help="Programs at a time (--against: competitors that compile at a time).")]
AgainstOption = Annotated[str, typer.Option(metavar="NAMES", help="Time beside these: numpy, numba, jax.")]
ThreadsOption = Annotated[int, typer.Option(help="Of every competitor (--against).")]
RewritesOption = Annotated[
    Path | None, typer.Option(help="A file of JAX programs (default: ours, of the folder benchmarks).")
]
PlotOption = Annotated[Path | None, typer.Option(help="Write a bar chart (--against; needs matplotlib).")]
PageOption = Annotated[bool, typer.Option("--markdown", help="Print a table for a page (--against).")]


@dataclass(frozen=True, slots=True)
class Options:
    """What all suites can be asked."""

    verify: bool
    only: str
    preset: str
    seed: int
    timeout: float
    memory: float
    jobs: int
    against: str
    threads: int
    plot: Path | None
    page: bool
    as_json: bool


@bench.command()
def npbench(
    checkout: Annotated[Path, typer.Argument(help="A folder with a checkout of github spcl/npbench.")],
    verify: VerifyOption = False,
    only: OnlyOption = "",
    preset: PresetOption = "S",
    seed: SeedOption = 0,
    timeout: TimeoutOption = 300.0,
    memory: MemoryOption = 16.0,
    jobs: JobsOption = 1,
    against: AgainstOption = "",
    threads: ThreadsOption = 1,
    rewrites: RewritesOption = None,
    plot: PlotOption = None,
    page: PageOption = False,
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
    from wengert.cli.bench.suite import npbench as open_suite

    options = Options(verify, only, preset, seed, timeout, memory, jobs, against, threads, plot, page, as_json)
    examine(open_suite(checkout, rewrites), options)


@bench.command()
def fields(
    folder: Annotated[Path | None, typer.Argument(help="Programs, one a file (default: benchmarks/fields).")] = None,
    verify: VerifyOption = False,
    only: OnlyOption = "",
    preset: PresetOption = "S",
    seed: SeedOption = 0,
    timeout: TimeoutOption = 300.0,
    memory: MemoryOption = 16.0,
    jobs: JobsOption = 1,
    against: AgainstOption = "",
    threads: ThreadsOption = 1,
    rewrites: RewritesOption = None,
    plot: PlotOption = None,
    page: PageOption = False,
    as_json: JsonOption = False,
) -> None:
    """Programs of many fields, which nobody tuned the compiler for: verified and timed as NPBench's are.

    A folder of files, each with PRESETS, initialize(**sizes) and a function named as the file. What is compared and
    timed, and how: see `wengert bench npbench --help`. Numba runs the same text; JAX runs the function of that name in
    --rewrites.
    """
    from wengert.cli.bench.suite import fields as open_suite

    options = Options(verify, only, preset, seed, timeout, memory, jobs, against, threads, plot, page, as_json)
    examine(open_suite(folder, rewrites), options)


@bench.command()
def speed(
    checkout: Annotated[Path, typer.Argument(help="A folder with a checkout of github spcl/npbench.")],
    only: OnlyOption = "",
    table: Annotated[
        Path | None, typer.Option(help="Sizes and hand-written times (default: benchmarks/hand_written.json).")
    ] = None,
    rounds: Annotated[int, typer.Option(help="Turns of every competitor.")] = 7,
    timeout: TimeoutOption = 300.0,
    memory: MemoryOption = 16.0,
    page: PageOption = False,
    as_json: JsonOption = False,
) -> None:
    """Gradients of NPBench programs over adjoints written by hand, on one thread.

    The hand-written times of another machine are scaled by the NumPy program's times there and here. NumPy's program
    and wengert's gradient take turns; values and gradients are compared first, as by `npbench --against numpy`.
    """
    from wengert.cli.bench import speed as work
    from wengert.cli.bench.contest import Contest, Setting, hold_all
    from wengert.cli.bench.report import machine
    from wengert.cli.bench.verification import Limits

    suite, rows = work.suite(checkout, table)
    setting = Setting(suite, work.PRESET, ("numpy",), limits=Limits(timeout, memory), rounds=rounds)
    found: list[work.Standing] = []

    def said(contest: Contest) -> None:
        found.append(work.standing(contest, rows[contest.name]))
        if sys.stderr.isatty():
            typer.echo(f"{contest.name}: {found[-1].reason or f'{found[-1].multiple:.2f}'}", err=True)

    hold_all(suite.programs([name for name in only.split(",") if name]), setting, said)
    lines = [work.as_json(found, machine(setting))] if as_json else work.table(found, page)
    typer.echo("\n".join(lines))
    raise typer.Exit(1 if any(one.reason for one in found) else 0)


def examine(suite: Suite, options: Options) -> None:
    """Verify or time; exit code 1 if wengert is wrong anywhere."""
    from wengert.cli.bench.programs import parameters

    if options.verify == bool(options.against):
        typer.echo(
            "say what to do with the programs: --verify compares values and derivatives with NumPy, "
            "--against numpy,numba,jax times them beside others",
            err=True,
        )
        raise typer.Exit(2)
    names = [name for name in options.only.split(",") if name]
    programs = suite.programs(names)
    for program in programs:
        parameters(program, options.preset)
    job = time_beside if options.against else verify_all
    lines, right = job(suite, names, options)
    typer.echo("\n".join(lines))
    raise typer.Exit(0 if right else 1)


def time_beside(suite: Suite, names: list[str], options: Options) -> tuple[Iterable[str], bool]:
    """The contest; its report, and whether wengert was right everywhere."""
    from wengert.cli.bench.contest import Contest, Setting, chosen_rivals, hold_all
    from wengert.cli.bench.report import as_json, markdown, plot, table
    from wengert.cli.bench.verification import Limits

    limits = Limits(options.timeout, options.memory)
    rivals = chosen_rivals(options.against)
    setting = Setting(suite, options.preset, rivals, options.threads, limits, jobs=options.jobs)

    def said(contest: Contest) -> None:
        states = ", ".join(f"{name} {entry.status}" for name, entry in contest.entries.items())
        typer.echo(f"{contest.name}: {states}", err=True)

    contests = hold_all(suite.programs(names), setting, said)
    if options.plot is not None:
        plot(contests, options.plot)
    right = all(one.entries.get("wengert") is not None and one.entries["wengert"].status == "ok" for one in contests)
    if options.as_json:
        return [as_json(contests, setting)], right
    return (markdown if options.page else table)(contests), right


def verify_all(suite: Suite, names: list[str], options: Options) -> tuple[Iterable[str], bool]:
    """The verification; its report, and whether everything was right."""
    from wengert.cli.bench.verification import Limits, Result, as_json, run_all, table

    programs = suite.programs(names)
    done = 0

    def report(result: Result) -> None:
        nonlocal done
        done += 1
        if sys.stderr.isatty():
            typer.echo(f"[{done}/{len(programs)}] {result.name}: {'ok' if result.ok else 'FAIL'}", err=True)

    limits = Limits(options.timeout, options.memory)
    results = run_all(programs, suite, options.preset, options.seed, limits, options.jobs, report)
    return [as_json(results)] if options.as_json else table(results), all(result.ok for result in results)
