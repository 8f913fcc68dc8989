"""The options of a command: what they are also called, how numbers are written, and what would be lost."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import optax
import pandas as pd
import pytest
import typer
from pandas.testing import assert_frame_equal

import lrsweep
from lrsweep.cli._app import app
from tests.conftest import Run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("words", [(), ("run",), ("list",)])
def test_h_is_help(run: Run, words: tuple[str, ...]) -> None:
    said = run(*words, "-h")
    assert (said.code, said.err) == (0, "")
    assert said == run(*words, "--help")


@pytest.mark.parametrize("command", ["run", "refine"])
def test_lr_is_learning_rate(run: Run, command: str) -> None:
    assert run(command, "--lr", "0.1,0.2").out == run(command, "--learning-rate", "0.1,0.2").out


def test_a_whole_number_may_be_written_with_an_exponent_wherever_a_count_is_taken(run: Run) -> None:
    counts = ("--steps", "--seeds", "--hold")
    plain = run("run", "--lr", "1e-2:1:3", *(word for name in counts for word in (name, "20")), "--out", "a.csv")
    exponent = run("run", "--lr", "1e-2:1:3e0", *(word for name in counts for word in (name, "2e1")), "--out", "b.csv")
    assert exponent.out.replace("b.csv", "a.csv").replace("b.json", "a.json") == plain.out
    assert Path("a.csv").read_bytes() == Path("b.csv").read_bytes()
    assert lrsweep.read_table("b.csv").attrs["provenance"]["steps"] == 20
    assert run("critical", "--steps", "1e2", "--width", "0.5").code == 0
    assert run("range-test", "--steps", "5e1").code == 0
    assert run("refine", "--rounds", "0e0", "--steps", "20.0").code == 0


REFUSED = {
    "a count with a fraction": ("run --steps 1.5", "'--steps': '1.5' must be a whole number, such as 1000 or 1e3"),
    "a count without end": ("run --seeds inf", "'--seeds': 'inf' must be a whole number"),
    "a count of a range with a fraction": ("run --lr 1e-2:1:1.5", "'1e-2:1:1.5' is not a range"),
    "an option twice": ("run --steps 5 --steps 9", "--steps is given twice, and only one can count: give it once"),
    "an option by both its names": ("run --lr 1 --learning-rate 2 --lr 3", "--learning-rate is given 3 times, and"),
    "a word for a switch": ("run --set nesterov=maybe", "--set nesterov=maybe: nesterov of sgd is true or false"),
    "a word among switches": ("refine --set nesterov=true,yes", "--set nesterov=true,yes: nesterov of sgd is true or "),
    "a word for a number": ("critical --optimizer adam --set b1=high", "--set b1=high: b1 of adam is a number"),
    "halving after a part of an update": (
        "run --halving 2.5",
        "--halving '2.5' must be whole numbers of updates, such",
    ),
    "a share to keep of what is not halved": ("run --keep 0.5", "--keep says how many settings --halving keeps: give"),
    "halving into a store": ("run --halving 9 --store kept", "--halving compares all trials, and a store runs them sh"),
    "a word for a number that may be left out": ("run --set momentum=None", "momentum of sgd is a number"),
    "a word for a switch of a range test": ("range-test --set nesterov=no", "nesterov of sgd is true or false"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_lost_or_misread_is_refused_in_one_line(run: Run, words: str, said: str) -> None:
    answer = run(*words.split())
    assert (answer.code, answer.out) == (2, "")
    assert re.fullmatch(f"lrsweep: .*{said}.*\n", answer.err), answer.err


MEANT = {
    "critical --lr 0.1": "--from",
    "run --epochs 10": "--steps",
    "run --seed 3": "--seeds",
    "run --output a.csv": "--out",
    "run --batch_size 8": "--batch-size",
    "run --weight-decay 0.1": "--set weight-decay=AXIS",
    "summarize a.csv --lerning-rate x": "--learning-rate",
    "refine --toleranse 1": "--tolerance",
}


@pytest.mark.parametrize(("words", "meant"), MEANT.items(), ids=MEANT)
def test_an_option_that_there_is_not_is_answered_by_what_it_means(run: Run, words: str, meant: str) -> None:
    said = run(*words.split())
    assert said.code == 2
    assert f": did you mean '{meant}'? -h lists all there are\n" in said.err


@pytest.mark.parametrize("words", ["plot a.csv --out a.png --zzz x", "run --zzz"])
def test_an_option_that_means_none_of_those_there_are_is_answered_by_their_list(run: Run, words: str) -> None:
    assert re.search(r"there is no option '\S+': there is: --\S+, ", run(*words.split()).err)


ELSEWHERE = {
    "refine --store kept": "it is one of run",
    "range-test --schedule one_cycle": "it is one of run, refine and critical",
    "run --by momentum": "it is one of summarize",
    "--steps 5 run": "it is one of run, refine, critical and range-test",
}


@pytest.mark.parametrize(("words", "said"), ELSEWHERE.items(), ids=ELSEWHERE)
def test_an_option_of_other_commands_is_said_to_be_theirs(run: Run, words: str, said: str) -> None:
    answer = run(*words.split())
    assert answer.code == 2
    assert answer.err.endswith(f" here, {said}: -h lists all there are\n")


# What the commands that run trials do not share: a search of learning rates is given their ends, and ends trials by its
# own rule; a range test raises them as a schedule would; edges have no picture; and a store, curves, causes and halving
# are of one sweep, where the others run several.
OWN = {
    "run": {"--halving", "--keep", "--diagnose", "--record", "--record-every", "--store", "--executor"},
    "refine": {"--around", "--rounds", "--width"},
    "critical": {"--from", "--to", "--width", "--schedule"},
    "range-test": {"--from", "--to", "--plot"},
}
SWEPT = {"--learning-rate", "--schedule", "--plot", "--tolerance", "--target-loss", "--hold"}


def test_commands_that_run_trials_share_all_options_but_those_with_a_reason() -> None:
    commands: Any = typer.main.get_command(app)
    options = {name: {each.opts[0] for each in commands.commands[name].params} for name in OWN}
    shared = set.intersection(*options.values())
    assert {"objective", "--target", "--optimizer", "--set", "--seeds", "--trials", "--steps", "--out"} < shared
    own = {name: options[name] - shared for name in options}
    assert own == {name: OWN[name] | (SWEPT if name in ("run", "refine") else set()) for name in OWN}


# Options that have another meaning, or another default, in some of these commands.
DIFFERENT = {
    "--learning-rate": ["run", "refine"],  # a zoom begins with a grid of its own
    "--optimizer": ["run refine", "critical range-test"],  # several, or one
    "--width": ["refine", "critical"],  # an edge is sought more finely than a zoom ends
    "--from": ["critical", "range-test"],
    "--to": ["critical", "range-test"],
    "--steps": ["run refine critical", "range-test"],  # updates, or learning rates
    "--divergence": ["run refine critical", "range-test"],  # from the start of a trial, or its least loss
    "--out": ["run refine", "critical", "range-test"],  # trials, starts, or losses
    "--plot": ["run refine", "range-test"],
}


def test_an_option_is_the_same_in_every_command_that_runs_trials() -> None:
    commands: Any = typer.main.get_command(app)
    meant: dict[str, dict[Any, list[str]]] = {}
    for name in OWN:
        for each in commands.commands[name].params:
            meant.setdefault(each.opts[0], {}).setdefault((each.default, each.metavar, each.help), []).append(name)
    assert {
        option: [" ".join(names) for names in ways.values()] for option, ways in meant.items() if len(ways) > 1
    } == DIFFERENT


def test_settings_of_a_search_of_learning_rates_may_come_from_a_file(run: Run) -> None:
    Path("starts.csv").write_text("momentum,seed\n0,1\n0.5,2\n")
    assert run("critical", "--trials", "starts.csv", "--width", "0.5", "--out", "edges.csv").code == 0
    assert pd.read_csv("edges.csv")[["momentum", "seed"]].to_numpy().tolist() == [[0, 1], [0.5, 2]]
    assert run("range-test", "--trials", "starts.csv", "--steps", "50", "--out", "losses.csv").code == 0
    assert len(pd.read_csv("losses.csv")) == 100
    said = run("critical", "--trials", "starts.csv", "--seeds", "2")
    assert (said.code, said.err) == (2, "lrsweep: --trials brings its own columns: leave out --set and --seeds\n")


def test_a_range_test_ends_where_the_option_says(run: Run) -> None:
    assert run("range-test", "--steps", "50", "--divergence", "2", "--out", "losses.csv").code == 0
    tested = lrsweep.range_test(lrsweep.problems.line(), optax.sgd, steps=50, divergence=2)
    assert_frame_equal(pd.read_csv("losses.csv"), tested.curves)


def test_settings_are_dropped_after_the_updates_of_the_option(run: Run) -> None:
    words = "run --lr 0.3,0.1,0.03,0.01 --seeds 2 --steps 60 --halving 20,4e1 --keep 0.25 --out halved.csv"
    assert run(*words.split()).code == 0
    trials = lrsweep.grid(learning_rate=[0.3, 0.1, 0.03, 0.01], seed=range(2))
    halving = lrsweep.Halving(at=[20, 40], keep=0.25)
    swept = lrsweep.sweep(lrsweep.problems.line(), optax.sgd, trials, steps=60, halving=halving)
    assert_frame_equal(lrsweep.read_table("halved.csv"), swept.table)


def test_a_zoom_is_drawn(run: Run) -> None:
    said = run("refine", "--rounds", "0", "--steps", "20", "--plot", "zoom.svg")
    assert (said.code, said.out.splitlines()[-1]) == (0, "Drew zoom.svg.")
    assert "learning rate" in Path("zoom.svg").read_text(encoding="utf-8")


def test_a_repeatable_option_and_a_switch_may_be_given_twice(run: Run) -> None:
    words = ("run", "--steps", "20", "--set", "momentum=0.5", "--set", "nesterov=true", "--x64", "--x64")
    assert run(*words).code == 0


def test_a_table_goes_to_standard_output_and_words_to_standard_error(run: Run) -> None:
    plain = run("run", "--steps", "60", "--out", "sweep.csv")
    piped = run("run", "--steps", "60", "--out", "-")
    assert piped.code == 0
    assert piped.out == Path("sweep.csv").read_text(encoding="utf-8")
    answer = plain.out.partition("Wrote ")[0]
    assert piped.err == f"{answer}Wrote 3 trials to standard output.\n"
    assert {path.name for path in Path().iterdir()} == {"sweep.csv", "sweep.json"}
    summed = run("summarize", "sweep.csv", "--out", "-")
    assert (summed.code, summed.out.partition(",")[0]) == (0, "learning_rate")
    assert summed.err.endswith("Wrote 3 settings to standard output.\n")


@pytest.mark.parametrize(
    ("words", "header"),
    [
        (("refine", "--rounds", "0", "--steps", "20"), "trial,learning_rate"),
        (("critical", "--width", "0.5", "--steps", "20"), "start,critical_learning_rate"),
        (("range-test", "--steps", "50"), "step,learning_rate,loss"),
    ],
)
def test_every_command_that_writes_a_table_can_write_it_there(run: Run, words: tuple[str, ...], header: str) -> None:
    said = run(*words, "--out", "-")
    assert (said.code, said.out[: len(header)]) == (0, header)
    assert said.err.endswith("to standard output.\n")


def test_curves_have_no_place_beside_standard_output(run: Run) -> None:
    said = run("run", "--record", "loss", "--out", "-")
    assert (said.code, said.out) == (2, "")
    assert "--record writes curves beside the table of trials: say where that goes, by --out FILE" in said.err


def test_a_reader_of_a_table_that_has_seen_enough_ends_it_quietly() -> None:
    words = [sys.executable, "-m", "lrsweep", "run", "--lr", "1e-4:1e-2:500", "--steps", "3", "--seeds", "9"]
    command = subprocess.Popen([*words, "--out", "-", "--quiet"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert command.stdout is not None
    assert command.stdout.readline().startswith(b"trial,learning_rate,seed,status")
    command.stdout.close()
    command.stdout = None
    assert (command.communicate(timeout=60)[1], command.returncode) == (b"", 0)


def test_quiet_prints_only_what_goes_wrong_and_writes_all_the_same(run: Run) -> None:
    words = ("run", "--steps", "60", "--out", "sweep.csv", "--plot", "sweep.png")
    assert run(*words, "--quiet") == (0, "", "")
    assert {path.name for path in Path().iterdir()} == {"sweep.csv", "sweep.json", "sweep.png"}
    assert run("run", "--steps", "60", "-q", "--out", "-") == (0, Path("sweep.csv").read_text(encoding="utf-8"), "")
    assert run("report", "sweep.csv", "-q") == (0, "", "")
    assert run("summarize", "none.csv", "--quiet") == (2, "", "lrsweep: there is no file 'none.csv'\n")


@pytest.mark.parametrize("files", [(), ("--out", "-"), ("--out", "sweep.csv", "--plot", "sweep.png")])
def test_where_all_trials_diverged_the_exit_code_says_so(run: Run, files: tuple[str, ...]) -> None:
    assert run("run", "--lr", "8,9", "--seeds", "2", *files).code == 4
    assert run("run", "--lr", "0.1,9", "--seeds", "2", *files).code == 0
