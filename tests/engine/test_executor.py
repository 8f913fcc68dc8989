"""Blocks handed out to devices: whatever is moved, gathered or laid out otherwise, the results are the same."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.engine import _compile as lanes
from lrsweep.engine import _executor as schedule
from lrsweep.engine import _plan as planning
from lrsweep.engine._block import TrialState
from lrsweep.engine._call import _Lanes, _share
from lrsweep.studies._prepare import limits_of, prepare
from lrsweep.training._binding import Binding
from lrsweep.training._monitor import start_monitor
from tests.engine.test_blocks import network, regression

# So often blocks never share their trials anew.
NEVER = 2**30

# From rates that take hundreds of updates to rates that diverge within a few.
SPREAD = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 2.0, 40), seed=range(10))


def run(objective: lrsweep.Objective, optimizer: Any = optax.sgd, trials: pd.DataFrame = SPREAD, **how: Any) -> Any:
    return lrsweep.sweep(
        objective,
        optimizer,
        trials,
        **{"steps": 200, "block_width": 16, "stopping": lrsweep.Stopping(tolerance=0.3), **how},
    )


def by_seed(group: Any, _: int) -> np.ndarray:
    """Sorts so that every block holds the whole range of learning rates, and a few lanes outlive the rest."""
    return np.lexsort([group.seeds])


def often(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    monkeypatch.setattr(schedule, "stage_of", lambda *_: every)


@pytest.mark.parametrize("build", [lrsweep.problems.line, network, regression])
def test_trials_that_share_blocks_anew_end_with_the_same_bits(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    objective = build()
    monkeypatch.setattr(schedule, "similar_first", by_seed)
    often(monkeypatch, NEVER)
    still = run(objective).table
    often(monkeypatch, 8)
    assert_frame_equal(run(objective).table, still, check_exact=True)
    # In calls of fewer blocks, and in the layout of small trials too.
    monkeypatch.setattr(planning, "MAX_BLOCKS", 5)
    assert_frame_equal(run(objective).table, still, check_exact=True)
    if build is lrsweep.problems.line:
        layout = lrsweep.Layout(8, unrolled=True)
        wide = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 2.0, 64), seed=range(20))
        moved = run(objective, trials=wide, block_width=128, layout=layout).table
        often(monkeypatch, NEVER)
        assert_frame_equal(moved, run(objective, trials=wide, block_width=128, layout=layout).table, check_exact=True)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.6, 1.0])
def test_active_trials_move_to_the_front_in_their_order_where_that_spares_blocks(share: float) -> None:
    draw = np.random.default_rng(3)
    active = draw.random((6, 8)) < share
    origin = draw.permutation(48).astype(np.int32).reshape(6, 8)
    monitor = start_monitor(jnp.float32(0), (), jnp.bool_(True))._replace(active=jnp.asarray(active))
    without_train: Any = None
    moved = _share(_Lanes(origin, TrialState(jnp.int32(3), without_train, monitor, {})), _common_of(monitor))
    spares = 4 * -(-active.sum() // 8) <= 3 * active.any(axis=1).sum()
    flat = active.ravel()
    expected = np.concatenate([origin.ravel()[flat], origin.ravel()[~flat]]) if spares else origin.ravel()
    assert np.asarray(moved.origin).ravel().tolist() == expected.tolist()
    still = np.sort(flat)[::-1] if spares else flat
    assert np.asarray(moved.state.monitor.active).ravel().tolist() == still.tolist()


def _common_of(monitor: Any) -> tuple[bool, ...]:
    """Of a state without train states or curves: all but the number of updates and the monitors' scalars."""
    return (True, *(jnp.ndim(leaf) == 0 for leaf in jax.tree.leaves(monitor)))


