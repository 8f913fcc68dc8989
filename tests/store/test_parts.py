"""What statistics say of a store, read in parts, is what they say of its table: the same numbers, bit for bit."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.statistics import _draws, _settings
from lrsweep.statistics._advice import advise
from lrsweep.statistics._verdict import judge
from lrsweep.tables._parts import with_column

RATES = [0.01, 0.1, 0.9, 3.0]


OPTIMIZERS = {"sgd": optax.sgd, "adam": lambda learning_rate: optax.adam(learning_rate)}


def distance(params: Any, *, nan_below: Any) -> Any:
    return jnp.where(abs(params) < nan_below, jnp.nan, (params - 2.0) ** 2)


def start(key: Any) -> Any:
    return jax.random.normal(key)


def mixed_trials() -> pd.DataFrame:
    """Settings whose trials lie apart, of several columns: words, missing values, whole numbers, an optimizer."""
    trials = lrsweep.grid(seed=range(5), learning_rate=RATES, optimizer=["sgd", "adam"], nan_below=[0.0, 0.5])
    momentum = np.where(trials["optimizer"] == "sgd", np.arange(len(trials)) % 3 / 4, np.nan)
    nesterov = np.where(trials["optimizer"] == "sgd", trials["learning_rate"] < 0.2, np.array(None, object))
    return trials.assign(momentum=momentum, nesterov=nesterov)


def sweep_mixed(path: Path) -> lrsweep.Store:
    metrics = {"size": lambda params: abs(params), "accuracy": lambda params: 1 / (1 + (params - 2) ** 2)}
    objective = lrsweep.Objective(distance, start, metrics=metrics, best_by="accuracy", mode="max")
    lrsweep.sweep(objective, OPTIMIZERS, mixed_trials(), steps=20, store=path, shard_size=16, progress=False)
    return lrsweep.open_store(path)


def sweep_by_loss(path: Path) -> lrsweep.Store:
    objective = lrsweep.Objective(distance, start, minimum=0.0, metrics={"size": lambda params: abs(params)})
    lrsweep.sweep(objective, OPTIMIZERS, mixed_trials(), steps=20, store=path, shard_size=16, progress=False)
    return lrsweep.open_store(path)


def sweep_line(path: Path) -> lrsweep.Store:
    trials = lrsweep.lazy_grid(learning_rate=RATES, seed=range(20))
    options: dict[str, Any] = {"steps": 60, "shard_size": 16, "diagnose": True, "progress": False}
    return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, store=path, **options)


def sweep_one_seed(path: Path) -> lrsweep.Store:
    trials = lrsweep.lazy_grid(learning_rate=lrsweep.log_grid(1e-3, 1, 50))
    return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=60, store=path, shard_size=16)


SWEEPS: dict[str, Callable[[Path], lrsweep.Store]] = {
    "several columns, by a metric": sweep_mixed,
    "several columns, by the loss": sweep_by_loss,
    "a lazy grid of the line": sweep_line,
    "one seed": sweep_one_seed,
}


@pytest.fixture(scope="module", params=SWEEPS)
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> lrsweep.Store:
    return SWEEPS[request.param](tmp_path_factory.mktemp("parts") / "store")


@pytest.fixture(autouse=True)
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks, files and draws so small that a table of a hundred rows has many."""
    monkeypatch.setattr(_settings, "ROWS_AT_ONCE", 30)
    monkeypatch.setattr(_settings, "_MOST_FILES", 9)
    monkeypatch.setattr(_settings, "_MANY", 5)
    monkeypatch.setattr(_draws, "_NUMBERS_AT_A_TIME", 20_000)
    monkeypatch.setattr("lrsweep.statistics._best.NUMBERS_OF_DRAWS", 300)
    monkeypatch.setattr("lrsweep.statistics._best._RESAMPLES", (20, 20))


def own_of(store: lrsweep.Store) -> list[str]:
    columns = list(store.table.columns)
    return columns[: columns.index("status")]


def check(of_store: Any, of_table: Any) -> None:
    if isinstance(of_table, pd.DataFrame):
        pd.testing.assert_frame_equal(of_store, of_table, check_exact=True)
    elif isinstance(of_table, pd.Series):
        pd.testing.assert_series_equal(of_store, of_table, check_exact=True)
    else:
        assert repr(of_store) == repr(of_table)


