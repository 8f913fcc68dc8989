"""A model's state, keys and modes: given where they are named, the same at every learning rate, carried everywhere."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lrsweep
from lrsweep.training._keys import key_of_update, open_key

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(30, 3))
Y = np.sin(X.sum(axis=1))
DATA = {"x": X, "y": Y}
NEVER = lrsweep.Stopping(tolerance=0.0)


def init(key: Any) -> Any:
    w, v = jax.random.split(key)
    params = {"w": jax.random.normal(w, (3, 5)), "v": jax.random.normal(v, (5,))}
    return params, {"mean": jnp.zeros(5), "updates": 0}


def loss(params: Any, data: Any, *, key: Any, state: Any, training: bool) -> Any:
    """A layer that is centred by its batch's mean, or by the running one, and dropout where it trains."""
    hidden = data["x"] @ params["w"]
    mask = jax.random.bernoulli(key, 0.5, hidden.shape) / 0.5 if training else 1.0
    mean = hidden.mean(axis=0) if training else state["mean"]
    if training:
        state = {"mean": 0.9 * state["mean"] + 0.1 * mean, "updates": state["updates"] + 1}
    predicted = (jnp.tanh(hidden - mean) * mask) @ params["v"]
    return jnp.mean((predicted - data["y"]) ** 2), state


def updates(params: Any, *, state: Any) -> Any:
    return state["updates"] + 0 * params["v"][0]


def objective(**more: Any) -> lrsweep.Objective:
    return lrsweep.Objective(loss, init, **{"data": DATA, "metrics": {"updates": updates}} | more)


def alone(rate: float, seed: int, steps: int) -> tuple[list[float], Any]:
    """A plain loop: the losses of evaluation, and the state in the end."""
    (params, state), optimizer, losses = init(jax.random.key(seed)), optax.adam(rate), []
    opt_state = optimizer.init(params)

    @jax.jit
    def step(params: Any, state: Any, opt_state: Any, key: Any) -> Any:
        measured = loss(params, DATA, key=None, state=state, training=False)[0]
        grads, state = jax.grad(lambda p: loss(p, DATA, key=key, state=state, training=True), has_aux=True)(params)
        changes, opt_state = optimizer.update(grads, opt_state, params)
        return optax.apply_updates(params, changes), state, opt_state, measured

    before = state
    for k in range(steps + 1):
        key, before = key_of_update(open_key(seed), k), state
        params, state, opt_state, measured = step(params, state, opt_state, key)
        losses.append(float(measured))
    return losses, before


@pytest.mark.usefixtures("x64")
def test_every_loss_and_the_state_are_those_of_a_plain_loop() -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01], seed=[3, 4])
    result = lrsweep.sweep(objective(), optax.adam, trials, steps=30, record_every=1, stopping=NEVER)
    for trial in (0, 3):
        row: Any = trials.loc[trial].to_dict()
        losses, state = alone(row["learning_rate"], int(row["seed"]), 30)
        np.testing.assert_allclose(result.curves["loss"].loc[trial], losses, rtol=1e-9)
        replayed = result.replay(trial)
        np.testing.assert_allclose(replayed.state["mean"], state["mean"], rtol=1e-9)
        np.testing.assert_allclose(replayed.curve, losses, rtol=1e-9)
        assert (int(replayed.state["updates"]), result.table["final_updates"][trial]) == (30, 30)
    assert len(result.path(3)) == 31
    replayed = result.replay(3)
    here = lrsweep.sharpness(objective(), replayed.params, state=replayed.state)
    there = lrsweep.sharpness(objective(), replayed.params, state={"mean": np.ones(5), "updates": 0})
    assert here != pytest.approx(there)


def drawn(params: Any, *, key: Any, training: bool) -> Any:
    """Gradient descent at rate 1 makes the parameter the number that the update drew."""
    return (params - jax.random.uniform(key)) ** 2 / 2 if training else params


def test_each_update_has_a_key_of_its_own_by_the_seed_and_the_count_alone() -> None:
    trials = lrsweep.grid(learning_rate=[1.0, 1.0 + 1e-7], seed=[0, 1])
    result = lrsweep.sweep(
        lrsweep.Objective(drawn, 0.5, minimum=-9.0), optax.sgd, trials, steps=6, record_every=1, stopping=NEVER
    )
    seen = result.curves["loss"].to_numpy()[:, 1:]
    expected = [[jax.random.uniform(key_of_update(open_key(seed), k)) for k in range(6)] for seed in (0, 1)]
    np.testing.assert_allclose(seen, [*expected, *expected], atol=1e-6)
    assert len(np.unique(seen[:2])) == 12


