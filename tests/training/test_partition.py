"""Several optimizers, text, booleans and static columns: groups of rows that one program runs."""

import re
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

import lrsweep
from lrsweep.tables._columns import read_numbers
from lrsweep.tables._schema import RESULT_DTYPES
from lrsweep.training._binding import Binding
from lrsweep.training._partition import partition

OPTIMIZERS = {"sgd": optax.sgd, "adam": optax.adam}


def loss(params: Any, data: Any) -> Any:
    return jnp.mean((jnp.tanh(data["x"] @ params["w"]) @ params["v"] - data["y"]) ** 2)


def init(key: Any, *, width: int = 3, shape: str = "normal") -> Any:
    draw = {"normal": jax.random.normal, "uniform": jax.random.uniform}[shape]
    w, v = jax.random.split(key)
    return {"w": draw(w, (2, width)), "v": draw(v, (width,))}


DATA = {"x": np.random.default_rng(0).normal(size=(8, 2)), "y": np.random.default_rng(1).normal(size=8)}
NETWORK = lrsweep.Objective(loss, init, data=DATA, name="network")


def test_rows_of_several_groups_come_back_in_the_callers_order_as_if_run_apart() -> None:
    trials = lrsweep.grid(optimizer=["sgd", "adam"], width=[2, 3], learning_rate=[0.1, 0.01], seed=range(2))
    trials = trials.sample(frac=1.0, random_state=3)
    run = {"steps": 20, "static": ["width"], "block_width": 4, "record_every": 5}
    sweep = lrsweep.sweep(NETWORK, OPTIMIZERS, trials, **run)
    pd.testing.assert_frame_equal(sweep.table[list(trials.columns)], trials.rename_axis("trial"))
    for (optimizer, width), part in trials.groupby(["optimizer", "width"]):
        apart = lrsweep.sweep(NETWORK, OPTIMIZERS[str(optimizer)], part.drop(columns="optimizer"), **run)
        results = list(RESULT_DTYPES)
        pd.testing.assert_frame_equal(sweep.table.loc[part.index, results], apart.table[results], check_exact=True)
        pd.testing.assert_frame_equal(sweep.curves["loss"].loc[part.index], apart.curves["loss"], check_exact=True)
        assert sweep.replay(part.index[0]).params["w"].shape == (2, width)
    groups = sweep.provenance["groups"]
    assert sorted((group["optimizer"], group["static"]["width"], group["trials"]) for group in groups) == [
        ("adam", 2, 4),
        ("adam", 3, 4),
        ("sgd", 2, 4),
        ("sgd", 3, 4),
    ]


