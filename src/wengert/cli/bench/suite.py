"""A suite of programs that other processes can open, too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wengert.cli.bench.fields import field_programs
from wengert.cli.bench.npbench import benchmarks
from wengert.cli.bench.programs import Program, SuiteError

BENCHMARKS = Path(__file__).parents[4] / "benchmarks"
KINDS = {"npbench": benchmarks, "fields": field_programs}


@dataclass(frozen=True, slots=True)
class Suite:
    """Which programs: how to read them, where they are, and a file of JAX programs of ours for them."""

    kind: str
    folder: str
    jax: str = ""

    def programs(self, only: Sequence[str] = ()) -> Sequence[Program]:
        """All of them by name, or those named."""
        return KINDS[self.kind](Path(self.folder), only, Path(self.jax) if self.jax else None)

    def program(self, name: str) -> Program:
        """The one of that name."""
        return self.programs((name,))[0]


def npbench(checkout: Path, jax: Path | None = None) -> Suite:
    """NPBench; `jax` defaults to ours, where this is a source tree."""
    return Suite("npbench", str(checkout), _existing(jax or BENCHMARKS / "jax_npbench.py"))


def fields(folder: Path | None = None, jax: Path | None = None) -> Suite:
    """Programs of many fields; both default to ours, where this is a source tree."""
    where = folder or BENCHMARKS / "fields"
    if not where.is_dir():
        raise SuiteError(f"there is no folder {where}; name one with programs (benchmarks/fields of the sources)")
    return Suite("fields", str(where), _existing(jax or BENCHMARKS / "jax_fields.py"))


def _existing(path: Path) -> str:
    return str(path) if path.exists() else ""
