"""An objective from a table of data: what is chosen, what is taken, and what is said of it."""

import json
import re
import warnings
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

import lrsweep
from lrsweep.problems import from_table


def frame(rows: int = 60) -> pd.DataFrame:
    """Numbers, words, booleans, a date, an id, gaps, and targets of several kinds."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "id": np.arange(1, rows + 1),
            "day": pd.date_range("2024-01-01", periods=rows).astype(str),
            "size": rng.normal(size=rows) * 100 + 7,
            "color": rng.choice(["red", "green", "blue"], rows),
            "ok": rng.choice([True, False], rows),
            "always": 3,
            "note": [f"note {row}" for row in range(rows)],
        }
    )
    table["price"] = table["size"] * 2 + (table["color"] == "red") * 50 + rng.normal(size=rows) * 20
    table["kind"] = np.where(table["price"] + rng.normal(size=rows) * 100 > 0, "dear", "cheap")
    return table


def source_of(objective: lrsweep.Objective) -> dict[str, Any]:
    assert objective.source is not None
    return dict(objective.source)


def test_what_no_model_is_fitted_to_is_left_out_and_said_in_the_line() -> None:
    source = source_of(from_table(frame(), "price", drop="kind"))
    assert source["columns"] == ["size", "ok", "color"]
    assert source["features"] == ["size", "ok", "color=blue", "color=green", "color=red"]
    assert source["taken"] == (
        "table: 60 rows; linear regression of price on 3 columns: size, ok, color; encoded: color (3); left out: "
        "id (it counts the rows), day (dates), always (constant, 3), note (60 different words in 60 rows)"
    )
    assert json.loads(json.dumps(source)) == source


TASKS: dict[str, tuple[Any, str | None, str]] = {
    "numbers": ([0.5, 1.5, 2.25, 3.0] * 5, None, "regression"),
    "words": (["a", "b"] * 10, None, "classification"),
    "booleans": ([True, False] * 10, None, "classification"),
    "few whole numbers": ([0, 1, 2, 3] * 5, None, "classification"),
    "few whole numbers with gaps": ([0.0, 1.0, None, 3.0] * 5, None, "classification"),
    "as many whole numbers as rows": (list(range(20)), None, "regression"),
    "whole numbers, few rows of each": ([0, 1, 2, 3, 4] * 4, None, "regression"),
    "few whole numbers, said otherwise": ([0, 1, 2, 3] * 5, "regression", "regression"),
    "booleans, said otherwise": ([True, False] * 10, "regression", "regression"),
    "numbers, said otherwise": ([0.5, 1.5] * 10, "classification", "classification"),
}


@pytest.mark.parametrize(("target", "task", "expected"), TASKS.values(), ids=TASKS)
def test_the_target_chooses_the_model(target: list[Any], task: str | None, expected: str) -> None:
    table = pd.DataFrame({"x": np.random.default_rng(0).normal(size=20), "y": target})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        objective = from_table(table, "y", task=task, missing="mean")
    assert source_of(objective)["task"] == expected
    assert ("accuracy" in objective.metrics) == (expected == "classification")


def test_words_are_features_of_ones_and_zeros_as_pandas_makes_them() -> None:
    table = frame()
    objective = from_table(table, "price", only=["size", "color"], raw=True)
    expected = pd.get_dummies(table[["size", "color"]], prefix_sep="=", dtype=float)
    assert source_of(objective)["features"] == list(expected.columns)
    np.testing.assert_array_equal(objective.data["X"], expected.to_numpy())


def test_the_least_frequent_words_share_a_feature_beyond_the_limit() -> None:
    table = pd.DataFrame({"word": list("aaabbbccdde") * 3, "y": np.random.default_rng(0).normal(size=33)})
    source = source_of(from_table(table, "y", categories=3))
    assert source["encoded"] == {"word": ["a", "b", "(others)"]}


def test_missing_values_are_refused_with_counts_dropped_or_filled() -> None:
    table = pd.DataFrame({"x": [1.0, None, 3.0, 6.0], "word": ["a", "b", None, "a"], "y": [1.0, 2.5, 3.0, None]})
    with pytest.raises(
        lrsweep.InputError, match=r"in 3 of 4 rows \('x' 1, 'word' 1, 'y' 1\): say .* --missing"
    ) as raised:
        from_table(table, "y")
    for way in ("drop leaves", "mean fills", "indicator"):
        assert way in str(raised.value)
    with pytest.raises(lrsweep.InputError, match="has 1 row to fit to"):
        from_table(table, "y", missing="drop")
    with pytest.warns(UserWarning, match="3 features for 3 rows"):
        filled = from_table(table, "y", missing="mean", raw=True)
    assert filled.data["X"].tolist() == [[1, 1, 0], [2, 0, 1], [3, 1, 0]]
    assert source_of(filled)["filled"] == {"x": 1, "word": 1}
    with pytest.warns(UserWarning, match="5 features for 3 rows"):
        told = from_table(table, "y", missing="indicator", raw=True)
    assert source_of(told)["features"] == ["x", "x is missing", "word=(missing)", "word=a", "word=b"]
    assert told.data["X"].tolist() == [[1, 0, 0, 1, 0], [2, 1, 0, 0, 1], [3, 0, 1, 0, 0]]


@pytest.mark.usefixtures("x64")
def test_r2_on_held_out_rows_is_scikit_learns_of_a_model_of_the_others() -> None:
    objective = from_table(frame(), "price", drop=["kind", "note"], validation=0.25)
    assert (objective.best_by, objective.mode, objective.examples) == ("validation_r2", "max", 45)
    metric, held = objective.measures["validation_r2"]
    # What is standardised is so by the rows that are trained on.
    np.testing.assert_allclose(objective.data["X"].mean(axis=0), 0, atol=1e-12)
    assert abs(held["X"].mean(axis=0)).max() > 0.01
    model = LinearRegression().fit(objective.data["X"], objective.data["y"])
    params = {"coefficients": jnp.asarray(model.coef_), "intercept": jnp.asarray(model.intercept_)}
    assert float(metric(params, held)) == pytest.approx(r2_score(held["y"], model.predict(held["X"])), rel=1e-9)


def test_held_out_rows_keep_the_shares_of_classes_and_are_always_the_same() -> None:
    one, two = (from_table(frame(), "kind", drop="price", validation=0.2) for _ in range(2))
    held = one.measures["validation_accuracy"][1]
    np.testing.assert_array_equal(held["X"], two.measures["validation_accuracy"][1]["X"])
    assert np.mean(held["y"]) == pytest.approx(np.mean(one.data["y"]), abs=0.05)
    assert one.best_by == "validation_accuracy"
    assert from_table(frame(), "kind", drop="price", validation=0.2, best_by="loss").mode == "min"


def test_a_network_of_a_table_is_swept_and_its_source_is_in_the_provenance() -> None:
    objective = from_table(frame(), "kind", drop="price", hidden=(4, 3), validation=0.2)
    table = lrsweep.sweep(objective, optax.sgd, lrsweep.grid(learning_rate=[0.1], seed=range(2)), steps=5).table
    assert {"final_accuracy", "final_validation_accuracy"} <= set(table.columns)
    assert table.attrs["provenance"]["data"] == objective.source
    assert "; network with layers of 4 and 3 units that predicts kind, 2 classes" in source_of(objective)["taken"]


def noise(columns: int = 3, rows: int = 60) -> pd.DataFrame:
    values = np.random.default_rng(0).normal(size=(rows, columns + 1))
    return pd.DataFrame(values, columns=[*"abc"[:columns], "y"])


DOUBTS: dict[str, tuple[pd.DataFrame, str]] = {
    "a sum": (noise().assign(d=lambda t: t["a"] + t["b"]), "columns 'a', 'b', 'd' follow from one another"),
    "nearly a copy": (
        noise().assign(d=lambda t: t["a"] + 1e-3 * np.sin(np.arange(60))),
        "'d' nearly follow from one another: at no learning rate .* some [0-9],[0-9]00,000 updates",
    ),
    "other words": (
        noise().assign(u=["one", "two"] * 30, v=["1st", "2nd"] * 30),
        "columns 'u' and 'v' say the same in other words",
    ),
    "a copy of the target": (noise().assign(d=lambda t: 2 * t["y"] - 1), "column 'd' alone gives the target away"),
    "parts of the target": (
        noise().assign(d=lambda t: t["y"] - t["a"]),
        "the columns together give the target away",
    ),
    "the target in a word": (
        noise().assign(y=["no", "yes"] * 30, alive=["dead", "alive"] * 30),
        "column 'alive' alone gives the target away",
    ),
    "the target in a number": (
        noise().assign(y=lambda t: np.where(t["a"] > 0.3, "up", "down")),
        "column 'a' alone gives the target away",
    ),
    "separable": (
        noise().assign(y=lambda t: np.where(t["a"] + t["b"] > 0.3, "up", "down")),
        "a linear model gets every row right",
    ),
    "one class": (noise().assign(y=["no"] * 58 + ["yes"] * 2), "0.967 of the rows are of class 'no'"),
    "more columns than rows": (noise(rows=3), "there are 3 features for 3 rows"),
}


@pytest.mark.parametrize(("table", "said"), DOUBTS.values(), ids=DOUBTS)
def test_where_the_data_is_the_answer_a_sentence_says_so(table: pd.DataFrame, said: str) -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        objective = from_table(table, "y")
    assert any(re.search(said, str(each.message)) for each in warned), [str(each.message) for each in warned]
    assert [str(each.message) for each in warned] == [f"the table: {doubt}" for doubt in source_of(objective)["doubts"]]


def test_good_data_is_not_doubted() -> None:
    assert source_of(from_table(frame(), "price", drop="kind"))["doubts"] == []


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"target": "Price"}, "there is no column 'Price': did you mean 'price'"),
    ({"target": "always"}, "the target 'always' is constant .3.: there is nothing to predict"),
    ({"target": "day"}, "the target 'day' holds dates"),
    ({"target": "note"}, "the target 'note' holds 60 different words in 60 rows, too many to be classes"),
    ({"target": "color", "task": "regression"}, "the target 'color' is not numeric: row 1 holds"),
    ({"task": "regresion"}, "no task 'regresion': did you mean 'regression'"),
    ({"missing": "median"}, "missing: there is no way 'median': .*drop, mean, indicator"),
    ({"drop": "colour"}, "drop: there is no column 'colour': did you mean 'color'"),
    ({"only": "price"}, "only names 'price', which is the target"),
    ({"only": ["day"]}, "only names 'day', which no model here is fitted to .dates.: make numbers or words of it"),
    ({"only": []}, "has no column beside the target 'price'"),
    ({"validation": 1.5}, "validation=1.5 must be a share between 0 and 1"),
    ({"validation": 0.001}, "validation=0.001 of 60 rows holds out 1, and leaves 59"),
    ({"hidden": (0,)}, "hidden=0 must be 1 or more"),
    ({"hidden": None}, "hidden=None must be a whole number"),
    ({"categories": 1}, "categories=1 must be 2 or more"),
    ({"best_by": "accuracy"}, "best_by: there is no metric 'accuracy': there is: loss"),
]


@pytest.mark.parametrize(("options", "said"), REFUSED, ids=[str(each[0]) for each in REFUSED])
def test_what_cannot_be_asked_of_a_table_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(lrsweep.InputError, match=said):
        from_table(frame(), **{"target": "price", **options})


def test_a_column_that_names_the_rows_is_used_where_it_is_asked_for(tmp_path: Path) -> None:
    assert source_of(from_table(frame(), "price", only=["id", "note"], categories=4))["features"][0] == "id"
    path = tmp_path / "line.csv"
    path.write_text("x,y\n1,2.5\n2,4\n3,1\n")
    assert source_of(from_table(path, "y"))["columns"] == ["x"]


def test_a_column_that_is_constant_where_the_others_are_known_is_left_out() -> None:
    table = pd.DataFrame(
        {
            "size": [1.0, 2.0, 4.0, 3.0, 5.0, 9.0],
            "country": ["NL", "NL", "NL", "NL", "NL", "BE"],
            "price": [1.5, 2.5, 3.0, 4.0, 5.0, None],
        }
    )
    source = source_of(lrsweep.problems.from_table(table, "price", missing="drop"))
    assert (source["columns"], source["left_out"]) == (["size"], {"country": "constant in the rows that are left"})
    with pytest.raises(ValueError, match="every column but the target is constant in the rows that are left"):
        lrsweep.problems.from_table(table[["country", "price"]], "price", missing="drop")