def test_a_group_holds_the_rows_that_share_their_words() -> None:
    draw = np.random.default_rng(2)
    rows = 200
    trials = pd.DataFrame(
        {
            "optimizer": draw.choice(["sgd", "adam"], rows),
            "learning_rate": draw.random(rows),
            "act": pd.Series(draw.choice(["relu", "tanh"], rows), dtype=draw.choice(["str", "object", "category"])),
            "flag": draw.choice([True, False], rows),
            "width": draw.integers(2, 4, rows),
            "seed": draw.integers(0, 2**32, rows),
        }
    )
    binding = Binding(optimizer=("learning_rate", "flag"), init=("act", "width"))
    groups = partition(trials, {"sgd": binding, "adam": binding}, ["width"])
    expected: dict[Any, list[int]] = {}
    for place, row in enumerate(trials.to_dict("records")):
        expected.setdefault((row["optimizer"], row["act"], row["flag"], row["width"]), []).append(place)
    found = {(group.optimizer, *(static.value for static in group.static)): list(group.rows) for group in groups}
    assert list(found.items()) == list(expected.items())
    for group in groups:
        assert [static[0::2] for static in group.static] == [("act", str), ("flag", bool), ("width", int)]
        assert group.seeds.tolist() == trials["seed"][list(group.rows)].tolist()
        np.testing.assert_array_equal(
            group.values["learning_rate"], trials["learning_rate"][list(group.rows)].astype("f4")
        )


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float64", "Float64"])
@pytest.mark.parametrize(
    ("name", "value", "accepted"),
    [
        ("seed", 0, True),
        ("seed", 2**32 - 1, True),
        ("seed", 2**32, False),
        ("seed", -1, False),
        ("width", 2**31 - 1, True),
        ("width", 2**31, False),
        ("width", -(2**31) + 1, True),
        ("width", -(2**31), False),
        ("width", 2**62, False),
        ("width", -(2**63), False),
        ("learning_rate", 0, True),
        ("learning_rate", 2**40, True),
        ("learning_rate", -1, False),
    ],
)
def test_a_number_is_read_exactly_or_refused(dtype: str, name: str, value: int, accepted: bool) -> None:
    column = pd.Series([1, value], dtype=dtype, name=name)
    if name == "width" and "loat" in dtype:
        # A column of real numbers, which may be of any size, to the precision that is switched on.
        assert read_numbers(column, jax.dtypes.canonicalize_dtype(float)).tolist() == [1, np.float32(value)]
        return
    if accepted:
        assert read_numbers(column, jax.dtypes.canonicalize_dtype(float)).tolist() == [1, value]
        return
    with pytest.raises(ValueError, match=rf"column '{name}' of the trials holds {re.escape(str(column[1]))} at row 1"):
        read_numbers(column, jax.dtypes.canonicalize_dtype(float))


def test_unsigned_numbers_are_read_as_others_are() -> None:
    assert read_numbers(pd.Series([7, 255], dtype="uint8", name="seed"), np.float32).tolist() == [7, 255]
    assert read_numbers(pd.Series([7, 255], dtype="uint8", name="width"), np.float32).tolist() == [7, 255]
    with pytest.raises(ValueError, match="holds 18446744073709551615 at row 1: it must be a whole number that fits"):
        read_numbers(pd.Series([7, 2**64 - 1], dtype="uint64", name="width"), np.float32)


@pytest.mark.parametrize("seed", [1.5, -0.5, np.nan, np.inf])
def test_a_seed_that_is_not_whole_is_refused(seed: float) -> None:
    with pytest.raises(ValueError, match=r"at row 1: it must be a whole number from 0 to 4294967295"):
        read_numbers(pd.Series([3.0, seed], name="seed"), np.float32)


def test_each_group_compiles_once(compilations: Callable[[], int]) -> None:
    def trials(rate: float) -> pd.DataFrame:
        return lrsweep.grid(learning_rate=[rate, 2 * rate], width=[4, 5], shape=["normal", "uniform"], seed=[1, 2])

    lrsweep.sweep(NETWORK, optax.sgd, lrsweep.grid(learning_rate=0.1, width=6), steps=3, static=("width",))
    compilations()
    lrsweep.sweep(NETWORK, optax.sgd, trials(0.1), steps=3, static=("width",))
    assert compilations() == 4
    lrsweep.sweep(NETWORK, optax.sgd, trials(0.2), steps=3, static=("width",))
    assert compilations() == 0


def test_text_and_booleans_reach_whom_they_are_bound_to() -> None:
    trials = lrsweep.grid(learning_rate=0.1, momentum=0.9, nesterov=[True, False], shape=["normal", "uniform"], seed=0)
    table = lrsweep.sweep(NETWORK, optax.sgd, trials, steps=5).table
    starts = {shape: float(loss(init(jax.random.key(0), shape=shape), DATA)) for shape in ("normal", "uniform")}
    assert table["initial_loss"].tolist() == pytest.approx([starts[shape] for shape in trials["shape"]], rel=1e-6)
    for row in table.itertuples():
        built = optax.sgd(0.1, momentum=0.9, nesterov=bool(row.nesterov))
        params: Any = init(jax.random.key(0), shape=str(row.shape))
        state = built.init(params)
        for _ in range(5):
            updates, state = built.update(jax.grad(loss)(params, DATA), state)
            params = optax.apply_updates(params, updates)
        assert row.final_loss == pytest.approx(float(loss(params, DATA)), rel=1e-5)


