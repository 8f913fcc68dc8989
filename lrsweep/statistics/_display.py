"""How numbers and summaries are shown: text for a screen, HTML for a notebook."""

from typing import Any

import numpy as np
import pandas as pd

# A share's interval and a number's quartiles stand in one cell of a notebook's table, behind what they belong to.
_SHARES = ("converged", "diverged")
_QUARTILES = ("converged_at", "final_loss", "best_loss")


class Summary(pd.DataFrame):
    """What `summarize` returns: a DataFrame that shows itself in a notebook with its intervals beside its numbers.

    What is made of it, by choosing columns say, is a DataFrame like any other.

    Example:
        >>> summary = lrsweep.summarize(result.table)
        >>> "<td>100% (21 to 100)</td>" in summary._repr_html_()
        True
        >>> type(summary[["trials"]]).__name__
        'DataFrame'
    """

    @property
    def _constructor(self) -> Any:
        return pd.DataFrame

    def _repr_html_(self) -> str:
        return in_html(self)


def in_html(summary: pd.DataFrame) -> str:
    """A summary as an HTML table of text: every statistic with its interval or its quartiles behind it.

    Args:
        summary: What `summarize` gives, or some of its rows.
    """
    names = list(summary.columns)
    settings = names[: names.index("trials")]
    cells = {name: tell_apart(summary[name]) for name in settings}
    cells["trials"] = [show("trials", count) for count in summary["trials"]]
    for name in _SHARES:
        low, high = (summary[f"{name}_{end}"] for end in ("low", "high"))
        cells[f"{name} (95% interval)"] = [
            f"{share:.0%} ({least * 100:.0f} to {most * 100:.0f})"
            for share, least, most in zip(summary[name], low, high, strict=True)
        ]
    for name in _QUARTILES:
        parts = [summary[f"{part}_{name}"] for part in ("median", "lower_quartile", "upper_quartile")]
        cells[f"median {name} (quartiles)"] = [
            _with_range(*(show(name, value) for value in values)) for values in zip(*parts, strict=True)
        ]
    for name in names:
        if name.startswith("median_final_") and name != "median_final_loss":
            cells[name.replace("_", " ", 1)] = [show(name, value) for value in summary[name]]
    return pd.DataFrame(cells).to_html(index=False, border=0, max_rows=pd.get_option("display.max_rows"))


def _with_range(middle: str, low: str, high: str) -> str:
    return middle if low == middle == high else f"{middle} ({low} to {high})"


def show(name: Any, value: Any) -> str:
    """A value of a summary's column as text, `-` where it is missing.

    Example:
        >>> show("converged", 0.5), show("trials", 1000), show("median_final_loss", 1 / 3), show("seed", None)
        ('50%', '1,000', '0.3333', '-')
    """
    if pd.isna(value):
        return "-"
    if isinstance(value, str | bool | np.bool_):
        return str(value)
    if name in _SHARES:
        return f"{value:.0%}"
    if isinstance(value, int | np.integer):
        return f"{value:,}" if name in ("trials", "starts") else str(value)
    return f"{value:.4g}"


def tell_apart(values: pd.Series) -> list[str]:
    """A column's values as text; numbers have as many digits as it takes to tell them apart, four or more.

    Example:
        >>> tell_apart(pd.Series([0.1, 0.123456, 0.123457]))
        ['0.1', '0.123456', '0.123457']
    """
    if not pd.api.types.is_float_dtype(values):
        return [show(values.name, value) for value in values]
    shown: list[str] = []
    for digits in range(4, 13):
        shown = ["-" if pd.isna(value) else f"{value:.{digits}g}" for value in values]
        if len(set(shown)) == values.nunique(dropna=False):
            break
    return shown
