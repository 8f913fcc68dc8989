"""Who watches a study: a terminal, a notebook, or the reader of a log; and what each of them is shown."""

import datetime
import math
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Timer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from lrsweep.studies._progress import Progress

# What is over sooner is not shown, in seconds.
_DELAY = 0.5

# So many seconds lie between two pictures of a bar, and between two lines of a log.
_BETWEEN_PICTURES, _BETWEEN_LINES = 0.25, 10.0

# A bar stands in one line with all that is told of it where there are so many columns.
_ONE_LINE = 100

# Longer estimates are no estimates: three years.
_MOST_SECONDS = 1e8

_PREFIXES = ["", "k", "M", "G", "T", "P", "E"]


def watch() -> AbstractContextManager[Callable[["Progress"], None]]:
    """Shows a bar on a terminal and in a notebook, gone at the end; lines elsewhere, ten seconds apart.

    Returns:
        A context, and in it a function to be called with every state, from the start on.
    """
    if sys.stderr is None:  # there is nobody to tell
        return nullcontext(lambda _: None)
    from rich.console import Console

    console = Console(stderr=True)
    if console.is_jupyter:
        return _in_notebook()
    # An environment that asks Rich for colours in a log makes no terminal of it.
    if sys.stderr.isatty() and not console.is_dumb_terminal:
        return _on_terminal(console)
    return nullcontext(_log())


def describe(state: "Progress") -> tuple[str, str, str]:
    """Says how far a study has come: the updates and their rate, the time left, the trials.

    Example:
        >>> from lrsweep.studies._progress import Progress
        >>> describe(Progress(updates=1_204_000, of_updates=2_500_000, trials=1_204, of_trials=2_500, seconds=0.5))
        ('1.2 M of 2.5 M updates at 2.4 M/s', '0:00:01 left', '1,204 of 2,500 trials ended')
    """
    left = state.seconds_left
    time_left = str(datetime.timedelta(seconds=math.ceil(left))) if left < _MOST_SECONDS else "-:--:--"
    return (
        f"{_brief(state.updates)} of {_brief(state.of_updates)} updates at {_brief(state.rate)}/s",
        f"{time_left} left",
        f"{state.trials:,} of {state.of_trials:,} trials ended",
    )


def picture(state: "Progress", columns: int) -> "Table":
    """Draws a bar and what is told of it: in one line, or where there is less room in two or three.

    Args:
        state: How far the study has come.
        columns: How many columns there are.

    Example:
        >>> from rich.console import Console
        >>> from lrsweep.studies._progress import Progress
        >>> Console(width=40).print(picture(Progress(1_204_000, 2_500_000, 1_204, 2_500, 0.5), 40))
        ━━━━━━━━━━━━                0:00:01 left
        1.2 M of 2.5 M updates at 2.4 M/s
        1,204 of 2,500 trials ended
    """
    from rich.progress_bar import ProgressBar
    from rich.table import Table

    updates, left, trials = describe(state)
    bar = ProgressBar(total=state.of_updates, completed=state.updates)
    line = Table.grid(padding=(0, 3, 0, 0), pad_edge=False, expand=True)
    line.add_column(ratio=1)
    if columns >= _ONE_LINE:
        line.add_row(bar, updates, left, trials)
        return line
    line.add_row(bar, left)
    lines = Table.grid(expand=True)
    lines.add_column(no_wrap=True)
    lines.add_row(line)
    words = f"{updates}, {trials}"
    for text in [words] if len(words) <= columns else [updates, trials]:
        lines.add_row(text)
    return lines


@contextmanager
def _on_terminal(console: Any) -> "Iterator[Callable[[Progress], None]]":
    """Shows a bar on a terminal, from half a second after the start."""
    from rich.live import Live

    states: list[Progress] = []

    def show(state: "Progress") -> None:
        is_first = not states
        states[:] = [state]
        if is_first:
            later.start()

    live = Live(
        console=console,
        get_renderable=lambda: picture(states[0], console.width) if states else "",
        refresh_per_second=1 / _BETWEEN_PICTURES,
        transient=True,
        # What is printed meanwhile is to stand above the bar, but not where it goes to a file.
        redirect_stdout=sys.stdout is not None and sys.stdout.isatty(),
    )
    later = Timer(_DELAY, live.start)
    later.daemon = True
    try:
        yield show
    finally:
        later.cancel()
        if states:
            later.join()
        live.stop()


@contextmanager
def _in_notebook() -> "Iterator[Callable[[Progress], None]]":
    """Shows a bar below a notebook's cell.

    Rich's own bar and tqdm's need ipywidgets, and what they leave in a saved notebook is a widget that no longer is.
    """
    from rich.console import Console

    # Where there is a notebook, it has loaded IPython, which is needed nowhere else.
    display = sys.modules["IPython"].display.display
    columns, handle, due = Console().width, None, _DELAY

    def show(state: "Progress") -> None:
        nonlocal handle, due
        if state.seconds < due:
            return
        due = state.seconds + _BETWEEN_PICTURES
        if handle is None:
            handle = display(picture(state, columns), display_id=True)
        else:
            handle.update(picture(state, columns))

    try:
        yield show
    finally:
        if handle is not None:
            handle.update({"text/html": "", "text/plain": ""}, raw=True)


def _log() -> "Callable[[Progress], None]":
    """Gives a function that writes a line on standard error where ten seconds have passed since the last."""
    due = _BETWEEN_LINES

    def show(state: "Progress") -> None:
        nonlocal due
        if state.seconds >= due:
            due = state.seconds + _BETWEEN_LINES
            print("lrsweep: " + ", ".join(describe(state)), file=sys.stderr, flush=True)

    return show


def _brief(number: float) -> str:
    """Writes a number with the prefix of its thousands where it is large, and with two digits where it is small.

    Example:
        >>> _brief(0), _brief(0.4567), _brief(1234), _brief(1_234_567), _brief(2.5e9)
        ('0', '0.46', '1,234', '1.2 M', '2.5 G')
    """
    from rich.filesize import pick_unit_and_suffix

    if number < 10:
        return f"{number:.2g}"
    if number < 10_000:
        return f"{number:,.0f}"
    unit, prefix = pick_unit_and_suffix(int(number), _PREFIXES, 1000)
    return f"{number / unit:.1f} {prefix}"
