"""Plant each fault of `mutants.py` in a copy of the package and see that its tests fail.

`python tests/mutation/run.py [--only NAME] [--jobs N]` prints a table; exit code 1 if a mutant survives, that is, if
its tests pass.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mutation.mutants import MUTANTS, PACKAGE, Mutant  # noqa: E402

ROOT = PACKAGE.parent.parent
SECONDS = 600


@dataclass(frozen=True)
class Outcome:
    """What the tests of a mutant said: `noticed` if they failed, with the first that did."""

    mutant: Mutant | None
    noticed: bool
    seconds: float
    text: str

    def __str__(self) -> str:
        name = self.mutant.name if self.mutant else "no fault"
        return f"{'noticed ' if self.noticed else 'SURVIVES'}  {self.seconds:5.1f} s  {name:<40} {self.text}"


def run(mutant: Mutant | None, tests: Sequence[str]) -> Outcome:
    """Run tests, until the first that fails, on a copy of the package with a fault (or none)."""
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="wengert-mutant-") as folder:
        source = Path(folder) / "src"
        shutil.copytree(PACKAGE, source / "wengert", ignore=shutil.ignore_patterns("__pycache__"))
        if mutant is not None:
            (source / "wengert" / mutant.file).write_text(mutant.applied(source / "wengert"))
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(source), str(ROOT / "tests")]),
            "PYTHONDONTWRITEBYTECODE": "1",
            "WENGERT_CACHE_DIR": str(Path(folder) / "cache"),
        }
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=no", *tests]
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired:
            return Outcome(mutant, True, time.monotonic() - start, "the tests do not end")
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if done.returncode not in (0, 1) and not failed:
        raise RuntimeError(f"pytest: exit {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    text = failed[0].split(" - ")[0].removeprefix("FAILED ") if failed else ""
    return Outcome(mutant, done.returncode != 0, time.monotonic() - start, text)


def run_all(mutants: Sequence[Mutant], jobs: int) -> bool:
    """Run all, `jobs` at a time, printing a line each; whether all were noticed."""
    tests = list(dict.fromkeys(test for mutant in mutants for test in mutant.tests))
    clean = run(None, tests)
    if clean.noticed:
        print(f"the tests fail without any fault: {clean.text}")
        return False
    good = 0
    with ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(lambda mutant: run(mutant, mutant.tests), mutants):
            print(outcome, flush=True)
            good += outcome.noticed
    print(f"{good} of {len(mutants)} noticed")
    return good == len(mutants)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="mutants whose names contain this")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in mutant.name]
    if not chosen:
        parser.error(f"no mutant is named {options.only!r}; there are {', '.join(m.name for m in MUTANTS)}")
    raise SystemExit(0 if run_all(chosen, options.jobs) else 1)


if __name__ == "__main__":
    main()
