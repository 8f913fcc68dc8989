"""The critical learning rate, the least at which a trial diverges: found by bisection, for all starts at once."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from lrsweep.engine._modes import ordinary_modes
from lrsweep.engine._shared import check_precision
from lrsweep.inputs._arguments import as_names, check_count, check_number
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import HOW_TO_WIDEN
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.statistics._starts import cannot_start
from lrsweep.studies._interrupted import Interrupted
from lrsweep.studies._prepare import limits_of, prepare
from lrsweep.studies._progress import Advance, Progress, check_progress, pass_on, progress
from lrsweep.studies._result import Sweep
from lrsweep.studies._starts import at_start
from lrsweep.studies._sweep import sweep
from lrsweep.tables._columns import check_trials
from lrsweep.tables._grid import grid
from lrsweep.tables._schema import (
    ALWAYS_DIVERGES,
    BAD_START,
    CRITICAL_DTYPES,
    FOUND,
    LEARNING_RATE,
    NEVER_DIVERGES,
    SEED,
    START,
)
from lrsweep.training._stopping import Stopping

# How many learning rates per decade the first scan tries.
SCAN = 5

# So small a share, since a direction that holds little of the loss may still grow while the others have converged.
STOPPING = Stopping(tolerance=1e-12)

# A round tries about this many trials or more: fewer side by side would leave a processor's lanes idle.
_LANES = 32

# The codes of the column `found`, a category, by its words.
_CODES = {end: code for code, end in enumerate(CRITICAL_DTYPES["found"].categories)}


class Critical(NamedTuple):
    """The table of `critical_learning_rate`, and its provenance."""

    table: pd.DataFrame
    provenance: dict[str, Any]


def critical_learning_rate(
    objective: Objective,
    optimizer: Factory,
    *,
    seeds: Iterable[int] | None = None,
    trials: pd.DataFrame | None = None,
    low: float = 1e-6,
    high: float = 1e3,
    width: float = 1e-3,
    steps: int = 1000,
    stopping: Stopping | None = None,
    static: Iterable[str] = (),
    block_width: int | None = None,
    progress: bool | Callable[[Progress], object] = True,
) -> pd.DataFrame:
    """Finds the least learning rate at which each start diverges, and what theory says of it.

    First a scan tries five learning rates per decade from `low` to `high`. The least of them that diverges and the one
    below it are a start's bracket. Then the brackets of all starts are narrowed together, one sweep per round, by
    bisection in the logarithm, until their ends are within `width` of each other. Where a learning rate that diverges
    lies below one that does not, there is a window: then the least edge is found. A window narrower than the scan's
    spacing can be missed.

    What counts is divergence within `steps`, and just above the edge trials diverge slowly. On a quadratic, gradient
    descent at `1 + eps` times the edge multiplies the loss by `1 + 4 eps` per update, so that the loss doubles after
    `log(2 / share) / (4 eps)` updates, where `share` is that of the sharpest direction in the loss at the start; and it
    must have doubled by the last quarter. So with 1,000 updates the edge is found to about a thousandth, and no finer.
    With momentum the loss also rises for a while below the edge: with few steps the edge found may be a little low.

    Args:
        objective: What is minimised.
        optimizer: A factory such as `optax.adam` that takes `learning_rate`.
        seeds: The seeds: every row of `trials` is started from each of them. None where `trials` has a column `seed`,
            or where the start needs none.
        trials: One row per setting, as for `sweep`, without the learning rate; None for no further columns.
        low: The least learning rate of the scan, above 0.
        high: The greatest.
        width: The relative width of the bracket to end with, above 0.
        steps: The most updates a trial may make, 1 or more.
        stopping: When a trial has diverged, and when it has converged and is no longer run. Where it is left out,
            `Stopping(tolerance=1e-12)`: so small a share of the gap hides no direction that still grows.
        static: See `sweep`.
        block_width: See `sweep`.
        progress: See `sweep`. The scan is counted by itself, and then all the rounds that narrow the brackets.

    Returns:
        One row per start, index `start`: the caller's columns, and then

        - `critical_learning_rate`: float64, the geometric mean of the bracket;
        - `low` and `high`: float64, the bracket: a learning rate that did not diverge, and one that did;
        - `found`: category, `found`; `never diverges`, at no learning rate of the scan; `always diverges`, even at the
          least of them; or `bad start`, where the loss or its gradient is not finite. The numbers before it are NaN in
          the last three;
        - `window`: bool, whether in the scan a learning rate did not diverge though a smaller one did;
        - `sharpness_start`: float64, the Hessian's largest eigenvalue at the start, over all the data;
        - `theory`: float64, the critical learning rate in theory, for `optax.sgd`, and for `optax.adam` with its
          preconditioner frozen; NaN for other optimizers;
        - `ratio`: float64, `critical_learning_rate` over `theory`.

    Raises:
        TypeError: An argument is of the wrong kind.
        ValueError: A value is out of range, or whatever `sweep` refuses.
        Interrupted: On Ctrl-C, with the brackets so far.

    Example:
        >>> import optax
        >>> edges = lrsweep.critical_learning_rate(
        ...     lrsweep.problems.quadratic([1.0, 4.0]), optax.sgd, trials=lrsweep.grid(momentum=[0.0, 0.5]),
        ...     steps=20_000, low=0.01, high=10)
        >>> edges[["momentum", "critical_learning_rate", "theory", "found"]].round(3)
               momentum  critical_learning_rate  theory  found
        start
        0           0.0                    0.50    0.50  found
        1           0.5                    0.75    0.75  found
    """
    try:
        return search_critical(
            objective,
            optimizer,
            seeds=seeds,
            trials=trials,
            low=low,
            high=high,
            width=width,
            steps=steps,
            stopping=stopping,
            static=static,
            block_width=block_width,
            wanted=progress,
        ).table
    except Interrupted as stopped:
        stopped.result = stopped.result.table
        raise


def search_critical(
    objective: Objective,
    optimizer: Factory,
    *,
    seeds: Iterable[int] | None,
    trials: pd.DataFrame | None,
    low: float,
    high: float,
    width: float,
    steps: int,
    stopping: Stopping | None,
    static: Iterable[str],
    block_width: int | None,
    wanted: bool | Callable[[Progress], object],
) -> Critical:
    """Does what `critical_learning_rate` does, and gives the provenance too, as JSON can hold it."""
    check_rates(low, high)
    _check_width(width)
    check_progress(wanted)
    steps = check_count("steps", steps)
    if isinstance(optimizer, Mapping):
        raise InputTypeError("the optimizer must be one factory such as optax.sgd: search the others' edges one by one")
    starts, static = _starts(trials, seeds), as_names("static", static)
    stopping = STOPPING if stopping is None else stopping
    options = {"steps": steps, "stopping": stopping, "static": static, "block_width": block_width}
    sweeps, stopped = _Sweeps(objective, optimizer, options, wanted), None
    codes, window, bracket = np.empty(0, int), np.empty(0, bool), np.empty((0, 2))
    try:
        codes, window, bracket = _scan(sweeps, starts, low, high)
        found = codes == _CODES[FOUND]
        for narrower in _narrow(sweeps, starts[found], bracket[found], width) if found.any() else ():
            bracket[found] = narrower
    except Interrupted as interruption:
        stopped = interruption

    starts = starts.head(len(codes))
    theory = pd.DataFrame(math.nan, starts.index, ["sharpness_start", "theory"])
    if stopped is None:
        with ordinary_modes():
            limits = limits_of(objective, stopping, steps)
            jobs = prepare(objective, {None: optimizer}, starts.assign(**{LEARNING_RATE: low}), static, limits)
            theory = at_start(jobs, starts.index)
    table = _tabulate(starts, codes, window, bracket, theory)
    result = Critical(table, sweeps.provenance | {"low": low, "high": high, "width": width})
    if stopped is not None:
        raise Interrupted(result, ended=sweeps.ended, of_trials=sweeps.of_trials) from None
    return result


def _tabulate(
    starts: pd.DataFrame, codes: np.ndarray, window: np.ndarray, bracket: np.ndarray, theory: pd.DataFrame
) -> pd.DataFrame:
    """Puts what was found for each start beside the caller's columns, as `critical_learning_rate` has it."""
    edges = np.exp(np.log(bracket).mean(axis=1))
    columns = {
        "critical_learning_rate": edges,
        "low": bracket[:, 0],
        "high": bracket[:, 1],
        "found": pd.Categorical.from_codes(codes, dtype=CRITICAL_DTYPES["found"]),
        "window": window,
        "sharpness_start": theory["sharpness_start"].to_numpy(),
        "theory": theory["theory"].to_numpy(),
        "ratio": edges / theory["theory"].to_numpy(),
    }
    results = pd.DataFrame(columns, index=starts.index).astype(CRITICAL_DTYPES)
    return pd.concat([starts, results], axis=1).rename_axis(START)


