"""The studies of a residual network and a transformer: their parts, what they claim, and what they draw."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest
from flax import nnx

from lrsweep.tables._schema import MAX
from tests.experiments.test_gallery import results
from tests.experiments.test_studies import load

resnet, transformer = load("resnet"), load("transformer")


@pytest.mark.parametrize(("size", "stride"), [(3, 1), (3, 2), (1, 2)])
def test_the_convolution_is_that_of_flax(size: int, stride: int) -> None:
    ours = resnet.convolution(3, 5, size=size, stride=stride, rngs=nnx.Rngs(0))
    maps = jax.random.normal(jax.random.key(1), (2, 8, 8, 3))
    theirs = nnx.Conv(
        3, 5, (size, size), strides=stride, padding=size // 2, use_bias=False, precision="highest", rngs=nnx.Rngs(0)
    )
    np.testing.assert_allclose(ours(maps), theirs(maps), rtol=1e-4, atol=1e-5)


def test_every_image_is_moved_by_up_to_a_pixel_by_itself() -> None:
    images = np.random.default_rng(0).random((40, 8, 8, 1)).astype(np.float32)
    moved = np.asarray(resnet.shift(jnp.asarray(images), jax.random.key(0)))
    padded = np.pad(images, [(0, 0), (1, 1), (1, 1), (0, 0)])
    places = [(top, left) for top in range(3) for left in range(3)]
    seen = set()
    for image, all_around in zip(moved, padded, strict=True):
        here = {at for at in places if (image == all_around[at[0] : at[0] + 8, at[1] : at[1] + 8]).all()}
        assert len(here) == 1
        seen |= here
    assert len(seen) > 5


def test_the_transformer_sees_no_character_that_follows() -> None:
    windows, characters = transformer.cut_windows(transformer.read_text())
    assert windows.shape[1] == transformer.CONTEXT + 1
    assert (windows[0, -1], windows.min(), windows.max()) == (windows[1, 0], 0, characters - 1)
    params = transformer.init(jax.random.key(0), characters=characters)
    seen = windows[:2, :-1].copy()
    before = transformer.scores(params, seen)
    seen[:, 20:] = 0
    after = transformer.scores(params, seen)
    np.testing.assert_allclose(before[:, :20], after[:, :20], rtol=1e-4, atol=1e-5)
    assert abs(before[:, 20:] - after[:, 20:]).max() > 0.1


def test_attention_is_what_numpy_computes_head_by_head() -> None:
    params = transformer.init(jax.random.key(0), characters=10)
    block = params["blocks"][0]
    states = np.random.default_rng(0).normal(size=(2, 5, transformer.FEATURES)).astype(np.float32)
    width = transformer.FEATURES // transformer.HEADS
    projected = states @ np.asarray(block["queries_keys_values"])
    queries, keys, values = np.split(projected, 3, axis=-1)
    attended = np.zeros_like(states)
    for head in range(transformer.HEADS):
        part = slice(head * width, (head + 1) * width)
        scores = queries[..., part] @ keys[..., part].swapaxes(1, 2) / np.sqrt(width)
        shares = np.exp(scores) * np.tri(5)
        attended[..., part] = shares / shares.sum(axis=-1, keepdims=True) @ values[..., part]
    expected = attended @ np.asarray(block["attended"])
    np.testing.assert_allclose(transformer.attend(block, jnp.asarray(states)), expected, rtol=1e-3, atol=1e-4)


def test_gradients_are_clipped_to_a_norm_of_1() -> None:
    # AdamW divides by the gradient's size from its second update on: two of norm 1 and 100, the second cut to 1.
    optimizer, params = transformer.clipped_adamw(0.1), jnp.zeros(2)
    state = optimizer.init(params)
    for gradient in ([1.0, 0.0], [100.0, 0.0]):
        updates, state = optimizer.update(jnp.array(gradient), state, params)
    np.testing.assert_allclose(updates, [-0.1, 0.0], rtol=1e-4)


Losses = Mapping[float, Mapping[float, float]]


def accuracies(of: Losses) -> pd.DataFrame:
    """A table of three seeds, with these accuracies by weight decay and learning rate, in percent."""
    rows = [
        {"learning_rate": rate, "weight_decay": decay, "seed": seed, "best_by": "accuracy", "best_mode": MAX}
        | {"final_accuracy": (accuracy + seed - 1) / 100, "accuracy_at_best": 0.0}
        for decay, by_rate in of.items()
        for rate, accuracy in by_rate.items()
        for seed in range(3)
    ]
    return pd.DataFrame(rows).pipe(complete)


def complete(table: pd.DataFrame) -> pd.DataFrame:
    """Puts the results that do not matter beside those that do, in the order of a table."""
    own = [name for name in ("learning_rate", "weight_decay", "warmup", "seed") if name in table]
    given = table.drop(columns=own)
    rows: Any = table[[*own, *(["status"] if "status" in given else [])]].to_dict("records")
    whole = results(rows)
    return pd.concat([whole, given.drop(columns="status", errors="ignore")], axis=1)


GOOD = {0.001: 50.0, 0.01: 96.5, 0.1: 97.0, 0.2: 96.0, 1.0: 30.0}
STRONG = {0.001: 50.0, 0.01: 97.0, 0.1: 80.0, 0.2: 60.0, 1.0: 10.0}


def test_the_weight_decays_are_judged_by_medians_and_by_the_rates_that_are_as_good() -> None:
    table = accuracies({0.0: GOOD, 0.01: GOOD, 0.1: GOOD, 1.0: STRONG})
    judged = resnet.judge(table).set_index("weight_decay")
    assert judged.loc[0.0, ["learning_rate", "accuracy", "from", "to"]].tolist() == pytest.approx([0.1, 97, 0.01, 0.2])
    assert judged.loc[1.0, ["learning_rate", "accuracy", "from", "to"]].tolist() == pytest.approx(
        [0.01, 97, 0.01, 0.01]
    )
    assert resnet.failures(table) == []
    (axes,) = resnet.draw(table).axes
    assert (axes.get_xscale(), axes.get_ylabel()) == ("log", "validation accuracy, %")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({0.1: GOOD | {0.01: 90.0}}, "decays up to 0.1 differ by 2 points at most"),
        ({1.0: STRONG | {0.2: 96.0}}, "its largest good rate is at most half of that without"),
        ({1.0: STRONG | {0.01: 90.0}}, "a decay of 1 is as good at its best"),
        ({0.0: GOOD | {1.0: 80.0}}, "a rate of 0.001, and one of 1, costs 20 points"),
    ],
)
def test_what_of_the_claim_on_decay_does_not_hold_is_told(changed: Losses, said: str) -> None:
    table = accuracies({0.0: GOOD, 0.01: GOOD, 0.1: GOOD, 1.0: STRONG} | dict(changed))
    assert said in resnet.failures(table)


RATES = transformer.LEARNING_RATES
BEST = 4


def losses(widths: Mapping[int, int], edge: int = 12) -> pd.DataFrame:
    """A table of three seeds whose losses are 2 from the fourth rate on, for so many rates, and 3 elsewhere."""
    rows = [
        {"learning_rate": rate, "warmup": warmup, "seed": seed, "status": "diverged" if at >= edge else "slow"}
        | {"final_loss": loss, "best_by": "validation_loss", "best_mode": "min"}
        | {"final_validation_loss": loss, "validation_loss_at_best": 0.0}
        for warmup, width in widths.items()
        for at, rate in enumerate(RATES)
        for seed in range(3)
        for loss in [2.0 if BEST <= at < BEST + width else 3.0]
    ]
    table = pd.DataFrame(rows)
    whole = complete(table.drop(columns="final_loss"))
    return whole.assign(final_loss=table["final_loss"], initial_loss=5.0)


WIDER = dict(zip(transformer.WARMUPS, (1, 2, 3), strict=True))


def test_the_warmups_are_judged_by_their_best_their_edge_and_the_range_around() -> None:
    table = losses(WIDER)
    judged = transformer.judge(table)
    assert judged["learning_rate"].tolist() == [RATES[BEST]] * 3
    assert judged["edge"].tolist() == [RATES[12]] * 3
    # A straight line in the logarithms, from 2 inside to 3 outside, crosses 2.1 after so much of a step.
    step, share = np.log(RATES[1] / RATES[0]), np.log(1.05) / np.log(1.5)
    np.testing.assert_allclose(np.log(judged["to"] / RATES[BEST]), (np.arange(3) + share) * step, rtol=1e-6)
    assert transformer.failures(table) == []
    (axes,) = transformer.draw(table).axes
    assert (axes.get_xscale(), axes.get_ylabel()) == ("log", "validation loss, nats")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (lambda: losses(dict.fromkeys(transformer.WARMUPS, 1)), "the longest warm-up doubles the largest good rate"),
        (lambda: losses(WIDER, edge=8), "the edge is 50 times the best rate or more"),
        (lambda: losses(dict.fromkeys(transformer.WARMUPS, 3)), "0.1 costs 0.2 more without a warm-up"),
    ],
)
def test_what_of_the_claim_on_warm_up_does_not_hold_is_told(table: Callable[[], pd.DataFrame], said: str) -> None:
    assert said in transformer.failures(table())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("study", "metric"),
    [(resnet, "final_accuracy"), (transformer, "final_validation_loss")],
    ids=["resnet", "transformer"],
)
def test_a_few_updates_of_a_few_trials_learn(study: Any, metric: str) -> None:
    table = study.run_trials(learning_rates=[1e-6, 0.02], seeds=[0], steps=24)
    by_rate = table.groupby("learning_rate")[metric].mean()
    assert abs(by_rate[0.02] - by_rate[1e-6]) > 0.1
    assert (table["final_loss"][table["learning_rate"] == 0.02] < table["initial_loss"].min()).all()
