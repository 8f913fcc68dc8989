"""The benchmark compares what gives the same answer, on the device and the cores that it is told, with its targets."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from scipy.signal import correlate

import lrsweep
from tests.experiments.test_studies import EXPERIMENTS, load


@pytest.mark.parametrize(
    ("module", "entry"),
    [
        ("c_kernel", "run_kernel"),
        ("jax_loops", "run_scan"),
        ("numpy_loops", "run_numpy"),
        ("numpy_loops", "run_python"),
    ],
)
def test_whoever_runs_the_line_gives_the_same_answer(module: str, entry: str) -> None:
    stopping = lrsweep.Stopping(tolerance=1e-6, hold=7)
    workloads = load("speed_parts.workloads")
    workload = workloads.WORKLOADS["line"]._replace(size=workloads.Size(130, 300), stopping=stopping)
    # Of every kind: some bounce without end around the critical learning rate, 0.2539.
    rates = np.sort([*np.geomspace(1e-4, 1, 100), *np.linspace(0.2535, 0.2543, 30)])
    w0, w1 = np.random.default_rng(0).random((2, len(rates)))
    trials = pd.DataFrame({"learning_rate": rates, "w0": w0, "w1": w1})
    ours = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=300, stopping=stopping).table
    assert {"slow", "converged", "diverged", "oscillating"} <= set(ours["status"])
    try:
        theirs = getattr(load(f"speed_parts.{module}"), entry)(workload)(trials)
    except load("speed_parts.entry").MissingError as missing:
        pytest.skip(str(missing))
    shares = load("speed_parts.agreement").agreement(ours.drop(columns=trials.columns), theirs, minimum=0.0)
    assert {"converged_at", "diverged_at", "final_loss", "best_loss"} <= set(shares)
    assert set(shares.values()) == {1.0}


@pytest.mark.usefixtures("x64")
@pytest.mark.parametrize(("entry", "at_ends"), [("run_scan", False), ("run_scan", True), ("run_one_by_one", False)])
def test_a_scan_over_batches_gives_the_losses_that_lrsweep_evaluates(entry: str, at_ends: bool) -> None:
    workloads = load("speed_parts.workloads")
    # Two epochs, the second of which begins within a batch.
    workload = workloads.WORKLOADS["digits"]._replace(size=workloads.Size(4, 30), at_ends=at_ends)
    trials = lrsweep.grid(learning_rate=[0.125, 4.0], seed=[3, 8])
    ours = lrsweep.sweep(
        workload.objective(), workload.optimizer, trials, steps=30, stopping=workload.stopping, **workload.options()
    ).table
    theirs = getattr(load("speed_parts.jax_loops"), entry)(workload)(trials)
    for name in ("initial_loss", "final_loss", "best_loss"):
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-6)
    # With evaluations on the way, a high rate has its best loss among them.
    assert at_ends or (theirs["final_loss"] > theirs["best_loss"]).any()


def test_a_convolution_is_a_correlation_with_every_kernel() -> None:
    networks = load("speed_parts.networks")
    objective = networks.cnn()
    params = objective.init(jax.random.key(0))
    first, second, output = (
        {name: np.asarray(array, float) for name, array in params[layer].items()}
        for layer in ("first", "second", "output")
    )
    losses = []
    for image, label in zip(objective.data["images"][:5], objective.data["labels"][:5], strict=True):
        maps = image.astype(float)
        for layer in (first, second):
            kernels = layer["weights"].reshape(3, 3, maps.shape[-1], -1)
            padded = np.pad(maps, [(1, 1), (1, 1), (0, 0)])
            convolved = [
                correlate(padded, kernels[..., channel], mode="valid")[..., 0] for channel in range(kernels.shape[-1])
            ]
            maps = np.maximum(np.stack(convolved, axis=-1) + layer["biases"], 0)
            maps = np.maximum(
                np.maximum(maps[::2, ::2], maps[1::2, ::2]), np.maximum(maps[::2, 1::2], maps[1::2, 1::2])
            )
        logits = maps.reshape(-1) @ output["weights"] + output["biases"]
        losses.append(np.log(np.exp(logits).sum()) - logits[label])
    some = {name: array[:5] for name, array in objective.data.items()}
    assert float(objective.loss(params, some)) == pytest.approx(np.mean(losses), rel=1e-4)


def test_the_transformer_sees_no_character_that_comes_later() -> None:
    networks = load("speed_parts.networks")
    objective = networks.transformer()
    params, seen = objective.init(jax.random.key(0)), jnp.asarray(objective.data["tokens"][:2, :-1])
    changed = seen.at[:, 20].set((seen[:, 20] + 1) % params["output"].shape[1])
    before, after = (networks.next_characters(params, tokens) for tokens in (seen, changed))
    np.testing.assert_allclose(after[:, :20], before[:, :20], rtol=1e-5, atol=1e-6)
    assert (abs(after - before)[:, 20:].max(axis=(0, 2)) > 1e-4).all()


def test_the_transformer_starts_with_all_characters_about_equally_likely() -> None:
    networks = load("speed_parts.networks")
    objective = networks.transformer()
    characters = len(set(networks.TEXT.read_text()))
    assert float(objective.loss(objective.init(jax.random.key(0)), objective.data)) == pytest.approx(
        np.log(characters), rel=0.02
    )


def test_an_update_that_is_two_off_is_another_answer(search: lrsweep.Sweep) -> None:
    table = search.table
    moved = table.assign(converged_at=table["converged_at"] + [1, 2, 0], final_loss=table["final_loss"] * [1, 1, 1.01])
    shares = load("speed_parts.agreement").agreement(table, moved, minimum=0.0)
    assert (shares["converged_at"], shares["final_loss"], shares["status"]) == pytest.approx((2 / 3, 2 / 3, 1.0))


def test_where_rounding_decides_a_peer_agrees_as_often_as_rounding_does_but_for_chance() -> None:
    lowest_shares, ours = load("speed_parts.agreement").lowest_shares, pd.DataFrame({"status": ["slow"] * 400})
    assert lowest_shares(ours, None)["status"] == 0.999
    # Of 400 rows, each of which agrees with probability 0.9, 360 do, with a standard deviation of 6.
    assert lowest_shares(ours, {"status": 0.9})["status"] == pytest.approx((360 - 3 * 6) / 400)


def test_a_ratio_is_how_many_times_as_fast_or_how_many_times_as_much() -> None:
    make_row = load("speed_parts.report").make_row
    faster = make_row("line", "C", [1.0, 2.0, 9.0], [4.0, 6.0, 9.0], target=2.5, trial_steps=1000)
    assert (faster["ratio"], faster["ratio_least"], faster["ratio_most"], faster["met"]) == (3.0, 1.0, 4.0, True)
    more = make_row("memory", "table", [3.0], [2.0], unit="bytes", target=1.2)
    assert (more["ratio"], more["met"]) == (1.5, False)


def test_targets_are_those_of_the_machine() -> None:
    targets, setup = load("speed_parts.targets"), load("speed_parts.setup").Setup
    find, scan = targets.find_target, targets.SCAN
    assert [find("line", scan, setup("cpu", cores), 1_048_576) for cores in (1, 2, 16)] == [1.0, 36.0, 1.0]
    assert [find("line", scan, setup("gpu", 16), trials) for trials in (16_384, 1_048_576)] == [1.0, 1.5]
    assert [find(name, scan, setup("gpu", 16), 256) for name in ("regression", "mlp")] == [1.0, 0.9]
    assert find("mlp", scan, setup("cpu", 2), 65) == 1.0
    assert find("line", targets.KERNEL, setup("cpu", 16), 1024) == 0.4
    assert find("digits", "PyTorch's loop with its DataLoader", setup("cpu", 2), 128) is None


def test_every_sweep_has_the_users_own_scan_as_a_peer_and_sizes_for_every_platform() -> None:
    peers, workloads = load("speed_parts.peers"), load("speed_parts.workloads").WORKLOADS
    assert peers.PEERS.keys() == workloads.keys()
    for name, workload in workloads.items():
        assert peers.USERS_OWN in peers.PEERS[name]
        assert workload.in_sizes("cpu", 1)
        assert workload.in_sizes("gpu", 1)


def test_sweeps_of_networks_have_exactly_as_many_trials_as_their_size_says() -> None:
    workloads = load("speed_parts.workloads").WORKLOADS
    for name in ("digits", "mlp", "cnn", "transformer"):
        for workload in (*workloads[name].in_sizes("cpu", 1), *workloads[name].in_sizes("gpu", 20)):
            assert len(workload.trials()) == workload.size.trials


def test_what_runs_on_cpus_only_is_left_out_on_a_gpu() -> None:
    peers, setup = load("speed_parts.peers"), load("speed_parts.setup").Setup
    kept = [entry.name for entry in peers.PEERS["digits"] if entry.lacks(setup("gpu", 16)) is None]
    assert kept == ["jit(vmap(scan))", "one jitted trial after another"]
    assert peers.ON_ONE_DEVICE.lacks(setup("cpu", 1)) == "there is one core"


def test_a_process_gets_the_platform_and_the_cores_that_it_is_told() -> None:
    if not load("speed_parts.setup").can_choose_cores():
        pytest.skip("no process can choose its cores here")
    code = """
