"""The style that pictures share: a size for a paper's column, one colour and one marker per status."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The width of a column of a two-column paper, and a height that suits it, in inches.
FIGURE_SIZE = 3.5, 2.6

# One colour per status, first of trials that converged, then of those that had not by the end, last of those that were
# lost. The palette is one that readers of every kind of colour vision can tell apart (Okabe and Ito, 2008,
# https://jfly.uni-koeln.de/color/).
COLOURS = {
    "converged": "#009E73",
    "slow": "#56B4E9",
    "stalled": "#E69F00",
    "oscillating": "#CC79A7",
    "finished": "#0072B2",
    "dropped": "#999999",
    "diverged": "#D55E00",
}

# And one marker per status, for readers who see no colours.
MARKERS = {
    "converged": "o",
    "slow": ">",
    "stalled": "s",
    "oscillating": "D",
    "finished": "^",
    "dropped": "v",
    "diverged": "X",
}

# What a legend calls them: where the steps ran out nothing need have gone wrong.
LEGEND = {status: status for status in COLOURS} | {"slow": "slow (still improving)"}

# The colours of what a trial moves over (a slope, contours), and of what it is compared with (the data).
GROUND, DATA = "#808080", "#000000"


def shades(count: int) -> list[str]:
    """Gives shades of the palette's blue, which no status of a sweep has, from pale to dark: for things in an order.

    Example:
        >>> shades(1), len(shades(5))
        (['#004060'], 5)
    """
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    blues = LinearSegmentedColormap.from_list("blues", ["#9CCFEB", "#0072B2", "#004060"])
    return [to_hex(blues(place)).upper() for place in np.linspace(1 if count == 1 else 0, 1, count)]


def axes_or_new(ax: "Axes | None", size: tuple[float, float] = FIGURE_SIZE) -> "Axes":
    """Gives the axes that were handed in, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    # Imported here, because a caller with axes of their own has no need of pyplot's list of figures.
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]
