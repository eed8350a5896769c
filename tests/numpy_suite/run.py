"""NumPy's own tests, run through wengert: `python tests/numpy_suite/run.py [AREA ...] [--native] [--json]`.

The tests of five areas come with NumPy itself (nothing of them is kept here). Each module is rewritten so that the
calls in it that the table of NumPy names, and subscripts, run as wengert programs (see `watch.py`); it runs twice,
as it is and through wengert. A test that passes as it is counts as

    passed     everything that could run through wengert did, and NumPy's assertions hold
    partly     they hold, but wengert refused some of the calls, by name and reason
    FAILED     they don't
    untouched  nothing in it is for wengert: other types, strings, exceptions of Python

`--refusals` lists what was refused, most often first.
"""

from __future__ import annotations

import argparse
import builtins
import contextlib
import importlib.util
import io
import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from numpy_suite.rewrite import WATCH, rewritten  # noqa: E402
from numpy_suite.watch import Tally, Watch  # noqa: E402

AREAS = {
    "indexing": ("numpy._core.tests.test_indexing", ""),
    "einsum": ("numpy._core.tests.test_einsum", ""),
    "linalg": ("numpy.linalg.tests.test_linalg", ""),
    "ufunc reductions": ("numpy._core.tests.test_ufunc", "reduc or sum or accum or outer or where or keepdims or axis"),
    "function_base": ("numpy.lib.tests.test_function_base", ""),
}
VERDICTS = ("passed", "partly", "FAILED", "untouched")


@dataclass
class Plugin:
    """Gives each test a tally, and collects outcomes."""

    watch: Watch
    outcomes: dict[str, bool] = field(default_factory=dict[str, bool])
    tallies: dict[str, Tally] = field(default_factory=dict[str, Tally])
    reports: dict[str, str] = field(default_factory=dict[str, str])

    def pytest_runtest_setup(self, item: Any) -> None:
        self.watch.tally = self.tallies[item.nodeid] = Tally()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and not report.skipped:
            self.outcomes[report.nodeid] = report.passed
            self.reports[report.nodeid] = "\n".join(
                line for line in report.longreprtext.splitlines() if line.startswith((">", "E"))
            )


def tests_of(module: str, chosen: str, watch: Watch, folder: Path) -> Plugin:
    """Run the tests of a module of NumPy, rewritten."""
    found = importlib.util.find_spec(module)
    assert found is not None and found.origin is not None, f"NumPy came without {module}"
    file = folder / f"{module.rpartition('.')[2]}.py"
    file.write_text(rewritten(Path(found.origin).read_text("utf-8")), "utf-8")
    plugin = Plugin(watch)
    options = [
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-c",
        os.devnull,
        "--rootdir",
        str(folder),
        "--tb=long",
    ]
    builtins.__dict__[WATCH] = watch
    with contextlib.redirect_stdout(io.StringIO()):
        pytest.main([*options, *(["-k", chosen] if chosen else []), str(file)], plugins=[plugin])
    del builtins.__dict__[WATCH]
    sys.modules.pop(file.stem, None)
    return plugin


def area(name: str, native: bool) -> dict[str, Any]:
    """The verdicts of an area: tests by verdict, calls, refusals, reports of what failed."""
    module, chosen = AREAS[name]
    with tempfile.TemporaryDirectory(prefix="wengert-numpy-") as text:
        folder = Path(text)
        plain = tests_of(module, chosen, Watch(folder, active=False, native=native), folder)
        ours = tests_of(module, chosen, Watch(folder, active=True, native=native), folder)
    tests: dict[str, list[str]] = {v: [] for v in VERDICTS}
    refusals: Counter[str] = Counter()
    calls = 0
    for test, passed in plain.outcomes.items():
        if not passed:
            continue
        tally = ours.tallies.get(test, Tally())
        calls += tally.through
        refusals += tally.refused
        if not ours.outcomes.get(test, False):
            verdict = "FAILED"
        elif tally.refused:
            verdict = "partly"
        else:
            verdict = "passed" if tally.through else "untouched"
        tests[verdict].append(test.partition("::")[2])
    failed = {t.partition("::")[2]: ours.reports.get(t, "did not run") for t in ours.reports}
    return {
        "area": name, "tests": tests, "calls": calls, "refusals": dict(refusals.most_common()),
        "reports": {t: failed[t] for t in tests["FAILED"] if t in failed},
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="Run NumPy's own tests through wengert.")
    parser.add_argument("areas", nargs="*", metavar="AREA", help=", ".join(AREAS))
    parser.add_argument("--native", action="store_true", help="compile each call instead of interpreting it")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--refusals", action="store_true", help="list what was refused and why")
    parser.add_argument("--failures", action="store_true", help="print the reports of what failed")
    options = parser.parse_args()
    unknown = set(options.areas) - set(AREAS)
    if unknown:
        parser.error(f"there is no area {', '.join(sorted(unknown))}: there are {', '.join(AREAS)}")
    results = [area(name, options.native) for name in options.areas or AREAS]
    if options.json:
        print(json.dumps(results, indent=1))
    else:
        print(f"{'area':18}" + "".join(f"{v:>10}" for v in VERDICTS) + f"{'share':>8}{'calls':>8}{'refused':>9}")
        for r in results:
            counts = [len(r["tests"][v]) for v in VERDICTS]
            touched = sum(counts[:3])
            share = f"{counts[0] / touched:.0%}" if touched else "-"
            refused = sum(r["refusals"].values())
            print(f"{r['area']:18}" + "".join(f"{c:10}" for c in counts) + f"{share:>8}{r['calls']:8}{refused:9}")
            for test in r["tests"]["FAILED"]:
                print(f"  failed: {test}")
                if options.failures:
                    print(r["reports"].get(test, ""))
            if options.refusals:
                for text, count in r["refusals"].items():
                    print(f"  refused {count} x {text}")
    return 1 if any(r["tests"]["FAILED"] for r in results) else 0


if __name__ == "__main__":
    sys.exit(main())
