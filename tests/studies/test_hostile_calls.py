"""Arguments of the wrong kind, out of range or beyond the precision: an `InputError` in one sentence, in Python."""

import decimal
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from optax import GradientTransformation

import lrsweep
from lrsweep import Objective, optimizers, problems

LINE = problems.line()
RATES = lrsweep.grid(learning_rate=[0.1, 0.2])
START = np.ones(2)

# Not a number, a name, a table, a function or a path.
KINDS: list[Any] = [None, 2.5, True, [1], {}, np.nan, -1, "x" * 300_000, 10**400, object(), np.ones((2, 2))]


def bowl(params: Any) -> Any:
    return jnp.sum(params**2)


def on_data(params: Any, data: Any) -> Any:
    return jnp.sum(params**2) + 0 * jnp.sum(data)


def endless(params: Any) -> Any:
    return endless(params)


def objective(**arguments: Any) -> Objective:
    return Objective(**({"loss": bowl, "init": START, "name": "bowl"} | arguments))


def with_data(data: Any) -> Objective:
    return Objective(on_data, START, data=data, name="bowl")


def sweep(what: Any = LINE, optimizer: Any = optax.sgd, trials: Any = RATES, **more: Any) -> Any:
    settings: Any = {"steps": 3} | more
    return lrsweep.sweep(what, optimizer, trials, **settings)


def column(name: str, values: Any) -> Any:
    return sweep(trials=pd.DataFrame({"learning_rate": [0.1, 0.2]} | {name: values}))


def factory(update: Callable[..., Any], state: Any = ()) -> Callable[..., Any]:
    return lambda learning_rate: GradientTransformation(lambda params: state, update)


def refused(call: Callable[[], Any], said: str | None = None) -> str:
    with pytest.raises(lrsweep.InputError, match=said) as raised:
        call()
    text = str(raised.value)
    assert "\n" not in text
    assert len(text) <= 1000
    return text


