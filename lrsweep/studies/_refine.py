"""Refinement: finer and finer grids of learning rates around the best one, or around the least that diverges."""

import math
from collections.abc import Callable, Iterable, Mapping
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
from lrsweep.studies._interrupted import Interrupted
from lrsweep.studies._progress import Advance, Progress, check_progress, pass_on, progress
from lrsweep.studies._refinement import Refinement
from lrsweep.studies._result import Sweep
from lrsweep.studies._sweep import sweep
from lrsweep.tables._columns import check_trials, read_numbers
from lrsweep.tables._grid import round_to
from lrsweep.tables._notes import PROVENANCE, Provenance
from lrsweep.tables._schema import BEST, EDGE, LEARNING_RATE, ROUND, SEED, criterion_of, settings_of
from lrsweep.training._stopping import Stopping


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
    progress: bool | Callable[[Progress], object] = True,
) -> Refinement:
    """Sweeps a coarse grid of learning rates, and then finer ones around its answer.

    Every setting of the other columns is refined by itself, so that each is judged at its own best; where only one of
    them matters, pass its rows alone. A round tries `points` new learning rates per setting, each with all the seeds of
    the coarse grid, so that they are compared in pairs. None is tried twice.

    - Around the best, they lie between the neighbours of the best learning rate of all rounds so far, evenly in the
      logarithm. Best is what `best_setting` calls best. It counts whole updates, so that neighbouring learning rates
      may be equally fast. The final loss then decides between them; for one seed it is measured at the same update for
      all of them. So the answer is as fine as `width` asks, but with other seeds another one of the equally fast may
      win.
    - Around the edge, they lie between the least learning rate at which a trial of any seed diverged, and the next
      smaller one, which is the answer: up to it no trial diverged. Learning rates beyond the least that diverges are
      not tried. Just above the critical learning rate trials diverge slowly: with few `steps` the edge lies above it.
    - Where the answer is at an end of the grid, the next round extends the grid there, by the ratio of its last two
      learning rates.

    Only the neighbourhood of the coarse grid's answer is searched: a better learning rate in a gap elsewhere is not
    found. Where the speed rises and falls several times (with momentum, say), start from a finer grid.

    Args:
        objective: See `sweep`.
        optimizer: See `sweep`.
        trials: The coarse grid, as `sweep` takes it: a column `learning_rate`, two or more of them per setting.
        around: `"best"`, or `"edge"`: the critical learning rate.
        rounds: The most rounds after the coarse grid, 0 or more.
        width: A setting is done when the two learning rates that enclose its answer differ by no more than this share
            of the lower one, above 0. With 0.01 the best learning rate is known to two digits.
        points: How many learning rates a round tries in each setting, 1 or more. Around the best, 8 of them narrow
            the interval fivefold, around the edge ninefold.
        steps: See `sweep`.
        stopping: See `sweep`.
        static: See `sweep`.
        evaluate_every: See `sweep`.
        block_width: See `sweep`. Where it is left out, the later rounds take the coarse grid's: so they reuse its
            compiled programs, and a row gives the same bits in every round.
        layout: See `sweep`.
        progress: See `sweep`. It counts the trials of all rounds that there may be.

    Returns:
        A `Refinement`: the table of all rounds, the answer for each setting, and the provenance.

    Raises:
        TypeError: As `sweep`; or `rounds` or `points` is not a whole number.
        ValueError: As `sweep`; or some setting has fewer than two learning rates above 0, the trials have a column
            called `round`, or `around`, `rounds`, `width` or `points` is out of range. All of this is checked before
            anything is compiled.
        Interrupted: On Ctrl-C, with the trials that had ended.

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
    check_progress(progress)
    steps, trials = check_count("steps", steps), _check_grid(trials)
    # An iterator would be used up by the first round.
    static = as_names("static", static)

    def run(rows: pd.DataFrame, width: int | None, advance: Advance) -> Sweep:
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
            progress=pass_on(advance),
        )

    arguments = {"around": around, "rounds": rounds, "width": width, "points": points}
    return _run_rounds(run, trials, steps, block_width, arguments, progress)


def _run_rounds(
    run: Callable[[pd.DataFrame, int | None, Advance], Sweep],
    rows: pd.DataFrame,
    steps: int,
    block_width: int | None,
    arguments: dict[str, Any],
    wanted: bool | Callable[[Progress], object],
) -> Refinement:
    """Runs the coarse grid, and then round after round around the answer so far.

    Args:
        run: Sweeps some trials at a block width.
        rows: The coarse grid.
        steps: The most updates a trial may make.
        block_width: The block width, or None where the coarse grid's is to be kept.
        arguments: Those of `refine` that say what to look for: `around`, `rounds`, `width`, `points`.
        wanted: Who is told how far it has come.
    """
    around, rounds, width, points = arguments.values()
    tables, provenances, found = [], [], _nothing_found(rows)
    of_trials = len(rows) + rounds * points * _count_starts(rows)
    with progress(of_trials, of_trials * steps, wanted) as advance:
        for number in range(rounds + 1):
            if number > 0:
                rows = _next_trials(pd.concat(tables), found, width, points)
            if len(rows) == 0:
                break
            try:
                result, stopped = run(rows, block_width, advance), None
            except Interrupted as interruption:
                result, stopped = interruption.result, interruption
            tables.append(result.table.assign(**{ROUND: number}))
            provenances.append(result.provenance)
            if stopped is not None:
                partial = _refinement(tables, found, provenances, arguments)
                raise Interrupted(partial, ended=len(partial.table), of_trials=of_trials) from None
            found = _find(pd.concat(tables), around)
            if block_width is None:
                block_width = min(group["block_width"] for group in result.provenance["groups"])
    return _refinement(tables, found, provenances, arguments)


def _nothing_found(trials: pd.DataFrame) -> pd.DataFrame:
    """Gives the answers before the coarse grid has been run: none."""
    others = [name for name in trials.columns if name not in (LEARNING_RATE, SEED)]
    return trials.head(0)[others].assign(**dict.fromkeys((LEARNING_RATE, "low", "high"), np.empty(0)))


def _count_starts(trials: pd.DataFrame) -> int:
    """Counts what a round tries each of its learning rates with: the seeds of every setting of the other columns."""
    others = trials.columns.drop(LEARNING_RATE)
    return len(trials.dropna(subset=[LEARNING_RATE])[others].drop_duplicates()) if len(others) else 1


def _find(table: pd.DataFrame, around: str) -> pd.DataFrame:
    """Finds the answer of every setting in the rounds so far, as `Refinement.found` has it."""
    others, summary = _others(table), summarize(table).dropna(subset=[LEARNING_RATE])
    place = pd.Series(range(len(summary)), index=rank(summary, criterion_of(table)).index)
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
            diverging = part.loc[part["diverged"] > 0, LEARNING_RATE]
            high = len(rates) if diverging.empty else int(np.searchsorted(rates, diverging.min()))
            low = answer = high - 1
        firsts.append(part.index[0])
        answers.append([rates[at] if 0 <= at < len(rates) else math.nan for at in (answer, low, high)])
    found = summary.loc[firsts, others].reset_index(drop=True)
    found[[LEARNING_RATE, "low", "high"]] = np.array(answers, float)
    return found


def _next_trials(table: pd.DataFrame, found: pd.DataFrame, width: float, points: int) -> pd.DataFrame:
    """Makes the next round's trials table, without rows where every setting is done."""
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
        tried: ``[tried] float64``, ascending, those tried already.
        low: The learning rate below the answer, or NaN.
        answer: The answer so far, or NaN.
        high: The learning rate above it, or NaN.
        points: How many to try.

    Returns:
        ``[rate] float64``; at most `points` of them.
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
    # As many digits as tell neighbours apart.
    rates = round_to(rates, digits=min(12, max(3, 1 - math.floor(math.log10(step)))))
    # Two that are the same number to the compiled program would be the same trial.
    _, first = np.unique(rates.astype(dtype), return_index=True)
    return rates[first][~np.isin(rates[first].astype(dtype), tried.astype(dtype))]


