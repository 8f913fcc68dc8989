"""The range test against closed forms on quadratics, loops by hand, and where losses are not finite."""

import json
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.training._batches import next_batches, open_stream

LOW, HIGH, STEPS = 1e-4, 10.0, 60
RATES = np.geomspace(LOW, HIGH, STEPS)


def losses_under(eigenvalues: list[float], rates: np.ndarray) -> np.ndarray:
    """The losses of a quadratic from 1 in every direction, before each update of gradient descent at these rates."""
    factors = np.cumprod(1 - np.outer(rates, eigenvalues), axis=0)
    places = np.vstack([np.ones(len(eigenvalues)), factors[:-1]])
    return (np.array(eigenvalues) * places**2).sum(axis=1) / 2


def averaged(losses: np.ndarray, smoothing: float) -> list[float]:
    """The published smoothing, loss by loss."""
    average, smoothed = 0.0, []
    for k, loss in enumerate(losses, start=1):
        average = smoothing * average + (1 - smoothing) * loss
        smoothed.append(average / (1 - smoothing**k))
    return smoothed


@pytest.mark.usefixtures("x64")
def test_on_a_quadratic_the_losses_and_the_suggestions_are_the_closed_forms() -> None:
    tested = lrsweep.range_test(lrsweep.problems.quadratic([1.0, 4.0]), optax.sgd, low=LOW, high=HIGH, steps=STEPS)
    curve = tested.curves
    np.testing.assert_allclose(curve["learning_rate"], RATES, rtol=1e-12)
    losses = losses_under([1.0, 4.0], RATES)
    np.testing.assert_allclose(curve["loss"], losses, rtol=1e-9)

    smoothed = np.array(averaged(losses, 0.98))
    end = 1 + int(np.argmax(smoothed > 4 * np.minimum.accumulate(smoothed)))
    assert 40 < end < STEPS
    np.testing.assert_allclose(curve["smoothed"][:end], smoothed[:end], rtol=1e-9)
    assert curve["smoothed"][end:].isna().all()

    part = slice(STEPS // 10, end - 5)
    rates, falling = RATES[part], smoothed[part]
    (found,) = tested.suggestions.to_dict("records")
    assert found["ended_at"] == pytest.approx(RATES[end - 1])
    assert found["steepest"] == pytest.approx(rates[np.diff(falling).argmin()])
    assert found["minimum_over_ten"] == pytest.approx(rates[falling.argmin()] / 10)
    # The smoothed losses fall all the way to their least: the valley is what lies before it, and its middle is half.
    length = int(falling.argmin()) + 1
    assert (np.diff(falling[:length]) < 0).all()
    assert found["valley"] == pytest.approx(rates[length // 3 + length // 6 - 1])


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("sharpness", [1.0, 3.0, 40.0])
def test_without_smoothing_the_least_loss_is_where_the_learning_rate_passes_two_over_the_sharpness(
    sharpness: float,
) -> None:
    bowl = lrsweep.problems.quadratic([sharpness])
    tested = lrsweep.range_test(
        bowl, optax.sgd, low=LOW, high=HIGH, steps=STEPS, smoothing=0.0, divergence=float("inf")
    )
    (found,) = tested.suggestions.to_dict("records")
    # Each update multiplies the loss by (1 - rate * sharpness)**2, which is below 1 up to there.
    passed = RATES[RATES * sharpness >= 2][0]
    assert found["minimum_over_ten"] == pytest.approx(passed / 10)
    assert np.isnan(found["ended_at"])
    losses = losses_under([sharpness], RATES)[STEPS // 10 : -5]
    assert found["steepest"] == pytest.approx(RATES[STEPS // 10 :][np.diff(losses).argmin()])


def mean_squares(params: Any, data: Any, *, penalty: float = 0.0) -> Any:
    return jnp.mean((data["x"] @ params - data["y"]) ** 2) + penalty * jnp.sum(params**2)


def init(key: Any) -> Any:
    return jax.random.normal(key, (2,))


def regression(batch_size: int | None) -> lrsweep.Objective:
    draw = np.random.default_rng(0)
    data = {"x": draw.normal(size=(12, 2)), "y": draw.normal(size=12)}
    # Stated of all the data, and beaten on a batch.
    return lrsweep.Objective(mean_squares, init, data=data, batch_size=batch_size, minimum=0.3)


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("batch_size", [None, 5])
def test_the_losses_are_those_of_the_batches_that_the_updates_see(batch_size: int | None) -> None:
    objective = regression(batch_size)
    tested = lrsweep.range_test(objective, optax.adam, low=1e-3, high=1.0, steps=12, seeds=[7])
    data, params, stream = objective.data, init(jax.random.key(7)), open_stream(np.uint32(7), 12)
    state, losses, value_and_grad = optax.adam(1.0).init(params), [], jax.jit(jax.value_and_grad(mean_squares))
    for rate in np.geomspace(1e-3, 1.0, 12):
        batch = data
        if batch_size is not None:
            (places,), stream = next_batches(stream, 1, batch_size)
            batch = {name: array[places] for name, array in data.items()}
        loss, grads = value_and_grad(params, batch)
        losses.append(float(loss))
        updates, state = optax.adam(rate).update(grads, state)
        params = optax.apply_updates(params, updates)
    np.testing.assert_allclose(tested.curves["loss"], losses, rtol=1e-9)


def test_every_seed_and_setting_has_its_own_curve_and_the_suggestions_are_those_of_the_medians() -> None:
    trials = pd.DataFrame({"penalty": [0.0, 0.5]})
    options: dict[str, Any] = {"low": 1e-4, "high": 10.0, "steps": 80}
    both = lrsweep.range_test(regression(5), optax.sgd, seeds=range(5), trials=trials, **options)
    assert list(both.suggestions.columns) == [
        "penalty",
        "seeds",
        "ended_at",
        "steepest",
        "minimum_over_ten",
        "valley",
    ]
    assert both.suggestions["seeds"].tolist() == [5, 5]
    assert list(both.curves.columns) == ["penalty", "seed", "step", "learning_rate", "loss", "smoothed"]
    assert both.by_seed[["penalty", "seed"]].to_numpy().tolist() == [[p, s] for p in (0.0, 0.5) for s in range(5)]
    alone = lrsweep.range_test(regression(5), optax.sgd, seeds=[3], trials=trials[1:], block_width=1, **options)
    mine = both.curves[(both.curves["penalty"] == 0.5) & (both.curves["seed"] == 3)]
    np.testing.assert_allclose(mine["loss"], alone.curves["loss"], rtol=1e-5)
    of_seed = both.by_seed[(both.by_seed["penalty"] == 0.5) & (both.by_seed["seed"] == 3)]
    names = ["ended_at", "steepest", "minimum_over_ten", "valley"]
    np.testing.assert_allclose(of_seed[names], alone.suggestions[names], rtol=1e-6)
    # One seed is its own median.
    pd.testing.assert_frame_equal(alone.suggestions[names], alone.by_seed[names])

    smoothed = mine_of(both, 0.5, "smoothed").fillna(np.inf)
    medians = both.medians.loc[both.medians["penalty"] == 0.5, "smoothed"]
    np.testing.assert_allclose(medians.fillna(np.inf), smoothed.median(axis=1))
    losses = mine_of(both, 0.5, "loss").where(np.isfinite(smoothed), np.inf)
    np.testing.assert_allclose(
        both.medians.loc[both.medians["penalty"] == 0.5, "loss"].fillna(np.inf), losses.median(axis=1)
    )


def mine_of(tested: lrsweep.RangeTest, penalty: float, column: str) -> pd.DataFrame:
    """A column of the curves of one setting: ``[step, seed]``."""
    of_one = tested.curves[tested.curves["penalty"] == penalty]
    return of_one.pivot(index="step", columns="seed", values=column)


def cliff(params: Any) -> Any:
    """Falls to the right, and is no number beyond 1."""
    return jnp.where(params < 1, 2 - params, jnp.nan)


def test_a_loss_that_is_no_number_ends_the_curve() -> None:
    objective = lrsweep.Objective(cliff, jnp.zeros(()))
    tested = lrsweep.range_test(objective, optax.sgd, low=1e-3, high=1.0, steps=40, divergence=float("inf"))
    place = np.r_[0.0, np.cumsum(np.geomspace(1e-3, 1.0, 40))[:-1]]
    finite = place < 1
    assert 20 < finite.sum() < 40
    assert tested.curves["loss"].notna().tolist() == finite.tolist()
    assert tested.curves["smoothed"].notna().tolist() == finite.tolist()
    (found,) = tested.suggestions.to_dict("records")
    assert found["ended_at"] == pytest.approx(tested.curves["learning_rate"][finite].iloc[-1])
    # Unsmoothed it falls faster and faster: all suggestions look at what lies five losses before the end.
    assert found["minimum_over_ten"] == pytest.approx(tested.curves["learning_rate"][finite.sum() - 6] / 10)


def start_at(key: Any, *, x: float) -> Any:
    del key
    return jnp.asarray(x, float)


@pytest.mark.parametrize("x", [-1.0, 1e30])
def test_where_all_seeds_diverge_at_once_nothing_is_suggested(x: float) -> None:
    objective = lrsweep.Objective(lambda params: jnp.sqrt(params) + params**4, start_at)
    trials = pd.DataFrame({"x": [x]})
    tested = lrsweep.range_test(objective, optax.sgd, seeds=range(3), trials=trials)
    suggested = [*tested.suggestions.iloc[0, -3:], *tested.by_seed.iloc[:, -3:].to_numpy().ravel()]
    assert np.isnan(suggested).all()
    assert tested.suggestions["ended_at"].tolist() == [1e-7]
    assert tested.medians["smoothed"].isna().all()


def test_a_loss_that_only_rises_suggests_nothing() -> None:
    tested = lrsweep.range_test(lrsweep.problems.quadratic([1.0]), optax.sgd, low=3.0, high=30.0, steps=50)
    assert tested.suggestions[["steepest", "minimum_over_ten", "valley"]].isna().all(axis=None)


def test_other_ends_of_the_range_compile_nothing(compilations: Callable[[], int]) -> None:
    objective = lrsweep.problems.rosenbrock()
    lrsweep.range_test(objective, optax.adam, seeds=range(4))
    compilations()
    lrsweep.range_test(objective, optax.adam, low=1e-5, high=1.0, seeds=range(4))
    assert compilations() == 0


def test_metrics_are_left_out_and_words_and_static_columns_are_compiled_for() -> None:
    def power(params: Any, data: Any, *, kind: str, exponent: int) -> Any:
        return jnp.mean(abs(params - data) ** exponent) if kind == "plain" else jnp.sum(params**2)

    objective = lrsweep.Objective(
        power, jnp.ones(()), data=np.zeros(3), metrics={"half": lambda params: params / 2}, best_by="half"
    )
    trials = pd.DataFrame({"kind": ["plain", "plain", "sum"], "exponent": [1, 2, 1]})
    tested = lrsweep.range_test(objective, optax.sgd, trials=trials, static=["exponent"], low=0.01, high=0.1, steps=3)
    assert tested.curves.groupby(["kind", "exponent"], sort=False)["loss"].last().round(4).tolist() == [
        round(1 - 0.01 - 0.01 * 10**0.5, 4),
        round(((1 - 0.02) * (1 - 0.02 * 10**0.5)) ** 2, 4),
        round(((1 - 0.02) * (1 - 0.02 * 10**0.5)) ** 2, 4),
    ]


def test_its_provenance_says_what_was_asked_for_as_json() -> None:
    tested = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, low=1e-3, steps=9, divergence=float("inf"))
    told = json.loads(json.dumps(tested.provenance, allow_nan=False))
    assert [told[name] for name in ("low", "high", "steps", "smoothing", "divergence")] == [1e-3, 10, 9, 0.98, "inf"]
    assert (told["optimizer"], told["objective"], told["trials"]) == ("sgd", "line", 1)


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"objective": "line"}, TypeError, "the objective must be a lrsweep.Objective, not a str"),
    ({"optimizer": {"sgd": optax.sgd}}, TypeError, "the optimizer must be one factory such as optax.sgd"),
    ({"optimizer": optax.sgd(0.1)}, TypeError, "the optimizer is already built"),
    ({"optimizer": optax.polyak_sgd}, ValueError, "the optimizer polyak_sgd takes no learning_rate"),
    ({"low": 0.0}, ValueError, "low=0 and high=10 must be finite learning rates"),
    ({"low": "a"}, TypeError, "low='a' must be a finite learning rate above 0"),
    ({"low": 1.0, "high": 0.1}, ValueError, "the low one below"),
    ({"high": 1e300}, ValueError, "high=1e+300 is beyond 32-bit"),
    ({"low": 1e-60}, ValueError, "low=1e-60 is too near 0"),
    ({"steps": 1}, ValueError, "steps=1 must be 2 or more"),
    ({"steps": 1.5}, TypeError, "steps=1.5 must be a whole number"),
    ({"smoothing": 1.0}, ValueError, "smoothing=1.0 must be a number from 0 to below 1"),
    ({"smoothing": None}, TypeError, "smoothing=None must be a number"),
    ({"divergence": 1.0}, ValueError, "divergence=1.0 must be a number above 1"),
    ({"trials": pd.DataFrame({"learning_rate": [0.1]})}, ValueError, "have a column 'learning_rate', which is what"),
    ({"trials": pd.DataFrame({"loss": [0.1]})}, ValueError, "column 'loss' of the trials is named like one of"),
    ({"trials": pd.DataFrame({"seed": [0]}), "seeds": [1]}, ValueError, "a column 'seed' of their own: leave out"),
    ({"trials": pd.DataFrame({"momentun": [0.1]})}, ValueError, "did you mean 'momentum'"),
    ({"static": ["learning_rate"], "seeds": [0]}, ValueError, "static: there is no column 'learning_rate'"),
    ({"seeds": []}, ValueError, "column 'seed' of the grid has no values"),
]


@pytest.mark.parametrize(("change", "error", "said"), BAD, ids=[said for _, _, said in BAD])
def test_wrong_input_is_refused_in_one_sentence_before_anything_compiles(
    change: dict[str, Any], error: type[Exception], said: str, compilations: Callable[[], int]
) -> None:
    arguments: dict[str, Any] = {"objective": lrsweep.problems.line(), "optimizer": optax.sgd, **change}
    compilations()
    with pytest.raises(lrsweep.InputError) as refused:
        lrsweep.range_test(**arguments)
    assert isinstance(refused.value, error)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert compilations() == 0
