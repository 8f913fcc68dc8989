"""What `refine` returns: the trials of all rounds, and the answer of each setting."""

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lrsweep.inputs._showing import show_safely
from lrsweep.studies._notebook import describe_refinement, present_refinement


# A table has no one answer to whether it equals another: a refinement is equal to itself.
@dataclass(frozen=True, eq=False, repr=False)
class Refinement:
    """What `refine` returns.

    Attributes:
        table: One row per trial of every round, as `sweep` gives it, and last a column `round` (int, 0 for the grid
            that went in). The new rows follow the caller's, and their labels continue the caller's.
        found: One row per setting of the other columns (all but `learning_rate` and `seed`): these columns; then
            `learning_rate`, the answer, float64, NaN where every trial diverged; and `low` and `high`, the two learning
            rates that enclose it, float64, NaN where no learning rate tried lies on that side.
        provenance: What made it, as in `Sweep`, with the `trials` and `seconds` of all rounds, the arguments of
            `refine`, and under `rounds` what differs from round to round. JSON can hold it.
    """

    table: pd.DataFrame
    found: pd.DataFrame
    provenance: dict[str, Any]

    def __repr__(self) -> str:
        return show_safely(self, lambda: describe_refinement(self.table, self.found, self.provenance))

    def _repr_html_(self) -> str:
        return show_safely(self, lambda: present_refinement(self.table, self.found, self.provenance), as_html=True)
