"""The options of a command: what they are also called, how numbers are written, and what would be lost."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import lrsweep
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
    assert f": did you mean '{meant}'? There is: " in said.err


@pytest.mark.parametrize("words", ["plot a.csv --out a.png --lr x", "run --zzz"])
def test_an_option_that_means_none_of_those_there_are_is_answered_by_their_list(run: Run, words: str) -> None:
    assert re.search(r"there is no option '\S+': there is: --\S+, ", run(*words.split()).err)


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
