"""Zoom: finer and finer grids of learning rates around the best one, or around the one at which trials diverge."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
import pandas as pd

from lrsweep.engine._layout import Layout
from lrsweep.inputs._arguments import as_names, check_count, check_number
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.statistics._best import rank
from lrsweep.statistics._summary import summarize
from lrsweep.studies._result import Sweep
from lrsweep.studies._sweep import sweep
from lrsweep.tables._columns import check_trials, read_numbers
from lrsweep.tables._grid import round_to
from lrsweep.tables._schema import BEST, EDGE, LEARNING_RATE, ROUND, SEED, best_by_of, settings_of
from lrsweep.training._stopping import Stopping


# A table has no one answer to whether it equals another: a refinement is equal to itself.
@dataclass(frozen=True, eq=False)
class Refinement:
    """What `refine` returns.

    Attributes:
        table: One row per trial of every round, as `sweep` gives it, and last a column `round` (int, 0 for the grid
            that went in). The new rows follow the caller's, and their labels go on from the caller's.
        found: One row per setting of the other columns (all but `learning_rate` and `seed`): these columns, then
            float64 `learning_rate`, the answer, NaN where every trial diverged, and `low` and `high`, the two learning
            rates that enclose it, NaN where none of those tried does.
        provenance: What made it, as `sweep` has it, with `trials` and `seconds` in all, and what `refine` was asked;
            what is each round's own stands under `rounds`. JSON can hold it.
    """

    table: pd.DataFrame
    found: pd.DataFrame
    provenance: dict[str, Any]


def refine(
    objective: Objective,
    optimizer: Factory | Mapping[str, Factory],
    trials: pd.DataFrame,
    *,
    around: Literal["best", "edge"] = BEST,
    rounds: int = 3,
    width: float = 0.01,
    points: int = 8,
    steps: int = 1000,
    stopping: Stopping | None = None,
    static: Iterable[str] = (),
    evaluate_every: int | None = None,
    block_width: int | None = None,
    layout: Layout | None = None,
) -> Refinement:
    """Sweeps a coarse grid of learning rates, and then finer ones where it matters.

    Every setting of the other columns is zoomed into by itself, so that each is judged at its own best; where only one
    of them matters, hand in its rows alone. A round tries `points` new learning rates per setting, each with all the
    seeds of the coarse grid, so that they are compared in pairs; none is tried twice.

    - Around the best, they lie between the neighbours of the best learning rate of all rounds so far, evenly in the
      logarithm. Best is what `best_setting` calls so. It counts whole updates, so that neighbouring learning rates may
      be equally fast; the final loss then decides, which for one seed is measured at the same update for all of these.
      The answer is as fine as `width` asks, but for other seeds it may be another one among the equally fast.
    - Around the edge, they lie between the least learning rate at which a trial of any seed diverged, and the next
      smaller one, the answer: up to it no trial diverged. What lies beyond the least that diverges is not looked at.
      Just above the critical learning rate trials diverge slowly, so that with few `steps` the edge lies above it.
    - Where the answer is at an end of the grid, the round goes on outward by the ratio of the last two there.

    A zoom looks around the best of the coarse grid, and does not see a better one in a gap of it elsewhere: where the
    speed rises and falls several times (with momentum, say) start from a finer grid.

    Args:
        objective: See `sweep`.
        optimizer: See `sweep`.
        trials: The coarse grid, as `sweep` takes it: a column `learning_rate`, two or more of them per setting.
        around: `"best"`, or `"edge"`: the critical learning rate.
        rounds: The most rounds after the coarse grid, 0 or more.
        width: A setting is done when the upper of the two learning rates that enclose its answer is above the lower
            by no more than this share of it, above 0. With 0.01 the best learning rate is known to two digits.
        points: How many learning rates a round tries in each setting, 1 or more. Around the best, 8 of them narrow
            the interval fivefold, around the edge ninefold.
        steps: See `sweep`.
        stopping: See `sweep`.
        static: See `sweep`.
        evaluate_every: See `sweep`.
        block_width: See `sweep`. Where it is left out, the later rounds have the block width that the coarse grid was
            given: they run its compiled programs, and a row gives the same bits in whichever round it is.
        layout: See `sweep`.

    Returns:
        A `Refinement`: the table of all rounds, what was found for each setting, and what made them.

    Raises:
        TypeError: As `sweep` does; or `rounds` or `points` is not a whole number.
        ValueError: As `sweep` does; or the trials have no two learning rates above 0 in some setting, or a column
            called `round`; or `around`, `rounds`, `width` or `points` is out of range. All of this is said before
            anything is compiled.

    Example:
        >>> import optax
        >>> trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-4, 1, 25))
        >>> refined = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials)
        >>> refined.found
           learning_rate    low    high
        0         0.2267  0.226  0.2275
        >>> refined.table.groupby("round").size().tolist()
        [25, 8, 8, 8]
        >>> lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials, around="edge").found
           learning_rate     low    high
        0         0.2535  0.2535  0.2548
    """
    if not isinstance(around, str) or around not in (BEST, EDGE):
        raise InputError("around: " + unknown("place", around, [BEST, EDGE]))
    check_count("rounds", rounds, least=0)
    check_count("points", points, least=1)
    check_number("width", width, "a finite number above 0, such as 0.01", lambda width: 0 < width < math.inf)
    trials = _check_grid(trials)
    # It is read anew in every round.
    static = as_names("static", static)

    def run(rows: pd.DataFrame, width: int | None) -> Sweep:
        return sweep(
            objective,
            optimizer,
            rows,
            steps=steps,
            stopping=stopping,
            static=static,
            evaluate_every=evaluate_every,
            block_width=width,
            layout=layout,
        )

    swept = run(trials, block_width)
    table, made = swept.table.assign(**{ROUND: 0}), [swept.provenance]
    if block_width is None:
        block_width = min(least for group in swept.provenance["groups"] for least in group["block_widths"])
    for number in range(1, rounds + 1):
        trials = _next_trials(table, _find(table, around), width, points)
        if len(trials) == 0:
            break
        swept = run(trials, block_width)
        table = pd.concat([table, swept.table.assign(**{ROUND: number})])
        made.append(swept.provenance)
    asked = {"around": around, "rounds": rounds, "width": width, "points": points}
    return Refinement(table, _find(table, around), _provenance(made, asked))


def _find(table: pd.DataFrame, around: str) -> pd.DataFrame:
    """Finds the answer of every setting so far, as `Refinement.found` has it."""
    others, summary = _others(table), summarize(table).dropna(subset=[LEARNING_RATE])
    place = pd.Series(range(len(summary)), index=rank(summary, best_by_of(table)).index)
    firsts, answers = [], []
    for part in _by_setting(summary, others):
        rates = np.sort(part[LEARNING_RATE].to_numpy(float))
        if (part["diverged"] == 1).all():
            low, answer, high = -1, -1, 0
        elif around == BEST:
            best = part[LEARNING_RATE].to_numpy(float)[place[part.index].argmin()]
            answer = int(np.searchsorted(rates, best))
            low, high = answer - 1, answer + 1
        else:
            bad = part.loc[part["diverged"] > 0, LEARNING_RATE]
            high = len(rates) if bad.empty else int(np.searchsorted(rates, bad.min()))
            low = answer = high - 1
        firsts.append(part.index[0])
        answers.append([rates[at] if 0 <= at < len(rates) else math.nan for at in (answer, low, high)])
    found = summary.loc[firsts, others].reset_index(drop=True)
    found[[LEARNING_RATE, "low", "high"]] = np.array(answers, float)
    return found


def _next_trials(table: pd.DataFrame, found: pd.DataFrame, width: float, points: int) -> pd.DataFrame:
    """Makes the next round's trials table: no rows where every setting is done."""
    others, settings = _others(table), settings_of(table)
    tried = table[[*others, LEARNING_RATE]].dropna(subset=[LEARNING_RATE]).drop_duplicates()
    wanted = []
    answers = found[["low", LEARNING_RATE, "high"]].to_numpy(float)
    for (low, answer, high), part in zip(answers, _by_setting(tried, others), strict=True):
        if high / low > 1 + width or math.isnan(high / low):
            rates = _finer(np.sort(part[LEARNING_RATE].to_numpy(float)), low, answer, high, points)
            wanted.append(part.iloc[np.zeros(len(rates), int)].assign(**{LEARNING_RATE: rates}))
    rows = pd.concat([tried.head(0), *wanted])
    starts = table[[name for name in settings if name != LEARNING_RATE]].drop_duplicates()
    if others:
        rows = rows.merge(starts, on=others)
    elif SEED in starts.columns:
        rows = rows.merge(starts, how="cross")
    return rows[settings].set_axis(_labels(table, len(rows)), axis=0)


