"""Numbers, counts and cells as people read them."""

from typing import Any

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number

# Columns of shares, which are shown in per cent.
SHARES = ("converged", "diverged")


def show(name: Any, value: Any) -> str:
    """Writes a value of a summary's column, `-` where it is missing.

    Example:
        >>> show("converged", 0.5), show("trials", 1000), show("median_final_loss", 1 / 3), show("seed", None)
        ('50%', '1,000', '0.3333', '-')
    """
    if pd.isna(value):
        return "-"
    if isinstance(value, str | bool | np.bool_):
        return str(value)
    if name in SHARES:
        return f"{value:.0%}"
    if isinstance(value, int | np.integer):
        return f"{value:,}" if name in ("trials", "starts") else str(value)
    return number(value)


def tell_apart(values: pd.Series) -> list[str]:
    """Writes a column's values; numbers get as many digits as it takes to tell them apart, four or more.

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
    """Writes a value: numbers that are not whole to some digits, and `-` for what is missing.

    Args:
        value: It.
        nan: What to write where it is not a number: `nan` of a loss, which is there, and is none.
        digits: How many.

    Example:
        >>> write(1 / 3), write(12345), write(True), write(None), write(float("inf")), write(float("nan"), "nan")
        ('0.3333', '12345', 'True', '-', 'inf', 'nan')
    """
    if pd.isna(value):
        return nan if isinstance(value, float) else "-"
    if isinstance(value, float | np.floating):
        return number(float(value), digits)
    return str(value)
