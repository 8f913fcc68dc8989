"""The command line: what it prints, what it writes, what it refuses."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.cli import _jax_setup as jax_setup
from lrsweep.statistics._verdict import judge
from tests.conftest import Run

OWN = """
import jax.numpy as jnp
import numpy as np  # whose arrays compile nothing where the file is loaded
from lrsweep import Objective
sunken = Objective(lambda p: jnp.sum(p**2) - 3, lambda key: jnp.ones(2))
vector = Objective(lambda p: p**2, np.ones(2, np.float32))
whole = Objective(lambda p: jnp.sum(p * 1.0), lambda key: jnp.arange(2))
unfit = Objective(lambda p, d: jnp.sum((d @ p) ** 2), np.ones(2), data=np.ones((3, 4)))
wide = Objective(lambda p: jnp.sum(p**2), lambda key, *, width=2: jnp.ones(width))
endless = Objective(lambda p: jnp.sum(jnp.sin(p) ** 2), np.ones(20_000))
"""

BLANK = "learning_rate,seed\n"
CSV = {
    "data.csv": "x,z,y\n1,5,2\n2,1,4\n3,3,1\n4,4,7\n",
    "text.csv": "name,y\nann,1\nbob,2\n",
    "hole.csv": "x,y\n1,2\n,4\n3,1\n",
    "endless.csv": "x,y\n1,2\ninf,4\n3,1\n",
    "flat.csv": "x,y\n1,2\n1,4\n1,1\n",
    "single.csv": "x,y\n1,2\n",
    "twice.csv": "x,x,y\n1,2,3\n2,3,5\n",
    "binary.csv": "\0\1\2\3",
    "trials.csv": BLANK + "0.1,0\n0.2,1\n",
    "empty_trials.csv": BLANK,
    "double_trials.csv": "learning_rate,learning_rate\n1,2\n",
    "bad_trials.csv": "learning_rate\nfast\n",
    "several_trials.csv": "optimizer,learning_rate,b1\nadam,0.1,0.8\nsgd,0.1,\n",
}


@pytest.fixture(scope="module", autouse=True)
def caches(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of the user's caches while these tests run: what one process compiles is kept for the next."""
    folder = tmp_path_factory.mktemp("caches")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        for name in ("COMPILATION_CACHE_DIR", "PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "NUM_CPU_DEVICES"):
            patch.delenv(f"JAX_{name}", raising=False)
        yield folder


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with some files of the user's in it."""
    (tmp_path / "own.py").write_text(OWN)
    for name, content in CSV.items():
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_with_no_argument_it_runs_the_articles_search(run: Run) -> None:
    said = run("run")
    assert (said.code, said.err) == (0, "")
    *table, blank, answer = said.out.splitlines()
    assert [line.split()[:3] for line in table[2:]] == [
        ["0.1", "1", "100%"],
        ["0.01", "1", "100%"],
        ["0.001", "1", "0%"],
    ]
    assert blank == ""
    assert answer.startswith("Use learning_rate 0.1: it converged after 51 updates.")


@pytest.mark.usefixtures("folder")
def test_what_is_piped_has_no_colour_no_bar_and_no_edge(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    said = run("run", "--set", "momentum=0,0.5", "--seeds", "2")
    assert "\x1b" not in said.out + said.err
    header = "learning_rate momentum trials converged diverged median converged_at median final_loss"
    assert " ".join(said.out.splitlines()[0].split()) == header


def test_a_schedule_lasts_as_long_as_the_steps_and_its_peak_is_what_is_swept(run: Run, folder: Path) -> None:
    words = "run --schedule warmup_cosine --steps 50 --learning-rate 0.3,0.1 --set warmup=0,10 --out sweep.csv"
    assert run(*words.split()).code == 0
    optimizer = lrsweep.optimizers.scheduled(optax.sgd, lrsweep.optimizers.warmup_cosine, steps=50)
    trials = lrsweep.grid(learning_rate=[0.3, 0.1], warmup=[0, 10])
    expected = lrsweep.sweep(lrsweep.problems.line(), optimizer, trials, steps=50).table
    assert_frame_equal(lrsweep.read_table(folder / "sweep.csv"), expected)


def test_seeds_draw_the_starts_and_sets_add_columns(run: Run, folder: Path) -> None:
    assert run("run", "--seeds", "3", "--set", "momentum=0,0.5", "--out", "sweep.csv").code == 0
    table = lrsweep.read_table(folder / "sweep.csv")
    expected = lrsweep.grid(learning_rate=[0.1, 0.01, 0.001], momentum=[0.0, 0.5], seed=range(3))
    assert_frame_equal(table[list(expected.columns)], expected.rename_axis("trial"))
    assert table["initial_loss"].nunique() == 3


@pytest.mark.parametrize("command", ["run", "refine"])
def test_the_stopping_rule_is_that_of_the_options(command: str, run: Run, folder: Path) -> None:
    words = ["--learning-rate", "0.05,0.1,0.4", "--target-loss", "0.5", "--hold", "3", "--divergence", "20"]
    assert run(command, *words, "--out", "sweep.csv").code == 0
    made = json.loads((folder / "sweep.json").read_text())
    assert made["stopping"] == {"tolerance": 1e-4, "target": 0.5, "hold": 3, "divergence": 20.0}
    table = lrsweep.read_table(folder / "sweep.csv")
    converged, diverged = (table[table["status"] == status] for status in ("converged", "diverged"))
    assert (converged["steps"] == converged["converged_at"] + 2).all()
    assert (converged["final_loss"] <= 0.5).all()
    assert (diverged["final_loss"] > 21 * diverged["initial_loss"]).all()


def test_the_edge_is_sought_with_the_divergence_of_the_option(run: Run, folder: Path) -> None:
    assert run("critical", "--divergence", "inf", "--width", "0.1", "--out", "edges.csv").code == 0
    made = json.loads((folder / "edges.json").read_text())
    assert made["stopping"] == {"tolerance": 1e-12, "target": None, "hold": 10, "divergence": "inf"}


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_out_leaves_the_table_and_beside_it_what_made_it(run: Run, folder: Path, ending: str) -> None:
    words = ["run", "valleys", "--optimizer", "adam", "--learning-rate", "1e-2:1:3", "--steps", "50"]
    said = run(*words, "--tolerance", "1e-3", "--out", f"sweep{ending}")
    assert said.code == 0
    assert f"Wrote 3 trials to sweep{ending}, and what made them to sweep.json." in said.out
    made = json.loads((folder / "sweep.json").read_text())
    assert made["command"] == f"lrsweep {' '.join(words)} --tolerance 1e-3 --out sweep{ending}"
    assert (made["objective"], made["optimizer"], made["steps"], made["trials"]) == ("valleys", "adam", 50, 3)
    assert made["stopping"]["tolerance"] == 1e-3
    assert {"versions", "device", "dtype", "started", "seconds", "groups"} <= set(made)
    trials = lrsweep.grid(learning_rate=[0.01, 0.1, 1.0])
    stopping = lrsweep.Stopping(tolerance=1e-3)
    swept = lrsweep.sweep(lrsweep.problems.valleys(), optax.adam, trials, steps=50, stopping=stopping).table
    assert_frame_equal(lrsweep.read_table(folder / f"sweep{ending}"), swept, check_exact=True)
    # A second run may replace what the first one wrote.
    assert run(*words, "--out", f"sweep{ending}").code == 0


def test_several_optimizers_share_a_table(run: Run, folder: Path) -> None:
    said = run("run", "--optimizer", "sgd,adam", "--learning-rate", "0.1", "--set", "momentum=0,0.9", "--out", "a.csv")
    assert said.code == 0
    table = lrsweep.read_table(folder / "a.csv")
    assert table["optimizer"].tolist() == ["sgd", "sgd", "adam"]
    assert table["momentum"].isna().tolist() == [False, False, True]
    assert "Use optimizer sgd, learning_rate 0.1, momentum 0: it converged after 51 updates." in said.out
    assert run("run", "--optimizer", "sgd,adam", "--trials", "several_trials.csv", "--out", "b.csv").code == 0
    again = lrsweep.read_table(folder / "b.csv")
    assert again["final_loss"][1] == table["final_loss"][0]


def test_words_and_static_columns_reach_the_users_own_objective(run: Run, folder: Path) -> None:
    words = ["--learning-rate", "0.25", "--set", "nesterov=true,false", "--set", "momentum=0.5", "--static", "width"]
    assert run("run", "own.py:wide", "--set", "width=2,3", *words, "--seeds", "1", "--out", "sweep.csv").code == 0
    table = lrsweep.read_table(folder / "sweep.csv")
    assert table["nesterov"].tolist() == [True, False, True, False]
    assert (table["initial_loss"] == table["width"]).all()


def test_batches_of_a_csv_file(run: Run, folder: Path, diabetes: Path) -> None:
    words = ["run", str(diabetes), "--target", "target", "--learning-rate", "0.05", "--steps", "60", "--seeds", "2"]
    assert run(*words, "--batch-size", "64", "--out", "sweep.csv").code == 0
    made = json.loads((folder / "sweep.json").read_text())
    # 442 rows: an epoch is seven batches.
    assert (made["batch_size"], made["evaluate_every"]) == (64, 7)
    table = lrsweep.read_table(folder / "sweep.csv")
    assert (table["final_loss"] < table["initial_loss"]).all()


def test_x64_computes_in_64_bit(run: Run, folder: Path) -> None:
    assert run("run", "--x64", "--out", "sweep.csv").code == 0
    assert json.loads((folder / "sweep.json").read_text())["dtype"] == "float64"


def test_a_csv_file_is_fitted_and_its_question_answered(run: Run, folder: Path, diabetes: Path) -> None:
    said = run("run", str(diabetes), "--target", "target", "--learning-rate", "0.01,0.1,0.2,0.5", "--out", "fit.csv")
    assert (said.code, said.err) == (0, "")
    table = lrsweep.read_table(folder / "fit.csv")
    assert len(table) == 4 * 10
    assert table["initial_loss"].nunique() == 10
    # Gradient descent is stable below 2 / L, with L twice the greatest eigenvalue of the correlations.
    features = pd.read_csv(diabetes).drop(columns="target")
    edge = 1 / np.linalg.eigvalsh(features.corr()).max()
    assert 0.2 < edge < 0.5
    assert (table["status"] == "diverged").groupby(table["learning_rate"]).mean().to_dict() == {
        0.01: 0,
        0.1: 0,
        0.2: 0,
        0.5: 1,
    }
    best = lrsweep.best_learning_rate(table).learning_rate
    assert f"Use learning_rate {best:g}: " in said.out
    assert "Stay clear of learning_rate 0.5: trials diverged there." in said.out


def test_a_trials_file_takes_the_place_of_axes(run: Run, folder: Path) -> None:
    assert run("run", "--trials", "trials.csv", "--out", "sweep.csv").code == 0
    rows = pd.read_csv("trials.csv")
    table = lrsweep.read_table(folder / "sweep.csv")
    assert_frame_equal(table[["learning_rate", "seed"]], rows.rename_axis("trial"))
    rows.to_parquet("trials.parquet")
    assert run("run", "--trials", "trials.parquet", "--out", "again.csv").code == 0
    assert_frame_equal(lrsweep.read_table(folder / "again.csv"), table)


def test_ten_thousand_rows_go_to_the_file_and_not_to_the_screen(run: Run, folder: Path) -> None:
    said = run("run", "--learning-rate", "1e-4:1:5000", "--seeds", "2", "--steps", "20", "--out", "sweep.csv")
    assert len(said.out.splitlines()) < 40
    assert "These are the best 20 of 5,000 settings; --out FILE has every trial." in said.out
    assert len(lrsweep.read_table(folder / "sweep.csv")) == 10_000


def test_a_zoom_shows_the_learning_rates_around_the_best_and_says_which_to_use(run: Run) -> None:
    said = run("refine")
    assert (said.code, said.err) == (0, "")
    *table, blank, answer = said.out.splitlines()
    trials = lrsweep.grid(learning_rate=lrsweep.log_grid(1e-4, 1, 25))
    refined = lrsweep.refine(lrsweep.problems.line(), optax.sgd, trials)
    rates = np.sort(refined.table["learning_rate"])
    found, best = (
        refined.found.loc[0],
        int(np.searchsorted(rates, lrsweep.best_setting(refined.table)["learning_rate"])),
    )
    assert [float(line.split()[0]) for line in table[2:]] == [float(f"{x:.4g}") for x in rates[best - 4 : best + 5]]
    assert blank == ""
    low, high = rates[best - 1], rates[best + 1]
    assert (found["low"], found["high"]) == (low, high)
    assert answer == (
        f"Use learning_rate {rates[best]:.4g}: it converged after 22 updates; "
        f"49 trials in 3 rounds found it between {low:.4g} and {high:.4g}."
    )


def test_a_zoom_into_the_edge_leaves_all_rounds_and_what_made_them(run: Run, folder: Path) -> None:
    words = [
        "refine",
        "quadratic",
        "--around",
        "edge",
        "--set",
        "momentum=0,0.5",
        "--width",
        "0.1",
        "--out",
        "zoom.csv",
    ]
    said = run(*words)
    assert (said.code, said.err) == (0, "")
    table, made = lrsweep.read_table(folder / "zoom.csv"), json.loads((folder / "zoom.json").read_text())
    assert table["round"].tolist() == [0] * 50 + [1] * 16
    assert (made["trials"], [each["trials"] for each in made["rounds"]]) == (66, [50, 16])
    assert made["refine"] == {"around": "edge", "rounds": 3, "width": 0.1, "points": 8}
    assert made["command"] == "lrsweep " + " ".join(words)
    # One row per setting. Momentum m raises the critical learning rate by a factor of 1 + m.
    edges = [float(line.split()[0]) for line in said.out.splitlines()[2:4]]
    assert edges[1] / edges[0] == pytest.approx(1.5, rel=0.1)
    assert f"of momentum 0.5: no trial diverged up to learning_rate {edges[1]:.4g}, and some did at " in said.out
    assert said.out.endswith("Wrote 66 trials to zoom.csv, and what made them to zoom.json.\n")


def test_learning_rates_that_differ_are_shown_apart(run: Run) -> None:
    said = run("refine", "--learning-rate", "0.2,0.25", "--width", "1e-4", "--rounds", "9")
    *table, _, answer = said.out.splitlines()
    rates = [line.split()[0] for line in table[2:]]
    assert len(set(rates)) == len(rates) == 9
    low, high = map(float, re.findall(r"between (\S+) and (\S+)\.$", answer)[0])
    assert 1 < high / low < 1.0001 + 1e-5


SENTENCES = {
    "too few rounds": ("--rounds 0", "25 trials found it between .* Give more rounds to narrow it down.$"),
    "a grid that ends below": ("--learning-rate 0.01,0.02 --rounds 0", "but 0.02 is the largest tried, and a larger "),
    "a grid that ends above": ("--learning-rate 0.26,0.2 --rounds 0", "but 0.2 is the smallest tried, and a smaller "),
    "too few steps": ("--steps 5 --rounds 1", "33 trials in 1 round found it between .* No trial converged within 5 u"),
    "all diverged": ("--learning-rate 8,9 --rounds 0", "Every trial diverged: try smaller learning rates."),
    "all below the edge": ("--around edge --learning-rate 0.1,0.2 --rounds 0", "up to learning_rate 0.2, the largest"),
    "all above the edge": ("--around edge --learning-rate 8,9 --rounds 0", "Trials diverged at every .* down to 8; "),
    "a best one without": ("--optimizer sgd,polyak_sgd --rounds 0", "Use optimizer polyak"),
}


@pytest.mark.parametrize(("words", "said"), SENTENCES.values(), ids=SENTENCES)
def test_a_zoom_says_what_it_could_not_find(words: str, said: str, run: Run) -> None:
    answer = run("refine", *words.split())
    # Where there is nothing to use the exit code says so.
    assert (answer.code, answer.err) == (4 if "8,9" in words else 0, "")
    assert re.search(said, answer.out.splitlines()[-1]), answer.out


@pytest.mark.usefixtures("folder")
def test_a_loss_below_its_minimum_is_one_line_of_warning(run: Run) -> None:
    said = run("run", "own.py:sunken", "--learning-rate", "0.1", "--steps", "20")
    assert said.code == 0
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith("lrsweep: warning: the loss of objective 'sunken' fell to ")
    assert "below its stated minimum 0" in said.err


@pytest.fixture
def swept(run: Run, folder: Path) -> Path:
    """The table of a run: three learning rates, two momenta and four seeds."""
    assert run("run", "--seeds", "4", "--set", "momentum=0,0.9", "--out", "sweep.csv").code == 0
    return folder / "sweep.csv"


def test_a_table_is_summed_up_as_when_it_was_made_and_its_best_learning_rate_named(run: Run, swept: Path) -> None:
    shown = run("run", "--seeds", "4", "--set", "momentum=0,0.9").out.partition("\n\n")[0]
    said = run("summarize", "sweep.csv")
    assert (said.code, said.err) == (0, "")
    summary, _, answer = said.out.partition("\n\n")
    assert summary == shown
    table = lrsweep.read_table(swept)
    assert answer == f"{judge(table)}\n"
    best = lrsweep.best_learning_rate(table)
    assert f"learning_rate {best.learning_rate:g}, momentum 0 (95% interval over 4 seeds: {best.low:g} " in answer


def test_a_summary_is_by_what_one_names_and_goes_to_a_file_too(run: Run, swept: Path) -> None:
    said = run("summarize", "sweep.csv", "--by", "momentum, status", "--rule", "safe", "--out", "summary.csv")
    assert said.code == 0
    assert said.out.split()[:3] == ["momentum", "status", "trials"]
    assert said.out.endswith("settings to summary.csv.\n")
    table = lrsweep.read_table(swept)
    assert judge(table, "safe") in said.out
    summary = lrsweep.summarize(table, by=["momentum", "status"])
    again = pd.read_csv("summary.csv", dtype={str(name): dtype for name, dtype in summary.dtypes.items()})
    assert_frame_equal(summary, again, check_exact=True)
    assert run("summarize", "sweep.csv", "--by", "", "--out", "summary.parquet").code == 0
    assert_frame_equal(lrsweep.summarize(table, by=[]), pd.read_parquet("summary.parquet"))


@pytest.mark.usefixtures("swept")
def test_a_table_of_no_trials_has_nothing_to_say(run: Run) -> None:
    lrsweep.write_table(lrsweep.read_table("sweep.csv").head(0), "none.csv")
    said = run("summarize", "none.csv")
    assert (said.code, said.err) == (0, "")
    assert said.out.endswith("\n\nThe table holds no trials.\n")


def test_list_names_what_run_takes(run: Run) -> None:
    out = run("list").out
    for word in ("line", "valleys", "quadratic", "rosenbrock", "adam", "gauss_seidel", "warmup_cosine"):
        assert f"\n  {word}" in out


def test_critical_says_where_each_setting_diverges_and_what_theory_says(run: Run, folder: Path) -> None:
    words = ["critical", "quadratic", "--seeds", "5", "--set", "momentum=0,0.9", "--from", "1e-2", "--to", "1e1"]
    said = run(*words, "--width", "1e-2", "--steps", "2000", "--out", "edges.csv")
    assert (said.code, said.err) == (0, "")
    header, _, *rows, _, answer, wrote = said.out.splitlines()
    assert header.split() == ["momentum", "starts", "median", "least", "most", "theory"]
    assert [(row.split()[0], row.split()[1], row.split()[-1]) for row in rows] == [
        ("0", "5", "0.2"),
        ("0.9", "5", "0.38"),
    ]
    edges = re.fullmatch(
        r"Stay below learning_rate (\S+) \(momentum 0\) and (\S+) \(momentum 0.9\): that is where the first of 5 "
        r"starts diverges; theory says 0.2 and 0.38.",
        answer,
    )
    assert edges is not None
    assert [float(edge) for edge in edges.groups()] == pytest.approx([0.2, 0.38], rel=1e-2)
    assert wrote == "Wrote 10 starts to edges.csv, and what made them to edges.json."
    options = {"seeds": range(5), "trials": lrsweep.grid(momentum=[0.0, 0.9]), "low": 1e-2, "high": 10, "width": 1e-2}
    quadratic = lrsweep.problems.quadratic()
    expected = lrsweep.critical_learning_rate(quadratic, optax.sgd, steps=2000, **options)
    written = pd.read_csv("edges.csv", index_col="start").astype({"found": expected["found"].dtype})
    assert_frame_equal(written, expected, check_exact=True)
    made = json.loads((folder / "edges.json").read_text())
    assert (made["low"], made["high"], made["width"], made["steps"]) == (1e-2, 10.0, 1e-2, 2000)
    assert made["trials"] > 10 * made["sweeps"]


REFUSED = {
    "edge of several optimizers": ("critical --optimizer sgd,adam", "--optimizer sgd,adam names several"),
    "range of edges upside down": ("critical --from 1 --to 0.1", "low=1 and high=0.1 must be finite learning rates"),
    "no width": ("critical --width 0", "width=0.0 must be a finite number above 0"),
    "edge at a given learning rate": ("critical --set learning_rate=1", "'learning_rate', which is what is searched"),
    "unknown objective": ("run lines", "no objective 'lines': did you mean 'line'"),
    "unknown place to zoom into": ("refine --around egde", "there is no place 'egde': did you mean 'edge'"),
    "zoom from one learning rate": ("refine --learning-rate 0.1", "the trials have one learning rate, 0.1: a zoom"),
    "zoom into no learning rate": (
        "refine --optimizer polyak_sgd --seeds 2",
        "the trials have no column 'learning_rate'",
    ),
    "zoom without width": ("refine --width 0", "width=0.0 must be a finite number above 0"),
    "fewer than no rounds": ("refine --rounds -1", "rounds=-1 must be 0 or more"),
    "zoom that replaces its trials": ("refine --trials trials.csv --out trials.csv", "would replace 'trials.csv'"),
    "unknown optimizer": ("run --optimizer adamm", "no optimizer 'adamm': did you mean 'adam'"),
    "optimizer given twice": ("run --optimizer sgd,sgd", "optimizer 'sgd' is given twice"),
    "unknown schedule": ("run --schedule warmup_cos", "no schedule 'warmup_cos': did you mean 'warmup_cosine'"),
    "rise that lasts for all steps": (
        "run --schedule warmup_cosine --steps 50 --set warmup=10,50",
        "warmup=50 must be below steps=50, over which warmup_cosine rises and falls",
    ),
    "one optimizer of several that is unknown": ("run --optimizer sgd,adamm", "no optimizer 'adamm'"),
    "several optimizers without a column": (
        "run --optimizer sgd,adam --trials trials.csv",
        "need a column 'optimizer' in the trials",
    ),
    "value that must be static": (
        "run own.py:wide --set width=2,3",
        "the init of objective 'wide' needs the value of column 'width' while it is compiled: list it in static",
    ),
    "static column that is not there": ("run --static width", "static: there is no column 'width'"),
    "batches without data": ("run rosenbrock --batch-size 2", "has batch_size=2, but no data"),
    "batch that is too large": ("run data.csv --target y --batch-size 9", "whole number from 1 to 4"),
    "numbers among words": ("run --set momentum=0.9,high", "'high' is not a number"),
    "unknown column": ("run --set momentun=0.9", "nobody takes column 'momentun'.* did you mean 'momentum'"),
    "unknown option": ("run --lerning-rate 1", "no option '--lerning-rate': did you mean '--learning-rate'"),
    "unknown command": ("rum", "No such command 'rum'. Did you mean 'run'"),
    "rate that is not a number": ("run --learning-rate fast", "'fast' is not a number"),
    "rate that is not finite": ("run --learning-rate inf", "column 'learning_rate' of the trials holds inf"),
    "rate that is negative": ("run --learning-rate=-0.1", "holds -0.1 at row 0: it must be a finite number, 0 or more"),
    "no steps": ("run --steps 0", "steps=0 must be 1 or more"),
    "steps that are no number": ("run --steps many", "Invalid value for '--steps'"),
    "no seeds": ("run --seeds 0", "--seeds 0 leaves no trials"),
    "bad tolerance": ("run --tolerance nan", "tolerance=nan must be a finite number"),
    "bad target": ("refine --target-loss inf", "target=inf must be a finite loss"),
    "bad hold": ("run --hold 0", "hold=0 must be 1 or more"),
    "bad divergence": ("critical --divergence 1", "divergence=1.0 must be above 1"),
    "set without a value": ("run --set momentum", "--set 'momentum' must be NAME=AXIS"),
    "set twice": ("run --set b1=1 --set b1=2 --optimizer adam", "column 'b1' is given twice"),
    "empty table": ("run --trials empty_trials.csv", "the trials table is empty"),
    "duplicate column": ("run --trials double_trials.csv", "has two columns 'learning_rate'"),
    "text in a trials table": ("run --trials bad_trials.csv", "column 'learning_rate' of the trials holds 'fast'"),
    "trials that are not there": ("run --trials none.csv", "there is no file 'none.csv'"),
    "trials and axes": ("run --trials trials.csv --seeds 2", "--trials brings its own columns"),
    "file that is not there": ("run none.csv --target y", "there is no file 'none.csv'"),
    "file that is not CSV": ("run binary.csv --target y", "'binary.csv' is not CSV"),
    "no target": ("run data.csv", "needs --target, the column to predict: one of x, z, y"),
    "no such target": ("run data.csv --target w", "there is no column 'w'"),
    "no numeric column": (
        "run text.csv --target y",
        r"no column beside the target 'y' .* \('name': 2 different words",
    ),
    "missing value": (
        "run hole.csv --target y",
        r"missing values in 1 of 3 rows \('x' 1\): say .* by --missing",
    ),
    "infinite value": ("run endless.csv --target y", "has an infinite value in row 2 of column 'x'"),
    "constant column": (
        "run flat.csv --target y",
        r"no column beside the target 'y' .* \('x': constant, 1\)",
    ),
    "one row": ("run single.csv --target y", "has 1 row"),
    "duplicate data column": ("run twice.csv --target y", "has two columns 'x'"),
    "unknown ending": ("run --out sweep.xlsx", "cannot tell the format of 'sweep.xlsx' by its ending"),
    "no such folder": ("run --out nowhere/sweep.csv", "there is no folder 'nowhere'"),
    "output over the data": (
        "run data.csv --target y --out data.csv",
        "would replace 'data.csv', which this command reads",
    ),
    "output over the trials": ("run --trials trials.csv --out trials.csv", "would replace 'trials.csv'"),
    "note over a file of the user's": ("run --out own.csv", "would replace 'own.json', which lrsweep did not write"),
    "loss that is no scalar": (
        "run own.py:vector",
        "the loss of objective 'vector' returns float32.* one floating-point",
    ),
    "start of integers": ("run own.py:whole", "the init of objective 'whole' gives int32 at params"),
    "data that does not fit": (
        "run own.py:unfit",
        "the loss of objective 'unfit' does not fit its parameters and data",
    ),
}


UNFIT = {
    "table that is not there": ("none.csv", "there is no file 'none.csv'"),
    "file that is no table": ("data.csv", "'data.csv' is not a result table of lrsweep: it has no column 'trial'"),
    "file that is not text": ("binary.csv", "'binary.csv' is not CSV: it holds bytes that are no text"),
    "file that is not Parquet": ("bad.parquet", "'bad.parquet' cannot be read as Parquet: ArrowInvalid"),
    "file of another kind": ("own.py", "cannot tell the format of 'own.py' by its ending"),
    "steps that are words": (
        "words.csv",
        "'words.csv' is not a result table .*: column 'steps': ValueError: .*'many'",
    ),
    "column that is not there": ("sweep.csv --by momentun", "no column 'momentun': did you mean 'momentum'"),
    "column named twice": ("sweep.csv --by seed,seed", "by names column 'seed' twice"),
    "rule that is not there": ("sweep.csv --rule step", "no rule 'step': did you mean 'steps'"),
    "summary over its table": (
        "sweep.csv --out sweep.csv",
        "--out sweep.csv would replace 'sweep.csv', which this command reads",
    ),
    "summary of unknown ending": ("sweep.csv --out a.xlsx", "cannot tell the format of 'a.xlsx' by its ending"),
}


@pytest.mark.parametrize(("words", "said"), UNFIT.values(), ids=UNFIT)
def test_what_cannot_be_summed_up_is_one_line_and_exit_code_2(words: str, said: str, run: Run, swept: Path) -> None:
    lines = swept.read_text().splitlines()
    (swept.parent / "words.csv").write_text(
        "\n".join([lines[0], re.sub("converged,[0-9]+", "converged,many", lines[1]), ""])
    )
    (swept.parent / "bad.parquet").write_text("PAR1")
    before = {path: path.read_bytes() for path in swept.parent.iterdir()}
    answer = run("summarize", *words.split())
    assert (answer.code, answer.out) == (2, "")
    assert re.fullmatch(f"lrsweep: .*{said}.*\n", answer.err), answer.err
    assert {path: path.read_bytes() for path in swept.parent.iterdir()} == before


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_bad_input_is_one_line_and_exit_code_2_and_leaves_no_file(
    words: str, said: str, run: Run, folder: Path, compilations: Callable[[], int]
) -> None:
    (folder / "own.json").write_text('{"mine": true}')
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    out = [] if "--out" in words or words == "rum" else ["--out", "sweep.csv"]
    compilations()
    answer = run(*words.split(), *out)
    assert (answer.code, answer.out) == (2, "")
    assert re.fullmatch(f"lrsweep: .*{said}.*\n", answer.err), answer.err
    assert {path: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert compilations() == 0


def test_the_version_is_that_of_the_package_and_of_its_project(run: Run) -> None:
    project = tomllib.loads((Path(lrsweep.__file__).parents[1] / "pyproject.toml").read_text())["project"]
    assert lrsweep.__version__ == project["version"]
    assert run("--version") == (0, f"lrsweep {project['version']}\n", "")


# What a command may load of what takes long to load.
LOADED = {
    "--help": set(),
    "run --help": set(),
    "--version": set(),
    "summarize sweep.csv": {"pandas"},
    "compare sweep.csv sweep.csv": {"pandas", "scipy"},
    "report sweep.csv": {"bokeh", "jinja2", "matplotlib", "pandas"},
    "plot sweep.csv --out sweep.png": {"matplotlib", "pandas"},
}


@pytest.mark.parametrize(("words", "loaded"), LOADED.items(), ids=LOADED)
def test_a_command_that_runs_no_trials_loads_no_jax_and_nothing_that_it_does_not_need(
    words: str, loaded: set[str], folder: Path, search: lrsweep.Sweep
) -> None:
    lrsweep.write_table(search.table, folder / "sweep.csv")
    code = (
        "import sys\n"
        "from lrsweep.cli._app import app\n"
        f"app({words.split()}, standalone_mode=False)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    slow = {"bokeh", "flax", "jax", "jaxlib", "jinja2", "matplotlib", "optax", "pandas", "scipy"}
    assert slow & {*ran.stdout.splitlines()[-1].split()} <= loaded


def start(*words: str, **options: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", "lrsweep", *words], text=True, **options)


def test_on_a_narrow_screen_the_names_are_folded_and_never_the_numbers() -> None:
    terminal, line = pty.openpty()
    process = start("run", stdout=line, stderr=subprocess.PIPE, env={**os.environ, "COLUMNS": "44", "TERM": "xterm"})
    process.communicate(timeout=60)
    os.close(line)
    table = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", _read_all(terminal).decode()).split("Use learning_rate")[0]
    assert max(len(row.rstrip()) for row in table.splitlines()) <= 44
    for number in ("0.001", "526", "3.562e-05", "0.0001428"):
        assert number in table


@pytest.mark.usefixtures("folder")
def test_progress_is_shown_on_a_terminal_and_gone_at_the_end() -> None:
    terminal, line = pty.openpty()
    # A million sines, two hundred times: more than half a second.
    process = start("run", "own.py:endless", "--seeds", "2", "--steps", "200", stdout=subprocess.PIPE, stderr=line)
    out, _ = process.communicate(timeout=60)
    os.close(line)
    shown = _read_all(terminal)
    assert process.returncode == 0
    assert b" of 50 trials ended" in shown
    assert shown.endswith((b"\x1b[?25h", b"\x1b[2K"))
    assert "\x1b" not in out


def _read_all(terminal: int) -> bytes:
    shown = b""
    with contextlib.suppress(OSError):  # how a terminal says that its other side has closed
        while chunk := os.read(terminal, 65536):
            shown += chunk
    os.close(terminal)
    return shown


def test_without_a_command_it_shows_its_help(run: Run) -> None:
    said = run()
    assert (said.code, said.err) == (2, "")
    assert "Usage: lrsweep" in said.out


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    process = start("list", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    assert process.communicate(timeout=60)[1] == ""


# Runs the command line, and says on standard error what the cache was asked for, and how many devices there are. With
# a word added no file can grow beyond a thousand bytes, as where a disk is full.
WATCHED = """
import collections, json, resource, sys
from lrsweep.cli._app import main
from lrsweep.cli._jax_setup import set_up_jax
set_up_jax()  # as a command does before JAX is loaded, which then reads how much it is to log
import jax, jax.monitoring
if len(sys.argv) > 1:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
seen = collections.Counter()
jax.monitoring.register_event_listener(lambda event, **_: seen.update([event.rpartition("/")[2]]))
sys.argv = ["lrsweep", "run"]
try:
    main()
finally:
    said = {"hits": seen["cache_hits"], "misses": seen["cache_misses"], "devices": len(jax.devices("cpu"))}
    print(json.dumps(said), file=sys.stderr)
"""


def watch(caches: Path, *words: str) -> dict[str, int]:
    """What `lrsweep run` did in a process of its own, which says nothing else on standard error."""
    # As from a notebook: JAX has set this for the process that starts the command.
    environment = {**os.environ, "XDG_CACHE_HOME": str(caches), "TF_CPP_MIN_LOG_LEVEL": "1"}
    code = [sys.executable, "-c", WATCHED, *words]
    ran = subprocess.run(code, env=environment, capture_output=True, text=True, check=True)
    assert "Use learning_rate 0.1: it converged after 51 updates." in ran.stdout
    return json.loads(ran.stderr)


def kept(caches: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in caches.rglob("*") if path.is_file()}


def test_a_second_run_compiles_nothing_and_every_core_is_a_device(tmp_path: Path) -> None:
    first = watch(tmp_path)
    before = kept(tmp_path)
    assert first == {"hits": 0, "misses": len(before), "devices": len(os.sched_getaffinity(0))}
    assert before
    assert watch(tmp_path) == {**first, "hits": first["misses"], "misses": 0}
    assert kept(tmp_path) == before


@pytest.mark.slow
def test_where_nothing_can_be_kept_it_runs_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "lrsweep").touch()
    assert watch(tmp_path)["hits"] == 0
    assert kept(tmp_path).keys() == {tmp_path / "lrsweep"}
    assert watch(Path("/dev/null"))["hits"] == 0


@pytest.mark.slow
def test_what_a_full_disk_cut_short_is_compiled_again_and_kept(tmp_path: Path) -> None:
    watch(tmp_path, "full")
    assert {path.stat().st_size for path in kept(tmp_path)} == {1000}
    misses = watch(tmp_path)["misses"]
    assert misses > 0
    assert watch(tmp_path)["hits"] == misses


LEFT_ALONE = {
    "nothing": ({}, set()),
    "devices": ({"JAX_NUM_CPU_DEVICES": "3"}, {"jax_num_cpu_devices"}),
    "devices, as a flag": ({"XLA_FLAGS": "--xla_force_host_platform_device_count=3"}, {"jax_num_cpu_devices"}),
    "folder": ({"JAX_COMPILATION_CACHE_DIR": "mine"}, {"jax_compilation_cache_dir"}),
}


@pytest.mark.parametrize(("said", "left"), LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_the_environment_says_of_jax_is_left_alone(
    said: dict[str, str], left: set[str], monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    updated: dict[str, Any] = {}
    monkeypatch.setattr(jax.config, "update", updated.__setitem__)
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    before = set(folder.iterdir())
    jax_setup.set_up_jax()
    settings = {"jax_num_cpu_devices", "jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs"}
    assert updated.keys() == settings - left
    assert set(folder.iterdir()) == before


@pytest.mark.usefixtures("folder")
def test_one_who_has_no_home_has_no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)
    assert jax_setup.cache_folder() is None


def test_what_was_used_longest_ago_makes_room(caches: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = caches / "lrsweep" / "compiled"
    compiled.mkdir(parents=True, exist_ok=True)
    for age, name in enumerate(("now", "lately", "once")):
        (compiled / name).write_bytes(b"0" * 400)
        os.utime(compiled / name, (4e9 - age, 1e9))
    monkeypatch.setattr(jax_setup, "CACHE_BYTES", 1000)
    monkeypatch.setattr(jax.config, "update", lambda *_: None)
    jax_setup.set_up_jax()
    assert {path.name for path in compiled.iterdir()} == {"now", "lately"}