def test_all_measurements_of_a_trial_have_one_key_and_no_update_has_it() -> None:
    def measured(params: Any, *, key: Any, training: bool) -> Any:
        return params if training else jax.random.uniform(key) + 0 * params

    noisy = lrsweep.Objective(measured, 0.5, metrics={"m": lambda params, *, key: jax.random.uniform(key)})
    trials = lrsweep.grid(learning_rate=[0.1, 0.2], seed=[0, 1])
    result = lrsweep.sweep(noisy, optax.sgd, trials, steps=5, record_every=1, stopping=NEVER)
    curves = np.asarray(result.curves["loss"])
    assert (curves == curves[:, :1]).all()
    assert (curves[:2] == curves[2:]).all()
    assert curves[0, 0] != curves[1, 0]
    assert result.table["final_m"].tolist() == curves[:, 0].tolist()
    of_updates = [float(jax.random.uniform(key_of_update(open_key(0), k))) for k in range(6)]
    assert curves[0, 0] not in of_updates


@pytest.mark.parametrize("batch_size", [None, 8])
def test_a_rows_bits_do_not_depend_on_its_neighbours(batch_size: int | None) -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 1e4], seed=range(3))
    whole, some = (
        lrsweep.sweep(objective(batch_size=batch_size), optax.adam, rows, steps=9, block_width=4).table
        for rows in (trials, trials.iloc[[5, 1, 8]])
    )
    for column in ("final_loss", "best_loss", "final_updates"):
        assert some[column].tolist() == whole.loc[[5, 1, 8], column].tolist()


def test_a_state_is_neither_decayed_nor_differentiated_and_stays_where_a_trial_ends() -> None:
    def counting(params: Any, *, state: Any, training: bool) -> Any:
        return params**2 + 0 * state["scale"], {"scale": state["scale"], "updates": state["updates"] + training}

    counted = lrsweep.Objective(
        counting,
        (1.0, {"scale": jnp.float32(3.0), "updates": 0}),
        metrics={
            "updates": lambda params, *, state: state["updates"],
            "scale": lambda params, *, state: state["scale"],
        },
    )
    trials = lrsweep.grid(learning_rate=[0.1, 0.4, 1.2], weight_decay=[0.1])
    result = lrsweep.sweep(counted, optax.adamw, trials, steps=40, stopping=lrsweep.Stopping(target=1e-2, hold=1))
    table = result.table
    assert table["steps"].nunique() > 1
    assert table["final_updates"].tolist() == table["steps"].tolist()
    assert table["final_scale"].tolist() == [3.0] * 3
    assert [int(result.replay(trial).state["updates"]) for trial in table.index] == table["steps"].tolist()


def test_a_line_search_sees_the_state_and_the_key_of_its_update() -> None:
    def noisy(params: Any, *, key: Any, state: Any, training: bool) -> Any:
        # With another key or state than those of the gradient no step would be found to go down.
        place = jax.random.normal(key) + state if training else 0.0
        return jnp.sum((params - place) ** 2), state

    start = jnp.zeros(2), jnp.float32(100.0)
    table = lrsweep.sweep(
        lrsweep.Objective(noisy, start),
        lambda memory_size: optax.lbfgs(memory_size=5),
        lrsweep.grid(memory_size=[5], seed=[0]),
        steps=3,
        stopping=lrsweep.Stopping(tolerance=0.0, divergence=np.inf),
    ).table
    # Each search goes to its own update's place, about 100.
    assert 2 * 95**2 < table["final_loss"][0] < 2 * 105**2


def test_halving_and_a_search_of_the_edge_carry_the_state() -> None:
    trials = lrsweep.grid(learning_rate=[0.1, 0.01, 1e-3, 1e-4])
    halved = lrsweep.sweep(objective(), optax.adam, trials, steps=16, halving=lrsweep.Halving(at=[4]), stopping=NEVER)
    kept = halved.table["status"] != "dropped"
    assert 0 < kept.sum() < 4
    assert (halved.table["final_updates"] == halved.table["steps"]).all()
    whole = lrsweep.sweep(objective(), optax.adam, trials, steps=16, stopping=NEVER).table
    np.testing.assert_allclose(halved.table["final_loss"][kept], whole["final_loss"][kept], rtol=1e-5)
    edges = lrsweep.critical_learning_rate(objective(), optax.sgd, seeds=[0], steps=100, low=0.1, high=100, width=0.5)
    assert edges["found"].tolist() == ["found"]


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize("around", ["best", "edge"])
def test_a_zoom_carries_the_state(around: Any) -> None:
    zoomed = lrsweep.refine(
        objective(),
        optax.adam,
        lrsweep.grid(learning_rate=[0.01, 0.1, 1.0], seed=[3, 4]),
        around=around,
        rounds=1,
        points=2,
        steps=30,
        stopping=NEVER,
    ).table
    assert len(zoomed) == 6 + 2 * 2
    assert zoomed["final_updates"].tolist() == [30] * len(zoomed)
    for _, row in zoomed[zoomed["round"] == 1].head(2).iterrows():
        losses, _ = alone(row["learning_rate"], row["seed"], 30)
        assert row["final_loss"] == pytest.approx(losses[-1], rel=1e-6)


