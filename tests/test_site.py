"""What the README and the site show is what happens: their code is run, and what stands below it is what it prints."""

import ast
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import pytest

import lrsweep
from tests.conftest import Run

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
README = ROOT / "README.md"
PAGES = [README, ROOT / "CONTRIBUTING.md", ROOT / "experiments" / "README.md", *sorted(DOCS.rglob("*.md"))]
SLOW = {
    "docs/recipes/optimizers.md",
    "docs/recipes/models.md",
    "docs/recipes/refine.md",
    "docs/recipes/batches.md",
    "docs/recipes/width.md",
}

# What the code of a page needs beside what the package needs.
NEEDED = {DOCS / "recipes" / "trackers.md": ("optuna", "tensorboard", "xarray")}

# What is set up before JAX computes anything needs a process of its own.
SETS_UP_JAX = {DOCS / "running.md"}

# What a page tells its reader to run beside lrsweep, and no page's test does: it installs, or is what CI runs.
INSTALLS = ("python -m venv", ". .venv", "pip install", "pre-commit install")
RUN_BY_CI = ("pytest", "ruff", "pyright", "lint-imports", "mkdocs", "pre-commit run", "python experiments/")

BLOCK = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*) *(?P<options>[^\n]*)\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)
TITLE = re.compile(r'title="([^"]+)"')


class Block(NamedTuple):
    """A block of code of a page, and what the page shows below it.

    Attributes:
        language: What it is written in: `python`, `sh`, `text`.
        text: It itself.
        title: The name of the file that it is, if it is one.
        shown: What the page says it prints, where it says so.
    """

    language: str
    text: str
    title: str | None
    shown: str | None


def blocks_of(page: Path) -> Iterator[Block]:
    """The blocks of a page in order; a block of text right below one of code is what that prints."""
    content = page.read_text()
    found = list(BLOCK.finditer(content))
    texts = [re.sub(rf"^{match['indent']}", "", match["text"], flags=re.M) for match in found]
    titles = [TITLE.search(match["options"]) for match in found]
    for at, match in enumerate(found):
        below = at + 1 < len(found) and found[at + 1]["language"] == "text" and titles[at + 1] is None
        shown = texts[at + 1] if below and not content[match.end() : found[at + 1].start()].strip() else None
        title = titles[at]
        yield Block(match["language"], texts[at], title and title[1], shown)


def run_python(code: str, namespace: dict[str, Any]) -> str:
    """Runs a block as a notebook runs a cell; gives what it prints, and the value of its last line if there is one."""
    *lines, last = ast.parse(code).body
    shows = isinstance(last, ast.Expr)
    with redirect_stdout(StringIO()) as printed:
        exec(compile(ast.Module(lines if shows else [*lines, last], []), "page", "exec"), namespace)
        value = eval(compile(ast.Expression(last.value), "page", "eval"), namespace) if shows else None
        if value is not None:
            print(repr(value))
    return printed.getvalue()


def commands_of(block: str) -> list[list[str]]:
    """The commands of a block that a test runs, in words; others must be among those that it may leave out."""
    commands = []
    for line in block.replace("\\\n", " ").splitlines():
        for command in line.split("&&"):
            words = shlex.split(command, comments=True)
            if words and words[0] == "lrsweep":
                commands.append(words[1:])
            else:
                assert not words or command.strip().startswith((*INSTALLS, *RUN_BY_CI)), f"nothing runs {command!r}"
    return commands


def run_sh(block: str, run: Run) -> str:
    """Runs the commands of lrsweep of a block; gives what they print."""
    printed = []
    for command in commands_of(block):
        said = run(*command)
        assert said.code == 0, said.err
        printed.append(said.out)
    return "".join(printed)


def lines_of(text: str | None) -> list[str]:
    return [line.rstrip() for line in (text or "").strip("\n").splitlines()]


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    """What the pages show as files, by their names."""
    return {block.title: block.text for page in PAGES for block in blocks_of(page) if block.title is not None}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name, marks=[pytest.mark.slow] if name in SLOW else [])
        for page in PAGES
        for name in [str(page.relative_to(ROOT))]
        if {"python", "sh"} & {block.language for block in blocks_of(page)}
    ],
)
def test_the_code_of_a_page_gives_what_the_page_shows(
    page: Path, files: dict[str, str], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in NEEDED.get(page, ()):
        pytest.importorskip(library)
    monkeypatch.chdir(tmp_path)
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    if page in SETS_UP_JAX:
        code = "\n".join(block.text for block in blocks_of(page) if block.language == "python")
        subprocess.run([sys.executable, "-c", code], check=True)
        return
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks_of(page):
        if block.title is not None or block.language not in ("python", "sh"):
            continue
        printed = run_python(block.text, namespace) if block.language == "python" else run_sh(block.text, run)
        if block.shown is not None:
            assert lines_of(printed) == lines_of(block.shown)


def test_the_readme_is_short_and_shows_its_first_result_at_once() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) < 150
    assert next(at for at, line in enumerate(lines) if line.startswith("Use learning_rate")) < 25


def test_the_readme_shows_what_its_commands_and_examples_print() -> None:
    shown = [block for block in blocks_of(README) if block.shown is not None]
    assert {block.language for block in shown} == {"python", "sh"}
    assert any(["run"] in commands_of(block.text) for block in shown if block.language == "sh")
    assert sum(len(ast.parse(block.text).body) for block in blocks_of(README) if block.language == "python") > 8


@pytest.mark.parametrize("page", [README, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_a_link_to_a_file_leads_to_one(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


def test_every_public_name_has_its_place_in_the_api() -> None:
    documented = re.findall(r"^::: (\S+)$", "\n".join(page.read_text() for page in (DOCS / "api").glob("*.md")), re.M)
    rooms = {"export", "models", "problems", "optimizers", "plots"}
    public = {f"lrsweep.{name}" for name in lrsweep.__all__ if name not in rooms and not name.startswith("_")}
    for room in rooms:
        values = {name: getattr(getattr(lrsweep, room), name) for name in dir(getattr(lrsweep, room))}
        public |= {f"lrsweep.{room}.{name}" for name, value in values.items() if isinstance(value, FunctionType | type)}
    assert sorted(documented) == sorted(public)
