"""The README's examples and the tables of its commands are what is really printed."""

import doctest
from pathlib import Path

import pytest

from tests.conftest import Run

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_give_what_they_show() -> None:
    examples = doctest.DocTestParser().get_doctest(
        README.read_text().replace("```python", ""), {}, "README.md", str(README), 0
    )
    assert len(examples.examples) > 8
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples).failed == 0


@pytest.mark.parametrize("command", ["run", "critical quadratic --seeds 5 --set momentum=0,0.9 --steps 10000"])
def test_a_commands_table_is_what_it_prints(command: str, run: Run) -> None:
    printed = "\n".join(line.rstrip() for line in run(*command.split()).out.splitlines())
    assert f"lrsweep {command}\n" in README.read_text()
    assert printed in README.read_text()
