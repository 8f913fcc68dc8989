"""Whether two entries give the same answer."""

import numpy as np
import pandas as pd

# The share of rows that must agree: rounding alone puts some on the other side of a threshold.
AGREEING = 0.999


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame, minimum: float) -> dict[str, float]:
    """Computes the share of rows that agree, for each column that both tables have of what became of a trial.

    Rounding moves a loss that stands at a threshold to the other side, so an update may differ by 1. Parameters are
    rounded by so much of their own size; the root of the gap (the loss less the minimum) is a distance between
    parameters, so roots may differ by 1e-4 of what they were at the start, or by 1e-3 of each other.
    """

    def root(table: pd.DataFrame, name: str) -> np.ndarray:
        return np.sqrt(np.maximum(table[name].to_numpy(float) - minimum, 0))

    shares = {}
    for name in ours.columns.intersection(theirs.columns):
        a, b = ours[name], theirs[name]
        if name == "status":
            same = a.astype(str).to_numpy() == b.astype(str).to_numpy()
        elif name in ("converged_at", "diverged_at", "steps", "best_at"):
            difference = abs(a.astype("Int64") - b.astype("Int64")).to_numpy(float, na_value=np.inf)
            same = (difference <= 1) | (a.isna() & b.isna()).to_numpy()
        elif name in ("initial_loss", "final_loss", "best_loss"):
            one, other, start = root(ours, name), root(theirs, name), root(ours, "initial_loss")
            both_unknown = np.isnan(one) & np.isnan(other)
            with np.errstate(invalid="ignore"):
                same = (abs(one - other) <= 1e-4 * start + 1e-3 * one) | (one == other) | both_unknown
        else:
            continue
        shares[str(name)] = float(np.mean(same))
    return shares


def lowest_shares(ours: pd.DataFrame, rounded: dict[str, float] | None) -> dict[str, float]:
    """Gives, for each column, the share of rows in which a peer must agree with lrsweep.

    Args:
        ours: lrsweep's table.
        rounded: Where rounding decides what becomes of some trials, the shares in which lrsweep agrees with itself in
            64 bits: then a peer has to agree in as many rows, but for chance (three standard errors).
    """
    least = dict.fromkeys(map(str, ours.columns), AGREEING) | {"steps": 0.0, "best_at": 0.0}
    for column, share in (rounded or {}).items():
        least[column] = min(least[column], share - 3 * (share * (1 - share) / len(ours)) ** 0.5)
    return least
