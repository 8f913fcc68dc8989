"""What tests share: 64-bit precision, a count of compilations, the article's search already run."""

import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.monitoring
import optax
import pandas as pd
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from sklearn.datasets import load_diabetes

import lrsweep
from lrsweep.cli import _app as cli

COMPILED: list[str] = []

MOST_MAPPINGS = 20_000


class Said(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Said]


def _count(event: str, duration_secs: float, **_: Any) -> None:
    del duration_secs
    if event == "/jax/core/compile/backend_compile_duration":
        COMPILED.append(event)


jax.monitoring.register_event_duration_secs_listener(_count)


@pytest.fixture(scope="module", autouse=True)
def room() -> Iterator[None]:
    """Lets go of what tests compile by themselves before it takes all the mappings that Linux allows, 65,530."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and len(maps.read_bytes().splitlines()) > MOST_MAPPINGS:
        jax.clear_caches()


@pytest.fixture
def memory() -> Iterator[dict[str, Any]]:
    """The objects at `memory://`, of which there are none at first, whatever else has left some in this process."""

    def empty() -> None:
        MemoryFileSystem.store.clear()
        MemoryFileSystem.pseudo_dirs[:] = [""]

    empty()
    yield MemoryFileSystem.store
    empty()


@pytest.fixture(autouse=True)
def figures() -> Iterator[None]:
    """Closes the figures that a test has left open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


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


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in this process, so that programs already compiled are used again."""
    # The command line leaves alone what is set here: JAX runs as it does in the other tests, without a cache.
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "1")
    monkeypatch.setenv("JAX_NUM_CPU_DEVICES", "1")

    def call(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["lrsweep", *words])
        handler, wide = signal.getsignal(signal.SIGINT), jax.config.read("jax_enable_x64")
        with warnings.catch_warnings(), pytest.raises(SystemExit) as left:
            warnings.simplefilter("always")
            cli.main()
        signal.signal(signal.SIGINT, handler)
        jax.config.update("jax_enable_x64", wide)
        said = capsys.readouterr()
        return Said(int(left.value.code or 0), said.out, said.err)

    return call