OBJECTIVES: dict[str, tuple[Callable[[], Any], str]] = {
    "loss that is a number": (lambda: sweep(objective(loss=lambda p: 3.0)), "returns 3.0, which does not depend on"),
    "loss of NumPy": (lambda: sweep(objective(loss=lambda p: np.float32(3))), "returns 3.0, which does not depend on"),
    "loss that is whole": (lambda: sweep(objective(loss=lambda p: 3)), "returns int32.*one floating-point scalar"),
    "loss that is nothing": (lambda: sweep(objective(loss=lambda p: None)), "returns a NoneType"),
    "loss that is text": (lambda: sweep(objective(loss=lambda p: "x")), "returns a str"),
    "loss that is a pair": (lambda: sweep(objective(loss=lambda p: (p, p))), "returns a tuple"),
    "loss that fails": (lambda: sweep(objective(loss=lambda p: {}["a"])), "does not fit its parameters: KeyError: 'a'"),
    "loss without end": (lambda: sweep(objective(loss=endless)), "does not fit its parameters: RecursionError"),
    "loss that is a builtin": (lambda: objective(loss=max), "the loss .* does not say what it takes"),
    "metric that is a builtin": (lambda: objective(metrics={"m": max}), "metric 'm' .* does not say what it takes"),
    "metric that is text": (lambda: sweep(objective(metrics={"m": lambda p: "x"})), "metric 'm' .* returns a str"),
    "metric that is nothing": (lambda: sweep(objective(metrics={"m": lambda p: None})), "returns a NoneType"),
    "metric that is complex": (lambda: sweep(objective(metrics={"m": lambda p: 1j * p[0]})), "returns complex64"),
    "metrics as a list": (lambda: objective(metrics=[bowl]), "must be functions by name"),
    "best_by nothing": (lambda: objective(best_by=None), "there is no metric None: there is: loss"),
    "best_by a list": (lambda: objective(best_by=["loss"]), r"there is no metric \['loss'\]"),
    "name that is none": (lambda: objective(name=3), "name must be text"),
    "init that is a builtin": (lambda: sweep(objective(init=max)), "does not say which keywords it takes"),
    "init of objects": (lambda: sweep(objective(init=np.array([1.0], object))), "gives object at params"),
    "init as a DataFrame": (lambda: sweep(objective(init=pd.DataFrame({"a": [1.0]}))), "gives a DataFrame at params"),
    "init that is text": (lambda: sweep(objective(init="x")), "gives a str at params"),
    "init that fails": (lambda: sweep(objective(init=lambda key: 1 / 0)), "fails with ZeroDivisionError"),
    "init beyond the precision": (lambda: sweep(objective(init=np.array([1e39]))), "init holds 1e\\+39.*--x64"),
    "data of objects": (lambda: with_data(np.array([1, 2.5], object)), "data holds object values"),
    "data as a DataFrame": (lambda: with_data(pd.DataFrame({"a": [1]})), r"holds a DataFrame: .*\.to_numpy\(\)"),
    "data as a Series": (lambda: with_data(pd.Series([1])), "holds a Series"),
    "data as a list": (lambda: with_data([1, 2]), "is a scalar"),
    "data that is text": (lambda: with_data("abc"), "data holds text"),
    "data in part hidden": (lambda: with_data(np.ma.masked_less(np.ones(2), 2.0)), "holds a MaskedArray"),
    "data of dates": (lambda: with_data(np.array(["2020"], "datetime64[Y]")), "holds datetime64"),
    "data in another machine's order": (lambda: with_data(np.ones(3, ">f8")), "holds >f8 values"),
    "whole data that wraps": (lambda: sweep(with_data(np.array([1, 1_700_000_000_000]))), "holds 1700000000000, .*x64"),
    "data below 32 bits": (lambda: sweep(with_data(np.array([1, -(2**31) - 1]))), "holds -2147483649, which int32"),
    "unsigned data that wraps": (lambda: sweep(with_data(np.array([2**32], "u8"))), "4294967296, which uint32"),
    "data beyond the precision": (lambda: sweep(with_data({"x": np.array([1e39])})), r"data\['x'\] holds 1e\+39"),
    "metric's data that wraps": (
        lambda: sweep(objective(metrics={"m": (on_data, np.array([2**40]))})),
        "metric 'm', data holds 1099511627776",
    ),
    "landscape on data that wraps": (
        lambda: lrsweep.landscape(with_data(np.array([2**40])), {"params[0]": [0.0, 1.0]}),
        "holds 1099511627776",
    ),
    "sharpness on data that wraps": (lambda: lrsweep.sharpness(with_data(np.array([2**40])), START), "holds 10995116"),
    "minimum beyond the precision": (lambda: sweep(objective(minimum=1e39)), "minimum=1e\\+39 is beyond 32.*--x64"),
}

OPTIMIZERS: dict[str, tuple[Any, str]] = {
    "update of another shape": (factory(lambda u, s, p=None: (jnp.ones(3), s)), r"updates of float32\[3\] for param"),
    "update that would be spread": (factory(lambda u, s, p=None: (jnp.ones(()), s)), r"updates of float32\[\] for"),
    "update of another tree": (factory(lambda u, s, p=None: ({"a": u}, s)), "the structure and the shapes"),
    "update that is nothing": (factory(lambda u, s, p=None: (None, s)), "updates of nothing"),
    "update that is text": (factory(lambda u, s, p=None: ("x", s)), "the structure and the shapes"),
    "update that is complex": (factory(lambda u, s, p=None: (u * 1j, s)), "updates of complex64: they must be real"),
    "update alone": (factory(lambda u, s, p=None: u), "it must return updates and its state"),
    "update that fails": (factory(lambda u, s, p=None: {}["a"]), "fails with KeyError: 'a'"),
    "state of another tree": (
        factory(lambda u, s, p=None: (u, {"a": jnp.ones(2)}), (jnp.ones(2),)),
        "must keep its structure",
    ),
    "state that is text": (factory(lambda u, s, p=None: (u, s), "x"), "does not consist of arrays"),
    "no factory": (None, "must be a factory"),
    "name alone": ("sgd", "must be a factory"),
    "builtin": (max, "does not say which keywords it takes"),
}

