"""What a command that runs trials does on Ctrl-C: it writes what has ended, says so, and ends."""

import contextlib
from collections.abc import Callable, Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import typer

from lrsweep.cli._output import result_contents, tell_written, write
from lrsweep.cli._printing import is_quiet, print_error
from lrsweep.cli._signals import Stop
from lrsweep.inputs._errors import InputError
from lrsweep.inputs._messages import plural
from lrsweep.studies._interrupted import Interrupted
from lrsweep.studies._progress import Progress
from lrsweep.studies._watching import watch


@contextlib.contextmanager
def keeping_what_ended(
    path: Path | None,
    *,
    rows: str = "trials",
    table_of: Callable[[Any], Any] = attrgetter("table"),
    store: str | None = None,
    anew: str = "the same command starts over",
) -> Iterator[Callable[[Progress], None]]:
    """Has Ctrl-C end the trials that run within it, and then the command, once what has ended is written.

    Before the first updates are done there is nothing to keep, and it ends the command at once; so does a second one.
    Where no trial had ended, an earlier table stays. Where there is a store, it ends the workers too, and says from the
    beginning how to go on.

    Args:
        path: Where the table goes to, or None where it is not written.
        rows: What to call its rows.
        table_of: Gives the table of what a study found.
        store: The store that the trials go to, or None.
        anew: Says how to go on where there is no store.

    Returns:
        A context, and in it the callback for the progress of the trials, which also shows it.

    Raises:
        typer.Exit: It was interrupted.

    Example:
        >>> stopped = lrsweep.Interrupted(result, ended=3, of_trials=10)
        >>> try:
        ...     with keeping_what_ended(folder / "sweep.csv") as progress:
        ...         raise stopped
        ... except typer.Exit as ended:
        ...     print(ended.exit_code)
        Wrote 3 trials to ...sweep.csv, and what made them to ...sweep.json.
        130
    """
    stop = Stop()
    try:
        if store is not None:
            stop.arm()
        with contextlib.nullcontext(_ignore) if is_quiet() else watch() as show:

            def tell(state: Progress) -> None:
                if state.updates > 0:
                    stop.arm()
                show(state)

            yield tell
    except Interrupted as stopped:
        _keep(stopped, table_of(stopped.result), path, rows, anew)
        raise typer.Exit(stop.code) from None
    except KeyboardInterrupt:
        if store is not None:
            print_error(f"lrsweep: interrupted; {_kept_in(store)}")
        raise typer.Exit(stop.code) from None
    finally:
        stop.disarm()


def _keep(stopped: Interrupted, table: Any, path: Path | None, rows: str, anew: str) -> None:
    """Writes what had ended, and says how much that is, and how to go on."""
    undone = stopped.of_trials - stopped.ended
    said = f"lrsweep: interrupted: {stopped.ended:,} of {stopped.of_trials:,} trials had ended, {undone:,} had not"
    is_kept = path is not None and len(table) > 0
    if stopped.store is not None:
        said += f"; {_kept_in(stopped.store)}"
    elif is_kept:
        said += f"; {anew}"
    else:
        said += f"; {'--out FILE would have kept them' if len(table) else 'nothing was written'}; {anew}"
    print_error(said)
    if path is None or not is_kept:
        return
    counts = {"ended": stopped.ended, "of": stopped.of_trials}
    curves = getattr(stopped.result, "curves", None)
    # Of a range test the curves are the table.
    beside = None if curves is table else curves
    contents = result_contents(table, {**stopped.result.provenance, "interrupted": counts}, path, beside)
    write(contents, tell_written(f"{len(table):,} {rows}", contents))


def _ignore(_: Progress) -> None:
    """Shows nothing."""


def _kept_in(store: str) -> str:
    """Says how much a store keeps, and how to go on."""
    from lrsweep.store._store import open_store

    try:
        kept = open_store(store)
        return f"the store keeps {kept.trials:,} of {plural(kept.of_trials, 'trial')}: lrsweep resume {store} goes on"
    except InputError:
        return "the store had not been begun"
