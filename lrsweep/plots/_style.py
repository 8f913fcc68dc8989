"""What the pictures have in common: a size that suits a paper's column, one colour and one marker per status."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# The width of a column of a two-column paper, and a height that suits it, in inches.
COLUMN = 3.5, 2.6

# One colour per status, of a palette that readers of every kind of colour vision can tell apart (Okabe and Ito, 2008,
# https://jfly.uni-koeln.de/color/).
COLOURS = {
    "converged": "#009E73",
    "diverged": "#D55E00",
    "slow": "#56B4E9",
    "oscillating": "#CC79A7",
    "stalled": "#E69F00",
    "dropped": "#999999",
}

# And one marker, for who sees none.
MARKERS = {"converged": "o", "diverged": "X", "slow": ">", "oscillating": "D", "stalled": "s", "dropped": "v"}

# What a trial moves over (a slope, a map's contours), and what it is compared with (the data).
GROUND, DATA = "#808080", "#000000"


def shades(count: int) -> list[str]:
    """So many shades of the palette's blue, which no status has, from pale to dark: what stands in an order.

    Example:
        >>> shades(1), len(shades(5))
        (['#004060'], 5)
    """
    import numpy as np
    from matplotlib.colors import LinearSegmentedColormap, to_hex

    blues = LinearSegmentedColormap.from_list("blues", ["#9CCFEB", "#0072B2", "#004060"])
    return [to_hex(blues(place)).upper() for place in np.linspace(1 if count == 1 else 0, 1, count)]


def given_or_new(ax: "Axes | None", size: tuple[float, float] = COLUMN) -> "Axes":
    """The axes to draw on: those that were given, or those of a new figure of a size in inches."""
    if ax is not None:
        return ax
    # Not before: whoever brings axes of a figure of his own has no need of pyplot's list of figures.
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]
