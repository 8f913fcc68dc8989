"""Weights & Biases: a result as a group of runs, and runs as a result table."""

import ast
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from lrsweep.export._entries import Entry, answer_of, contents_of, entries_of, load_library, pictures_of, title_of
from lrsweep.export._runs import Columns, Runs, make_runs, table_of
from lrsweep.inputs._errors import InputError, InputTypeError
from lrsweep.inputs._messages import quote
from lrsweep.statistics._summary import summarize

# The columns that W&B's own page writes into its CSV beside settings and outcomes, and the names of the runs.
_PAGE = ("ID", "Notes", "User", "Tags", "Created", "Runtime", "End Time", "Hostname", "Sweep", "GPU Type", "Group")


def to_wandb(
    result: Any,
    *,
    project: str = "lrsweep",
    name: str | None = None,
    mode: str | None = None,
    folder: str | None = None,
    per_trial: bool = False,
    pictures: bool = True,
) -> list[str]:
    """Writes a result to Weights & Biases: a run of the whole, and one per setting, in one group.

    The run of the whole has the answer as its notes, the summary as a table, and pictures. A run of a setting has the
    setting as its config, and the statistics of `lrsweep.summarize` as its summary; curves are logged over the steps,
    the median and the quartiles of each. Of a curve at most 500 points are written.

    Args:
        result: A `Sweep`, a result table, or what an importer gives.
        project: The project's name.
        name: What to call the group; None for the objective and the optimizer.
        mode: `online`, or `offline` to write into a folder, which `wandb sync` sends later; None for what W&B is set up
            to do.
        folder: Where W&B keeps its files; None for where it does so.
        per_trial: Whether to write a run per trial, with its outcomes, instead of one per setting.
        pictures: Whether to draw pictures.

    Returns:
        The ids of the runs, that of the whole first.

    Raises:
        TypeError: The result is none.
        ValueError: Its table is empty, or W&B is not installed.

    Example:
        >>> lrsweep.export.to_wandb(result, mode="offline")  # doctest: +SKIP
        ['3qtt86gg', 'iqx3coec', '0x1c2yab', 'k8v4w2tr']
    """
    contents = contents_of(result)
    wandb = load_library("wandb")
    group = name or title_of(contents)
    shared: dict[str, Any] = {"project": project, "group": group, "mode": mode, "dir": folder, "reinit": "create_new"}
    # What W&B notes of the machine and of the script would be of this export, not of what made the result.
    shared["settings"] = wandb.Settings(x_disable_stats=True, x_disable_meta=True, console="off", silent=True)
    whole = wandb.init(
        name=group, job_type="sweep", notes=answer_of(contents), config=dict(contents.provenance), **shared
    )
    whole.log({"summary": wandb.Table(dataframe=_plain(summarize(contents.table)))})
    for each, picture in (pictures_of(contents) if pictures else {}).items():
        whole.log({each: wandb.Image(_pixels(picture))})
    whole.finish()
    ids = [whole.id]
    for entry in entries_of(contents, per_trial=per_trial):
        kind = "trial" if per_trial else "setting"
        run = wandb.init(name=entry.name, job_type=kind, config=entry.settings, **shared)
        _log(run, entry)
        run.finish()
        ids.append(run.id)
    return ids


def _plain(summary: pd.DataFrame) -> pd.DataFrame:
    """Gives a summary without what W&B's tables cannot hold: a missing count is NaN in them."""
    return pd.DataFrame(
        {name: column.astype(float) if column.dtype == "Float64" else column for name, column in summary.items()}
    )


def _pixels(picture: bytes) -> Any:
    """Gives a picture as ``[row, column, channel] uint8``."""
    from matplotlib.image import imread

    return (imread(io.BytesIO(picture)) * 255).astype("uint8")


def _log(run: Any, entry: Entry) -> None:
    """Writes the curves and the statistics of an entry into a run."""
    columns = {f"{name}/{column}": curve[column] for name, curve in entry.curves.items() for column in curve.columns}
    if columns:
        for step, values in pd.DataFrame(columns).iterrows():
            run.log({name: value for name, value in values.items() if not pd.isna(value)}, step=step)
    run.summary.update({**entry.words, **entry.numbers})


