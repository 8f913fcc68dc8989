"""Statistics over the trials of each setting: one row per setting."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._arguments import as_names
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import unknown
from lrsweep.statistics._display import Summary
from lrsweep.statistics._settings import group_trials as group_trials
from lrsweep.statistics._settings import per_setting
from lrsweep.statistics._survival import time_quantiles
from lrsweep.tables._parts import Table, head_of, parts_of
from lrsweep.tables._schema import CONVERGED_AT, LOSS, LOSSES, SEED, criterion_of, final, metrics_of, settings_of

# The first words of the columns of quartiles.
QUARTILES = {"lower_quartile": 0.25, "median": 0.5, "upper_quartile": 0.75}

# The confidence level of intervals.
LEVEL = 0.95


def summarize(table: Table, by: str | Sequence[str] | None = None) -> Summary:
    """Summarises the trials of each setting: one row for every combination of some columns, in order of appearance.

    Args:
        table: A result table, as `Sweep.table` or `read_table` gives it; or a `Store`, which is read in parts.
        by: The columns that make a setting, by name; None for every one of the caller's but `seed`.

    Returns:
        A DataFrame that shows itself in a notebook: the settings' columns, `trials`, and then those below. What answers
        for the table comes first among them: where a metric decides the best, or no trial converged, that is what
        `leads_by_value` tells of, and the columns of convergence come last.

        - `trials` (int): how many trials there are.
        - `converged`, `diverged` (float, from 0 to 1): their shares, each followed by its 95% interval, such as
          `converged_low` and `converged_high` (Wilson, 1927, doi:10.1080/01621459.1927.10502953).
        - `lower_quartile_converged_at`, `median_converged_at`, `upper_quartile_converged_at` (Float64, in updates): by
          when a quarter, a half and three quarters of the trials have converged, estimated by the method of Kaplan and
          Meier; missing where fewer converge. A trial whose steps ran out is censored at its `steps`: it might have
          converged later. One that diverged never converges: it is censored at infinity, and so counts against the
          share that converges, however long the others run.
        - `lower_quartile_final_loss`, `median_final_loss`, `upper_quartile_final_loss`, and the same of `best_loss`
          (float, in the loss's unit): linear between the two nearest trials (method 7 of Hyndman and Fan, 1996,
          doi:10.1080/00031305.1996.10473566, NumPy's default). A diverged trial counts as infinite, and a quartile
          between a number and infinity is infinite.
        - where the table has metrics, `median_final_<metric>` (float), over the trials in which it is a number. Of the
          metric that decides the best there are both quartiles too, and those of `<metric>_at_best`; a diverged trial
          counts as infinitely bad.

    Raises:
        ValueError: It is not a result table, it has no column of a name in `by`, or one of these columns is called
            like one of the summary's own.

    Example:
        >>> lrsweep.summarize(result.table)[["learning_rate", "trials", "converged", "median_converged_at"]]
           learning_rate  trials  converged  median_converged_at
        0          0.100       1        1.0                 51.0
        1          0.010       1        1.0                526.0
        2          0.001       1        0.0                 <NA>
        >>> lrsweep.summarize(result.table, by=[])[["trials", "converged", "converged_low", "converged_high"]].round(2)
           trials  converged  converged_low  converged_high
        0       3       0.67           0.21            0.94
    """
    names, head = resolve_by(table, by), head_of(table)
    criterion = criterion_of(head)
    decides = [name for name in criterion.columns if name not in LOSSES]
    others = [final(metric) for metric in metrics_of(head) if metric != criterion.name]

    def statistics(trials: pd.DataFrame, setting: np.ndarray) -> dict[str, Any]:
        counts = {"trials": np.bincount(setting)}
        return (
            counts | _shares(trials, setting) | _quartiles(trials, setting, decides) | _medians(trials, setting, others)
        )

    settings, columns = per_setting(
        table, names, ["status", "steps", CONVERGED_AT, *LOSSES, *decides, *others], statistics
    )
    trials = columns.pop("trials")
    if criterion.name != LOSS or not np.any(columns["converged"]):
        first = [f"{quartile}_{name}" for name in criterion.columns for quartile in QUARTILES]
        last = [name for name in columns if name.startswith("converged") or name.endswith(f"_{CONVERGED_AT}")]
        between = [name for name in columns if name not in (*first, *last)]
        columns = {name: columns[name] for name in (*first, *between, *last)}
    return Summary(join_columns(settings, {"trials": trials} | columns))


def leads_by_value(table: Table) -> bool:
    """Tells whether the loss or a metric answers for a table, and not when its trials converged.

    That is so where a metric decides the best, and where no trial converged, as where nobody knows the minimum.

    Example:
        >>> leads_by_value(result.table), leads_by_value(result.table.assign(status="slow"))
        (False, True)
    """
    return criterion_of(head_of(table)).name != LOSS or not has_status(table, "converged")


def has_status(table: Table, status: str) -> bool:
    """Tells whether some trial ended so.

    Example:
        >>> has_status(result.table, "converged"), has_status(result.table, "diverged")
        (True, False)
    """
    return any((part["status"] == status).any() for part in parts_of(table, ["status"]))


def default_outcome(table: Table) -> str:
    """Gives the outcome that is meant where none is named: `converged_at`, or what answers for the table at the end.

    Example:
        >>> default_outcome(result.table), default_outcome(result.table.assign(status="slow"))
        ('converged_at', 'final_loss')
    """
    return criterion_of(head_of(table)).columns[0] if leads_by_value(table) else CONVERGED_AT


def join_columns(settings: pd.DataFrame, columns: dict[str, Any]) -> pd.DataFrame:
    """Puts the settings' columns, one row per setting, and those of their statistics side by side.

    Raises:
        ValueError: A setting's column is called like one of the statistics.

    Example:
        >>> join_columns(pd.DataFrame({"learning_rate": [0.1]}), {"trials": [3]})
           learning_rate  trials
        0            0.1       3
    """
    for name in settings.columns:
        if name in columns:
            raise InputError(f"column {name!r} is named like one of the summary's own: rename it or leave it out")
    return pd.concat([settings, pd.DataFrame(columns)], axis=1)


def resolve_by(table: Table, by: str | Sequence[str] | None) -> list[str]:
    """Gives the columns that make a setting: those of `by`, or every one of the caller's but `seed`.

    Raises:
        ValueError: It is not a result table, it has no such column, or one is named twice.

    Example:
        >>> resolve_by(result.table, None)
        ['learning_rate']
    """
    head = head_of(table)
    own = settings_of(head)
    if by is None:
        return [name for name in own if name != SEED]
    names = as_names("by", by)
    for name in names:
        if name not in head.columns:
            raise InputError(unknown("column", name, head.columns))
        if names.count(name) > 1:
            raise InputError(f"by names column {name!r} twice: name it once")
    return names


def _shares(table: pd.DataFrame, setting: np.ndarray) -> dict[str, np.ndarray]:
    trials, shares = np.bincount(setting), {}
    for status in ("converged", "diverged"):
        share = np.bincount(setting, weights=table["status"] == status) / trials
        low, high = wilson(share, trials)
        shares |= {status: share, f"{status}_low": low, f"{status}_high": high}
    return shares


def wilson(share: np.ndarray, trials: np.ndarray, level: float = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Gives Wilson's interval of a share: the range of true shares that the observed one does not contradict.

    Its ends are the two solutions `p` of `(share - p)^2 = z^2 p (1 - p) / trials`, with `z` the normal quantile of
    `level` (Wilson, 1927, doi:10.1080/01621459.1927.10502953).

    Args:
        share: ``[setting]`` float, the observed share.
        trials: ``[setting]`` int, of how many trials it is.
        level: The confidence level, from 0 to 1.

    Returns:
        The lower and the upper ends, ``[setting]`` float, from 0 to 1.

    Example:
        >>> wilson(np.array([0.5]), np.array([10]))
        (array([0.23659309]), array([0.76340691]))
    """
    scale = NormalDist().inv_cdf((1 + level) / 2) ** 2 / trials
    middle = share + scale / 2
    half_width = np.sqrt(scale * (share * (1 - share) + scale / 4))
    # A share of 0 or 1 is itself an end, from which rounding would move it.
    low = np.where(share == 0, 0.0, (middle - half_width) / (1 + scale))
    return low, np.where(share == 1, 1.0, (middle + half_width) / (1 + scale))


def _quartiles(table: pd.DataFrame, setting: np.ndarray, decides: list[str]) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    for name in (CONVERGED_AT, *LOSSES, *decides):
        for quartile, values in outcome_quartiles(table, name, setting).items():
            columns[f"{quartile}_{name}"] = pd.array(values, dtype="Float64") if name == CONVERGED_AT else values
    return columns


def outcome_quartiles(table: pd.DataFrame, outcome: str, setting: np.ndarray) -> dict[str, np.ndarray]:
    """Gives the quartiles of one column of a result table over the trials of each setting.

    Args:
        table: The result table.
        outcome: A column of numbers. Of `converged_at`, of a loss, and of the metric that decides the best the
            quartiles are those of `summarize`; any other's are taken over the trials in which it is a number.
        setting: ``[trial]`` int, each trial's setting, as `group_trials` numbers them.

    Returns:
        By the keys of `QUARTILES`, ``[setting]`` float, in the outcome's unit; NaN where there is none.

    Example:
        >>> outcome_quartiles(result.table, "best_at", np.array([0, 0, 1]))["median"]
        array([ 297.5, 1000. ])
    """
    quartiles = {name: np.full(np.bincount(setting).size, np.nan) for name in QUARTILES}
    if outcome == CONVERGED_AT:
        times, converged = convergence_times(table)
        for settings, rows in rows_by_count(setting):
            by_share = time_quantiles(times[rows], converged[rows], list(QUARTILES.values()))
            for name, values in zip(QUARTILES, by_share, strict=True):
                quartiles[name][settings] = values
        return quartiles
    numbers = outcome_values(table, outcome)
    is_number = ~np.isnan(numbers)
    numbers = numbers[is_number]
    for settings, rows in rows_by_count(setting[is_number]):
        for name, values in quartiles_of(numbers[rows]).items():
            quartiles[name][settings] = values
    return quartiles


def outcome_values(table: pd.DataFrame, outcome: str) -> np.ndarray:
    """Gives a column of numbers as statistics take it: infinitely bad where a trial diverged, NaN where missing.

    Of a loss, and of the metric that decides the best, that is infinity, or minus infinity where the greatest is best.
    What other metrics would make of a trial that diverged is not known.

    Example:
        >>> outcome_values(result.table, "final_loss").round(4)
        array([0.000e+00, 1.000e-04, 1.425e-01])
    """
    if outcome in LOSSES:
        return penalised(table, outcome)
    criterion = criterion_of(table)
    if outcome in criterion.columns:
        return penalised(table, outcome, criterion.sign * np.inf)
    return table[outcome].to_numpy(float, na_value=np.nan)


def convergence_times(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Gives when each trial converged, or until when it may not have, and which of the two it is.

    Returns:
        ``[trial]`` float, in updates: `converged_at`; `steps` of a trial whose steps ran out; infinity of one that
        diverged. And ``[trial]`` bool, whether it converged.

    Example:
        >>> convergence_times(result.table)
        (array([  51.,  526., 1000.]), array([ True,  True, False]))
    """
    converged = (table["status"] == "converged").to_numpy()
    # Runs of other programs need not tell how many updates they made, nor so how long one had not converged.
    censored_at = np.where(table["status"] == "diverged", np.inf, table["steps"].to_numpy(float, na_value=0))
    return np.where(converged, table["converged_at"].to_numpy(float, na_value=np.nan), censored_at), converged


def penalised(table: pd.DataFrame, name: str, worst: float = np.inf) -> np.ndarray:
    """Gives a column of losses, or of a metric, with the worst there is where the trial diverged: ``[trial]`` float.

    Example:
        >>> [float(loss) for loss in penalised(result.table, "final_loss").round(4)]
        [0.0, 0.0001, 0.1425]
    """
    return table[name].where(table["status"] != "diverged", worst).to_numpy(float)


def rows_by_count(setting: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Groups the settings by how many trials they have, so that each group's rows form an array.

    Args:
        setting: ``[trial]`` int, each trial's setting.

    Returns:
        For each count of trials the settings that have so many, ``[setting]`` int, and their rows,
        ``[setting, trial]`` int.

    Example:
        >>> rows_by_count(np.array([0, 1, 0]))
        [(array([1]), array([[1]])), (array([0]), array([[0, 2]]))]
    """
    trials, order = np.bincount(setting), np.argsort(setting, kind="stable")
    starts, sizes = np.cumsum(trials) - trials, np.unique(trials[trials > 0])
    by_size = [(np.flatnonzero(trials == size), np.arange(size)) for size in sizes]
    return [(settings, order[starts[settings, None] + offsets]) for settings, offsets in by_size]


def quartiles_of(values: np.ndarray) -> dict[str, np.ndarray]:
    """Gives the quartiles along the last axis, as `summarize` defines a loss's, by the keys of `QUARTILES`.

    Example:
        >>> quartiles_of(np.array([3.0, 1.0, np.inf]))
        {'lower_quartile': array(2.), 'median': array(3.), 'upper_quartile': array(inf)}
    """
    ordered = np.sort(values, -1)
    return {quartile: _quantile(ordered, share) for quartile, share in QUARTILES.items()}


def _quantile(ordered: np.ndarray, share: float) -> np.ndarray:
    """Gives what `np.quantile` gives along the last axis of sorted values, and takes infinity for a number."""
    rank = share * (ordered.shape[-1] - 1)
    weight = rank % 1
    below, above = ordered[..., int(np.floor(rank))], ordered[..., int(np.ceil(rank))]
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(above), above, (1 - weight) * below + weight * above)


def _medians(table: pd.DataFrame, setting: np.ndarray, names: list[str]) -> dict[str, Any]:
    columns = {name: pd.Series(outcome_values(table, name)) for name in names}
    return {f"median_{name}": column.groupby(setting).median().to_numpy() for name, column in columns.items()}
