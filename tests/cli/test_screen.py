"""What a terminal shows: tables and sentences that fit its width, help that cuts no name, colours where wanted."""

import re
import sys
from collections.abc import Callable

import pytest

from tests.conftest import Run

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")
COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-9]")

Terminal = Callable[[int], None]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Terminal:
    """A function that has standard output and error be a terminal of so many columns."""
    del capsys  # which puts its own streams in place first

    def of_width(columns: int) -> None:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm-256color")
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: True)

    return of_width


def plain(text: str) -> str:
    return ESCAPE.sub("", text)


def words(text: str) -> str:
    return " ".join(plain(text).split())


def test_on_a_terminal_lines_are_broken_between_words_and_elsewhere_not_at_all(run: Run, terminal: Terminal) -> None:
    piped = run("run")
    answer = piped.out.splitlines()[-1]
    terminal(50)
    shown = run("run", "--quiet"), run("run")
    assert shown[0].out == ""
    assert max(map(len, plain(shown[1].out).splitlines())) <= 50
    assert words(shown[1].out).endswith(answer)


@pytest.mark.parametrize(
    ("columns", "heads"),
    [
        (100, ["learning_rate   trials   converged   diverged   median converged_at   median final_loss"]),
        (
            80,
            [
                "                                                      median       median",
                "learning_rate   trials   converged   diverged   converged_at   final_loss",
            ],
        ),
        (
            68,
            [
                "                                                median      median",
                "learning_                                   converged_      final_",
                "     rate   trials   converged   diverged           at        loss",
            ],
        ),
    ],
)
def test_names_of_columns_are_broken_at_their_joints(
    run: Run, terminal: Terminal, columns: int, heads: list[str]
) -> None:
    terminal(columns)
    shown = plain(run("run").out).splitlines()
    assert [line.rstrip() for line in shown[: len(heads)]] == heads
    assert shown[len(heads)] == "─" * len(heads[-1])


def test_a_terminal_too_narrow_for_a_table_shows_its_rows_as_words(run: Run, terminal: Terminal) -> None:
    terminal(40)
    shown = run("run").out
    assert max(map(len, plain(shown).splitlines())) <= 40
    row = "learning_rate 0.01, trials 1, converged 100%, diverged 0%, median converged_at 526, median final_loss "
    assert f"{row}0.0001428 " in words(shown)
    edges = words(run("critical", "--width", "0.5").out)
    assert edges.startswith("starts 1, median 0.")
    assert "-" not in words(shown).partition("Use ")[0].replace("e-", "")


def test_what_goes_wrong_is_broken_between_words_too(run: Run, terminal: Terminal) -> None:
    piped = run("run", "--zzz").err
    terminal(60)
    shown = run("run", "--zzz").err
    assert max(map(len, shown.splitlines())) <= 60
    assert words(shown) == words(piped)


@pytest.mark.parametrize(
    "command", ["run", "refine", "critical", "range-test", "summarize", "compare", "report", "plot"]
)
@pytest.mark.parametrize("columns", [40, 80])
def test_help_cuts_no_name_of_an_option_and_shows_no_type_of_a_switch(
    run: Run, monkeypatch: pytest.MonkeyPatch, command: str, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    said = run(command, "-h").out
    assert max(map(len, said.splitlines())) <= columns
    assert "…" not in said
    assert "<bool>" not in said
    monkeypatch.setenv("COLUMNS", "200")
    names = re.findall(r"--[a-z0-9-]+", run(command, "-h").out)
    assert names
    assert all(name in said for name in names)


def test_a_narrow_terminal_is_told_all_of_what_commands_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    said = run("-h").out
    assert max(map(len, said.splitlines())) <= 40
    assert "Say how far a sweep into a store has come." in words(said)


def test_there_are_no_colours_where_they_are_not_wanted(
    run: Run, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "\x1b" not in run("-h").out
    terminal(80)
    assert COLOUR.search(run("-h").out)
    monkeypatch.setenv("NO_COLOR", "1")
    assert not COLOUR.search(run("-h").out + run("run").out)