def from_wandb(
    runs: Any,
    loss: str | None = None,
    *,
    metric: str | None = None,
    mode: str | None = None,
    learning_rate: str | None = None,
    seed: str | None = None,
    settings: Sequence[str] | None = None,
    missing: str | None = None,
    curves: bool = False,
) -> Runs:
    """Makes a result table of the runs of Weights & Biases.

    Args:
        runs: What `wandb.Api().runs("team/project")` gives, or other runs that have a `config`, a `summary`, a `state`
            and a `name`; a table with columns of these names, of which the first two hold dictionaries; or what the
            page exports as CSV, as pandas reads it.
        loss: The loss at the end, by its name in the summary; None where `to_wandb` wrote the trials.
        metric: The metric that decides the best, see `lrsweep.from_runs`.
        mode: Whether its least or its greatest value is the best, see there.
        learning_rate: The entry of the config that is the learning rate; None for the one that is called so. Entries
            within entries are named with dots: `optimizer.lr`.
        seed: The entry that is the seed; None for the one that is called so, if any.
        settings: The other entries that make a setting; None for all whose values differ, where `runs` tells settings
            from outcomes, and otherwise for what `lrsweep.from_runs` takes.
        missing: What to make of runs without an outcome, see there.
        curves: Whether to read the histories of the loss or the metric, run by run.

    Returns:
        The result table, whose columns `name` and of the rest of the summary stand behind the outcomes, and the curves.

    Raises:
        TypeError: The runs are nothing of these.
        ValueError: What `lrsweep.from_runs` refuses.

    Example:
        >>> frame = pd.DataFrame({"name": ["a", "b"], "state": ["finished", "crashed"],
        ...     "config": [{"lr": 0.1}, {"lr": 3.0}], "summary": [{"val_loss": 0.25}, {"val_loss": "NaN"}]})
        >>> runs = lrsweep.export.from_wandb(frame, "val_loss", missing="diverged")
        >>> runs.table[["learning_rate", "status", "final_loss", "name"]]
               learning_rate    status  final_loss name
        trial
        0                0.1  finished        0.25    a
        1                3.0  diverged         NaN    b
    """
    asked = Columns(loss, metric, mode, learning_rate, seed, missing)
    if isinstance(runs, pd.DataFrame) and not {"config", "summary"} <= set(runs.columns):
        frame = runs.set_index("Name") if "Name" in runs.columns else runs
        return make_runs(frame.drop(columns=[name for name in frame.columns if name in _PAGE]), asked, settings)
    listed = [run for run in _listed(runs) if _part(run, "job_type") != "sweep"]
    if not listed:
        raise InputError("there are no runs")
    config = table_of([_flatten(_part(run, "config")) for run in listed])
    summary = table_of([_flatten(_part(run, "summary")) for run in listed])
    summary = summary.drop(columns=[name for name in summary.columns if name.startswith("_")])
    summary = summary.rename(columns={name: f"summary.{name}" for name in summary.columns if name in config.columns})
    named = table_of([{name: _part(run, name) for name in ("state", "name")} for run in listed])
    if "status" in summary.columns:
        named = named.drop(columns="state")
    if settings is None:
        settings = [name for name in config.columns if config[name].nunique(dropna=False) > 1]
    key = asked.recorded or "loss/value"
    histories = {label: _history(run, key) for label, run in enumerate(listed)} if curves else {}
    return make_runs(pd.concat([config, summary, named], axis=1), asked, settings, histories)


def _listed(runs: Any) -> list[Any]:
    if isinstance(runs, pd.DataFrame):
        return runs.to_dict("records")
    if isinstance(runs, str | Mapping) or not isinstance(runs, Iterable):
        raise InputTypeError(f"the runs must be what wandb.Api().runs gives, or a table, not a {type(runs).__name__}")
    return list(runs)


def _part(run: Any, name: str) -> Any:
    """Gives the config, the summary, the history, ... of a run, which is an object of W&B or a row of a table."""
    part = run.get(name) if isinstance(run, Mapping) else getattr(run, name, None)
    if name not in ("config", "summary"):
        return part
    part = getattr(part, "_json_dict", part)
    if isinstance(part, str):
        # A table that was written as CSV has its dictionaries as Python writes them.
        try:
            part = ast.literal_eval(part)
        except (ValueError, SyntaxError):
            raise InputError(f"a run's {name}, {quote(part)}, is no dictionary") from None
    if not isinstance(part, Mapping):
        raise InputTypeError(f"a run's {name} must be a dictionary, not a {type(part).__name__}")
    return part


def _flatten(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Gives entries within entries side by side, with dots in their names; those of files are left out."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= {} if "_type" in value else _flatten(value, f"{before}{name}.")
        else:
            flat[f"{before}{name}"] = value if pd.api.types.is_scalar(value) else str(value)
    return flat


def _history(run: Any, key: str) -> pd.Series:
    """Reads what a run has recorded of one thing, by W&B's steps."""
    rows = run.scan_history(keys=["_step", key]) if hasattr(run, "scan_history") else _part(run, "history")
    rows = rows.to_dict("records") if isinstance(rows, pd.DataFrame) else rows or []
    # W&B writes NaN and infinity as words.
    points = {int(row["_step"]): float(row[key]) for row in rows if row.get(key) is not None}
    return pd.Series(points, dtype=float).sort_index()
