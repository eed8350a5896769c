"""The chart of `wengert bench SUITE --against --plot FILE`."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

from wengert.cli.bench.report import RATIOS
from wengert.cli.bench.runs import Run

BLUE, ORANGE, GREY = "#2867b2", "#e07b28", "#5d6670"
SERIES = (  # ratio, label, marker, face, edge
    ("jax gradient / wengert gradient", "JAX, the best program", "o", BLUE, BLUE),
    ("jax npbench gradient / wengert gradient", "JAX as NPBench has it", "o", "white", BLUE),
    ("dace gradient / wengert gradient", "DaCe AD", "D", ORANGE, ORANGE),
)
TITLES = {"npbench": "NPBench", "fields": "Programs of many fields"}


def plot(run: Run, path: Path) -> None:
    """A row a program, sorted: how many times longer others take for the gradient, on a logarithmic scale."""
    matplotlib: Any = importlib.import_module("matplotlib")
    matplotlib.use("Agg")
    plt: Any = importlib.import_module("matplotlib.pyplot")
    values = {name: {one.name: RATIOS[name](one) for one in run.programs} for name, *_ in SERIES}
    first: dict[str, float | None] = next((found for found in values.values() if any(found.values())), {"": None})

    def order(name: str) -> tuple[bool, float]:
        return first.get(name) is not None, first.get(name) or max(found[name] or 0.0 for found in values.values())

    shown = sorted((one.name for one in run.programs if any(found[one.name] for found in values.values())), key=order)
    figure, axes = plt.subplots(figsize=(8, 1.6 + 0.17 * len(shown)))
    axes.axvspan(1e-9, 1.0, color=ORANGE, alpha=0.07, linewidth=0)
    axes.axvline(1.0, color=GREY, linewidth=1.0)
    for row, program in enumerate(shown):
        found = [value for name, *_ in SERIES if (value := values[name][program]) is not None]
        axes.plot([min([1.0, *found]), max([1.0, *found])], [row, row], color="#c9d1d9", linewidth=1.2, zorder=1)
    for name, label, marker, face, edge in SERIES:
        points = [(value, row) for row, program in enumerate(shown) if (value := values[name][program]) is not None]
        if points:
            mean = math.exp(sum(math.log(value) for value, _ in points) / len(points))
            text = f"{label} ({len(points)}; geometric mean {mean:.1f}x)"
            axes.scatter(
                *zip(*points, strict=True), marker=marker, s=30, color=face, edgecolor=edge, zorder=2, label=text
            )
    axes.set_yticks(range(len(shown)), shown, fontsize=7)
    axes.set_ylim(-0.8, len(shown) - 0.2)
    every = [value for found in values.values() for value in found.values() if value is not None]
    axes.set_xscale("log")
    low, high = min([0.8, *every]) / 1.3, max([2.0, *every]) * 1.3
    axes.set_xlim(low, high)
    ticker: Any = importlib.import_module("matplotlib.ticker")
    axes.xaxis.set_major_locator(ticker.LogLocator(subs=(1.0, 2.0, 5.0) if high < 100 * low else (1.0,)))
    axes.xaxis.set_major_formatter("{x:g}x")
    axes.xaxis.set_minor_formatter("")
    axes.grid(axis="x", color="#e5e8eb", linewidth=0.8, zorder=0)
    axes.set_axisbelow(True)
    axes.tick_params(left=False)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    threads = run.setting["threads"]
    how = f"preset {run.setting['preset']}, {threads} thread{'s' if threads > 1 else ''}, double precision"
    title = TITLES.get(run.setting["suite"], run.setting["suite"])
    axes.set_title(f"{title}: gradients, {how}", fontsize=11, loc="left", pad=10)
    axes.set_xlabel("time of the other's gradient / time of wengert's; right of 1x wengert is faster")
    axes.legend(loc="lower right", fontsize=8, frameon=True, framealpha=0.95, edgecolor="#c9d1d9")
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)
