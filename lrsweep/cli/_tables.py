"""The commands that read a result table, or a store, or two: `summarize`, `compare`, `report` and `plot`."""

from pathlib import Path
from typing import TYPE_CHECKING

from lrsweep.cli._bundles import unpack_bundles
from lrsweep.cli._options import _table as options
from lrsweep.cli._options._shared import Force
from lrsweep.cli._printing import STANDARD_OUTPUT
from lrsweep.cli._quiet import with_quiet
from lrsweep.cli._startup import keep_loaded
from lrsweep.inputs._messages import plural

if TYPE_CHECKING:
    import pandas as pd

    from lrsweep.store._store import Store

# pandas and matplotlib are imported where they are needed, so that --help does not wait for them; JAX is not needed.


def _split(names: str | None) -> list[str] | None:
    return None if names is None else [name.strip() for name in names.split(",") if name.strip()]


@with_quiet
@unpack_bundles
def summarize(
    *,
    table: options.TableFile,
    runs: options.Runs,
    by: options.SettingColumns = None,
    rule: options.Rule = None,
    out: options.OutSummary = None,
    force: Force = False,
) -> int:
    """Sum up a result table by setting, and say which learning rate is best, how surely, and what missing it costs."""
    from lrsweep.cli._destinations import check_out
    from lrsweep.cli._output import write
    from lrsweep.cli._screen import print_summary
    from lrsweep.statistics import _summary
    from lrsweep.statistics._verdict import judge
    from lrsweep.tables._io import table_content

    keep_loaded()
    path = check_out(out, [table], force=force, note=False)
    trials = _open(table, runs)
    names = _split(by)
    summary = _summary.summarize(trials, names)
    known = summary if names is None else None
    print_summary(summary, trials, judge(trials, rule, summary=known), rest="--out FILE has them all")
    if path is None:
        return 0
    place = "standard output" if out == STANDARD_OUTPUT else path
    return write({path: table_content(summary, path.suffix)}, f"Wrote {len(summary):,} settings to {place}.")


@with_quiet
@unpack_bundles
def compare(
    *,
    table: options.TableA,
    other: options.TableB,
    runs: options.Runs,
    outcome: options.ComparedColumn = None,
    rule: options.Rule = None,
    out: options.OutComparison = None,
    force: Force = False,
) -> int:
    """Compare two result tables: where B differs from A, by how much, how surely, and which is better at its best."""
    from lrsweep.cli._destinations import check_out
    from lrsweep.cli._output import write
    from lrsweep.cli._screen import print_comparison
    from lrsweep.statistics import _compare
    from lrsweep.tables._io import table_content

    keep_loaded()
    path = check_out(out, [table, other], force=force, note=False)
    compared = _compare.compare(_open(table, runs), _open(other, runs), outcome, rule=rule)
    print_comparison(compared, table, other)
    if path is None:
        return 0
    place = "standard output" if out == STANDARD_OUTPUT else path
    content = table_content(compared.table, path.suffix)
    return write({path: content}, f"Wrote {plural(len(compared.table), 'setting')} to {place}.")


@with_quiet
@unpack_bundles
def report(
    *,
    table: options.TableFile,
    runs: options.Runs,
    x: options.PageColumn = None,
    out: options.OutPage = None,
    force: Force = False,
) -> int:
    """Write a result table as one HTML page, to be opened in a browser: the answer, charts, what went wrong."""
    import pandas as pd

    from lrsweep.cli._destinations import check_replaced
    from lrsweep.cli._output import write
    from lrsweep.report._page import ENDINGS, check_page, is_page, page_content
    from lrsweep.tables._curves import lay_out_curves
    from lrsweep.tables._io import read_table
    from lrsweep.tables._notes import curves_for, read_provenance

    keep_loaded()
    trials = _open(table, runs)
    text = out or str(Path(table).with_suffix(ENDINGS[0]))
    path = check_page(text)
    check_replaced("the report" if out is None else "--out", text, path, [table], is_page, force=force)
    if not isinstance(trials, pd.DataFrame):
        content = page_content(trials, trials.provenance, title=path.stem, x=x)
        return write({path: content}, f"Wrote a report of {trials.trials:,} trials to {path}.")
    beside, curves = curves_for(Path(table)), None
    recorded = read_provenance(beside) if beside.is_file() else None
    # What is not of the run that made the table is left alone.
    if recorded is not None and recorded == read_provenance(Path(table)):
        curves = lay_out_curves(read_table(beside), trials.index, recorded["steps"], recorded["record_every"])
    content = page_content(trials, read_provenance(Path(table)), title=path.stem, curves=curves, x=x)
    return write({path: content}, f"Wrote a report of {len(trials):,} trials to {path}.")


@with_quiet
def plot(
    *,
    table: options.TableFile,
    out: options.OutPicture,
    x: options.XColumn = "learning_rate",
    y: options.YColumn = None,
    outcome: options.OutcomeColumn = None,
    force: Force = False,
) -> int:
    """Draw a result table against the learning rate: how fast, how well, how trials ended; or a map of two columns."""
    from lrsweep import plots
    from lrsweep.cli._destinations import check_picture
    from lrsweep.cli._output import blank_figure, draw

    keep_loaded()
    path = check_picture("--out", out, [table], force=force)
    trials = _open(table)
    figure = blank_figure()
    if y is not None:
        plots.cells(trials, x, y, outcome, ax=figure.subplots())
    elif outcome is not None:
        plots.outcome(trials, outcome, x, ax=figure.subplots())
    else:
        figure = plots.overview(trials, x)
    return draw(figure, path)


def _open(path: str, runs: options.Runs | None = None) -> "pd.DataFrame | Store":
    """Reads a result table, or opens a store; or reads runs of another program, where options tell of their columns."""
    from lrsweep.store._store import open_store
    from lrsweep.tables._io import read_table
    from lrsweep.tables._runs import from_runs, read_runs

    if runs is None or runs == options.Runs():
        return open_store(path) if Path(path).is_dir() else read_table(path)
    return from_runs(
        read_runs(path),
        runs.loss,
        metric=runs.metric,
        mode=runs.mode,
        learning_rate=runs.learning_rate,
        seed=runs.seed,
        settings=_split(runs.settings),
        missing=runs.missing,
    )
