"""TensorBoard: a result as folders of event files, and event files as a result table."""

import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from lrsweep.export._entries import Entry, answer_of, contents_of, entries_of, load_library, pictures_of
from lrsweep.export._runs import Columns, Runs, make_runs, parse_words, table_of
from lrsweep.inputs._arguments import as_path
from lrsweep.inputs._errors import InputError, MissingFileError
from lrsweep.inputs._messages import listed, quote
from lrsweep.tables._schema import criterion_of

# What a folder's name is made of.
_NOT_IN_FOLDERS = re.compile(r"[^\w\-.=, ]")

# Numbers of a run beside its curves, and words of it among its hyperparameters.
_STATISTICS, _OURS = "statistics/", "lrsweep."


def to_tensorboard(
    result: Any,
    folder: str | os.PathLike[str],
    *,
    per_trial: bool = False,
    pictures: bool = True,
) -> list[Path]:
    """Writes a result as event files for TensorBoard: a folder for the whole, and one per setting.

    The folder of the whole has the answer as text, and pictures. That of a setting has the setting as hyperparameters,
    for the page HPARAMS, the statistics of `lrsweep.summarize` as scalars `statistics/...`, and the curves as scalars
    over the steps, the median and the quartiles of each. Of a curve at most 500 points are written.

    Args:
        result: A `Sweep`, a result table, or what an importer gives.
        folder: A folder that is empty, or is made.
        per_trial: Whether to write a folder per trial, with its outcomes, instead of one per setting.
        pictures: Whether to draw pictures.

    Returns:
        The folders, that of the whole first.

    Raises:
        TypeError: The result is none, or the folder no path.
        ValueError: The table is empty, the folder is not, or TensorBoard is not installed.

    Example:
        >>> folders = lrsweep.export.to_tensorboard(result, folder / "logs", pictures=False)
        >>> [each.name for each in folders]
        ['sweep', '0 learning_rate=0.1', '1 learning_rate=0.01', '2 learning_rate=0.001']
    """
    contents, root = contents_of(result), as_path(folder)
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(f"{quote(str(root))} is there and not empty: name a new folder")
    images = pictures_of(contents) if pictures else {}
    entries, folders = entries_of(contents, per_trial=per_trial), [root / "sweep"]
    shown = criterion_of(contents.table).columns
    whole = [_text("answer", answer_of(contents)), *(_image(*each) for each in images.items())]
    _write(folders[0], [*whole, _columns(entries[0], shown if per_trial else [f"median_{name}" for name in shown])])
    for at, entry in enumerate(entries):
        folders.append(root / f"{at} {_NOT_IN_FOLDERS.sub('_', entry.name)}"[:200])
        _write(folders[-1], _summaries(entry))
    return folders


def _write(folder: Path, summaries: Sequence[tuple[int, Any]]) -> None:
    """Writes summaries, each with its step, as an event file."""
    events = load_library("tensorboard.compat.proto.event_pb2")
    writer = load_library("tensorboard.summary.writer.event_file_writer").EventFileWriter(str(folder))
    for step, summary in summaries:
        writer.add_event(events.Event(wall_time=time.time(), step=step, summary=summary))
    writer.close()


def _summaries(entry: Entry) -> list[tuple[int, Any]]:
    hparams = load_library("tensorboard.plugins.hparams.summary_v2")
    scalar = load_library("tensorboard.plugins.scalar.summary_v2").scalar_pb
    words = {f"{_OURS}{name}": word for name, word in entry.words.items()}
    started = time.time()
    summaries = [(0, hparams.hparams_pb(entry.settings | words, trial_id=entry.name, start_time_secs=started))]
    summaries += [(0, scalar(f"{_STATISTICS}{name}", value)) for name, value in entry.numbers.items()]
    for name, curve in entry.curves.items():
        for column in curve.columns:
            points = zip(curve.index.tolist(), curve[column].tolist(), strict=True)
            summaries += [(step, scalar(f"{name}/{column}", value)) for step, value in points]
    return summaries


def _columns(entry: Entry, shown: Sequence[str]) -> tuple[int, Any]:
    """Says which columns the page HPARAMS is to have: the settings, how many there are, and what decides the best."""
    hparams = load_library("tensorboard.plugins.hparams.summary_v2")
    names = [name for name in ("trials", *shown, "diverged") if name in entry.numbers]
    metrics = [hparams.Metric(f"{_STATISTICS}{name}", display_name=name) for name in names]
    return 0, hparams.hparams_config_pb([hparams.HParam(name) for name in entry.settings], metrics)


def _text(tag: str, text: str) -> tuple[int, Any]:
    return 0, load_library("tensorboard.plugins.text.summary_v2").text_pb(tag, text)


def _image(tag: str, picture: bytes) -> tuple[int, Any]:
    summaries = load_library("tensorboard.compat.proto.summary_pb2").Summary
    return 0, summaries(value=[summaries.Value(tag=tag, image=summaries.Image(encoded_image_string=picture))])


class _Logged(NamedTuple):
    """What a folder of event files holds: hyperparameters, and scalars by tag under an index of steps."""

    settings: dict[str, Any]
    scalars: dict[str, pd.Series]


