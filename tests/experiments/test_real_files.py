"""The study of CSV files as packages ship them, on those that scikit-learn ships."""

import pytest

from tests.experiments.test_studies import load


@pytest.mark.slow
def test_files_of_scikit_learn_are_answered_or_refused_in_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert load("real_files").main(["linnerud_exercise.csv", "breast_cancer.csv"]) == 0
    said = capsys.readouterr().out
    assert "2 files; not as claimed: none" in said
    assert "is not CSV: row 1 has 31 fields, and the header 4: give each a name" in said
    assert "linear regression of Chins on 2 columns: Situps, Jumps" in said
