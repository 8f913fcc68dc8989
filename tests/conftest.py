"""What tests share: 64-bit precision, a count of compilations, the article's search already run."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import jax.monitoring
import optax
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes

import lrsweep

COMPILED: list[str] = []


def _count(event: str, duration: float, **_: Any) -> None:
    del duration
    if event == "/jax/core/compile/backend_compile_duration":
        COMPILED.append(event)


jax.monitoring.register_event_duration_secs_listener(_count)


@pytest.fixture
def compilations() -> Callable[[], int]:
    """A function that says how many programs have been compiled since it was last asked."""
    seen = [len(COMPILED)]

    def since() -> int:
        seen.append(len(COMPILED))
        return seen[-1] - seen[-2]

    return since


@pytest.fixture
def x64() -> Iterator[None]:
    """64-bit floating point while the test runs."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def search() -> lrsweep.Sweep:
    """The article's search: the line at 0.1, 0.01, 0.001."""
    return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.01, 0.001]))


@pytest.fixture(scope="session")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scikit-learn's bundled diabetes data as a CSV file: ten features in their own units, and `target`."""
    data: Any = load_diabetes(scaled=False)
    frame = pd.DataFrame(data.data, columns=pd.Index(data.feature_names)).assign(target=data.target)
    path = tmp_path_factory.mktemp("data") / "diabetes.csv"
    frame.to_csv(path, index=False)
    return path
