"""One run of `wengert bench SUITE --against`: what was found so far, where, and with what; as a file."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from wengert.cli.bench.contest import Setting
from wengert.cli.bench.results import Contest
from wengert.codes import Code
from wengert.errors import WengertError

PRESETS = ("S", "M", "L", "paper")  # by size


class OtherRun(WengertError, ValueError):
    """A file holds something else."""

    code = Code.SUITE


@dataclass(slots=True)
class Run:
    """`setting`: what can change a result, except the machine."""

    setting: dict[str, Any]
    machine: dict[str, Any]
    programs: list[Contest] = field(default_factory=list[Contest])

    @classmethod
    def of(cls, setting: Setting) -> Run:
        """Nothing found yet."""
        s = setting
        how = {"suite": s.suite.kind, "preset": s.preset, "threads": s.threads, "rivals": [*s.rivals]}
        how |= {"rounds": s.rounds, "turn": s.turn, "seconds": s.limits.seconds, "memory": s.limits.memory}
        return cls(how, machine(setting.rivals))

    @classmethod
    def read(cls, path: Path) -> Run:
        """A file that `save` wrote."""
        raw = json.loads(path.read_text())
        if "setting" not in raw:
            raise OtherRun(f"{path} holds no run of bench SUITE --against")
        setting: dict[str, Any] = raw["setting"]
        setting.setdefault("rivals", [])
        return cls(setting, raw["machine"], [Contest.read(one) for one in raw["programs"]])

    @property
    def title(self) -> str:
        """What names the run on a page."""
        threads = self.setting["threads"]
        return f"{self.setting['suite']} {self.setting['preset']}, {threads} thread{'s' if threads > 1 else ''}"

    def text(self) -> str:
        """JSON, a program a line."""
        lines = [json.dumps(asdict(one)) for one in self.programs]
        head = f'{{"setting": {json.dumps(self.setting)},\n"machine": {json.dumps(self.machine)},\n"programs": [\n'
        return head + ",\n".join(lines) + "\n]}\n"

    def save(self, path: Path) -> None:
        """Write the file; what was there stays until all is written."""
        partial = path.with_name(path.name + ".partial")
        partial.write_text(self.text())
        partial.replace(path)

    def resumed(self, path: Path) -> Run:
        """With the programs of a run that was cut off, which must have had the same setting."""
        if not path.exists():
            return self
        before = Run.read(path)
        different = [key for key, value in self.setting.items() if before.setting.get(key) != value]
        if different:
            raise OtherRun(f"{path} is of a run with another setting: {', '.join(different)}")
        return before


def merged(runs: Sequence[Run]) -> list[Run]:
    """Runs of one suite, preset and number of threads as one: of a program measured twice the later; by size."""
    found: dict[tuple[str, str, int], Run] = {}
    for run in runs:
        key = run.setting["suite"], run.setting["preset"], run.setting["threads"]
        before = found.get(key)
        programs = {one.name: one for one in [*(before.programs if before else []), *run.programs]}
        rivals = dict.fromkeys([*(before.setting["rivals"] if before else []), *run.setting["rivals"]])
        setting = {**run.setting, "rivals": [*rivals]}
        found[key] = Run(setting, run.machine, [programs[name] for name in sorted(programs)])
    return [found[key] for key in sorted(found, key=lambda key: (key[0], key[2], _size(key[1])))]


def _size(preset: str) -> int:
    return PRESETS.index(preset) if preset in PRESETS else len(PRESETS)


def largest(runs: Sequence[Run], rival: str = "jax") -> list[Run]:
    """For each suite and number of threads measured at several presets: every program at its largest preset at which
    the competitor finished, as one run."""
    found: list[Run] = []
    for suite, threads in dict.fromkeys((run.setting["suite"], run.setting["threads"]) for run in runs):
        group = [run for run in runs if (run.setting["suite"], run.setting["threads"]) == (suite, threads)]
        chosen: dict[str, Contest] = {}
        for run in sorted(group, key=lambda run: _size(run.setting["preset"])):
            for one in run.programs:
                if one.seconds(rival, "gradient") is not None and one.seconds("wengert", "gradient") is not None:
                    chosen[one.name] = one
        if len(group) > 1 and chosen:
            setting = {**group[-1].setting, "preset": "largest"}
            found.append(Run(setting, group[-1].machine, [chosen[name] for name in sorted(chosen)]))
    return found


def machine(rivals: Sequence[str]) -> dict[str, Any]:
    """Where and with what this is measured."""
    versions: dict[str, str] = {}
    for package in ("numpy", "wengert", *rivals):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else [],
        "python": platform.python_version(),
        "versions": versions,
    }
