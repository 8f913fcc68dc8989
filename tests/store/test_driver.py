"""The simulation of a driver: what its made-up workers do with the shards that they are given."""

import pytest

from tests import driver


def test_without_deaths_workers_take_as_many_rounds_as_there_are_shards_for_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver, "LIFE", 1e300)
    found = driver.simulate(25 * driver.SHARD, 10, 100.0)
    assert (found["deaths"], found["lost %"]) == (0, 0)
    assert found["hours"] == pytest.approx(300 / 3600, rel=0.01)


def test_shards_whose_workers_die_are_taken_by_others_until_all_are_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "LIFE", 1000.0)
    found = driver.simulate(200 * driver.SHARD, 10, 50.0)
    assert found["given up"] == 0
    # Of each fifty seconds 1 - exp(-1/20) of the workers do not see the end.
    assert 3 <= found["deaths"] <= 25
    assert found["hours"] > found["ideal hours"]
