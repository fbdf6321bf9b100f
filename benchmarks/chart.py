"""Draws what the suite has measured: images a second of everybody, and how ours follow from one setting at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_OURS, _CHECKING, _OTHERS = "#1b7f4d", "#c4703a", "#9aa3ab"
_PLACES = {"throughput-disk": "on disk", "throughput-memory": "in memory"}


def draw(out: Path) -> Path | None:
    """Draw `out`/throughput.svg and .png from its JSON files; None where there is nothing to draw, or nothing to draw
    with.
    """
    measured = {name: _loaded(out / f"{name}.json") for name in _PLACES if (out / f"{name}.json").exists()}
    if not measured:
        return None
    try:
        import matplotlib
    except ModuleNotFoundError:
        print("No chart: pip install '.[bench]' brings what draws it.")
        return None
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(measured), figsize=(5.4 * len(measured), 4.2), squeeze=False)
    for axis, (name, result) in zip(axes[0], measured.items(), strict=True):
        _bars(axis, result, _PLACES[name])
    first = next(iter(measured.values()))
    machine, told = first["machine"], first["told"]
    figure.suptitle(
        f"{told['records']} JPEGs of {told['kilobytes']:.0f} kB from nginx on the same {machine['cores']} cores, "
        f"{told['requests_at_once']} at once; whole commands, median of {told['rounds']} rounds\n"
        "green: asynccrawl; orange: others that decode what they keep; grey: others that do not",
        fontsize=9,
    )
    figure.tight_layout()
    for kind in ("svg", "png"):
        figure.savefig(out / f"throughput.{kind}", dpi=130)
    plt.close(figure)
    return out / "throughput.png"


def _bars(axis: Any, result: dict[str, Any], place: str) -> None:
    rows = sorted(result["rows"], key=lambda row: row["rate"])
    names, rates = [row["name"] for row in rows], [row["rate"] for row in rows]
    spread = [[row["rate"] - row["least"] for row in rows], [row["most"] - row["rate"] for row in rows]]
    bars = axis.barh(names, rates, xerr=spread, color=[_colour(row) for row in rows], error_kw={"lw": 0.8})
    axis.bar_label(bars, labels=[f"{rate:,.0f}" for rate in rates], fontsize=7, padding=6)
    axis.set_xscale("log")
    axis.set_xlim(right=max(rates) * 3)
    axis.set_title(f"images a second, {place} ({result['told']['file_system']}); log scale", fontsize=9)
    axis.tick_params(labelsize=8)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    for label, row in zip(axis.get_yticklabels(), rows, strict=True):
        label.set_fontweight("bold" if row["name"].startswith("asynccrawl") else "normal")


def _colour(row: dict[str, Any]) -> str:
    if row["name"].startswith("asynccrawl"):
        return _OURS
    return _CHECKING if "decoded" in row["checks"] else _OTHERS


def _loaded(path: Path) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(path.read_text())
    return result
