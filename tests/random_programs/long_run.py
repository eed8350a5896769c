"""Thousands of random programs: `python tests/random_programs/long_run.py --count 2000 --seed 0`.

Program k of a run has the seed SEED + k. A failure prints its seed, the finding and the command that shows it again:
`--show SEED` prints a program, `--count 1 --seed SEED` checks it. Exit code 1 if anything failed.

`--vary-passes` compiles a third of the programs with every optimisation pass, a third with none, and a third with some
drawn at random; `--first-order` leaves out second derivatives, which take two thirds of the time.
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
    options = parser.parse_args()
    if options.show is not None:
        print(text_of(options.show, options.statements))
        return 0
    start = time.perf_counter()
    counts: dict[str, int] = {}
    jobs = [
        Job(options.seed + k, options.statements, not options.first_order, options.vary_passes)
        for k in range(options.count)
    ]
    with (
        tempfile.TemporaryDirectory(prefix="wengert-random-cache-") as cache,
        multiprocessing.get_context("spawn").Pool(options.jobs, use_cache, (cache,), maxtasksperchild=50) as pool,
    ):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            for done, (seed, verdict, details) in enumerate(pool.imap_unordered(one, jobs), 1):
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