@pytest.mark.parametrize("seconds", [0.0, 1e-3])
def test_calls_of_bounded_time_change_nothing(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    objective, untils = network(), []
    whole = run(objective, record_every=2)
    dispatch = schedule.dispatch

    def noted(compiled: Any, *arguments: Any) -> Any:
        untils.append(int(arguments[-2].until))
        return dispatch(compiled, *arguments)

    monkeypatch.setattr(schedule, "dispatch", noted)
    monkeypatch.setattr(schedule, "CALL_SECONDS", seconds)
    bounded = run(objective, record_every=2)
    assert len(untils) > 3
    assert untils == sorted(untils)
    assert_frame_equal(bounded.table, whole.table, check_exact=True)
    assert_frame_equal(bounded.curves["loss"], whole.curves["loss"], check_exact=True)


def test_progress_is_told_of_every_update_and_every_trial() -> None:
    told: list[tuple[int, int]] = []
    objective = network()
    limits = limits_of(objective, lrsweep.Stopping(), 50)
    (job,) = prepare(objective, {None: optax.sgd}, SPREAD, [], limits)
    plan, compiled = planning.fit_plan(job, planning.choose_plan(job, 16), 0, exact=True)
    schedule.GroupExecutor(job, plan, compiled, records=0, advance=lambda *add: told.append(add)).run()
    assert [sum(column) for column in zip(*told, strict=True)] == [50 * len(SPREAD), len(SPREAD), 0]
    assert min(map(min, told)) >= 0


def test_batches_go_on_where_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and counts of examples travel with a trial that moves."""
    data = {"x": np.random.default_rng(0).normal(size=(50, 3)), "y": np.arange(50.0) / 50}
    objective = lrsweep.Objective(
        lambda w, data: ((data["x"] @ w - data["y"]) ** 2).mean(), np.zeros(3), data=data, batch_size=7
    )
    monkeypatch.setattr(schedule, "similar_first", by_seed)
    tables = []
    for every in (NEVER, 8):
        often(monkeypatch, every)
        tables.append(run(objective, optax.adam, evaluate_every=1, stopping=lrsweep.Stopping(tolerance=0.9)).table)
    assert_frame_equal(*tables, check_exact=True)


def test_similar_rates_share_a_block_and_the_rows_stay_in_order() -> None:
    shuffled = SPREAD.sample(frac=1.0, random_state=1)
    assert_frame_equal(
        run(lrsweep.problems.line(), trials=shuffled).table.sort_index(), run(lrsweep.problems.line()).table
    )
    group = lanes.Group(
        np.arange(6),
        None,
        Binding(optimizer=("learning_rate", "momentum"), init=()),
        (),
        {"learning_rate": np.array([0.3, 0.1, 0.2, 0.3, 0.2, 0.1]), "momentum": np.array([0, 0, 0, 0.9, 0.9, 0.9])},
        np.zeros(6, np.uint32),
    )
    # Momentum takes two values, which leaves blocks of three full, and the rate three, which does not.
    assert np.arange(6)[schedule.similar_first(group, 3)].tolist() == [1, 2, 0, 5, 4, 3]


LAYOUTS = [
    lrsweep.Layout(8),
    lrsweep.Layout(lanes_last=True),
    lrsweep.Layout(8, unrolled=True),
    lrsweep.Layout(5, unrolled=True),
]
OPTIMIZERS: dict[str, Any] = {
    "sgd": optax.sgd,
    "adam": optax.adam,
    "lion": optax.lion,
    "clipped": lambda learning_rate: optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(learning_rate)),
}


@pytest.mark.parametrize(
    ("name", "optimizer"), [*(("line", name) for name in OPTIMIZERS), ("valleys", "sgd"), ("rosenbrock", "adam")]
)
def test_layouts_agree_but_for_rounding(name: str, optimizer: str) -> None:
    objective = getattr(lrsweep.problems, name)()
    stopping = lrsweep.Stopping(tolerance=1e-3, divergence=1e3)
    plain, *others = (
        run(objective, OPTIMIZERS[optimizer], steps=101, stopping=stopping, block_width=400, layout=layout).table
        for layout in (lrsweep.Layout(), *LAYOUTS)
    )
    assert plain["status"].nunique() > 1
    for other in others:
        # Updates are counted alike, but where rounding decides on which side of a bound a loss lies.
        same = (plain[["status", "steps"]] == other[["status", "steps"]]).all(axis=1)
        assert same.mean() > 0.97
        for loss in ("final_loss", "best_loss"):
            apart = (plain[loss] - other[loss]).abs()
            close = apart <= 1e-5 * plain["initial_loss"].abs() + 1e-3 * plain[loss].abs()
            # Where it bounces or flies away, rounding grows with it.
            assert (close | plain["status"].isin(["diverged", "oscillating"]))[same].mean() > 0.97


@pytest.mark.slow
@pytest.mark.parametrize("batch_size", [7, None])
def test_chunks_change_nothing_for_batches_and_metrics(batch_size: int | None) -> None:
    draw = np.random.default_rng(1)
    data = {"x": draw.normal(size=(50, 3)), "y": draw.normal(size=50)}

    def loss(w: Any, data: Any) -> Any:
        return ((data["x"] @ w - data["y"]) ** 2).mean()

    metrics = {"largest": lambda w, data: jnp.abs(data["x"] @ w - data["y"]).max()}
    objective = lrsweep.Objective(
        loss, np.zeros(3), data=data, batch_size=batch_size, metrics=metrics, best_by="largest"
    )
    # Those between bounce, and multiply what rounding has made of them; the fastest overflow within a chunk.
    slow = SPREAD[SPREAD["learning_rate"] < 0.3]
    trials = pd.concat([slow, slow.assign(learning_rate=slow["learning_rate"] * 1e10)], ignore_index=True)
    how: dict[str, Any] = {"trials": trials, "evaluate_every": 6, "record_every": 12, "steps": 50}
    plain = run(objective, **how, layout=lrsweep.Layout())
    assert plain.table["status"].nunique() > 1
    assert (plain.table["diverged_at"] % 6 != 0).any()
    for chunk in (3, 6):
        other = run(objective, **how, layout=lrsweep.Layout(chunk))
        assert_frame_equal(other.table, plain.table, rtol=1e-5)
        assert_frame_equal(other.curves["loss"], plain.curves["loss"], rtol=1e-5)
    trial = int((plain.table["status"] != "diverged").to_numpy().argmax())
    first, second = (sweep.replay(trial) for sweep in (plain, other))
    np.testing.assert_allclose(first.params, second.params, rtol=1e-5)


def test_the_layout_that_is_chosen_gives_the_same_bits_to_a_row_whatever_stands_beside_it() -> None:
    objective, trials = (
        lrsweep.problems.line(),
        lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 2.0, 50), seed=range(6)),
    )
    together = lrsweep.sweep(objective, optax.adam, trials, steps=300)
    assert together.provenance["groups"][0]["layout"]["chunk"] > 1
    width = together.provenance["groups"][0]["block_width"]
    alone = trials.loc[[7, 123, 299]]
    table = lrsweep.sweep(objective, optax.adam, alone, steps=300, block_width=width).table
    assert_frame_equal(table, together.table.loc[alone.index], check_exact=True)
    for trial in range(0, 300, 60):
        replay = together.replay(trial)
        assert len(replay.curve) == together.table["steps"][trial] + 1
        assert replay.curve.iloc[-1] == together.table["final_loss"][trial]
        assert float(objective.loss(replay.params, objective.data)) == pytest.approx(replay.curve.iloc[-1], rel=1e-4)


def test_a_parameter_that_is_not_finite_ends_a_trial_at_once_in_every_layout() -> None:
    """The loss does not see it: the parameter overflows at the 26th update, the loss stays finite."""
    objective = lrsweep.Objective(
        lambda params: params["seen"] ** 2 + 0 * params["unseen"].astype("float32").clip(-1, 1),
        {"seen": np.float32(1.0), "unseen": np.float32(1e30)},
    )

    def tenfold(learning_rate: Any) -> optax.GradientTransformation:
        def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
            return {"seen": -learning_rate * updates["seen"], "unseen": 1.0 * params["unseen"]}, state

        return optax.GradientTransformation(lambda params: optax.EmptyState(), update)

    expected = 0
    unseen = np.float32(1e30)
    with np.errstate(over="ignore"):
        while np.isfinite(unseen):
            unseen, expected = unseen + unseen, expected + 1
    trials = lrsweep.grid(learning_rate=[1e-4] * 4)
    for layout in (lrsweep.Layout(), *LAYOUTS):
        table = run(objective, tenfold, trials, layout=layout).table
        assert table["diverged_at"].tolist() == [expected] * 4
        assert np.isfinite(table["final_loss"]).all()


IN_BATCHES = replace(regression(), batch_size=5)


@pytest.mark.parametrize(
    ("layout", "how", "said"),
    [
        (lrsweep.Layout(0), {}, "chunk=0 must be 1 or more"),
        (lrsweep.Layout(8), {"evaluate_every": 2}, "chunk=8 must be 1 where"),
        (lrsweep.Layout(4), {"objective": IN_BATCHES, "evaluate_every": 6}, "chunk=4 must divide evaluate_every=6"),
        (lrsweep.Layout(one_kernel=True), {}, "one_kernel must be False unless"),
        (lrsweep.Layout(unrolled=True, lanes_last=True), {}, "lanes_last must be False where"),
    ],
)
def test_a_layout_that_does_not_suit_is_refused(layout: lrsweep.Layout, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run(**{"objective": lrsweep.problems.line(), "layout": layout, **how})


def test_what_is_not_small_is_not_written_out_but_keeps_its_lanes_last() -> None:
    with pytest.raises(ValueError, match="unrolled must be False"):
        run(regression(), layout=lrsweep.Layout(8, unrolled=True))
    layout = lrsweep.sweep(regression(), optax.sgd, SPREAD, steps=3).provenance["groups"][0]["layout"]
    assert (layout["chunk"], layout["lanes_last"]) == (1, True)


@pytest.mark.slow
def test_several_devices_share_the_blocks_and_change_nothing() -> None:
    code = """
import sys
import jax
jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
import numpy as np, optax, lrsweep
from lrsweep.engine import _executor as schedule
used, dispatch = set(), schedule.dispatch
def noted(program, *arguments):
    state, report = dispatch(program, *arguments)
    used.update(report.active.devices())
    return state, report
schedule.dispatch = noted
trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-3, 2.0, 100), seed=range(20))
for width in (32, 128):
    sweep = lrsweep.sweep(lrsweep.problems.line(), optax.adam, trials, steps=300, block_width=width)
    print(len(used), sweep.provenance["device"]["count"])
    print(sweep.table.to_csv())
"""

    def said(count: int) -> str:
        return subprocess.run(
            [sys.executable, "-c", code, str(count)], capture_output=True, text=True, check=True
        ).stdout

    one, two = said(1), said(2)
    assert one.startswith("1 1\n")
    assert two == one.replace("1 1\n", "2 2\n")