COLUMNS: dict[str, tuple[Callable[[], Any], str]] = {
    "rate beyond the precision": (lambda: column("learning_rate", [0.1, 1e39]), "holds 1e\\+39 at row 1: .*--x64"),
    "rate that is 0 in 32 bits": (lambda: column("learning_rate", [0.1, 1e-300]), "holds 1e-300 at row 1: .*--x64"),
    "parameter beyond the precision": (lambda: column("w0", [-1e39, 0.0]), r"holds -1e\+39 at row 0"),
    "whole number beyond 32 bits": (lambda: column("w0", [1, 1_700_000_000_000]), "holds 1700000000000 at row 1"),
    "whole objects beyond 32 bits": (
        lambda: column("w0", pd.Series([2**40, 1], dtype=object)),
        "holds 1099511627776 at row 0",
    ),
    "whole number beyond all": (lambda: column("w0", [10**400, 1]), "holds inf at row 0"),
    "seed beyond 32 bits": (lambda: column("seed", [0, 2**32]), "holds 4294967296 at row 1"),
    "seed beyond 64 bits": (lambda: column("seed", [0, 2**70]), "whole number from 0 to 4294967295"),
    "rate as text": (lambda: column("learning_rate", ["0.1", "fast"]), "holds 'fast' at row 1: it must hold numbers"),
    "rate as long text": (lambda: column("learning_rate", ["x" * 300_000] * 2), r"holds 'xxx.* \.\.\. x"),
    "rate as numbers and text": (lambda: column("learning_rate", [0.1, "fast"]), "holds 'fast' at row 1"),
    "rate that is missing": (lambda: column("learning_rate", pd.Series([0.1, None], dtype=object)), "nan at row 1"),
    "lists": (lambda: column("learning_rate", [[0.1], [0.2]]), r"holds \[0.1\] at row 0"),
    "arrays": (lambda: column("w0", [np.ones(2)] * 2), "numbers, text or booleans"),
    "dictionaries": (lambda: column("w0", [{}, {}]), "numbers, text or booleans"),
    "objects": (lambda: column("learning_rate", [object(), object()]), "it must hold numbers"),
    "bytes": (lambda: column("learning_rate", [b"a", b"b"]), "holds b'a' at row 0"),
    "complex": (lambda: column("learning_rate", [1j, 2j]), "holds 1j at row 0"),
    "dates": (lambda: column("learning_rate", pd.to_datetime(["2020", "2021"])), "it must hold numbers"),
    "words as categories": (lambda: column("learning_rate", pd.Categorical(["a", "b"])), "holds 'a' at row 0"),
    "long name": (lambda: column("x" * 300_000, 1.0), r"nobody takes column 'xxx.* \.\.\. x"),
    "name like a method's own": (lambda: column("self", 1.0), "nobody takes column 'self'"),
    "optimizer by a number": (
        lambda: sweep(optimizer={"sgd": optax.sgd}, trials=RATES.assign(optimizer=1)),
        "there is no optimizer 1: there is: sgd",
    ),
    "optimizer by a list": (
        lambda: sweep(optimizer={"sgd": optax.sgd}, trials=RATES.assign(optimizer=pd.Series([["sgd"]] * 2))),
        "numbers, text or booleans",
    ),
}

BLOCK_TOO_WIDE = "block_width=1000000000 needs .* of memory, and there are .*: take less"

