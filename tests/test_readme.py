"""The README's examples and its first table are what is really printed."""

import doctest
from pathlib import Path

from tests.conftest import Run

README = Path(__file__).parent.parent / "README.md"


def test_the_examples_give_what_they_show() -> None:
    examples = doctest.DocTestParser().get_doctest(
        README.read_text().replace("```python", ""), {}, "README.md", str(README), 0
    )
    assert len(examples.examples) > 8
    assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(examples).failed == 0


def test_the_first_table_is_what_lrsweep_run_prints(run: Run) -> None:
    printed = "\n".join(line.rstrip() for line in run("run").out.splitlines())
    assert printed in README.read_text()
