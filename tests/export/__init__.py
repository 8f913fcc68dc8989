"""What goes to trackers is read back with their own libraries; what comes from them says what the table said."""

import numpy as np
import pandas as pd

import lrsweep


def check_same_statistics(table: pd.DataFrame, original: pd.DataFrame, rtol: float = 0) -> None:
    """Holds two tables to the same summary, the same best learning rate with its interval, and the same statuses."""
    names = [name for name in ("learning_rate", "optimizer") if name in original.columns]
    of_table, of_original = (
        pd.DataFrame(lrsweep.summarize(each)).sort_values(names, ignore_index=True) for each in (table, original)
    )
    pd.testing.assert_frame_equal(of_table[of_original.columns], of_original, rtol=rtol, check_dtype=False)
    assert lrsweep.best_learning_rate(table) == lrsweep.best_learning_rate(original)
    by_status = [lrsweep.status_shares(each).sort_values(names, ignore_index=True) for each in (table, original)]
    pd.testing.assert_frame_equal(by_status[0][by_status[1].columns], by_status[1])
    costs = [lrsweep.sensitivity(each)["sensitivity"].sort_values().to_numpy() for each in (table, original)]
    np.testing.assert_allclose(*costs, rtol=rtol or 1e-12)
