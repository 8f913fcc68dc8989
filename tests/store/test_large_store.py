"""The script that measures sweeps larger than memory: its short form."""

import pytest

from tests import large_store


@pytest.mark.slow
def test_a_sweep_into_a_store_is_read_in_parts_by_all_that_the_script_measures() -> None:
    found = large_store.measure(4000, rates=20, steps=50)
    assert found["bytes per trial"] < 200
    assert all(found[phase]["seconds"] > 0 for phase in ("sweep", "summarize", "best", "report"))