RUNS: dict[str, tuple[Callable[[], Any], str]] = {
    "layout that is text": (lambda: sweep(layout="x"), "layout must be a lrsweep.Layout, not a str"),
    "layout that is a tuple": (lambda: sweep(layout=(1, False, False, False)), "layout must be a lrsweep.Layout"),
    "chunk without end": (lambda: sweep(layout=lrsweep.Layout(chunk=10**6)), "chunk=1000000 must be 256 or less"),
    "chunk that is half": (lambda: sweep(layout=lrsweep.Layout(chunk=2.5)), "chunk=2.5 must be a whole number"),  # pyright: ignore[reportArgumentType]
    "layout in words": (lambda: sweep(layout=lrsweep.Layout(unrolled="yes")), "unrolled='yes' must be True or False"),  # pyright: ignore[reportArgumentType]
    "block beyond the memory": (lambda: sweep(block_width=10**9), BLOCK_TOO_WIDE),
    "steps beyond 32 bits": (lambda: sweep(steps=2**31), "steps=2147483648 must be 2147483646 or less"),
    "static that is a number": (lambda: sweep(static=3), "static=3 must be names of columns"),
    "static of lists": (lambda: sweep(static=[[1]]), r"static names \[1\]: names of columns must be text"),
    "tolerance beyond the precision": (
        lambda: sweep(stopping=lrsweep.Stopping(tolerance=1e39)),
        "tolerance=1e\\+39 is beyond 32-bit floating point .*--x64",
    ),
    "target beyond the precision": (
        lambda: sweep(stopping=lrsweep.Stopping(target=-1e39)),
        "target=-1e\\+39 is beyond",
    ),
    "divergence beyond the precision": (
        lambda: sweep(stopping=lrsweep.Stopping(divergence=1e39)),
        "divergence=1e\\+39 is beyond",
    ),
    "half a value": (lambda: lrsweep.log_grid(1, 2, 2.5), "count=2.5 must be a whole number"),  # pyright: ignore[reportArgumentType]
    "values beyond the memory": (lambda: lrsweep.log_grid(1, 2, 10**13), "10,000,000,000,000 values are more than"),
    "seeds beyond the memory": (lambda: lrsweep.grid(seed=range(10**13)), "values are more than"),
    "seeds beyond any count": (lambda: lrsweep.grid(seed=range(10**30)), "values are more than"),
    "trials beyond the memory": (lambda: lrsweep.grid(a=range(10**6), b=range(10**6)), "1,000,000,000,000 trials are"),
    "edge beyond the precision": (
        lambda: lrsweep.critical_learning_rate(LINE, optax.sgd, low=1e-300, high=1e300),
        "high=1e\\+300 is beyond 32-bit floating point",
    ),
    "edge that is 0 in 32 bits": (
        lambda: lrsweep.critical_learning_rate(LINE, optax.sgd, low=1e-300),
        "low=1e-300 is too near 0 to be told from it: take 1.18e-38 or more, or .*--x64",
    ),
    "keywords in words": (lambda: lrsweep.sharpness(LINE, {"w0": 0.0, "w1": 0.0}, keywords="x"), "values by name"),  # pyright: ignore[reportArgumentType]
}

EVERY = {
    f"{kind}: {name}": case
    for kind, cases in (("objective", OBJECTIVES), ("columns", COLUMNS), ("run", RUNS))
    for name, case in cases.items()
}


@pytest.mark.parametrize(("call", "said"), EVERY.values(), ids=EVERY)
def test_what_cannot_be_used_is_refused_in_one_sentence(call: Callable[[], Any], said: str) -> None:
    assert re.search(said, refused(call))


