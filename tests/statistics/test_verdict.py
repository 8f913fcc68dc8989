"""The verdict on a table: what the sentence says, in every case."""

from typing import Any

import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.statistics._advice import advise
from lrsweep.statistics._verdict import judge
from tests.statistics.test_summary import rest_at, table

# Over a decade the loss grows by a factor of 4: by 2 over half of it.
RANGE = (
    "From {} to {} the final loss is at most 2 times the least."
    " A learning rate picked at random from the {} tried gives"
)

CASES = {
    "steps": (
        [(0.1, 0, "converged", 30, 1.0), (0.01, 0, "slow", None, 4.0), (1.0, 0, "diverged", None, 9.0)],
        "steps",
        "Use learning_rate 0.1: it converged after 30 updates. "
        f"{RANGE.format('0.03162', 0.1, 3)} {(3 + 0 + 12) / 3:g} more loss, on average. "
        "Stay clear of learning_rate 1: trials diverged there.",
    ),
    "loss": (
        [(0.1, 0, "converged", 30, 4.0), (1.0, 0, "slow", None, 1.0)],
        "loss",
        "Use learning_rate 1: its median final loss, 1, is the least. "
        f"{RANGE.format('0.3162', '1 (the largest tried)', 2)} {(3 + 0) / 2:g} more loss, on average.",
    ),
    "safe": (
        [(0.1, 0, "slow", None, 1.0), (0.2, 0, "slow", None, 2.0), (0.4, 0, "diverged", None, 2.0)],
        "safe",
        "Use learning_rate 0.2: no trial diverged there or below, and no median loss ended above its start. "
        f"{RANGE.format('0.1 (the smallest tried)', 0.2, 3)} {(0 + 1 + 12) / 3:.4g} more loss, on average.",
    ),
    "none safe": (
        [(0.1, 0, "diverged", None, 1.0), (0.2, 0, "slow", None, 2.0)],
        "safe",
        "No learning rate is safe: trials diverged at the smallest, 0.1.",
    ),
    "none safe, though none diverged": (
        [(0.1, 0, "oscillating", None, 14.0), (0.2, 0, "slow", None, 2.0)],
        "safe",
        "No learning rate is safe: the loss ended above its start at the smallest, 0.1.",
    ),
    "none converged": (
        [(0.1, 0, "slow", None, -2.0), (0.2, 0, "oscillating", None, 2.0)],
        "steps",
        "Use learning_rate 0.1: its median final loss, -2, is the least. A learning rate picked at random from the 2 "
        "tried gives 2 more loss, on average. No trial converged within 1,000 updates; it was still improving: give "
        "more steps.",
    ),
    "none fell": (
        [(0.1, seed, "oscillating", None, 14.0 + seed) for seed in range(3)],
        "steps",
        "Use learning_rate 0.1 (95% interval over 3 seeds: 0.1 alone): its median final loss, 15, is the least, though "
        "above that at the start, 13: try smaller learning rates. No trial converged within 1,000 updates; its trials "
        "bounced without improving: try smaller learning rates.",
    ),
    "all diverged": (
        [(0.1, seed, "diverged", None, np.nan) for seed in range(3)],
        "steps",
        "Every trial diverged: try smaller learning rates.",
    ),
    "one learning rate, several seeds": (
        [(0.1, seed, "converged", 30 + seed, 1.0) for seed in range(3)],
        "steps",
        "Use learning_rate 0.1 (95% interval over 3 seeds: 0.1 alone): "
        "all 3 trials converged after a median of 31 updates.",
    ),
    "no trials": ([], "steps", "The table holds no trials."),
}


@pytest.mark.parametrize(("rows", "rule", "sentence"), CASES.values(), ids=CASES)
def test_the_sentence_names_the_best_and_what_missing_it_costs(
    rows: list[tuple[Any, ...]], rule: str, sentence: str
) -> None:
    trials = table(rows).assign(initial_loss=13.0)
    trials["best_loss"] = trials["final_loss"]
    assert judge(trials, rule) == sentence


def test_where_all_came_to_rest_at_one_loss_the_verdict_says_what_the_advice_says_of_it() -> None:
    one = rest_at({0.1: 0.6, 0.2: 0.600001, 0.4: 0.6})
    sentence = (
        "Most trials came to rest at one loss, 0.6, which may be the least there is: if so, state "
        "Objective(..., minimum=0.6) or Stopping(target=...) (--target-loss); if not, try other starts or another "
        "optimizer."
    )
    assert judge(one) == (
        "Use learning_rate 0.1: its median final loss, 0.6, is the least. From 0.1 (the smallest tried) to 0.4 (the "
        "largest tried) the final loss is at most 2 times the least. A learning rate picked at random from the 3 tried "
        f"gives {1e-6 / 3:.4g} more loss, on average. No trial converged within 1,000 updates. {sentence}"
    )
    assert sentence in advise(lrsweep.summarize(one), one)


def test_the_verdict_says_nothing_of_a_minimum_where_one_is_known_or_trials_ended_otherwise() -> None:
    one = rest_at({0.1: 0.6, 0.2: 0.600001, 0.4: 0.6})
    lower, known = one.assign(best_loss=[0.6, 0.6, 0.3]), one.assign(cause="local minimum")
    arrived = pd.concat([one, table([(0.8, 0, "converged", 30, 0.6)]).assign(initial_loss=1.0, best_loss=0.6)])
    for trials in (rest_at({0.1: 0.6, 0.2: 0.3, 0.4: 0.6}), lower, known, arrived):
        assert "minimum" not in judge(trials)
    for rule in ("loss", "safe"):
        assert "minimum" not in judge(one, rule)


def test_where_few_seeds_make_the_interval_wide_the_verdict_says_that_more_narrow_it() -> None:
    def said(seeds: int) -> str:
        # Every other seed prefers the other learning rate.
        rows = [
            (rate, seed, "slow", None, 1.0 + ((seed + at) % 2))
            for seed in range(seeds)
            for at, rate in enumerate((1, 2))
        ]
        trials = table(rows).assign(initial_loss=13.0, best_loss=1.0)
        best = lrsweep.best_learning_rate(trials)
        assert (best.low, best.high) == (1, 2)
        return judge(trials).partition(":")[2].partition(")")[0]

    assert said(3) == " 1 to 2, narrower with more"
    assert said(12) == " 1 to 2"


def test_the_verdict_says_that_an_interrupted_run_holds_what_ended_early() -> None:
    swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.01])).table
    whole = judge(swept)
    swept.attrs["provenance"] = {**swept.attrs["provenance"], "interrupted": {"ended": 2, "of": 5}}
    assert judge(swept).startswith(f"{whole} The run was interrupted: only 2 of 5 trials are in the table.")
