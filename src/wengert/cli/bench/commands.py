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
AgainstOption = Annotated[str, typer.Option(metavar="NAMES", help="Time beside these: numpy, numba, jax, dace.")]
ThreadsOption = Annotated[int, typer.Option(help="Of every competitor (--against).")]
RewritesOption = Annotated[
    Path | None, typer.Option(help="A file of JAX programs (default: ours, of the folder benchmarks).")
]
PlotOption = Annotated[Path | None, typer.Option(help="Write a bar chart (--against; needs matplotlib).")]
SaveOption = Annotated[Path | None, typer.Option(help="Write JSON after every program (--against).")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Keep the programs that --save already has.")]
RoundsOption = Annotated[int, typer.Option(help="Turns of every competitor (--against).")]
DaceOption = Annotated[
    str, typer.Option(envvar="WENGERT_BENCH_DACE", help="The Python that has DaCe, where this one has not.")
]
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
    save: Path | None
    resume: bool
    rounds: int
    dace_python: str


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
    save: SaveOption = None,
    resume: ResumeOption = False,
    rounds: RoundsOption = 5,
    dace_python: DaceOption = "",
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
    wengert, JAX (the fastest program that is right, and NPBench's own) and DaCe AD, and the program itself by NumPy,
    Numba (NPBench's own programs) and wengert. Every competitor has a process; values and gradients are compared (to
    1e-6, single precision 2e-3) before anything is timed; then they take turns. Medians; the first call, which
    compiles, apart; the peak memory of a gradient. Needs `pip install wengert[bench]`; DaCe `wengert[dace]`, or
    another Python that has it, --dace-python.
    """
    from wengert.cli.bench.suite import npbench as open_suite

    given = (verify, only, preset, seed, timeout, memory, jobs, against, threads, plot, page, as_json)
    options = Options(*given, save, resume, rounds, dace_python)
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
    save: SaveOption = None,
    resume: ResumeOption = False,
    rounds: RoundsOption = 5,
    dace_python: DaceOption = "",
) -> None:
    """Programs of many fields, which nobody tuned the compiler for: verified and timed as NPBench's are.

    A folder of files, each with PRESETS, initialize(**sizes) and a function named as the file. What is compared and
    timed, and how: see `wengert bench npbench --help`. Numba runs the same text; JAX runs the function of that name in
    --rewrites.
    """
    from wengert.cli.bench.suite import fields as open_suite

    given = (verify, only, preset, seed, timeout, memory, jobs, against, threads, plot, page, as_json)
    options = Options(*given, save, resume, rounds, dace_python)
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
    from wengert.cli.bench.contest import Setting, hold_all
    from wengert.cli.bench.results import Contest
    from wengert.cli.bench.runs import machine
    from wengert.cli.bench.verification import Limits

    suite, rows = work.suite(checkout, table)
    setting = Setting(suite, work.PRESET, ("numpy",), limits=Limits(timeout, memory), rounds=rounds)
    found: list[work.Standing] = []

    def said(contest: Contest) -> None:
        found.append(work.standing(contest, rows[contest.name]))
        if sys.stderr.isatty():
            typer.echo(f"{contest.name}: {found[-1].reason or f'{found[-1].multiple:.2f}'}", err=True)

    hold_all(suite.programs([name for name in only.split(",") if name]), setting, said)
    lines = [work.as_json(found, machine(setting.rivals))] if as_json else work.table(found, page)
    typer.echo("\n".join(lines))
    raise typer.Exit(1 if any(one.reason for one in found) else 0)


@bench.command()
def memory(
    programs: Annotated[
        Path | None, typer.Argument(help="A file with PROGRAMS (default: benchmarks/memory_programs.py).")
    ] = None,
    only: OnlyOption = "",
    seconds: Annotated[float, typer.Option(help="Of timing, per program.")] = 20.0,
    timeout: Annotated[float, typer.Option(help="Seconds per program, compiling included.")] = 50.0,
    jax: Annotated[bool, typer.Option("--jax", help="Also jax.checkpoint in as many bytes (needs JAX).")] = False,
    page: PageOption = False,
    save: SaveOption = None,
    as_json: JsonOption = False,
) -> None:
    """Gradients within memory limits, and the strategies for keeping within them side by side.

    For every program 20 limits from the least to what storing all takes: the measured peak (which must stay below),
    predicted and measured time. At three of them the chosen plan beside a binomial schedule, minimum cut alone, storing
    all, and recomputing all. Every gradient is compared with the one without a limit. With --jax, the best policies of
    jax.checkpoint for the programs of benchmarks/jax_memory.py, and ours in as many bytes. Exit code 1 if a peak
    exceeds its limit or a program fails.
    """
    from wengert.cli.bench import memory_report as work
    from wengert.cli.bench.programs import load_module
    from wengert.cli.bench.runs import machine
    from wengert.cli.bench.suite import BENCHMARKS

    path = programs or BENCHMARKS / "memory_programs.py"
    names = [name for name in only.split(",") if name] or list(load_module(path).PROGRAMS)
    found: list[work.Measured] = []
    for name in names:
        found.append(work.measured(path, name, seconds, timeout, BENCHMARKS / "jax_memory.py" if jax else None))
        if save is not None:
            save.write_text(work.as_json(found, machine(())))
        if sys.stderr.isatty():
            typer.echo(f"[{len(found)}/{len(names)}] {name}: {found[-1].reason or 'ok'}", err=True)
    typer.echo(work.as_json(found, machine(())) if as_json else "\n".join(work.table(found, page)), nl=not as_json)
    raise typer.Exit(1 if any(one.reason or work.exceeded(one) for one in found) else 0)


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
    from wengert.cli.bench.contest import Setting, chosen_rivals, hold_all
    from wengert.cli.bench.report import markdown, table
    from wengert.cli.bench.results import Contest
    from wengert.cli.bench.runs import Run
    from wengert.cli.bench.verification import Limits

    setting = Setting(
        suite,
        options.preset,
        chosen_rivals(options.against),
        options.threads,
        Limits(options.timeout, options.memory),
        options.rounds,
        jobs=options.jobs,
        pythons=(("dace", options.dace_python),),
    )
    run = Run.of(setting)
    if options.save is not None and options.resume:
        run = run.resumed(options.save)
    done = {one.name for one in run.programs}
    programs = [program for program in suite.programs(names) if program.name not in done]

    def said(contest: Contest) -> None:
        run.programs.append(contest)
        if options.save is not None:
            run.save(options.save)
        if sys.stderr.isatty():
            states = ", ".join(f"{name} {entry.status}" for name, entry in contest.entries.items())
            typer.echo(f"[{len(run.programs)}/{len(done) + len(programs)}] {contest.name}: {states}", err=True)

    hold_all(programs, setting, said)
    if options.plot is not None:
        from wengert.cli.bench.chart import plot

        plot(run, options.plot)
    ours = [one.entries.get("wengert") for one in run.programs]
    right = all(entry is not None and entry.status == "ok" for entry in ours)
    if options.as_json:
        return [run.text().rstrip()], right
    return (markdown if options.page else table)(run), right


@bench.command()
def table(
    files: Annotated[list[Path], typer.Argument(help="Files of results: of --save, or of bench speed --json.")],
    into: Annotated[
        list[Path] | None, typer.Option(help="Pages whose tables are to be replaced; see benchmarks/README.md.")
    ] = None,
    plot: PlotOption = None,
) -> None:
    """Print the tables of results, or write them into pages; files of one suite, preset and threads are merged.

    Of a program that is in two files the later file counts. Files of two presets also make a table with every program
    at its largest preset at which JAX finished; files of one and of more threads a table of speed-ups.
    """
    from wengert.cli.bench.pages import tables, written

    found = tables(files)
    if plot is not None:
        from wengert.cli.bench.chart import plot as draw
        from wengert.cli.bench.runs import Run, merged

        runs = merged([Run.read(path) for path in files])
        draw(runs[0], plot)
    for page in into or ():
        text, names = written(page.read_text(), found)
        page.write_text(text)
        typer.echo(f"{page}: {'; '.join(names) or 'no table of these results'}", err=True)
    if not into and plot is None:
        typer.echo("\n\n".join(f"{name}\n\n{text}" for name, text in found.items()))


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