def test_init_may_take_its_key_by_name() -> None:
    def start(*, key: Any, scale: Any = 1.0) -> Any:
        return scale * jax.random.normal(key, (2,))

    named = lrsweep.Objective(lambda params: jnp.sum(params**2), start)
    table = lrsweep.sweep(named, optax.sgd, lrsweep.grid(learning_rate=0.1, scale=[1.0, 2.0], seed=[5]), steps=2).table
    square = float((jax.random.normal(jax.random.key(5), (2,)) ** 2).sum())
    np.testing.assert_allclose(table["initial_loss"], [square, 4 * square], rtol=1e-6)


def stateful(params: Any, *, state: Any) -> Any:
    return params**2, state


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no pair of init": ({"init": 1.0}, "the init .* gives a float: since the loss names 'state', it must give a pair"),
    "no pair of the loss": (
        {"loss": lambda p, *, state: p**2},
        r"the loss .* returns float32\[\]: since it names 'state', it must return \(loss, state\)",
    ),
    "no state in the loss": (
        {"loss": lambda p: p["w"] ** 2, "init": ({"w": 1.0}, {"mean": 0.0})},
        r"does not fit its parameters: TypeError.*if init gives \(params, state\), the loss must name state",
    ),
    "a state of another shape": (
        {"loss": lambda p, *, state: (p**2, jnp.ones(2))},
        r"is given a state of float32\[\] and returns one of float32\[2\]: the state must keep its structure",
    ),
    "a state of another kind": (
        {"loss": lambda p, *, state: (p**2, jnp.int32(1))},
        r"is given a state of float32\[\] and returns one of int32\[\]",
    ),
    "a state of another tree": ({"loss": lambda p, *, state: (p**2, (state, state))}, "must keep its structure"),
    "a state that is text": ({"loss": lambda p, *, state: (p**2, "x")}, "a state that does not consist of arrays"),
    "a start of text": ({"init": (1.0, {"a": "x"})}, r"gives a str at state\['a'\]: a model state must be numeric"),
    "state in a metric alone": (
        {"loss": lambda p: p**2, "init": 1.0, "metrics": {"m": lambda p, *, state: p}},
        "metric 'm' of objective 'mine' names 'state', but its loss does not",
    ),
    "state in init": ({"init": lambda key, *, state: (1.0, 0.0)}, "the init of objective 'mine' names 'state'"),
    "training in init": ({"init": lambda key, *, training: (1.0, 0.0)}, "the init of objective 'mine' names 'trai"),
}


@pytest.mark.parametrize(("arguments", "said"), REFUSED.values(), ids=REFUSED)
def test_a_state_that_cannot_be_is_refused(arguments: dict[str, Any], said: str) -> None:
    mine = lrsweep.Objective(**{"loss": stateful, "init": (1.0, 0.0), "name": "mine", **arguments})
    with pytest.raises(lrsweep.InputError, match=said) as raised:
        lrsweep.sweep(mine, optax.sgd, lrsweep.grid(learning_rate=0.1), steps=2)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["key", "state", "training"])
def test_a_column_named_like_what_is_filled_is_refused(name: str) -> None:
    said = f"column '{name}' of the trials is named like an argument that lrsweep fills itself"
    with pytest.raises(lrsweep.InputError, match=said):
        lrsweep.sweep(lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=0.1, **{name: 1}))


def test_a_state_is_asked_for_where_parameters_are_given() -> None:
    params, _ = init(jax.random.key(0))
    with pytest.raises(lrsweep.InputError, match="takes a model state: give one with the parameters"):
        lrsweep.sharpness(objective(), params)
    with pytest.raises(lrsweep.InputError, match="names no 'state': leave out state"):
        lrsweep.sharpness(lrsweep.problems.line(), {"w0": 0.0, "w1": 0.0}, state=1.0)
    assert len(lrsweep.landscape(objective(), {"v[0]": [0.0, 1.0]})) == 2