import jax
from speed_parts.setup import Setup, cores_here, set_up
set_up(Setup("cpu", 1))
print(jax.default_backend(), cores_here())
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=EXPERIMENTS)
    assert ran.stdout.split() == ["cpu", "1"], ran.stderr


def test_the_device_and_its_driver_are_named_before_the_processor() -> None:
    machine = {
        "device": {"platform": "gpu", "kind": "Fast GPU", "count": 2, "driver": "580.1"},
        "processor": "Fast 9000",
        "cores": 1,
        "memory_gb": 8.4,
        "versions": {"jax": "0.12.0"},
    }
    lines = load("speed_parts.machine").machine_lines(machine, width=80)
    assert lines == "2 x Fast GPU, driver 580.1; Fast 9000, 1 core, 8 GB\njax 0.12.0"


@pytest.mark.slow
def test_the_benchmark_runs_quickly_and_every_answer_agrees(tmp_path: Path) -> None:
    # From another folder, the processes of its entries find its parts too.
    command = [sys.executable, EXPERIMENTS / "speed.py", "--quick", "--device", "cpu", "--out", "."]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"speed.csv", "speed.png", "speed.json"}
    machine = json.loads((tmp_path / "speed.json").read_text())
    assert (machine["versions"]["jax"], machine["device"]["platform"]) == (jax.__version__, "cpu")
    against = pd.read_csv(tmp_path / "speed.csv")["against"]
    assert {"jit(vmap(scan))", "NumPy in one array"} <= set(against)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--device", "tpu"], "--device tpu: JAX finds no such device here"),
        (["--cores", "100000"], "--cores 100000: it must be from 1 to"),
    ],
)
def test_what_this_machine_lacks_is_refused(arguments: list[str], said: str) -> None:
    if jax.default_backend() == "tpu":
        pytest.skip("this machine has a TPU")
    command = [sys.executable, EXPERIMENTS / "speed.py", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode != 0
    assert said in ran.stderr


# As XLA writes it for a GPU, without what is not read.
COMPILED = """
%fused_add (param_0: s32[]) -> s32[] {
  %param_0 = s32[] parameter(0)
  ROOT %add.1 = s32[] add(%param_0, %param_0)
}

%yes (x.1: (f32[8])) -> (f32[8]) {
  %x.1 = (f32[8]{0}) parameter(0)
  %y.1 = f32[8]{0} get-tuple-element(%x.1), index=0
  %y.2 = f32[8]{0} fusion(%y.1), kind=kLoop, calls=%fused_add
  %y.3 = f32[8]{0} custom-call(%y.2), custom_call_target="__cublas$gemm"
  ROOT %tuple.1 = (f32[8]{0}) tuple(%y.3)
}

%no (x.2: (f32[8])) -> (f32[8]) {
  ROOT %x.2 = (f32[8]{0}) parameter(0)
}

%body (state.1: (s32[], f32[8])) -> (s32[], f32[8]) {
  %state.1 = (s32[], /*index=1*/f32[8]{0}) parameter(0)
  %k = s32[] get-tuple-element(%state.1), index=0
  %next = s32[] fusion(%k), kind=kLoop, calls=%fused_add
  %chosen = (f32[8]{0}) conditional(%k, %x, %x), true_computation=%yes, false_computation=%no, metadata={}
  %other = (f32[8]{0}) conditional(%k, %x, %x), branch_computations={%yes, %no, %yes}, metadata={}
  ROOT %state.2 = (s32[], /*index=1*/f32[8]{0}) tuple(%next, %chosen)
}

%goes_on (state.3: (s32[], f32[8])) -> pred[] {
  %state.3 = (s32[], f32[8]{0}) parameter(0)
  ROOT %less = pred[] fusion(%state.3), kind=kLoop, calls=%fused_add
}

ENTRY %main.6 (x.3: f32[8]) -> f32[8] {
  %x.3 = f32[8]{0} parameter(0)
  %copy.1 = f32[8]{0} copy(%x.3)
  %copy.2 = f32[8]{0} copy(%x.3)
  %while.1 = (s32[], /*index=1*/f32[8]{0}) while(%tuple), condition=%goes_on, body=%body, metadata={}
  %while.2 = f32[8]{0} while(%tuple), condition=%goes_on, body=%yes, backend_config={"known_trip_count":{"n":"7"}}
  ROOT %out = f32[8]{0} bitcast(%copy.1)
}
"""


def test_launches_are_counted_outside_of_loops_in_each_turn_and_in_each_choice() -> None:
    turn = "1 + one of (2 | 0) + one of (2 | 0 | 2)"
    assert load("speed_parts.launches").count_launches(COMPILED) == f"2 + while ({turn} + 1) + 7 x (2)"


def test_a_program_for_a_device_that_is_not_here_comes_out_before_it_runs() -> None:
    compile_only, trials = load("speed_parts.compile_only"), lrsweep.grid(learning_rate=[0.1, 0.01, 0.001])

    def run() -> pd.DataFrame:
        return lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=50).table

    (device, *_) = jax.devices()
    with pytest.raises(compile_only.Program) as program, compile_only.compiling_for(device):
        run()
    assert "while" in load("speed_parts.launches").count_launches(program.value.compiled.as_text())
    # What stood in for JAX has gone: the same sweep runs.
    assert len(run()) == 3
