"""The axes of pictures: their labels, their scales and ticks, and the range that they show."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from lrsweep.inputs._messages import number
from lrsweep.statistics._bins import is_logarithmic, is_numeric
from lrsweep.tables._schema import at_best, final, metrics_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

# The labels of columns of results, with a unit where there is one; the label of any other column is its name.
LABELS = {
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

# Outcomes on a logarithmic scale; any other is on one where its values span more than a hundredfold.
LOGARITHMIC = ("converged_at", "diverged_at", "initial_loss", "final_loss", "best_loss")

# Words of more letters in all are turned to fit along an axis; of more words some are left out.
MOST_LETTERS, MOST_WORDS = 30, 40

# A word of more letters is shortened in its middle, for it would leave the picture no room.
_LONGEST_WORD = 18

# Up to so many numbers are tick labels themselves.
FEW_VALUES = 5

# The margin beyond the outermost values, as a share of the range.
MARGIN = 0.06

# Where the ends of a logarithmic axis differ by less than the first factor, or by less than the second and are above 1,
# ticks are labelled with numbers, not with powers of ten. By less than the third, ticks are spaced as on a linear axis.
HUNDREDFOLD, WRITTEN_OUT, _NARROW = 100, 10_000, 5


def label_of(name: str) -> str:
    """Gives the label of an axis for a column.

    Example:
        >>> label_of("final_loss"), label_of("momentum")
        ('final loss', 'momentum')
    """
    return LABELS.get(name, plain_text(name))


def outcome_label(table: pd.DataFrame, outcome: str) -> str:
    """Gives the label of an axis for an outcome of a table: that of a metric in words.

    Example:
        >>> outcome_label(result.table, "final_loss")
        'final loss'
        >>> scored = result.table.assign(best_by="auc", best_mode="max", final_auc=0.9, auc_at_best=0.95)
        >>> outcome_label(scored, "final_auc"), outcome_label(scored, "auc_at_best")
        ('final auc', 'auc at its best')
    """
    for metric in metrics_of(table):
        words = plain_text(metric.replace("_", " "))
        if outcome in (final(metric), at_best(metric)):
            return f"final {words}" if outcome == final(metric) else f"{words} at its best"
    return label_of(outcome)


def plain_text(text: object) -> str:
    r"""Escapes a user's text so that Matplotlib shows it as it is, and reads no formula in it.

    Example:
        >>> plain_text("cost_$")
        'cost_\\$'
    """
    return str(text).replace("$", r"\$")


def set_up_axis(ax: "Axes", which: Literal["x", "y"], column: pd.Series, name: str) -> np.ndarray:
    """Scales and labels an axis for the values of a column, and gives their positions on it.

    Numbers are their own positions, on a logarithmic axis where they are positive and more evenly spaced so; words lie
    side by side, in the order they first appear.

    Args:
        ax: The axes.
        which: Which axis.
        column: The values.
        name: The column that they are of, for the label.

    Returns:
        ``[value]`` float.
    """
    axis = ax.xaxis if which == "x" else ax.yaxis
    axis.set_label_text(label_of(name))
    if is_numeric(column):
        values = column.to_numpy(float, na_value=np.nan)
        (ax.set_xscale if which == "x" else ax.set_yscale)("log" if is_logarithmic(values) else "linear")
        _label_ticks(axis, values)
        return values
    codes, distinct = pd.factorize(column)
    words = [plain_text(shortened(str(word))) for word in distinct]
    labelled = slice(None, None, -(-len(words) // MOST_WORDS) or 1)
    turned = which == "x" and sum(map(len, words)) > MOST_LETTERS
    axis.set_ticks(np.arange(len(words))[labelled], words[labelled], rotation=90 if turned else 0)
    return codes.astype(float)


def shortened(word: str) -> str:
    """Leaves out the middle of a long word.

    Example:
        >>> shortened("sgd"), shortened("an optimizer of a very long name")
        ('sgd', 'an optim…long name')
    """
    half = _LONGEST_WORD // 2
    return word if len(word) <= _LONGEST_WORD else f"{word[: half - 1]}…{word[-half:]}"


def suits_logarithm(outcome: str, values: np.ndarray) -> bool:
    """Tells whether the finite values of an outcome are shown on a logarithmic scale.

    Example:
        >>> suits_logarithm("final_loss", np.array([0.0, 0.1])), suits_logarithm("accuracy", np.array([0.5, 0.9]))
        (True, False)
    """
    finite = values[np.isfinite(values)]
    if finite.size == 0 or finite.min() < 0 or finite.max() == 0:
        return False
    return outcome in LOGARITHMIC or bool(finite.max() > HUNDREDFOLD * finite.min() > 0)


def cell_edges(values: np.ndarray, *, logarithmic: bool) -> np.ndarray:
    """Gives the edges of cells around ascending values: halfway to the neighbours, on the scale of the axis.

    Args:
        values: ``[cell]`` float, ascending, at least one.
        logarithmic: Whether the scale is logarithmic.

    Returns:
        ``[cell + 1]`` float. The outermost cells reach as far out from their values as in; a single one reaches half a
        unit, or half a decade, to either side.

    Example:
        >>> cell_edges(np.array([1.0, 2.0, 4.0]), logarithmic=False)
        array([0.5, 1.5, 3. , 5. ])
    """
    scaled = np.log10(values) if logarithmic else values
    half = np.diff(scaled) / 2 if len(values) > 1 else np.array([0.5])
    edges = np.concatenate([scaled[:1] - half[0], scaled[:-1] + half[: len(values) - 1], scaled[-1:] + half[-1]])
    return 10**edges if logarithmic else edges


class VisibleRange(NamedTuple):
    """The range of values that an axis shows: values beyond it are drawn at its edge."""

    low: float
    high: float

    def clip(self, values: Any) -> np.ndarray:
        """Moves values into the range: infinite ones to an edge, and those without a logarithm to the lower one.

        Example:
            >>> VisibleRange(1.0, 9.0).clip([0.0, 3.0, np.inf])
            array([1., 3., 9.])
        """
        return np.clip(np.asarray(values, float), self.low, self.high)


def fit_y_axis(
    ax: "Axes", values: np.ndarray, *, logarithmic: bool, headroom: float = 0.0, footroom: float = 0.0
) -> VisibleRange:
    """Fits the vertical axis to values, with its edges beyond the least and the greatest of them that are finite.

    Args:
        ax: The axes.
        values: Numbers of any shape; NaN and infinite ones do not count, nor, on a logarithmic axis, those up to 0.
        logarithmic: Whether the axis is to be logarithmic.
        headroom: The share of the axis to leave free above the values, for marks.
        footroom: The share to leave free below them; there is room on one side only.

    Returns:
        The range that the axis shows then.
    """
    shown = values[np.isfinite(values) & ((values > 0) | (not logarithmic))]
    ax.set_yscale("log" if logarithmic else "linear")
    if shown.size == 0:
        # Without values a scale would mean nothing.
        ax.set_yticks([])
        ax.minorticks_off()
        shown = np.array([1.0])
    scaled = np.log10(shown) if logarithmic else shown
    low, high = float(scaled.min()), float(scaled.max())
    span = (high - low) or (1.0 if logarithmic else abs(high) or 1.0)
    margin = MARGIN * span
    length = high - low + margin
    if footroom:
        low, high = high - length / (1 - footroom), high + margin
    else:
        low, high = low - margin, low + length / (1 - headroom)
    visible = VisibleRange(10**low, 10**high) if logarithmic else VisibleRange(low, high)
    ax.set_ylim(*visible)
    write_ticks(ax.yaxis, *visible)
    return visible


def write_ticks(axis: "Axis", low: float, high: float) -> None:
    """Labels the ticks of a logarithmic axis of few decades 20, 50 and 100, rather than with powers of ten.

    Args:
        axis: The horizontal or the vertical one.
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


def _label_ticks(axis: "Axis", values: np.ndarray) -> None:
    """Labels an axis at its values where they are few and lie apart; otherwise with ticks that suit their range."""
    from matplotlib.ticker import NullFormatter

    distinct = np.unique(values[np.isfinite(values)])
    texts = [number(value) for value in distinct]
    positions = np.log(distinct) if axis.get_scale() == "log" else distinct
    apart = len(positions) == 1 or np.diff(positions).min() > (positions[-1] - positions[0]) / (FEW_VALUES + 1)
    if len(texts) <= FEW_VALUES and sum(map(len, texts)) <= MOST_LETTERS and apart:
        axis.set_ticks(distinct, texts)
        axis.set_minor_formatter(NullFormatter())
    else:
        write_ticks(axis, distinct[0], distinct[-1])
