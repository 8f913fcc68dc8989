"""An objective from what the command line names."""

from pathlib import Path

import pytest

from lrsweep import problems
from lrsweep.cli._objective import load_objective
from lrsweep.cli._options._problem import Problem

OWN = """
import beside, jax.numpy as jnp
from lrsweep import Objective

bowl = Objective(lambda p: jnp.sum(p**2), beside.start)
unnamed = 3

def made():
    return bowl

def broken():
    raise RuntimeError("no luck")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with an objective of the user's own in it, which imports what lies beside it."""
    (tmp_path / "own_objectives.py").write_text(OWN)
    (tmp_path / "beside.py").write_text("import numpy\nstart = numpy.ones(2)\n")
    (tmp_path / "syntax.py").write_text("def :\n")
    (tmp_path / "data.csv").write_text("x,y\n1,2\n2,4\n3,1\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("folder")
def test_an_objective_is_found_by_what_names_it() -> None:
    assert load_objective(Problem("valleys")).loss is problems.valleys().loss
    assert load_objective(Problem("data.csv", target="y")).name == "data.csv"
    for text in ("own_objectives.py:bowl", "own_objectives.py:made", "own_objectives:bowl"):
        assert load_objective(Problem(text)).init.tolist() == [1.0, 1.0]
    assert load_objective(Problem("own_objectives.py:bowl")).name == "bowl"


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("text", "options", "error", "said"),
    [
        (
            "lines",
            {},
            ValueError,
            "no objective 'lines': did you mean 'line'.* There is: line, .*valleys; or name a CSV",
        ),
        ("none.csv", {}, FileNotFoundError, "there is no file 'none.csv'"),
        ("data.csv", {}, ValueError, "'data.csv' needs --target, the column to predict: one of x, y"),
        ("line", {"target": "y"}, ValueError, "--target goes with a file of data, such as a CSV file, not with 'line'"),
        ("line", {"raw": True}, ValueError, "--raw goes with a file of data"),
        ("own_objectives.py", {}, ValueError, "write own_objectives.py:NAME"),
        ("none.py:bowl", {}, FileNotFoundError, "there is no file 'none.py'"),
        ("no_such_module:bowl", {}, ValueError, "'no_such_module' cannot be loaded: ModuleNotFoundError"),
        ("syntax.py:bowl", {}, ValueError, "'syntax.py' cannot be loaded: SyntaxError"),
        ("own_objectives.py:bowls", {}, ValueError, "no name 'bowls': did you mean 'bowl'"),
        ("own_objectives.py:unnamed", {}, TypeError, "is a int: it must be a lrsweep.Objective, or return one"),
        ("own_objectives.py:broken", {}, ValueError, "fails with RuntimeError: no luck"),
    ],
)
def test_what_names_no_objective_is_refused(
    text: str, options: dict[str, str | bool], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        load_objective(Problem(text, **options))  # pyright: ignore[reportArgumentType]