def test_its_parts_are_the_table(store: lrsweep.Store) -> None:
    parts = list(store.parts())
    assert len(parts) > 3
    check(pd.concat(parts), store.table)
    check(store.head(), store.table.head())
    assert [len(part) for part in store.parts([])] == [len(part) for part in parts]


@pytest.mark.parametrize("function", [lrsweep.summarize, lrsweep.summarize_outcome, lrsweep.status_shares])
def test_statistics_of_settings(store: lrsweep.Store, function: Callable[..., Any]) -> None:
    check(function(store), function(store.table))
    check(function(store, by=[]), function(store.table, by=[]))
    for name in own_of(store):
        check(function(store, by=name), function(store.table, by=name))
    check(function(store, by=own_of(store)), function(store.table, by=own_of(store)))


@pytest.mark.parametrize("rule", [None, "steps", "loss", "safe"])
def test_the_best(store: lrsweep.Store, rule: str | None) -> None:
    check(lrsweep.best_setting(store, rule=rule), lrsweep.best_setting(store.table, rule=rule))
    of_table = lrsweep.best_learning_rate(store.table, rule=rule)
    check(lrsweep.best_learning_rate(store, rule=rule), of_table)


def test_sensitivity(store: lrsweep.Store) -> None:
    check(lrsweep.sensitivity(store, factor=3), lrsweep.sensitivity(store.table, factor=3))


@pytest.mark.parametrize("rule", [None, "loss", "safe"])
def test_the_verdict(store: lrsweep.Store, rule: str | None) -> None:
    assert judge(store, rule) == judge(store.table, rule)
    assert advise(lrsweep.summarize(store), store) == advise(lrsweep.summarize(store.table), store.table)


@pytest.mark.parametrize("status", ["slow", "stalled"])
def test_the_verdict_where_none_converged(store: lrsweep.Store, status: str) -> None:
    table = store.table.assign(status=store.table["status"].replace("converged", status))
    as_parts = with_column(store, "status", lambda statuses: statuses.replace("converged", status))
    assert judge(as_parts) == judge(table)


@pytest.mark.parametrize("outcome", [None, "final_loss", "status"])
def test_maps(store: lrsweep.Store, outcome: str | None) -> None:
    own = own_of(store)
    for y in own[1:4]:
        check(lrsweep.outcome_map(store, own[0], y, outcome), lrsweep.outcome_map(store.table, own[0], y, outcome))
        of_table = lrsweep.outcome_map(store.table, own[0], y, outcome, cells=3)
        check(lrsweep.outcome_map(store, own[0], y, outcome, cells=3), of_table)


def test_shares_of_bins(store: lrsweep.Store) -> None:
    of_table = lrsweep.status_shares(store.table, "learning_rate", bins=3)
    check(lrsweep.status_shares(store, "learning_rate", bins=3), of_table)


def test_the_report_is_the_same_page(store: lrsweep.Store, tmp_path: Path) -> None:
    for x in (None, own_of(store)[-1]):
        lrsweep.write_report(store, tmp_path / "page.html", store.provenance, x=x)
        of_store = (tmp_path / "page.html").read_bytes()
        lrsweep.write_report(store.table, tmp_path / "page.html", store.provenance, x=x)
        assert of_store == (tmp_path / "page.html").read_bytes()


def drawn(figure: Any) -> bytes:
    """A picture as the bytes of a file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=50)
    return file.getvalue()


def test_pictures(store: lrsweep.Store) -> None:
    first, best = own_of(store)[0], lrsweep.best_learning_rate(store.table)
    draws: list[Callable[[Any], Any]] = [
        lambda table: lrsweep.plots.overview(table, by=[]),
        lambda table: lrsweep.plots.outcome(table, "final_loss", by=[], best=best).figure,
        lambda table: lrsweep.plots.statuses(table).figure,
    ]
    if first != "learning_rate":
        draws.append(lambda table: lrsweep.plots.cells(table, "learning_rate", first, "final_loss").figure)
    for draw in draws:
        assert drawn(draw(store)) == drawn(draw(store.table))


def test_what_needs_a_table_says_so(store: lrsweep.Store, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"not a Store: give its \.table"):
        lrsweep.transfer(store, "learning_rate")  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"not a Store: give its \.table"):
        lrsweep.summarize_curves(store, store.table)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"not a Store: give its \.table"):
        lrsweep.plots.losses(store, store.table)  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match=r"give the \.table of the store"):
        lrsweep.write_report(store, tmp_path / "page.html", curves=store.table)