class _Sweeps:
    """Sweeps over starts by the same options, and the provenance of all of them together.

    Attributes:
        ended: How many trials have ended.
        of_trials: Of how many that have been planned.
    """

    def __init__(
        self,
        objective: Objective,
        optimizer: Factory,
        options: Mapping[str, Any],
        wanted: bool | Callable[[Progress], object],
    ) -> None:
        self._objective, self._optimizer, self._options, self._wanted = objective, optimizer, options, wanted
        self._provenances: list[dict[str, Any]] = []
        self.ended = self.of_trials = 0

    def plan(self, trials: int) -> AbstractContextManager[Advance]:
        """Shows how far so many trials have come that are going to be run."""
        self.of_trials += trials
        return progress(trials, trials * self._options["steps"], self._wanted)

    def run(self, starts: pd.DataFrame, rates: np.ndarray, advance: Advance) -> pd.DataFrame:
        """Sweeps some starts, each at its learning rates ``[start, rate]``; gives their rows start after start."""
        trials = starts.loc[starts.index.repeat(rates.shape[1])].reset_index(drop=True)
        trials.insert(0, LEARNING_RATE, rates.ravel())
        try:
            result = sweep(self._objective, self._optimizer, trials, **self._options, progress=pass_on(advance))
        except Interrupted as stopped:
            self._add(stopped.result)
            raise
        self._add(result)
        return result.table

    def _add(self, result: Sweep) -> None:
        self._provenances.append(result.provenance)
        self.ended += len(result.table)

    @property
    def provenance(self) -> dict[str, Any]:
        """The provenance of the last sweep, with the trials and seconds of all of them."""
        return self._provenances[-1] | {
            "started": self._provenances[0]["started"],
            "trials": sum(each["trials"] for each in self._provenances),
            "sweeps": len(self._provenances),
            "seconds": round(sum(each["seconds"] for each in self._provenances), 3),
        }


