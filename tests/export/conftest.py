"""What the tests of exports share: a small sweep with curves, and runs in which a metric decides."""

import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep


@pytest.fixture(scope="session")
def swept() -> lrsweep.Sweep:
    """The line at three learning rates, of which one diverges, from three starts, by two optimizers; with curves."""
    trials = lrsweep.grid(optimizer=["sgd", "lion"], learning_rate=[1.0, 0.1, 0.01], seed=range(3))
    factories = {"sgd": optax.sgd, "lion": optax.lion}
    return lrsweep.sweep(lrsweep.problems.line(), factories, trials, steps=40, record_every=10)


@pytest.fixture(scope="session")
def scored() -> pd.DataFrame:
    """Runs of another program of which an accuracy is known and no loss."""
    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 0.001], seed=range(4))
    accuracies = np.random.default_rng(1).uniform(0.5, 0.9, len(trials))
    return lrsweep.from_runs(trials.assign(accuracy=accuracies), metric="accuracy")
