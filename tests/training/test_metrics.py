"""Metrics: measured where the loss is, on data of their own where it is given, and they may decide the best."""

import warnings
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.statistics._advice import advise
from lrsweep.tables._schema import criterion_of, metrics_of

TARGET = np.array([1.0, 3.0])


def loss(params: Any, data: Any, *, pull: Any = 1.0) -> Any:
    """Half the mean squared distance to the data's points: gradient descent goes geometrically to their mean."""
    return pull * jnp.mean((params - data) ** 2) / 2


def distance(params: Any, *, origin: Any = 0.0) -> Any:
    return abs(params - origin)


def is_above_one(params: Any) -> Any:
    return params > 1


def objective(**more: Any) -> lrsweep.Objective:
    return lrsweep.Objective(loss, 0.0, data=TARGET, minimum=0.5, **more)


def path(rate: float, steps: int) -> np.ndarray:
    """Gradient descent from 0 towards 2: ``[steps + 1]``."""
    return 2 * (1 - (1 - rate) ** np.arange(steps + 1))


NEVER = lrsweep.Stopping(tolerance=0.0)


@pytest.mark.usefixtures("x64")
def test_each_metric_has_its_value_at_the_end_and_at_the_best_update() -> None:
    measured = objective(metrics={"distance": distance, "above": is_above_one})
    table = lrsweep.sweep(measured, optax.sgd, lrsweep.grid(learning_rate=[0.1, 1.9]), steps=8, stopping=NEVER).table
    ends = [path(rate, 8)[-1] for rate in (0.1, 1.9)]
    np.testing.assert_allclose(table["final_distance"], np.abs(ends), rtol=1e-12)
    np.testing.assert_allclose(table["distance_at_best"], np.abs(ends), rtol=1e-12)
    assert table["final_above"].tolist() == [float(end > 1) for end in ends]
    assert table["best_by"].unique().tolist() == ["loss"]
    assert table["best_at"].tolist() == [8, 8]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("every", [1, 3])
def test_a_metric_on_data_of_its_own_may_decide_which_update_was_the_best(every: int) -> None:
    held_out = (loss, np.array([0.8, 1.0]))
    validated = objective(metrics={"validation_loss": held_out, "distance": distance}, best_by="validation_loss")
    trials = lrsweep.grid(learning_rate=[0.1, 0.2, 0.3])
    table = lrsweep.sweep(validated, optax.sgd, trials, steps=20, stopping=NEVER, evaluate_every=every).table
    for row in table.itertuples():
        x = path(float(row.learning_rate), 20)  # pyright: ignore[reportArgumentType]
        measured = [k for k in range(21) if k % every == 0 or k == 20]
        validation = np.mean((x[:, None] - held_out[1]) ** 2, axis=1) / 2
        best = min(measured, key=lambda k: validation[k])
        assert row.best_at == best
        assert row.validation_loss_at_best == pytest.approx(validation[best], rel=1e-12)
        assert row.best_loss == pytest.approx(np.mean((x[best] - TARGET) ** 2) / 2, rel=1e-12)
        assert row.final_validation_loss == pytest.approx(validation[-1], rel=1e-12)
        assert (row.distance_at_best, row.best_by) == (pytest.approx(x[best], rel=1e-12), "validation_loss")


def hump(params: Any) -> Any:
    """A metric that rises to the middle of the way, at 1, and falls again."""
    return params * (2 - params)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("mode", "pick"), [("max", np.argmax), ("min", np.argmin)])
def test_the_greatest_or_the_least_value_of_a_metric_is_the_best_as_numpy_finds_it(mode: str, pick: Any) -> None:
    measured = objective(metrics={"hump": hump}, best_by="hump", mode=mode)
    rates = [0.05, 0.1, 0.3, 1.7]
    table = lrsweep.sweep(measured, optax.sgd, lrsweep.grid(learning_rate=rates), steps=20, stopping=NEVER).table
    values = np.array([hump(path(rate, 20)) for rate in rates])
    assert table["best_at"].tolist() == pick(values, axis=1).tolist()
    np.testing.assert_allclose(table["hump_at_best"], [value[pick(value)] for value in values], rtol=1e-12)
    assert table["best_mode"].unique().tolist() == [mode]
    assert lrsweep.best_setting(table)["learning_rate"] == rates[pick(values[:, -1])]