def _scan(sweeps: _Sweeps, starts: pd.DataFrame, low: float, high: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tries learning rates from `low` to `high`, evenly spaced in the logarithm, at every start.

    Returns:
        ``[start] int``, the code of the column `found`; ``[start] bool``, whether there is a window; and
        ``[start, 2] float64``, the bracket, NaN where there is none.
    """
    rates = _as_computed(np.geomspace(low, high, math.ceil(SCAN * (math.log10(high) - math.log10(low))) + 1))
    with sweeps.plan(len(starts) * len(rates)) as advance:
        table = sweeps.run(starts, np.tile(rates, (len(starts), 1)), advance)
    diverged = (table["status"] == "diverged").to_numpy().reshape(len(starts), -1)
    is_bad = cannot_start(table).reshape(diverged.shape)[:, 0]
    first = np.where(diverged.any(axis=1), diverged.argmax(axis=1), len(rates))
    ends = {BAD_START: is_bad, ALWAYS_DIVERGES: first == 0, NEVER_DIVERGES: first == len(rates)}
    codes = np.select(list(ends.values()), [_CODES[end] for end in ends], _CODES[FOUND])
    window = np.asarray((~diverged & (np.arange(len(rates)) > first[:, None])).any(axis=1))
    bracket, found = np.full((len(starts), 2), np.nan), codes == _CODES[FOUND]
    bracket[found] = np.stack([rates[first[found] - 1], rates[first[found]]], axis=1)
    return codes, window, bracket


def _narrow(sweeps: _Sweeps, starts: pd.DataFrame, bracket: np.ndarray, width: float) -> Iterator[np.ndarray]:
    """Narrows the brackets ``[start, 2]`` of all starts until their ends are within `width`; yields every round's."""
    points = 2 ** math.ceil(math.log2(max(2, 1 + _LANES / len(starts)))) - 1
    shares = np.arange(points + 2) / (points + 1)
    rows = np.arange(len(starts))
    widest = np.log(bracket[:, 1] / bracket[:, 0]).max()
    rounds = max(0, math.ceil(math.log(widest / math.log1p(width), points + 1)))
    with sweeps.plan(len(starts) * points * rounds) as advance:
        while (bracket[:, 1] / bracket[:, 0]).max() - 1 > width:
            low, high = np.log(bracket).T
            rates = _as_computed(np.exp(low[:, None] + (high - low)[:, None] * shares))
            rates[:, [0, -1]] = bracket
            table = sweeps.run(starts, rates[:, 1:-1], advance)
            diverged = np.ones(rates.shape, bool)
            diverged[:, 1:-1] = (table["status"] == "diverged").to_numpy().reshape(len(starts), points)
            diverged[:, 0] = False
            first = diverged.argmax(axis=1)
            bracket = np.stack([rates[rows, first - 1], rates[rows, first]], axis=1)
            yield bracket


def _starts(trials: pd.DataFrame | None, seeds: Iterable[int] | None) -> pd.DataFrame:
    """Gives one row per start: each row of the caller's table with each seed."""
    starts = pd.DataFrame(index=range(1)) if trials is None else check_trials(trials).reset_index(drop=True)
    for name in starts.columns:
        if name == LEARNING_RATE:
            raise InputError(f"the trials have a column {name!r}, which is what is searched for: leave it out")
        if name in CRITICAL_DTYPES or name == START:
            raise InputError(f"column {name!r} of the trials is named like one of the result's own: rename or drop it")
    if seeds is None:
        return starts
    if SEED in starts.columns:
        raise InputError(f"the trials have a column {SEED!r} of their own: leave out seeds")
    return starts.merge(grid(**{SEED: seeds}), how="cross")


def check_rates(low: Any, high: Any) -> tuple[float, float]:
    """Gives two learning rates that a search goes from and to as Python's own numbers.

    Raises:
        InputTypeError: One is not a number.
        InputError: One is not finite or not above 0, the first is not below the second, or the precision that JAX
            computes in does not hold them.

    Example:
        >>> check_rates(1e-6, 1000)
        (1e-06, 1000.0)
    """
    wanted = "a finite learning rate above 0"
    low, high = (check_number(name, rate, wanted, lambda _: True) for name, rate in (("low", low), ("high", high)))
    if not 0 < low < high < math.inf:
        raise InputError(f"low={low:g} and high={high:g} must be finite learning rates, above 0 and the low one below")
    check_precision("high", high)
    least = float(jnp.finfo(jnp.result_type(float)).tiny)
    if low < least:
        wider = "" if jax.config.read("jax_enable_x64") else f", or {HOW_TO_WIDEN}"
        raise InputError(f"low={low:g} is too near 0 to be told from it: take {least:.3g} or more{wider}")
    return low, high


def _check_width(width: float) -> None:
    check_number("width", width, "a finite number above 0", lambda width: 0 < width < math.inf)
    finest = 8 * float(jnp.finfo(jnp.result_type(float)).eps)
    if width < finest:
        wider = "" if jax.config.read("jax_enable_x64") else ", or compute in 64-bit"
        raise InputError(f"width={width:g} is finer than the numbers tell apart: take {finest:.2g} or more{wider}")


def _as_computed(rates: np.ndarray) -> np.ndarray:
    """Rounds learning rates to the precision that trials compute in, so that the table holds what was tried."""
    return rates.astype(jnp.result_type(float)).astype(float)