def _finer(tried: np.ndarray, low: float, answer: float, high: float, points: int) -> np.ndarray:
    """Chooses the learning rates to try next in a setting, ascending, without those tried already.

    Args:
        tried: [tried] float64, ascending.
        low: The one below the answer, or NaN.
        answer: The answer so far, or NaN.
        high: The one above it, or NaN.
        points: How many to try.
    """
    outward = np.arange(1, points + 1)
    if math.isnan(low):
        step = math.log(tried[1] / tried[0])
        rates = tried[0] * np.exp(-step * outward)
    elif math.isnan(high):
        step = math.log(tried[-1] / tried[-2])
        rates = tried[-1] * np.exp(step * outward)
    else:
        step = math.log(high / low) / (points + 1)
        below = round(points * math.log(answer / low) / math.log(high / low))
        rates = np.concatenate([_between(low, answer, below), _between(answer, high, points - below)])
    dtype = jax.dtypes.canonicalize_dtype(float)
    rates = rates[(rates >= np.finfo(dtype).tiny) & (rates <= np.finfo(dtype).max)]
    if len(rates) == 0:
        return rates
    # Digits enough to tell neighbours apart.
    rates = round_to(rates, digits=min(12, max(3, 1 - math.floor(math.log10(step)))))
    # What is the same number to the compiled program is the same trial.
    _, first = np.unique(rates.astype(dtype), return_index=True)
    return rates[first][~np.isin(rates[first].astype(dtype), tried.astype(dtype))]


