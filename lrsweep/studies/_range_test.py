"""The learning-rate range test: one short run per start, in which the learning rate grows from update to update."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import as_names, check_count, check_number
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import unknown
from lrsweep.optimizers._factories import Factory
from lrsweep.optimizers._growing import GROWTH, Growing, check_growing
from lrsweep.problems._objective import Objective
from lrsweep.statistics._range_test import (
    ENDED_AT,
    SEEDS,
    SMOOTHED,
    STEP,
    SUGGESTIONS,
    RangeTest,
    end_where_diverged,
    median_over_seeds,
    smooth,
    suggest,
)
from lrsweep.statistics._summary import group_trials
from lrsweep.studies._critical import check_rates
from lrsweep.studies._interrupted import Interrupted
from lrsweep.studies._progress import Progress
from lrsweep.studies._result import Sweep
from lrsweep.studies._sweep import run_sweep
from lrsweep.studies._validate import check_objective
from lrsweep.tables._columns import check_trials
from lrsweep.tables._grid import grid
from lrsweep.tables._schema import LEARNING_RATE, LOSS, MIN, SEED
from lrsweep.training._stopping import Stopping


def range_test(
    objective: Objective,
    optimizer: Factory,
    *,
    low: float = 1e-7,
    high: float = 10.0,
    steps: int = 100,
    seeds: Iterable[int] | None = None,
    trials: pd.DataFrame | None = None,
    smoothing: float = 0.98,
    divergence: float = 4.0,
    static: Iterable[str] = (),
    block_width: int | None = None,
    progress: bool | Callable[[Progress], object] = True,
) -> RangeTest:
    """Raises the learning rate from update to update, and suggests where to begin from how the loss falls.

    This is the test of Smith (2015, arXiv:1506.01186) as fastai's `lr_find`, Lightning's and torch-lr-finder have it.
    At step `k`, from 0, the loss of the next minibatch is recorded, and then the update is made with the learning rate
    `low * (high / low) ** (k / (steps - 1))`. All seeds and settings run side by side, in one compiled program: other
    values of `low` and `high` compile nothing new, another number of steps does. Metrics are not computed.

    The losses are smoothed by an exponential average whose start is corrected for its bias, and the curve ends where it
    has risen to `divergence` times its least value (or the loss is not finite). Of its part from a tenth of the steps
    on to five losses before the end, as fastai takes it, the suggestions are

    - `steepest`: the learning rate after which the loss falls the most, `argmin of loss_(k+1) - loss_k`, since the
      learning rates are evenly spaced in the logarithm (fastai's `steep`; torch-lr-finder's up to its means of
      neighbouring slopes; Lightning divides by the learning rates' own difference instead of their logarithms');
    - `minimum_over_ten`: a tenth of the learning rate at the least loss (fastai's `minimum`);
    - `valley`: the learning rate in the middle of the longest stretch of falling losses, whatever rises between them
      (fastai's `valley`, its default).

    They are rules of thumb. How far they are from what a sweep finds is measured in the study `experiments/ranges.py`.

    Args:
        objective: What is minimised.
        optimizer: A factory such as `optax.adam` that takes `learning_rate`. It is built with the learning rate of
            each update, so hand it over without a schedule of its own.
        low: The first learning rate, above 0.
        high: The last, above `low`.
        steps: How many learning rates there are, 2 or more, one an update.
        seeds: The seeds: every row of `trials` is started from each of them. None where `trials` has a column `seed`,
            or where the start needs none.
        trials: One row per setting, as for `sweep`, without the learning rate; None for no further columns.
        smoothing: How much of the average is kept at every loss, from 0, for the losses as they are, to below 1.
        divergence: Which multiple of its least value so far ends a curve, above 1; `math.inf` for none. Where the
            objective states a minimum, both are measured from it.
        static: See `sweep`.
        block_width: See `sweep`.
        progress: See `sweep`.

    Returns:
        A `RangeTest`: the suggestions per setting and per seed, the curves, and their medians over seeds.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: A value is out of range, the optimizer takes no learning rate, the trials have a column for it, or
            whatever `sweep` refuses. All of it is checked before anything is compiled.
        Interrupted: On Ctrl-C, with the starts whose last learning rate had been tried.

    Example:
        >>> import optax
        >>> tested = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, low=1e-4, seeds=range(5))
        >>> tested.suggestions.round(3)
           seeds  ended_at  steepest  minimum_over_ten  valley
        0      5     1.556     0.171             0.087   0.015
        >>> tested.medians[["learning_rate", "smoothed"]].round(4).tail(2).isna().all().tolist()
        [False, True]
    """
    (low, high), steps = check_rates(low, high), check_count("steps", steps, least=2)
    smoothing = check_number("smoothing", smoothing, "a number from 0 to below 1", lambda share: 0 <= share < 1)
    divergence = check_number("divergence", divergence, "a number above 1", lambda multiple: multiple > 1)
    check_objective(objective)
    if isinstance(optimizer, Mapping):
        raise InputTypeError("the optimizer must be one factory such as optax.sgd: test the others one by one")
    check_growing(optimizer)
    starts, static = _starts(trials, seeds), as_names("static", static)
    for name in static:
        if name not in starts.columns:
            raise InputError("static: " + unknown("column", name, starts.columns))

    def read(swept: Sweep) -> RangeTest:
        losses = swept.curves["loss"].to_numpy()
        smoothed = end_where_diverged(smooth(losses, smoothing), divergence, objective.minimum)
        # JSON has no infinity.
        ending = str(divergence) if math.isinf(divergence) else divergence
        asked = {"low": low, "high": high, "steps": steps, "smoothing": smoothing, "divergence": ending}
        ran = starts.loc[swept.table.index].reset_index(drop=True)
        return _tabulate(ran, np.geomspace(low, high, steps), losses, smoothed, swept.provenance | asked)

    try:
        swept = run_sweep(
            replace(objective, metrics={}, best_by=LOSS, mode=MIN),
            Growing(optimizer),
            starts.assign(**{LEARNING_RATE: low, GROWTH: (math.log(high) - math.log(low)) / (steps - 1)}),
            # The loss at the last learning rate is that before its update.
            steps=steps - 1,
            # Nothing but a loss that is not finite ends a run.
            stopping=Stopping(tolerance=0.0, hold=steps, divergence=math.inf),
            static=static,
            record_every=1,
            block_width=block_width,
            progress=progress,
            on_batches=True,
        )
    except Interrupted as stopped:
        stopped.result = read(stopped.result)
        raise
    return read(swept)


def _tabulate(
    starts: pd.DataFrame, rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, provenance: dict[str, Any]
) -> RangeTest:
    """Puts the losses ``[start, step]``, and what they suggest, into tables."""
    names = [name for name in starts.columns if name != SEED]
    settings, setting = group_trials(starts, names)
    members = [setting == number for number in range(len(settings))]
    alive = np.where(np.isnan(smoothed), np.nan, losses)
    median_losses, medians = (
        # A test that was interrupted before any start was through has no setting.
        np.reshape([median_over_seeds(each[rows]) for rows in members], (-1, len(rates)))
        for each in (alive, smoothed)
    )
    counts = pd.DataFrame({SEEDS: np.bincount(setting)})
    return RangeTest(
        suggestions=pd.concat([settings, counts, _suggestions(rates, medians)], axis=1),
        by_seed=pd.concat([starts, _suggestions(rates, smoothed)], axis=1),
        curves=_long(starts, rates, losses, smoothed),
        medians=_long(settings, rates, median_losses, medians),
        provenance=provenance,
    )


def _suggestions(rates: np.ndarray, smoothed: np.ndarray) -> pd.DataFrame:
    """Gives where each curve ``[curve, step]`` ended, and what it suggests: one row per curve."""
    ends = np.isfinite(smoothed).sum(axis=1)
    ended_at = np.where(ends < len(rates), rates[np.maximum(ends - 1, 0)], np.nan)
    rows = [suggest(rates, curve) for curve in smoothed]
    suggested = pd.DataFrame(rows, columns=pd.Index(list(SUGGESTIONS)), dtype=float)
    suggested.insert(0, ENDED_AT, ended_at)
    return suggested


def _long(rows: pd.DataFrame, rates: np.ndarray, losses: np.ndarray, smoothed: np.ndarray) -> pd.DataFrame:
    """Lays curves ``[row, step]`` out as one row per row and step."""
    repeated = rows.loc[rows.index.repeat(len(rates))].reset_index(drop=True)
    columns = {
        STEP: np.tile(np.arange(len(rates)), len(rows)),
        LEARNING_RATE: np.tile(rates, len(rows)),
        LOSS: losses.ravel(),
        SMOOTHED: smoothed.ravel(),
    }
    return pd.concat([repeated, pd.DataFrame(columns)], axis=1)


def _starts(trials: pd.DataFrame | None, seeds: Iterable[int] | None) -> pd.DataFrame:
    """Gives one row per start: each row of the caller's table with each seed."""
    starts = pd.DataFrame(index=range(1)) if trials is None else check_trials(trials).reset_index(drop=True)
    for name in starts.columns:
        if name == LEARNING_RATE:
            raise InputError(f"the trials have a column {name!r}, which is what a range test raises: leave it out")
        if name in (GROWTH, STEP, LOSS, SMOOTHED, SEEDS, ENDED_AT, *SUGGESTIONS):
            raise InputError(f"column {name!r} of the trials is named like one of the result's own: rename or drop it")
    if seeds is None:
        return starts
    if SEED in starts.columns:
        raise InputError(f"the trials have a column {SEED!r} of their own: leave out seeds")
    return starts.merge(grid(**{SEED: seeds}), how="cross")