def from_tensorboard(
    folder: str | os.PathLike[str],
    loss: str | None = None,
    *,
    metric: str | None = None,
    mode: str | None = None,
    learning_rate: str | None = None,
    seed: str | None = None,
    settings: Sequence[str] | None = None,
    missing: str | None = None,
) -> Runs:
    """Makes a result table of TensorBoard's event files: a row per folder that holds some.

    Settings are the hyperparameters that were logged (`SummaryWriter.add_hparams` in PyTorch); where a run has none,
    those that the names of its folders tell, such as `lr=0.1,seed=3` or `lr=0.1/seed=3`.

    Args:
        folder: The folder, with the runs somewhere below.
        loss: The tag of the loss, such as `val/loss`, of which the last value is the loss at the end; None where
            `to_tensorboard` wrote the trials.
        metric: The tag of the metric that decides the best, see `lrsweep.from_runs`.
        mode: Whether its least or its greatest value is the best, see there.
        learning_rate: The hyperparameter that is the learning rate; None for the one that is called so.
        seed: The one that is the seed; None for the one that is called so, if any.
        settings: The other hyperparameters that make a setting; None for all whose values differ.
        missing: What to make of runs without an outcome, see there.

    Returns:
        The result table, with `steps` and the best value as the logs tell them, the other tags' last values and the
        folder `run` behind the outcomes; and the curves.

    Raises:
        TypeError: The folder is no path.
        ValueError: It holds no event files or no such tag, TensorBoard is not installed, or what `lrsweep.from_runs`
            refuses.

    Example:
        >>> folders = lrsweep.export.to_tensorboard(result, folder / "trials", per_trial=True, pictures=False)
        >>> runs = lrsweep.export.from_tensorboard(folder / "trials")
        >>> lrsweep.best_learning_rate(runs.table).learning_rate
        0.1
    """
    root = as_path(folder)
    if not root.is_dir():
        raise MissingFileError(f"there is no folder {quote(str(root))}")
    asked = Columns(loss, metric, mode, learning_rate, seed, missing)
    runs = _read_all(root)
    if not runs:
        raise InputError(f"the folder {quote(str(root))} holds no event files of TensorBoard with scalars")
    key = asked.recorded
    tags = sorted({tag for run in runs.values() for tag in run.scalars})
    if key is not None and key not in tags:
        raise InputError(f"no run has the tag {quote(key)}: there is: {listed(tags)}")
    # Folders without the outcome, such as that of the whole, are no runs.
    runs = {name: run for name, run in runs.items() if key is None or key in run.scalars or run.settings}
    hparams = table_of([run.settings for run in runs.values()])
    last = table_of([{_bare(tag, key): each.iloc[-1] for tag, each in run.scalars.items()} for run in runs.values()])
    last = last.rename(columns={name: f"scalar.{name}" for name in last.columns if name in hparams.columns})
    words = hparams[[name for name in hparams.columns if name.startswith(_OURS)]]
    hparams = hparams.drop(columns=words.columns)
    frame = pd.concat([hparams, words.rename(columns=lambda name: name.removeprefix(_OURS)), last], axis=1)
    if settings is None:
        settings = [name for name in hparams.columns if hparams[name].nunique(dropna=False) > 1]
    recorded = [run.scalars.get(key or "loss/value", pd.Series(dtype=float)) for run in runs.values()]
    return make_runs(frame.assign(run=list(runs)), asked, settings, dict(enumerate(recorded)))


def _bare(tag: str, key: str | None) -> str:
    """Gives the name of a number that `to_tensorboard` wrote; what the caller names stays as it is."""
    return tag if tag == key else tag.removeprefix(_STATISTICS)


def _read_all(root: Path) -> dict[str, _Logged]:
    """Reads every folder of event files, by its path below the root."""
    folders = sorted({file.parent for file in root.rglob("*tfevents*") if file.is_file()})
    read = {path: _read(path) for path in folders}
    # PyTorch's add_hparams writes into a folder of its own within that of the run.
    for path in folders:
        within = [each for each in read if each.parent == path and read[each].settings]
        if path in read and read[path].scalars and not read[path].settings and len(within) == 1:
            of_hparams = read.pop(within[0])
            read[path] = _Logged(of_hparams.settings, of_hparams.scalars | read[path].scalars)
    named = {str(path.relative_to(root)): run for path, run in read.items() if run.scalars}
    return {name: run._replace(settings=run.settings or _settings_in(name)) for name, run in named.items()}


def _settings_in(name: str) -> dict[str, Any]:
    """Reads the settings that the name of a folder tells: `lr=0.1,seed=3`."""
    pairs = re.findall(r"([A-Za-z_][\w.]*)=([^,/ ]+)", name)
    return {key: parse_words(pd.Series([value])).iloc[0] for key, value in pairs}


def _read(folder: Path) -> _Logged:
    """Reads the hyperparameters and the scalars of a folder's own event files."""
    accumulator = load_library("tensorboard.backend.event_processing.plugin_event_accumulator")
    metadata = load_library("tensorboard.plugins.hparams.metadata")
    to_array = load_library("tensorboard.util.tensor_util").make_ndarray
    events = accumulator.EventAccumulator(str(folder), tensor_size_guidance={"scalars": 0})
    events.Reload()
    settings, scalars = {}, {}
    for plugin in events.ActivePlugins():
        for tag, content in events.PluginTagToContent(plugin).items():
            if plugin == "scalars":
                points = {event.step: float(to_array(event.tensor_proto)) for event in events.Tensors(tag)}
                scalars[tag] = pd.Series(points, dtype=float).sort_index()
            elif plugin == "hparams" and tag == metadata.SESSION_START_INFO_TAG:
                started = metadata.parse_session_start_info_plugin_data(content)
                settings = {name: _value(value) for name, value in started.hparams.items()}
    return _Logged(settings, scalars)


def _value(value: Any) -> Any:
    """Gives a hyperparameter, of which TensorBoard keeps numbers as floats."""
    value = getattr(value, value.WhichOneof("kind") or "string_value")
    return int(value) if isinstance(value, float) and value.is_integer() else value