def _between(low: float, high: float, count: int) -> np.ndarray:
    return np.geomspace(low, high, count + 2)[1:-1]


def _by_setting(rows: pd.DataFrame, others: list[str]) -> list[pd.DataFrame]:
    """Splits rows by the setting of the other columns, in the order in which settings first appear."""
    return [part for _, part in rows.groupby(others, sort=False, dropna=False, observed=True)] if others else [rows]


def _others(table: pd.DataFrame) -> list[str]:
    return [name for name in settings_of(table) if name not in (LEARNING_RATE, SEED)]


def _labels(table: pd.DataFrame, count: int) -> list[Any]:
    """Makes labels for new rows, which continue the table's where those are whole numbers."""
    if pd.api.types.is_integer_dtype(table.index.dtype):
        after = int(table.index.max()) + 1
        return list(range(after, after + count))
    return [f"round {table[ROUND].max() + 1}, {row}" for row in range(count)]


def _check_grid(trials: pd.DataFrame) -> pd.DataFrame:
    """Gives the coarse grid with its learning rates as float64; refuses one that cannot be refined."""
    trials = check_trials(trials)
    if LEARNING_RATE not in trials.columns:
        raise InputError(f"the trials have no column {LEARNING_RATE!r}: it is what is refined")
    if ROUND in trials.columns:
        raise InputError(f"column {ROUND!r} of the trials is named like one of the result's own: rename or drop it")
    present = trials[LEARNING_RATE].dropna()
    if len(present) == 0:
        raise InputError(f"column {LEARNING_RATE!r} of the trials holds no learning rate: a zoom needs two or more")
    rates = read_numbers(present, jax.dtypes.canonicalize_dtype(float))
    if (rates == 0).any():
        raise InputError(
            f"column {LEARNING_RATE!r} of the trials holds 0 at row {present.index[int(np.argmin(rates))]!r}: "
            "a zoom needs learning rates above 0"
        )
    others = [name for name in trials.columns if name not in (LEARNING_RATE, SEED)]
    for part in _by_setting(trials.loc[present.index], others):
        if part[LEARNING_RATE].nunique() < 2:
            where = ", ".join(f"{name} {part[name].iloc[0]}" for name in others)
            raise InputError(
                f"the trials have one learning rate{where and f' for {where}'}, {part[LEARNING_RATE].iloc[0]:g}: "
                "a zoom starts from two or more in each setting"
            )
    return trials.assign(**{LEARNING_RATE: trials[LEARNING_RATE].to_numpy(float, na_value=math.nan)})


def _refinement(tables: list[Any], found: pd.DataFrame, rounds: list[Any], arguments: dict[str, Any]) -> Refinement:
    """Puts the tables and the provenances of all rounds together."""
    by_round = ("trials", "groups", "started", "seconds")
    made = {name: value for name, value in rounds[0].items() if name not in by_round} | {
        "trials": sum(each["trials"] for each in rounds),
        "started": rounds[0]["started"],
        "seconds": round(sum(each["seconds"] for each in rounds), 3),
        "refine": arguments,
        "rounds": [{name: each[name] for name in by_round} for each in rounds],
    }
    table = pd.concat(tables)
    table.attrs[PROVENANCE] = Provenance(made)
    return Refinement(table, found, made)
