"""What was taken from a table of data: as JSON can hold it, and as one line."""

from collections.abc import Mapping, Sequence
from typing import Any

from lrsweep.inputs._messages import number, plural, shorten

# So many columns and classes are named, and a line says how many more there are.
_MOST_NAMED = 8
_LONGEST_NAME = 40


def say_taken(source: Mapping[str, Any]) -> str:
    r"""Says in one line what an objective was made of.

    Args:
        source: What `problems.from_table` puts into `Objective.source`.

    Example:
        >>> path = folder / "points.csv"
        >>> _ = path.write_text("x,y\n0,-1\n1,1\n3,5\n")
        >>> say_taken(lrsweep.problems.from_table(path, "y").source)
        'points.csv: 3 rows; linear regression of y on 1 column: x'
    """
    parts = [_rows(source), _model(source)]
    if source["encoded"]:
        parts.append(
            f"encoded: {_named([f'{_short(name)} ({len(words)})' for name, words in source['encoded'].items()])}"
        )
    if source["left_out"]:
        parts.append(f"left out: {_named([f'{_short(name)} ({why})' for name, why in source['left_out'].items()])}")
    if source["filled"]:
        parts.append(f"filled: {_named([f'{_short(name)} {count:,}' for name, count in source['filled'].items()])}")
    if source["validation_rows"]:
        parts.append(f"{plural(source['validation_rows'], 'row')} held out")
    return f"{source['file']}: " + "; ".join(parts)


def _rows(source: Mapping[str, Any]) -> str:
    """Says how many rows there are and how they were written."""
    dialect = source["dialect"]
    written = [
        dialect.get("format", ""),
        dialect.get("compression", ""),
        dialect.get("encoding", ""),
        f"separated by {dialect['delimiter']}" if "delimiter" in dialect else "",
        f"numbers {dialect['numbers']}" if "numbers" in dialect else "",
    ]
    without = source["rows"] - source["rows_used"]
    said = [plural(source["rows"], "row"), *(each for each in written if each)]
    if without:
        said.append(f"{without:,} of them left out, with missing values")
    return ", ".join(said)


def _model(source: Mapping[str, Any]) -> str:
    """Says which model is fitted, to what, and by which columns."""
    target, hidden = _short(source["target"]), source["hidden"]
    columns = f"{plural(len(source['columns']), 'column')}: {_named([_short(name) for name in source['columns']])}"
    model, using = (f"{_network(hidden)} that predicts", "from") if hidden else ("linear regression of", "on")
    if not source["classes"]:
        return f"{model} {target} {using} {columns}"
    model = model if hidden else "softmax regression of"
    rows = sum(source["classes"].values())
    shares = _named([f"{_short(name)} {number(100 * count / rows, 2)}%" for name, count in source["classes"].items()])
    guessed = ", taken for classes: --task regression (task=) says otherwise" if source["guessed"] else ""
    return f"{model} {target}, {len(source['classes'])} classes ({shares}){guessed}, {using} {columns}"


def _network(hidden: Sequence[int]) -> str:
    *others, last = hidden
    widths = f"layers of {', '.join(map(str, others))} and" if others else "a layer of"
    return f"network with {widths} {last} units"


def _named(items: Sequence[str]) -> str:
    more = len(items) - _MOST_NAMED
    return ", ".join(items[:_MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def _short(name: str) -> str:
    return shorten(name, _LONGEST_NAME)