@pytest.mark.parametrize(("optimizer", "said"), OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_an_optimizer_that_cannot_be_used_is_refused_before_anything_compiles(optimizer: Any, said: str) -> None:
    assert re.search(said, refused(lambda: sweep(objective(), optimizer)))


@pytest.fixture(scope="module")
def swept() -> lrsweep.Sweep:
    return lrsweep.sweep(LINE, optax.sgd, lrsweep.grid(learning_rate=[0.1, 0.2], seed=range(2)), steps=3)


@pytest.mark.parametrize("trial", [[0], {}, slice(None), np.array([0]), "0", 99, None, np.nan])
def test_what_is_no_trial_is_not_replayed(trial: Any, swept: lrsweep.Sweep) -> None:
    refused(lambda: swept.replay(trial), "there is no trial")
    refused(lambda: swept.path(trial), "there is no trial")


def calls(value: Any, result: lrsweep.Sweep, path: Path) -> dict[str, Callable[[], Any]]:
    """Public functions given a value that is of no use to any of them."""
    table = result.table
    zoom: Any = {"steps": 3, "rounds": 1}
    return {
        "sweep, objective": lambda: sweep(value),
        "sweep, optimizer": lambda: sweep(optimizer=value),
        "sweep, trials": lambda: sweep(trials=value),
        "refine, trials": lambda: lrsweep.refine(LINE, optax.sgd, value),
        "refine, around": lambda: lrsweep.refine(LINE, optax.sgd, RATES, **zoom, around=value),
        "critical, optimizer": lambda: lrsweep.critical_learning_rate(LINE, value),
        "critical, low": lambda: lrsweep.critical_learning_rate(LINE, optax.sgd, low=value, high=1e-7),
        "summarize": lambda: lrsweep.summarize(value),
        "best_setting": lambda: lrsweep.best_setting(value),
        "best_learning_rate": lambda: lrsweep.best_learning_rate(value),
        "best_learning_rate, rule": lambda: lrsweep.best_learning_rate(table, rule=value),
        "best_learning_rate, level": lambda: lrsweep.best_learning_rate(table, level=value),
        "gather": lambda: lrsweep.gather(value, "learning_rate", 3),
        "gather, name": lambda: lrsweep.gather(table, value, 3),
        "gather, bins": lambda: lrsweep.gather(table, "learning_rate", value),
        "outcome_map": lambda: lrsweep.outcome_map(value, "learning_rate", "seed"),
        "outcome_map, x": lambda: lrsweep.outcome_map(table, value, "seed"),
        "outcome_map, outcome": lambda: lrsweep.outcome_map(table, "learning_rate", "seed", value),
        "status_shares": lambda: lrsweep.status_shares(value),
        "summarize_curves": lambda: lrsweep.summarize_curves(value, value),
        "summarize_outcome": lambda: lrsweep.summarize_outcome(table, value),
        "sensitivity": lambda: lrsweep.sensitivity(value),
        "landscape": lambda: lrsweep.landscape(value, {"w0": [0.0, 1.0]}),
        "landscape, along": lambda: lrsweep.landscape(LINE, value),
        "landscape, values": lambda: lrsweep.landscape(LINE, {"w0": value}),
        "sharpness": lambda: lrsweep.sharpness(value, START),
        "sharpness, iterations": lambda: lrsweep.sharpness(objective(), START, iterations=value),
        "read_table": lambda: lrsweep.read_table(value),
        "write_table": lambda: lrsweep.write_table(value, path / "x.csv"),
        "write_table, path": lambda: lrsweep.write_table(table, value),
        "write_report": lambda: lrsweep.write_report(value, path / "x.html"),
        "regression_from_csv": lambda: lrsweep.regression_from_csv(value, "y"),
        "linear_regression": lambda: problems.linear_regression(value, [1.0]),
        "quadratic": lambda: problems.quadratic(value),
        "rosenbrock": lambda: problems.rosenbrock(value),
        "by_name": lambda: optimizers.by_name(value),
        "Objective, loss": lambda: objective(loss=value),
        "Objective, batch_size": lambda: Objective(
            on_data, START, data=np.ones(3), batch_size=0 if value is None else value
        ),
        "Objective, metric": lambda: objective(metrics={"m": value}),
        "Objective, data": lambda: with_data({"x": np.ones(3), "y": value} if value is not None else "x"),
        "Halving, at": lambda: lrsweep.Halving(at=value),
        "Halving, keep": lambda: lrsweep.Halving(at=[1], keep=value),
        "Stopping, tolerance": lambda: lrsweep.Stopping(tolerance=value),
        "Stopping, hold": lambda: lrsweep.Stopping(hold=value),
        "Stopping, divergence": lambda: lrsweep.Stopping(divergence=value),
    }


# What one of them has a use for after all.
FITS = {
    *((name, "None") for name in ("best_learning_rate, rule", "outcome_map, outcome", "summarize_outcome")),
    *((name, "2.5") for name in ("critical, low", "sharpness, iterations", "linear_regression", "quadratic")),
    *((name, "2.5") for name in ("Stopping, tolerance", "Stopping, divergence")),
    *((name, "[1]") for name in ("Halving, at", "landscape, values", "quadratic")),
    *((name, "{}") for name in ("Objective, metric", "Objective, data")),
    ("Stopping, divergence", repr(10**400)),
}


@pytest.mark.parametrize("value", KINDS, ids=[repr(value)[:12] for value in KINDS])
def test_no_public_function_takes_a_value_of_another_kind(value: Any, swept: lrsweep.Sweep, tmp_path: Path) -> None:
    for name, call in calls(value, swept, tmp_path).items():
        if (name, repr(value)) not in FITS:
            try:
                refused(call)
            except BaseException as error:
                error.add_note(f"{name} of {value!r:.50}")
                raise


def test_an_error_of_our_own_is_not_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise KeyError("ours")

    for ours in ("check_leaves", "extra_arguments", "_some"):
        with monkeypatch.context() as patched:
            patched.setattr(f"lrsweep.studies._validate.{ours}", broken)
            with pytest.raises(KeyError, match="ours"):
                sweep(with_data(np.ones(3)))


@pytest.mark.parametrize(
    "rates",
    [
        pd.Series([0.1, 0.25], dtype=object),
        pd.Series([0.1, 0.25], dtype="category"),
        pd.Series([decimal.Decimal("0.1"), decimal.Decimal("0.25")]),
        pd.Series([jnp.float32(0.1), jnp.float32(0.25)]),
        pd.array([0.1, 0.25], dtype="float64[pyarrow]"),
    ],
    ids=["objects", "categories", "decimals", "JAX", "Arrow"],
)
def test_numbers_that_pandas_keeps_in_other_ways_are_the_same_numbers(rates: Any) -> None:
    plain = sweep(trials=lrsweep.grid(learning_rate=[0.1, 0.25])).table
    found = sweep(trials=pd.DataFrame({"learning_rate": rates})).table
    assert found["final_loss"].tolist() == plain["final_loss"].tolist()
    assert len(lrsweep.summarize(found)) == 2


def test_numbers_of_16_bits_are_the_same_numbers_in_32() -> None:
    halves = np.array([0.1, 0.25], np.float16)
    found = sweep(trials=pd.DataFrame({"learning_rate": halves, "w0": halves})).table
    assert found["learning_rate"].dtype == np.float32
    assert found["learning_rate"].tolist() == halves.astype(float).tolist()
    assert len(lrsweep.summarize(found)) == 2


def test_an_axis_may_be_an_array_of_jax() -> None:
    rates = jnp.array([0.1, 0.25])
    assert lrsweep.grid(learning_rate=rates)["learning_rate"].tolist() == np.asarray(rates).tolist()
    assert lrsweep.grid(learning_rate=rates[0])["learning_rate"].dtype == np.float32


@pytest.mark.usefixtures("x64")
def test_64_bits_hold_what_32_do_not() -> None:
    data = np.array([1, 1_700_000_000_000])
    losses = Objective(lambda params, data: jnp.sum((params - data) ** 2), np.zeros(2), data=data)
    table = sweep(losses, trials=lrsweep.grid(learning_rate=[1e-300, 0.1]), steps=1).table
    expected = float(1 + 1_700_000_000_000**2)
    np.testing.assert_allclose(table["initial_loss"], expected, rtol=1e-15)
    # Below what can be told from 1, the step moves nothing; of the other, 0.8 of the distance is left.
    np.testing.assert_allclose(table["final_loss"], [expected, 0.64 * expected], rtol=1e-14)


def test_data_that_32_bits_hold_keeps_its_values() -> None:
    for data in (np.array([2**31 - 1, -(2**31)]), np.array([2**32 - 1], "u8"), np.array([3.4e38, -np.inf, np.nan])):
        there = sweep(with_data(data)).provenance
        assert there["trials"] == 2
        np.testing.assert_array_equal(jax.device_put(data), data.astype(jax.device_put(data).dtype))