def test_one_and_true_are_different_programs() -> None:
    def factory(*, kind: Any) -> optax.GradientTransformation:
        return optax.sgd(0.5 if kind is True else 0.25)

    bowl = lrsweep.Objective(lambda p: p**2, 1.0)
    ends = [
        lrsweep.sweep(bowl, factory, lrsweep.grid(kind=kind), steps=1, static=("kind",)).table["final_loss"][0]
        for kind in (1, True, 1.0)
    ]
    assert ends == [0.25, 0.0, 0.25]


def test_a_column_that_an_optimizer_does_not_take_is_missing_in_its_rows() -> None:
    sgd = lrsweep.grid(optimizer="sgd", learning_rate=0.1, momentum=[0.0, 0.9])
    adam = lrsweep.grid(optimizer="adam", learning_rate=[0.1, 0.2], b1=0.8)
    trials = pd.concat([sgd, adam], ignore_index=True)
    table = lrsweep.sweep(NETWORK, OPTIMIZERS, trials, steps=5).table
    apart = [
        lrsweep.sweep(NETWORK, OPTIMIZERS[name], part.drop(columns="optimizer"), steps=5).table["final_loss"].tolist()
        for name, part in (("sgd", sgd), ("adam", adam))
    ]
    assert table["final_loss"].tolist() == [*apart[0], *apart[1]]
    summary = lrsweep.summarize(table)
    assert summary[["optimizer", "trials"]].to_numpy().tolist() == [["sgd", 1], ["sgd", 1], ["adam", 1], ["adam", 1]]


def test_a_column_that_is_missing_in_all_rows_of_an_optimizer_is_left_at_its_default() -> None:
    optimizers = {"sgd": optax.sgd, "rmsprop": optax.rmsprop}
    sgd = lrsweep.grid(optimizer="sgd", learning_rate=0.1, momentum=0.5, nesterov=True)
    rmsprop = lrsweep.grid(optimizer="rmsprop", learning_rate=0.1)
    table = lrsweep.sweep(NETWORK, optimizers, pd.concat([sgd, rmsprop], ignore_index=True), steps=5).table
    alone = lrsweep.sweep(NETWORK, optax.rmsprop, rmsprop.drop(columns="optimizer"), steps=5).table
    assert table["final_loss"][1] == alone["final_loss"][0]
    some = pd.concat([sgd, rmsprop, rmsprop.assign(momentum=0.9)], ignore_index=True)
    with pytest.raises(ValueError, match="column 'momentum' of the trials holds nan at row 1"):
        lrsweep.sweep(NETWORK, optimizers, some, steps=5)


def warmed_up(learning_rate: Any, warmup: Any = 2) -> optax.GradientTransformation:
    return optax.sgd(optax.warmup_cosine_decay_schedule(0.0, learning_rate, warmup, 20))


def scaled_start(key: Any, *, scale: Any) -> Any:
    return init(key) if scale > 1 else init(key, shape="uniform")


def penalised(params: Any, data: Any, *, penalty: Any) -> Any:
    return loss(params, data) + (penalty * jnp.sum(params["w"] ** 2) if penalty else 0.0)


