"""The axes of pictures: what they are called, how they are scaled, and where their edges lie."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number
from lrsweep.statistics._bins import is_logarithmic, is_numeric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# What an axis calls a column of results, with its unit where it has one; any other column is called by its name.
NAMES = {
    "learning_rate": "learning rate",
    "converged_at": "converged at (updates)",
    "diverged_at": "diverged at (updates)",
    "best_at": "best at (updates)",
    "steps": "steps (updates)",
    "initial_loss": "initial loss",
    "final_loss": "final loss",
    "best_loss": "best loss",
    "rate": "rate (factor per update)",
}

# Outcomes that are told apart by factors; of any other, values that span more than a hundredfold are.
BY_FACTORS = ("converged_at", "diverged_at", "initial_loss", "final_loss", "best_loss")

# Words along an axis are turned where there is no room for them side by side, and left out where there is none at all.
MOST_LETTERS, MOST_WORDS = 30, 40

# So few numbers are written at the axis themselves.
FEW_VALUES = 5

# What is left free beyond the outermost values, as a share of the range.
MARGIN = 0.06

# Numbers that span less than a hundredfold are written out, and those above 1 up to a greater factor. In a narrow range
# they are spaced as on a linear axis.
HUNDREDFOLD, WRITTEN_OUT, _NARROW = 100, 10_000, 5


def label_of(name: str) -> str:
    """What an axis calls a column.

    Example:
        >>> label_of("final_loss"), label_of("momentum")
        ('final loss', 'momentum')
    """
    return NAMES.get(name, plain(name))


def plain(text: object) -> str:
    r"""A user's text so that Matplotlib shows it as it is, and reads no formula in it.

    Example:
        >>> plain("cost_$")
        'cost_\\$'
    """
    return str(text).replace("$", r"\$")


def lay_out(ax: "Axes", which: Literal["x", "y"], column: pd.Series, name: str) -> np.ndarray:
    """Scales and labels an axis for the values of a column, and says where on it they lie.

    Numbers lie where they are, on a logarithmic axis where they are positive and more evenly spaced so; words side by
    side, in the order they first appear.

    Args:
        ax: The axes.
        which: Which axis.
        column: The values.
        name: What they are.

    Returns:
        ``[value]`` float.
    """
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_label_text(label_of(name))
    if is_numeric(column):
        values = column.to_numpy(float, na_value=np.nan)
        (ax.set_xscale if which == "x" else ax.set_yscale)("log" if is_logarithmic(values) else "linear")
        _write_values(axis, values)
        return values
    place, found = pd.factorize(column)
    words = [plain(word) for word in found]
    some = slice(None, None, -(-len(words) // MOST_WORDS) or 1)
    turned = which == "x" and sum(map(len, words)) > MOST_LETTERS
    axis.set_ticks(np.arange(len(words))[some], words[some], rotation=90 if turned else 0)
    return place.astype(float)


def suits_logarithm(outcome: str, values: np.ndarray) -> bool:
    """Whether the values of an outcome that are finite numbers are shown on a logarithmic scale.

    Example:
        >>> suits_logarithm("final_loss", np.array([0.0, 0.1])), suits_logarithm("accuracy", np.array([0.5, 0.9]))
        (True, False)
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.min() < 0 or finite.max() == 0:
        return False
    return outcome in BY_FACTORS or bool(finite.max() > HUNDREDFOLD * finite.min() > 0)


def edges_of(values: np.ndarray, *, logarithmic: bool) -> np.ndarray:
    """The edges of cells around ascending values: halfway to the neighbours, on the scale of the axis.

    Args:
        values: ``[cell]`` float, ascending, at least one.
        logarithmic: Whether the scale is logarithmic.

    Returns:
        ``[cell + 1]`` float. The outermost lie as far out as the next ones lie in; around a single value, half a unit,
        or half a decade.

    Example:
        >>> edges_of(np.array([1.0, 2.0, 4.0]), logarithmic=False)
        array([0.5, 1.5, 3. , 5. ])
    """
    scaled = np.log10(values) if logarithmic else values
    half = np.diff(scaled) / 2 if len(values) > 1 else np.array([0.5])
    edges = np.concatenate([scaled[:1] - half[0], scaled[:-1] + half[: len(values) - 1], scaled[-1:] + half[-1]])
    return 10**edges if logarithmic else edges


class Range(NamedTuple):
    """The values that an axis shows: those beyond it are drawn at its edge."""

    low: float
    high: float

    def clip(self, values: Any) -> np.ndarray:
        """Values as they are drawn: infinite ones at an edge, and what has no logarithm at the lower one.

        Example:
            >>> Range(1.0, 9.0).clip([0.0, 3.0, np.inf])
            array([1., 3., 9.])
        """
        return np.clip(np.asarray(values, float), self.low, self.high)


def fit_values(ax: "Axes", values: np.ndarray, *, logarithmic: bool, headroom: float = 0.0) -> Range:
    """Fits the vertical axis to values, with its upper edge above the greatest of them that is finite.

    Args:
        ax: The axes.
        values: Numbers of any shape; NaN and infinite ones do not count, nor, on a logarithmic axis, those up to 0.
        logarithmic: Whether the axis is to be.
        headroom: What share of the axis to leave free above them, for marks.

    Returns:
        What the axis shows then.
    """
    shown = values[np.isfinite(values) & ((values > 0) | (not logarithmic))]
    ax.set_yscale("log" if logarithmic else "linear")
    if shown.size == 0:
        # Nothing to tell the height of: the scale would only pretend.
        ax.set_yticks([])
        ax.minorticks_off()
        shown = np.array([1.0])
    scaled = np.log10(shown) if logarithmic else shown
    low, high = float(scaled.min()), float(scaled.max())
    span = (high - low) or (1.0 if logarithmic else abs(high) or 1.0)
    high = low + (high - low + MARGIN * span) / (1 - headroom) if headroom else high + MARGIN * span
    low -= MARGIN * span
    found = Range(10**low, 10**high) if logarithmic else Range(low, high)
    ax.set_ylim(*found)
    write_out(ax.yaxis, *found)
    return found


def write_out(axis: "Axis", low: float, high: float) -> None:
    """On a logarithmic axis that spans few decades, writes 20, 50 and 100 rather than powers of ten.

    Args:
        axis: One of the axes' two.
        low: The least value on it.
        high: The greatest.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    if axis.get_scale() != "log" or not (high < low * HUNDREDFOLD or (low > 1 and high < low * WRITTEN_OUT)):
        return
    if high < low * _NARROW:
        axis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    else:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < low * HUNDREDFOLD else (1,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value, 6)))
    axis.set_minor_formatter(NullFormatter())


def _write_values(axis: "Axis", values: np.ndarray) -> None:
    """Writes values themselves on an axis, where they are few and lie apart; otherwise what suits their range."""
    from matplotlib.ticker import NullFormatter

    distinct = np.unique(values[np.isfinite(values)])
    texts = [number(value) for value in distinct]
    at = np.log(distinct) if axis.get_scale() == "log" else distinct
    apart = len(at) == 1 or np.diff(at).min() > (at[-1] - at[0]) / (FEW_VALUES + 1)
    if len(texts) <= FEW_VALUES and sum(map(len, texts)) <= MOST_LETTERS and apart:
        axis.set_ticks(distinct, texts)
        axis.set_minor_formatter(NullFormatter())
    else:
        write_out(axis, distinct[0], distinct[-1])
