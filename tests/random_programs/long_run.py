"""Thousands of random programs: `python tests/random_programs/long_run.py --count 2000 --seed 0`.

Program k of a run has the seed SEED + k. A failure prints its seed, the finding and the command that shows it again:
`--show SEED` prints a program, `--count 1 --seed SEED` checks it. Exit code 1 if anything failed.

`--vary-passes` compiles a third of the programs with every optimisation pass, a third with none, and a third with some
drawn at random; `--first-order` leaves out second derivatives, which take two thirds of the time. `--save FILE` notes
each program that is done, so that the same command goes on with a run that was interrupted.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from random_programs.checks import Untamed, arguments, check, text_of, write  # noqa: E402
from wengert.pipeline import LAST  # noqa: E402

OPTIMISED = 4
"""Every how many programs the C compiler optimises: it takes most of the time, and is not what is tested."""


def use_cache(folder: str) -> None:
    """One cache for the run, so that the run-time library is built once."""
    os.environ["WENGERT_CACHE_DIR"] = folder


@dataclass(frozen=True)
class Job:
    """A program to check, and how."""

    seed: int
    statements: int
    second_order: bool
    vary_passes: bool

    @property
    def without(self) -> list[str]:
        """The passes that are left out."""
        names = [p.__name__ for p in LAST]
        draw = random.Random(self.seed)
        some = [n for n in names if draw.random() < 0.5]
        return ([], names, some)[self.seed % 3] if self.vary_passes else []


def one(job: Job) -> tuple[int, str, str]:
    """Check the program of a seed: (seed, verdict, details)."""
    seed, statements = job.seed, job.statements
    np.seterr(all="ignore")
    os.environ["WENGERT_WITHOUT"] = ",".join(job.without)
    with tempfile.TemporaryDirectory(prefix="wengert-random-") as scratch:
        os.environ["WENGERT_CFLAGS"] = "" if seed % OPTIMISED == 0 else "-O0"
        try:
            check(write(text_of(seed, statements), Path(scratch)), arguments(seed), job.second_order)
        except Untamed as reason:
            return seed, "untamed", str(reason)
        except AssertionError as error:
            return seed, "WRONG", str(error)
        except Exception as error:
            return seed, f"REFUSED {type(error).__name__}", traceback.format_exc(limit=-3)
    return seed, "ok", ""


def done_before(file: Path | None) -> dict[int, str]:
    """The verdicts of a file that `note` wrote, by seed."""
    lines = file.read_text("utf-8").splitlines() if file is not None and file.exists() else []
    return {int(seed): verdict for seed, _, verdict in (line.partition(" ") for line in lines)}


def note(file: Path | None, seed: int, verdict: str) -> None:
    if file is not None:
        with file.open("a", encoding="utf-8") as out:
            out.write(f"{seed} {verdict}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description="Check random programs.")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--statements", type=int, default=9, help="statements per program")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--show", type=int, metavar="SEED", help="print the program of a seed and stop")
    parser.add_argument("--first-order", action="store_true", help="leave out second derivatives")
    parser.add_argument(
        "--vary-passes", action="store_true", help="with all, without and with some optimisation passes"
    )
    parser.add_argument("--save", type=Path, metavar="FILE", help="note what is done, and go on from there")
    options = parser.parse_args()
    if options.show is not None:
        print(text_of(options.show, options.statements))
        return 0
    start = time.perf_counter()
    known = done_before(options.save)
    seeds = range(options.seed, options.seed + options.count)
    counts = dict(Counter(known[s] for s in seeds if s in known))
    jobs = [Job(s, options.statements, not options.first_order, options.vary_passes) for s in seeds if s not in known]
    with (
        tempfile.TemporaryDirectory(prefix="wengert-random-cache-") as cache,
        multiprocessing.get_context("spawn").Pool(options.jobs, use_cache, (cache,), maxtasksperchild=50) as pool,
    ):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for done, (seed, verdict, details) in enumerate(
                pool.imap_unordered(one, jobs), 1 + options.count - len(jobs)
            ):
                note(options.save, seed, verdict)
                counts[verdict] = counts.get(verdict, 0) + 1
                if verdict not in ("ok", "untamed"):
                    print(f"seed {seed}: {verdict}\n{details}\n", flush=True)
                if sys.stderr.isatty():
                    print(f"\r{done}/{options.count} {counts}", end="", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            print("interrupted")
    summary = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    done = sum(counts.values())
    print(f"{done} programs from seed {options.seed}: {summary} ({time.perf_counter() - start:.0f} s)")
    return 0 if set(counts) <= {"ok", "untamed"} and done == options.count else 1


if __name__ == "__main__":
    sys.exit(main())
