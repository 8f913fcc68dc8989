"""Completion: what a shell is told that a command can go on to."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lrsweep import optimizers
from lrsweep.optimizers._schedules import SHAPES
from lrsweep.statistics._rules import RULES
from tests.conftest import Run


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("ref", {"refine"}),
        ("run --le", {"--learning-rate"}),
        ("run --optimizer sgd,ada", {f"sgd,{name}" for name in optimizers.names() if name.startswith("ada")}),
        ("run --schedule ", set(SHAPES)),
        ("run ", {"line", "quadratic", "rosenbrock", "valleys"}),
        ("refine --around ", {"best", "edge"}),
        ("run --steps 1 --steps 2 --tas", {"--task"}),
        ("summarize sweep.csv --rule ", set(RULES)),
        ("run data", set()),
    ],
)
def test_bash_is_told_commands_options_and_the_names_there_are(
    run: Run, monkeypatch: pytest.MonkeyPatch, words: str, offered: set[str]
) -> None:
    monkeypatch.setenv("_LRSWEEP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"lrsweep {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(f"lrsweep {words}".split(" ")) - 1))
    said = run()
    assert (said.code, {*said.out.split()}, said.err) == (0, offered, "")


@pytest.mark.parametrize(("shell", "action"), [("zsh", ""), ("fish", "get-args")])
def test_zsh_and_fish_are_told_the_same(run: Run, monkeypatch: pytest.MonkeyPatch, shell: str, action: str) -> None:
    monkeypatch.setenv("_LRSWEEP_COMPLETE", f"complete_{shell}")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "lrsweep refine --around ")
    monkeypatch.setenv("_TYPER_COMPLETE_FISH_ACTION", action)
    said = run()
    assert (said.code, said.err) == (0, "")
    assert all(word in said.out for word in ("best", "edge"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder in which the command is, as a shell finds it."""
    command = tmp_path / "lrsweep"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m lrsweep "$@"\n')
    command.chmod(0o755)
    return tmp_path


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_a_command_with_the_script_that_it_is_given(folder: Path) -> None:
    script = f"""
        PATH={folder}:$PATH
        eval "$(_LRSWEEP_COMPLETE=source_bash lrsweep)"
        COMP_WORDS=(lrsweep summ) COMP_CWORD=1
        _lrsweep_completion lrsweep
        echo "${{COMPREPLY[@]}}"
    """
    ran = subprocess.run(["bash", "--norc", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("summarize\n", "")


@pytest.mark.skipif(shutil.which("fish") is None, reason="there is no fish here")
def test_fish_completes_a_command_with_the_script_that_it_is_given(folder: Path) -> None:
    script = f"""
        set --export PATH {folder} $PATH
        env _LRSWEEP_COMPLETE=source_fish lrsweep | source
        complete --do-complete "lrsweep refine --around "
    """
    ran = subprocess.run(["fish", "--no-config", "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert (ran.stdout.splitlines(), ran.stderr) == (["best", "edge"], "")
