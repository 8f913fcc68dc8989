"""Numbers and counts of tables, written for people."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number

# The columns of shares, which are written in per cent, and of counts, in which thousands are set apart.
SHARES = ("converged", "diverged")
_FORMATS = dict.fromkeys(SHARES, "{:.0%}") | dict.fromkeys(("trials", "starts"), "{:,}")


def show(name: Any, value: Any) -> str:
    """Writes a value of a summary's column, and `-` for a missing one.

    Example:
        >>> show("converged", 0.5), show("trials", 1000), show("median_final_loss", 1 / 3), show("seed", None)
        ('50%', '1,000', '0.3333', '-')
    """
    if name in _FORMATS and not pd.isna(value):
        return _FORMATS[name].format(value)
    return write(value)


def tell_apart(values: pd.Series) -> list[str]:
    """Writes a column's values; floats get as many digits as it takes to tell them apart, four or more.

    Example:
        >>> tell_apart(pd.Series([0.1, 0.123456, 0.123457]))
        ['0.1', '0.123456', '0.123457']
    """
    if not pd.api.types.is_float_dtype(values):
        return [show(values.name, value) for value in values]
    shown: list[str] = []
    for digits in range(4, 13):
        shown = ["-" if pd.isna(value) else number(value, digits) for value in values]
        if len(set(shown)) == values.nunique(dropna=False):
            break
    return shown


def write(value: Any, nan: str = "-", digits: int = 4) -> str:
    """Writes a value: floats to some significant digits, and `-` for a missing one.

    Args:
        value: The value.
        nan: What to write for NaN: `nan` where that is no missing value, as in a loss.
        digits: How many digits.

    Example:
        >>> write(1 / 3), write(12345), write(True), write(None), write(float("inf")), write(float("nan"), "nan")
        ('0.3333', '12345', 'True', '-', 'inf', 'nan')
    """
    if pd.isna(value):
        return nan if isinstance(value, float) else "-"
    if isinstance(value, float | np.floating):
        return number(float(value), digits)
    return str(value)