@pytest.mark.parametrize(
    ("objective", "factory", "axes", "culprit", "column"),
    [
        (NETWORK, warmed_up, {"learning_rate": [0.1, 0.2]}, "the optimizer warmed_up", "learning_rate"),
        (NETWORK, optax.sgd, {"learning_rate": 0.1, "width": [2, 3]}, "the init of objective 'network'", "width"),
        (
            lrsweep.Objective(loss, scaled_start, data=DATA, name="scaled"),
            optax.sgd,
            {"learning_rate": 0.1, "scale": [0.5, 2.0]},
            "the init of objective 'scaled'",
            "scale",
        ),
        (
            lrsweep.Objective(penalised, init, data=DATA),
            optax.sgd,
            {"learning_rate": 0.1, "penalty": [0.0, 0.1]},
            "the loss of objective 'penalised'",
            "penalty",
        ),
    ],
    ids=["optimizer", "shape", "init", "loss"],
)
def test_what_needs_a_concrete_value_names_the_column_and_runs_once_it_is_static(
    objective: lrsweep.Objective,
    factory: Any,
    axes: dict[str, Any],
    culprit: str,
    column: str,
    compilations: Callable[[], int],
) -> None:
    trials = lrsweep.grid(**axes)
    compilations()
    with pytest.raises(ValueError, match="list it in static") as raised:
        lrsweep.sweep(objective, factory, trials, steps=3)
    assert str(raised.value) == (
        f"{culprit} needs the value of column {column!r} while it is compiled: list it in static, "
        f"sweep(..., static=({column!r},)), which compiles a program for each of its values"
        + ("; or, for a schedule, give it a peak of 1: lrsweep.optimizers.scheduled" if factory is warmed_up else "")
    )
    assert compilations() == 0
    assert len(lrsweep.sweep(objective, factory, trials, steps=3, static=(column,)).table) == len(trials)


@pytest.mark.parametrize(
    ("optimizer", "columns", "more", "error", "said"),
    [
        (OPTIMIZERS, {"learning_rate": [0.1]}, {}, ValueError, "need a column 'optimizer' in the trials"),
        (
            OPTIMIZERS,
            {"optimizer": ["adan"], "learning_rate": [0.1]},
            {},
            ValueError,
            "no optimizer 'adan': did you mean 'adam'",
        ),
        (
            OPTIMIZERS,
            {"optimizer": ["sgd", None], "learning_rate": [0.1, 0.1]},
            {},
            ValueError,
            "column 'optimizer' of the trials holds nothing at row 1",
        ),
        (
            OPTIMIZERS,
            {"optimizer": ["sgd", "adam"], "learning_rate": 0.1, "momentum": 0.9},
            {},
            ValueError,
            "column 'momentum' of the trials holds 0.9 at row 1, but adam does not take it: leave it missing there",
        ),
        (
            OPTIMIZERS,
            {"optimizer": ["sgd", "adam"], "learning_rate": [0.1, np.nan]},
            {},
            ValueError,
            "column 'learning_rate' of the trials holds nan at row 1",
        ),
        (optax.sgd, {"optimizer": ["sgd"], "learning_rate": [0.1]}, {}, ValueError, "nobody takes column 'optimizer'"),
        (optax.sgd, {"learning_rate": [0.1]}, {"static": ("with",)}, ValueError, "static: there is no column 'with'"),
        (
            optax.sgd,
            {"learning_rate": [0.1], "seed": [1]},
            {"static": "seed"},
            ValueError,
            "static: the column 'seed' becomes the key",
        ),
        (
            optax.sgd,
            {"learning_rate": [0.1, 0.1], "momentum": ["0.5", "half"]},
            {},
            TypeError,
            "column 'momentum' of the trials holds 'half' at row 1: it must hold numbers",
        ),
        (
            optax.sgd,
            {"learning_rate": [0.1], "momentum": ["half"]},
            {},
            ValueError,
            "the optimizer sgd fails with TypeError",
        ),
        (
            optax.sgd,
            {"learning_rate": [0.1, 0.1], "shape": ["normal", None]},
            {},
            ValueError,
            "column 'shape' of the trials holds nothing at row 1",
        ),
    ],
)
def test_groups_that_cannot_be_are_refused(
    optimizer: Any, columns: dict[str, Any], more: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        lrsweep.sweep(NETWORK, optimizer, pd.DataFrame(columns), **more)