def test_a_metric_that_is_not_a_number_is_never_the_greatest() -> None:
    measured = objective(metrics={"log": lambda params: jnp.log(1 - params)}, best_by="log", mode="max")
    table = lrsweep.sweep(measured, optax.sgd, lrsweep.grid(learning_rate=0.3), steps=10, stopping=NEVER).table
    assert table["best_at"].tolist() == [0]


NAMES = {"accuracy": True, "top5_acc": True, "F1": True, "valid-auc": True, "R2": True, "accuracy_loss": False}


@pytest.mark.parametrize(("name", "warned"), [*NAMES.items(), ("distance", False), ("macro", False)])
def test_the_least_accuracy_is_warned_of_and_the_greatest_is_not(name: str, warned: bool) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        least = objective(metrics={name: distance}, best_by=name)
    assert [str(each.message) for each in caught] == warned * [
        f"objective 'loss' takes the least '{name}' for the best: give mode='max' if the greatest is"
    ]
    assert all(each.filename == __file__ for each in caught)
    objective(metrics={name: distance}, best_by=name, mode="max")
    objective(metrics={name: distance})
    assert least.mode == "min"


@pytest.mark.usefixtures("x64")
def test_a_column_goes_to_the_keyword_only_arguments_of_the_loss_and_of_the_metrics() -> None:
    pulled = objective(metrics={"distance": distance, "weighed": (loss, TARGET)})
    trials = pd.DataFrame({"learning_rate": 0.1, "pull": [1.0, 2.0], "origin": [0.5, 1.5]})
    table = lrsweep.sweep(pulled, optax.sgd, trials, steps=5, stopping=NEVER).table
    ends = [path(0.1 * pull, 5)[-1] for pull in (1.0, 2.0)]
    np.testing.assert_allclose(table["final_distance"], [abs(ends[0] - 0.5), abs(ends[1] - 1.5)], rtol=1e-12)
    np.testing.assert_allclose(table["final_weighed"], table["final_loss"], rtol=1e-12)


def test_a_metric_that_is_not_a_number_decides_nothing_while_another_update_has_one() -> None:
    def log_less_one(params: Any) -> Any:
        return jnp.log(params - 1)

    measured = objective(metrics={"log": log_less_one}, best_by="log")
    table = lrsweep.sweep(measured, optax.sgd, lrsweep.grid(learning_rate=[0.3, 0.01]), steps=10, stopping=NEVER).table
    first_above = int(np.argmax(path(0.3, 10) > 1))
    assert table["best_at"].tolist() == [first_above, 0]
    assert table["log_at_best"].isna().tolist() == [False, True]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_a_table_with_metrics_and_words_reads_back_equal(ending: str, tmp_path: Any) -> None:
    measured = objective(metrics={"distance": distance}, best_by="distance", mode="max")
    trials = lrsweep.grid(optimizer=["adam", "sgd"], learning_rate=[0.1, 0.2])
    table = lrsweep.sweep(measured, {"sgd": optax.sgd, "adam": optax.adam}, trials, steps=3, stopping=NEVER).table
    lrsweep.write_table(table, tmp_path / f"sweep{ending}")
    pd.testing.assert_frame_equal(lrsweep.read_table(tmp_path / f"sweep{ending}"), table)
    assert metrics_of(table) == ["distance"]
    assert criterion_of(lrsweep.read_table(tmp_path / f"sweep{ending}")) == ("distance", "max")


