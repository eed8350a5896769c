"""What the C compiler is asked for: tests whose subject lies before it take its quickest code.

All else, the numerical acceptance tests, the corpus, the backend, the passes and the benchmarks, runs what users run.
`WENGERT_CFLAGS` in the environment overrules both.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
QUICK = ("frontend", "ad", "supported", "packages", "random_programs")
"""Folders of tests of staging and differentiation. There are programs of all their kinds elsewhere, too."""
FLAGS = "WENGERT_CFLAGS"
GIVEN = os.environ.get(FLAGS)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Before any fixture: it may compile, too."""
    if GIVEN is None:
        os.environ[FLAGS] = "-O0" if item.path.relative_to(FOLDER).parts[0] in QUICK else ""