def _between(low: float, high: float, count: int) -> np.ndarray:
    return np.geomspace(low, high, count + 2)[1:-1]


def _by_setting(rows: pd.DataFrame, others: list[str]) -> list[pd.DataFrame]:
    """Cuts rows into those of each setting of the other columns, in the order in which these first appear."""
    return [part for _, part in rows.groupby(others, sort=False, dropna=False, observed=True)] if others else [rows]


def _others(table: pd.DataFrame) -> list[str]:
    return [name for name in settings_of(table) if name not in (LEARNING_RATE, SEED)]


def _labels(table: pd.DataFrame, count: int) -> list[Any]:
    """Labels for new rows, which go on from the table's where those are whole numbers."""
    if pd.api.types.is_integer_dtype(table.index.dtype):
        after = int(table.index.max()) + 1
        return list(range(after, after + count))
    return [f"round {table[ROUND].max() + 1}, {row}" for row in range(count)]


def _check_grid(trials: pd.DataFrame) -> pd.DataFrame:
    """Gives the coarse grid with its learning rates as float64; refuses one that cannot be zoomed into."""
    trials = check_trials(trials)
    if LEARNING_RATE not in trials.columns:
        raise InputError(f"the trials have no column {LEARNING_RATE!r}: it is what is refined")
    if ROUND in trials.columns:
        raise InputError(f"column {ROUND!r} of the trials is named like one of the result's own: rename or drop it")
    shared = trials[LEARNING_RATE].dropna()
    if len(shared) == 0:
        raise InputError(f"column {LEARNING_RATE!r} of the trials holds no learning rate: a zoom needs two or more")
    rates = read_numbers(shared, jax.dtypes.canonicalize_dtype(float))
    if (rates == 0).any():
        raise InputError(
            f"column {LEARNING_RATE!r} of the trials holds 0 at row {shared.index[int(np.argmin(rates))]!r}: "
            "a zoom needs learning rates above 0"
        )
    others = [name for name in trials.columns if name not in (LEARNING_RATE, SEED)]
    for part in _by_setting(trials.loc[shared.index], others):
        if part[LEARNING_RATE].nunique() < 2:
            where = ", ".join(f"{name} {part[name].iloc[0]}" for name in others)
            raise InputError(
                f"the trials have one learning rate{where and f' for {where}'}, {part[LEARNING_RATE].iloc[0]:g}: "
                "a zoom starts from two or more in each setting"
            )
    return trials.assign(**{LEARNING_RATE: trials[LEARNING_RATE].to_numpy(float, na_value=math.nan)})


def _provenance(made: list[dict[str, Any]], asked: dict[str, Any]) -> dict[str, Any]:
    own = ("trials", "groups", "started", "seconds")
    return {name: value for name, value in made[0].items() if name not in own} | {
        "trials": sum(each["trials"] for each in made),
        "started": made[0]["started"],
        "seconds": round(sum(each["seconds"] for each in made), 3),
        "refine": asked,
        "rounds": [{name: each[name] for name in own} for each in made],
    }