def test_a_metric_whose_own_name_begins_with_final_is_one_metric() -> None:
    measured = objective(metrics={"final_distance": distance})
    table = lrsweep.sweep(measured, optax.sgd, lrsweep.grid(learning_rate=0.1), steps=3, stopping=NEVER).table
    assert metrics_of(table) == ["final_distance"]


def test_a_summary_has_the_median_of_each_metric() -> None:
    measured = objective(metrics={"distance": distance})
    trials = lrsweep.grid(learning_rate=[0.1, 0.2], pull=[1.0, 0.5, 2.0])
    table = lrsweep.sweep(measured, optax.sgd, trials, steps=3, stopping=NEVER).table.drop(columns="pull")
    summary = lrsweep.summarize(table)
    expected = [sorted(table["final_distance"][rows])[1] for rows in (slice(0, 2), slice(3, 5))]
    assert summary["median_final_distance"].tolist() == expected


def test_the_metric_that_decides_the_best_update_decides_the_best_learning_rate_too() -> None:
    # The faster it goes to the data's mean, the farther it ends from the held-out points, and the fastest diverges.
    held_out = (loss, np.array([0.8, 1.0]))
    trials = lrsweep.grid(learning_rate=[0.1, 0.2, 0.3, 2000.0])
    tables = [
        lrsweep.sweep(
            objective(metrics={"validation_loss": held_out}, best_by=by), optax.sgd, trials, steps=10, stopping=NEVER
        ).table
        for by in ("loss", "validation_loss")
    ]
    assert [lrsweep.best_learning_rate(table).learning_rate for table in tables] == [0.3, 0.1]
    assert lrsweep.summarize(tables[1])["median_final_validation_loss"].tolist()[3] == np.inf
    answer = advise(lrsweep.summarize(tables[1]), tables[1])
    assert "its median final validation loss, " in answer
    assert ", is the least" in answer
    with pytest.raises(ValueError, match="what decides the best differs from row to row"):
        lrsweep.best_learning_rate(pd.concat(tables))


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"metrics": {"one": 1.0}}, TypeError, "metric 'one' is 1.0: it must be a function, or a pair"),
        ({"metrics": [distance]}, TypeError, "metrics must be functions by name"),
        ({"metrics": {1: distance}}, TypeError, "metrics must be functions by name"),
        ({"metrics": {"loss": distance}}, ValueError, "metric 'loss' is named like the loss itself"),
        ({"metrics": {"d": (loss, np.array(["a"]))}}, TypeError, "metric 'd', data holds <U1 values"),
        ({"metrics": {"d": (distance, None)}}, ValueError, "metric 'd' is paired with no data"),
        ({"metrics": {"d": distance}, "best_by": "e"}, ValueError, "no metric 'e': .* loss, d"),
        (
            {"metrics": {"d": distance}, "best_by": "d", "mode": "maxi"},
            ValueError,
            "no mode 'maxi': did you mean 'max'",
        ),
        ({"metrics": {"d": distance}, "mode": "max"}, ValueError, "mode='max', but its loss is minimised"),
    ],
)
def test_a_metric_that_cannot_be_is_refused(arguments: dict[str, Any], error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        objective(**arguments)


@pytest.mark.parametrize(
    ("metric", "trials", "said"),
    [
        (lambda params: jnp.ones(2), {}, r"metric 'm' of objective 'loss' returns float32\[2\]: .* one number"),
        (lambda params: params["a"], {}, "metric 'm' of objective 'loss' does not fit .*TypeError"),
        (lambda params, *, origin: params, {}, "metric 'm' of objective 'loss' needs 'origin'"),
        (distance, {"final_m": 1.0}, "column 'final_m' of the trials is named like one of the result's own"),
        (distance, {"m_at_best": 1.0}, "column 'm_at_best' of the trials is named like"),
    ],
)
def test_a_metric_that_does_not_fit_is_refused(metric: Any, trials: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        lrsweep.sweep(objective(metrics={"m": metric}), optax.sgd, lrsweep.grid(learning_rate=0.1, **trials))
