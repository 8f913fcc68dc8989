"""Whether a learning rate transfers, against NumPy on tables made by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import lrsweep
from lrsweep.tables._schema import RESULT_DTYPES

INF, NAN = np.inf, np.nan
RATES = 2.0 ** -np.arange(8)


def made(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A result table of what matters of it."""
    given = dict.fromkeys(RESULT_DTYPES, 1) | {"status": "slow", "converged_at": pd.NA, "diverged_at": pd.NA}
    table = pd.DataFrame([given | row for row in rows])
    settings = [name for name in rows[0] if name not in RESULT_DTYPES and not name.endswith(("_size", "_size_at_best"))]
    metrics = [name for name in rows[0] if name.endswith(("_size", "_size_at_best"))]
    columns = {name: table[name].astype(dtype) for name, dtype in RESULT_DTYPES.items()}
    return pd.concat([table[settings], pd.DataFrame(columns), table[metrics]], axis=1)


def swept(power: float, **more: Any) -> list[dict[str, Any]]:
    """Trials whose best learning rate is 1/4 at width 1 and grows by a power of the width, the same for each seed."""
    return [
        {
            **more,
            "width": width,
            "learning_rate": rate,
            "seed": seed,
            "final_loss": (np.log2(rate) + 2 - power * np.log2(width)) ** 2 + 0.1 * seed,
            "status": "diverged" if rate > 0.25 * width**power * 5 else "slow",
        }
        for width in (1, 4, 16)
        for rate in RATES
        for seed in range(3)
    ]


@pytest.mark.parametrize("power", [0.0, -1.0, 0.5])
def test_the_power_is_that_by_which_the_best_learning_rate_grows(power: float) -> None:
    found = lrsweep.transfer(made(swept(power)), "width")
    assert found["width"].tolist() == [1, 4, 16]
    best = [RATES[abs(np.log2(RATES) + 2 - power * np.log2(width)).argmin()] for width in (1, 4, 16)]
    assert found["learning_rate"].tolist() == best
    np.testing.assert_allclose(found["power"], np.polyfit(np.log([1, 4, 16]), np.log(best), 1)[0], atol=1e-12)
    assert (found["low"] == found["learning_rate"]).all()
    expected = [
        (np.log2(rate) + 2 - power * np.log2(width)) ** 2 + 0.1 for rate, width in zip(best, (1, 4, 16), strict=True)
    ]
    np.testing.assert_allclose(found["median_final_loss"], expected)


def test_untuned_is_the_loss_with_the_best_learning_rate_of_the_least_value() -> None:
    rows = swept(-1.0, kind="standard") + swept(0.0, kind="muP")
    found = lrsweep.transfer(made(rows), "width")
    assert found["kind"].tolist() == ["standard"] * 3 + ["muP"] * 3
    assert found["untuned"].tolist() == pytest.approx([0.1, 4.1, INF, 0.1, 0.1, 0.1])
    assert found["power"].tolist() == pytest.approx([-1, -1, -1, 0, 0, 0], abs=1e-12)


def test_where_all_diverge_there_is_no_best_and_the_others_tell_the_power() -> None:
    rows = [row | {"status": "diverged"} if row["width"] == 4 else row for row in swept(-1.0)]
    found = lrsweep.transfer(made(rows), "width")
    assert found["learning_rate"].isna().tolist() == [False, True, False]
    assert found["median_final_loss"].isna().tolist() == [False, True, False]
    np.testing.assert_allclose(found["power"], -1)
    alone = lrsweep.transfer(made([row for row in swept(-1.0) if row["width"] == 1]), "width")
    assert alone["power"].isna().all()


def test_coordinates_are_the_slopes_of_the_medians_over_seeds() -> None:
    draw = np.random.default_rng(0)
    rows = [
        {
            "width": width,
            "learning_rate": rate,
            "seed": seed,
            **{f"{when}{name}_size{best}": size for name, size in sizes.items() for when, best in WHENS},
        }
        for width in (4, 16, 64)
        for rate in (0.1, 1.0)
        for seed in range(3)
        for sizes in [{"first": draw.uniform(1, 2) * width**0.5, "last": rate * width if seed else NAN}]
    ]
    table = made(rows)
    found = lrsweep.coordinates(table, "width")
    assert found["metric"].tolist() == ["first_size"] * 2 + ["last_size"] * 2
    assert found["learning_rate"].tolist() == [0.1, 1.0] * 2
    for row in found.to_dict("records"):
        of_one = table[table["learning_rate"] == row["learning_rate"]]
        medians = [
            np.nanmedian(of_one.loc[of_one["width"] == width, f"final_{row['metric']}"]) for width in (4, 16, 64)
        ]
        assert (row["at_least"], row["at_most"]) == pytest.approx((medians[0], medians[-1]))
        assert row["power"] == pytest.approx(np.polyfit(np.log([4, 16, 64]), np.log(medians), 1)[0])
    assert found["power"].tolist()[2:] == pytest.approx([1, 1])
    assert lrsweep.coordinates(table, "width", "last_size")["metric"].unique().tolist() == ["last_size"]


WHENS = [("final_", ""), ("", "_at_best")]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda table: lrsweep.transfer(table, "depth"), "along: there is no column 'depth'"),
        (lambda table: lrsweep.transfer(table[:0], "width"), "the table is empty"),
        (
            lambda table: lrsweep.transfer(table.assign(width=-1), "width"),
            "'width', which does not hold numbers above 0",
        ),
        (lambda table: lrsweep.transfer(table.assign(width="wide"), "width"), "does not hold numbers above 0"),
        (lambda table: lrsweep.transfer(table.drop(columns="learning_rate"), "width"), "no column 'learning_rate'"),
        (lambda table: lrsweep.coordinates(table, "width"), "the table has no metrics"),
    ],
)
def test_what_cannot_be_compared_is_refused(call: Any, said: str) -> None:
    with pytest.raises(lrsweep.InputError) as refused:
        call(made(swept(0.0)))
    assert said in str(refused.value)


def test_an_unknown_metric_is_refused() -> None:
    row = {"width": 1, "learning_rate": 0.1, "final_first_size": 1.0, "first_size_at_best": 1.0}
    with pytest.raises(lrsweep.InputError, match="did you mean 'first_size'"):
        lrsweep.coordinates(made([row]), "width", ["frst_size"])
