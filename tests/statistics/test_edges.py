"""What a search for edges comes to: statistics that count what has no number, and the sentence."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from lrsweep.statistics._critical import advise_critical, summarize_critical

BEYOND = {0.0: "always diverges", np.inf: "never diverges"}


def table(edges: list[float], *, theory: float = 0.5, window: bool = False, **columns: Any) -> pd.DataFrame:
    """A table of edges, 0 for a start that always diverges and infinity for one that never does."""
    found = [BEYOND.get(edge, "found") for edge in edges]
    rates = [edge if edge not in BEYOND else np.nan for edge in edges]
    rest = {"critical_learning_rate": rates, "found": found, "window": window, "theory": theory}
    return pd.DataFrame({**columns, "seed": range(len(edges)), **rest})


def test_a_start_that_never_diverges_counts_as_above_any_and_one_that_always_does_as_below() -> None:
    (row,) = summarize_critical(table([0.3, np.inf, 0.1])).to_dict("records")
    assert (row["starts"], row["median"], row["least"], np.isnan(row["most"])) == (3, 0.3, 0.1, True)
    (row,) = summarize_critical(table([0.0, 0.0, 0.4])).to_dict("records")
    assert (np.isnan(row["median"]), np.isnan(row["least"]), row["most"]) == (True, True, 0.4)


def test_every_setting_has_a_row_in_order() -> None:
    summary = summarize_critical(table([0.3, 0.1, 0.2, 0.4], momentum=[0.9, 0.0, 0.9, 0.0]))
    assert summary["momentum"].tolist() == [0.9, 0.0]
    assert summary["median"].tolist() == pytest.approx([0.25, 0.25])
    assert summary["least"].tolist() == [0.2, 0.1]


@pytest.mark.parametrize(
    ("edges", "said"),
    [
        (table([0.3]), "Stay below learning_rate 0.3: that is where it diverges; theory says 0.5."),
        (
            table([0.3, 0.2, 0.7]),
            "Stay below learning_rate 0.2: that is where the first of 3 starts diverges; theory says 0.5.",
        ),
        (table([0.3], theory=np.nan), "Stay below learning_rate 0.3: that is where it diverges; theory has no answer."),
        (
            table([0.3, np.inf], window=True),
            "Stay below learning_rate 0.3: that is where the first of 2 starts diverges; theory says 0.5; 1 of 2 "
            "starts never diverged up to 100; above it there are learning rates that do not diverge.",
        ),
        (table([np.inf] * 2), "None of 2 starts diverged at any learning_rate from 0.01 to 100."),
        (table([np.inf]), "The start never diverged at any learning_rate from 0.01 to 100."),
        (table([0.0, 0.3]), "1 of 2 starts diverged already at learning_rate 0.01, the least tried: search lower."),
        (table([0.0]), "The start diverged already at learning_rate 0.01, the least tried: search lower."),
        (
            table([0.4, 0.3, 0.2], momentum=[0.0, 0.5, 0.9], nesterov=True),
            "Stay below learning_rate 0.2 (momentum 0.9, nesterov True), 0.3 (momentum 0.5, nesterov True) and "
            "0.4 (momentum 0, nesterov True): that is where it diverges; theory says 0.5, 0.5 and 0.5.",
        ),
        (
            table([0.4, 0.3, 0.2, 0.1], momentum=[0.0, 0.5, 0.9, 0.99]),
            "Stay below learning_rate 0.1 (momentum 0.99): that is the least of 4 settings; theory says 0.5.",
        ),
    ],
)
def test_the_answer_is_a_sentence(edges: pd.DataFrame, said: str) -> None:
    assert advise_critical(edges, low=0.01, high=100) == said
