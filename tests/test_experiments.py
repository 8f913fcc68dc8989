"""The studies run, and say what they claim."""

import subprocess
import sys
from pathlib import Path

EXPERIMENTS = Path(__file__).parent.parent / "experiments"


def test_every_figure_of_the_article_is_computed_again() -> None:
    ran = subprocess.run([sys.executable, EXPERIMENTS / "article.py"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # 4 lines and 5 errors at 0.1, 5 errors at 0.5, 6 printed updates of 3 starts of the PyTorch version.
    assert "32 of 32 figures agree." in ran.stdout
    assert "5223270089.75743  agrees" in ran.stdout


def test_a_figure_that_differs_fails(tmp_path: Path) -> None:
    copy = tmp_path / "article.py"
    copy.write_text((EXPERIMENTS / "article.py").read_text().replace('29: "537407805.94885"', '29: "537407805.94886"'))
    ran = subprocess.run([sys.executable, copy], capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "537407805.94885  DIFFERS, should be 537407805.94886" in ran.stdout
