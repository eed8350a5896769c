"""The results of `wengert bench SUITE --against`: table, JSON, chart."""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import math
import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from wengert.cli.bench.contest import Contest, Setting

RATIOS = {
    "jax gradient / wengert gradient": (("jax", "gradient"), ("wengert", "gradient")),
    "wengert gradient / wengert primal": (("wengert", "gradient"), ("wengert", "primal")),
    "numpy primal / wengert primal": (("numpy", "primal"), ("wengert", "primal")),
    "numba primal / wengert primal": (("numba", "primal"), ("wengert", "primal")),
    "wengert gradient / numpy primal": (("wengert", "gradient"), ("numpy", "primal")),
    "wengert gradient / numba primal": (("wengert", "gradient"), ("numba", "primal")),
}
TIMES = (("numpy", "primal"), ("numba", "primal"), ("wengert", "primal"), ("wengert", "gradient"), ("jax", "gradient"))
HEADS = ("numpy", "numba", "wengert", "gradient", "jax grad", "jax/wg", "grad/pr", "np/wg", "nb/wg")


def means(results: Sequence[Contest]) -> dict[str, dict[str, float]]:
    """Geometric and arithmetic mean, and median, of every ratio over the programs that have it."""
    found: dict[str, dict[str, float]] = {}
    for name, (over, under) in RATIOS.items():
        values = sorted(value for one in results if (value := one.ratio(over, under)) is not None)
        if values:
            found[name] = {
                "geometric": math.exp(sum(map(math.log, values)) / len(values)),
                "arithmetic": sum(values) / len(values),
                "median": values[len(values) // 2],
                "programs": len(values),
                "above one": sum(value > 1 for value in values),
            }
    return found


def table(results: Sequence[Contest]) -> Iterator[str]:
    """A line per program (milliseconds, ratios), the means, and what was not timed and why."""
    width = max([len(one.name) for one in results] + [7])
    yield f"{'program':<{width}}  " + "  ".join(f"{head:>9}" for head in HEADS)
    for one in results:
        cells = [milliseconds(one.seconds(*what)) or _status(one, what[0]) for what in TIMES]
        cells += [ratio(one.ratio(*RATIOS[name])) for name in list(RATIOS)[:4]]
        yield f"{one.name:<{width}}  " + "  ".join(f"{cell:>9}" for cell in cells)
    yield ""
    yield "medians of one call in milliseconds: the program by numpy, numba, wengert; the gradient by wengert and JAX"
    for name, mean in means(results).items():
        yield (
            f"{name}: geometric mean {mean['geometric']:.2f}, arithmetic mean {mean['arithmetic']:.2f}, "
            f"median {mean['median']:.2f}, above one in {mean['above one']} of {mean['programs']}"
        )
    yield from _remarks(results)


def _remarks(results: Sequence[Contest]) -> Iterator[str]:
    for one in results:
        for rival, entry in one.entries.items():
            if entry.status in ("wrong", "failed"):
                yield f"{one.name}, {rival}: {entry.status}: {entry.reason[:200]}"


def markdown(results: Sequence[Contest]) -> Iterator[str]:
    """The table for a page."""
    heads = ("numpy", "numba", "wengert", "wengert gradient", "JAX gradient", "JAX / wengert", "gradient / primal")
    yield f"| program | {' | '.join(heads)} | JAX program |"
    yield f"|---|{'---:|' * len(heads)}---|"
    for one in results:
        cells = [milliseconds(one.seconds(*what)) or _status(one, what[0]) for what in TIMES]
        cells += [ratio(one.ratio(*RATIOS[name])) for name in list(RATIOS)[:2]]
        jax = one.entries.get("jax")
        source = jax.source if jax is not None and jax.status == "ok" else ""
        if jax is not None and "does not return" in jax.note:
            source += ", fewer outputs"
        yield f"| {one.name} | {' | '.join(cells)} | {source} |"


def milliseconds(seconds: float | None) -> str:
    """Three digits; empty for what was not timed."""
    return "" if seconds is None else f"{1e3 * seconds:#.3g}".rstrip(".")


def ratio(value: float | None) -> str:
    """Two decimals."""
    return "-" if value is None else f"{value:.2f}"


def _status(one: Contest, rival: str) -> str:
    entry = one.entries.get(rival)
    return "-" if entry is None or entry.status in ("ok", "absent") else entry.status


def machine(setting: Setting) -> dict[str, Any]:
    """Where and with what this was measured."""
    versions: dict[str, str] = {}
    for package in ("numpy", "wengert", *setting.rivals):
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


def as_json(results: Sequence[Contest], setting: Setting) -> str:
    """Everything found, for scripts."""
    s = setting
    how = {"suite": s.suite.kind, "preset": s.preset, "threads": s.threads, "rounds": s.rounds, "turn": s.turn}
    programs: list[dict[str, Any]] = []
    for one in results:
        ratios = {name: one.ratio(*pair) for name, pair in RATIOS.items()}
        programs.append({**asdict(one), "ratios": {name: value for name, value in ratios.items() if value is not None}})
    return json.dumps({"setting": how, "machine": machine(setting), "means": means(results), "programs": programs})


def plot(results: Sequence[Contest], path: Path) -> None:
    """A bar a program: how much faster wengert's gradient is than JAX's, on a logarithmic scale."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    plt: Any = importlib.import_module("matplotlib.pyplot")
    pairs = [(value, one.name) for one in results if (value := one.ratio(*RATIOS["jax gradient / wengert gradient"]))]
    pairs.sort()
    figure, axes = plt.subplots(figsize=(7, 1 + 0.2 * len(pairs)))
    colours = ["tab:blue" if value >= 1 else "tab:orange" for value, _ in pairs]
    axes.barh([name for _, name in pairs], [value for value, _ in pairs], color=colours)
    axes.set_xscale("log")
    axes.axvline(1.0, color="black", linewidth=0.8)
    axes.set_xlabel("time of JAX's gradient / time of wengert's")
    axes.margins(y=0.01)
    figure.tight_layout()
    figure.savefig(path, dpi=150)
