"""How measurements are reported: a row of ratios for each comparison, their table and their picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from lrsweep.plots import COLOURS, FIGURE_SIZE


def make_row(
    workload: str,
    against: str,
    ours: list[float],
    theirs: list[float],
    *,
    unit: str = "s",
    target: float | None = None,
    trial_steps: int | None = None,
    agrees: bool | None = None,
) -> dict[str, Any]:
    """Makes a row of the CSV, from lrsweep's and the peer's seconds or bytes, one for each repetition.

    With a number of trial-steps the ratio is how many times as fast lrsweep is, and the target the least; without one
    it is how many times as much lrsweep takes, and the target the most. `agrees` says whether both gave one answer.
    """
    row: dict[str, Any] = {"workload": workload, "against": against, "unit": unit}
    for name, values in (("lrsweep", ours), ("peer", theirs)):
        row |= {name: float(np.median(values)), f"{name}_least": min(values), f"{name}_most": max(values)}
        row[f"{name}_trial_steps_per_second"] = trial_steps / row[name] if trial_steps else None
    above, below = (theirs, ours) if trial_steps else (ours, theirs)
    each = [one / other for one, other in zip(above, below, strict=True)]
    row |= {"ratio": float(np.median(above) / np.median(below)), "ratio_least": min(each), "ratio_most": max(each)}
    met = None if target is None else row["ratio"] >= target if trial_steps else row["ratio"] <= target
    return row | {"bound": "at least" if trial_steps else "at most", "target": target, "met": met, "agrees": agrees}


def show_table(rows: Sequence[dict[str, Any]]) -> str:
    """Writes the table of ratios, for people."""
    shown, said = [], {None: "", True: "yes", False: "NO"}
    for row in rows:
        amounts, speeds = {}, {}
        for name in ("lrsweep", "peer"):
            speed = row[f"{name}_trial_steps_per_second"]
            amounts[name] = f"{row[name]:,.3g} s" if row["unit"] == "s" else f"{row[name] / 1e6:,.0f} MB"
            speeds[f"{name} M/s"] = f"{speed / 1e6:,.3g}" if speed else ""
        judged = {
            "ratio": f"{row['ratio']:,.3g}",
            "spread": f"{row['ratio_least']:,.3g} to {row['ratio_most']:,.3g}",
            "target": f"{row['bound']} {row['target']:g}" if row["target"] else "",
            "met": said[row["met"]],
            "agrees": said[row["agrees"]],
        }
        shown.append({name: row[name] for name in ("workload", "against")} | amounts | speeds | judged)
    return pd.DataFrame(shown).to_string(index=False)


def draw(rows: Sequence[dict[str, Any]], foot: str) -> Figure:
    """Draws the ratios that have a target, as bars from 1, with their spread and the target; green where it is met.

    Args:
        rows: What `make_row` gives, of some comparisons.
        foot: What stands below them: the machine and the versions.
    """
    panels = {"at least": "times as fast as", "at most": "times as much as"}
    # One that has no ratio has not run to the end.
    judged = [row for row in rows if row["target"] and row["ratio"] > 0]
    judged = {bound: [row for row in judged if row["bound"] == bound] for bound in panels}
    judged = {bound: part for bound, part in judged.items() if part}
    figure = Figure(figsize=(FIGURE_SIZE[0], 0.9 + 0.26 * sum(map(len, judged.values()))), layout="constrained")
    heights = [len(part) for part in judged.values()]
    for axes, (bound, part) in zip(
        figure.subplots(len(judged), 1, squeeze=False, height_ratios=heights)[:, 0], judged.items(), strict=True
    ):
        places = range(len(part))
        for place, row in zip(places, part, strict=True):
            colour = COLOURS["converged" if row["met"] else "diverged"]
            axes.barh(place, row["ratio"] - 1, left=1, color=colour, height=0.6)
            axes.hlines(place, row["ratio_least"], row["ratio_most"], color="black", linewidth=0.8)
            axes.plot(row["target"], place, "|", color="black", markersize=10, markeredgewidth=1.5)
        axes.axvline(1, color="black", linewidth=0.5)
        axes.set(xlabel=f"{panels[bound]}\n(mark: the target, {bound})", ylim=(len(part) - 0.5, -0.5))
        axes.set_xscale("log" if bound == "at least" else "linear")
        axes.set_yticks(places, [f"{row['workload']}\n{row['against']}" for row in part], fontsize=5.5)
    figure.supxlabel(foot, fontsize=4.5)
    return figure
