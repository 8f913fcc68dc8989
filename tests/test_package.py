"""The package as a whole: what it exports, who imports whom, what importing it does not do; its examples run."""

import ast
import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lrsweep

PACKAGE = Path(lrsweep.__file__).parent
ROOT = PACKAGE.parent

# DESIGN's list: each module imports only from those above it.
ORDER = [
    "messages",
    "errors",
    "arguments",
    "files",
    "forks",
    "modes",
    "devices",
    "kept",
    "precision",
    "objective",
    "problems",
    "optimizers",
    "axes",
    "batches",
    "binding",
    "columns",
    "groups",
    "program",
    "checks",
    "curvature",
    "diagnosis",
    "theory",
    "status",
    "watch",
    "jaxprs",
    "scalars",
    "products",
    "lanes_last",
    "turns",
    "trial",
    "block",
    "traits",
    "memory",
    "lanes",
    "planning",
    "waiting",
    "schedule",
    "coordinates",
    "surface",
    "replay",
    "halving",
    "progress",
    "csv_text",
    "reading",
    "notes",
    "table",
    "starts",
    "causes",
    "display",
    "survival",
    "summary",
    "best",
    "advice",
    "notebook",
    "provenance",
    "run",
    "critical",
    "edges",
    "bins",
    "shares",
    "spread",
    "cells",
    "robustness",
    "refinement",
    "conclusion",
    "screen",
    "verdict",
    "plots.style",
    "plots.scales",
    "plots.legends",
    "plots.by_update",
    "plots.by_rate",
    "plots.stacks",
    "plots.cells_map",
    "plots.together",
    "plots.trails",
    "plots.slopes",
    "plots.fitting",
    "plots.moving",
    "plots.files",
    "plots",
    "report.wording",
    "report.scales",
    "report.across",
    "report.choices",
    "report.dots",
    "report.along",
    "report.frames",
    "report.charts",
    "report.plane",
    "report.drawing",
    "report.failures",
    "report.origin",
    "report.page",
    "report",
    "csv_file",
    "loading",
    "options",
    "search",
    "output",
    "start_up",
    "printing",
    "cli",
    "__main__",
]


def imported(path: Path) -> set[str]:
    """The modules of this package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "lrsweep":
            found |= {node.module.partition(".")[2]} if "." in node.module else {alias.name for alias in node.names}
    return found


def name_of(path: Path) -> str:
    """A file's place in the package: `plots/style.py` is `plots.style`, and `plots/__init__.py` is `plots`."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


FILES = {name_of(path): path for path in PACKAGE.rglob("*.py")}


def test_every_module_has_its_place_in_the_order() -> None:
    assert set(FILES) == {*ORDER, "__init__"}


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_those_above_it(name: str) -> None:
    assert imported(FILES[name]) <= set(ORDER[: ORDER.index(name)])


def test_what_is_exported_is_sorted_and_is_there() -> None:
    assert lrsweep.__all__ == sorted(lrsweep.__all__) == dir(lrsweep)
    typed = re.findall(r" as (\w+)$", (PACKAGE / "__init__.py").read_text(), re.M)
    assert sorted(typed) == lrsweep.__all__
    for name in lrsweep.__all__:
        assert getattr(lrsweep, name).__doc__
    with pytest.raises(AttributeError, match="'lrsweep' has no attribute 'nothing'"):
        _ = lrsweep.nothing  # pyright: ignore[reportAttributeAccessIssue]


def test_no_module_bears_the_name_of_a_public_function() -> None:
    functions = {name for name in lrsweep.__all__ if callable(getattr(lrsweep, name))}
    assert not functions & set(ORDER)


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_changes_no_setting_of_jax_and_compiles_nothing() -> None:
    said = run_python(
        "import jax, jax.monitoring\n"
        "compiled = []\n"
        "jax.monitoring.register_event_duration_secs_listener(lambda *a, **k: compiled.append(a))\n"
        "before = dict(jax.config.values)\n"
        "import lrsweep\n"
        "for name in lrsweep.__all__: getattr(lrsweep, name)\n"
        "import lrsweep.cli\n"
        "print(before == dict(jax.config.values), compiled)\n"
    )
    assert said.strip() == "True []"


def test_help_answers_without_importing_jax_or_pandas() -> None:
    said = run_python(
        "import sys\n"
        "import lrsweep.cli\n"
        "for words in ([], ['run'], ['refine'], ['critical'], ['summarize'], ['plot'], ['report']):\n"
        "    lrsweep.cli.app([*words, '--help'], standalone_mode=False)\n"
        "print({'bokeh', 'jax', 'jinja2', 'matplotlib', 'optax', 'pandas'} & set(sys.modules))\n"
    )
    assert "Sweep learning rates" in said
    assert said.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name", [name for name in ORDER if name != "__main__"])
def test_the_examples_of_a_module_give_what_they_show(name: str, search: lrsweep.Sweep, tmp_path: Path) -> None:
    module = importlib.import_module(f"lrsweep.{name}")
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    shared = {"lrsweep": lrsweep, "result": search, "folder": tmp_path}
    assert doctest.testmod(module, extraglobs=shared, optionflags=options).failed == 0


def test_every_public_function_has_an_example_that_is_run() -> None:
    public = [getattr(lrsweep, name) for name in lrsweep.__all__]
    public += [
        getattr(lrsweep.problems, name) for name in ("line", "linear_regression", "quadratic", "rosenbrock", "valleys")
    ]
    public += [lrsweep.optimizers.gauss_seidel, lrsweep.optimizers.by_name, lrsweep.optimizers.names]
    public += [value for value in vars(lrsweep.plots).values() if callable(value)]
    modules = {"optimizers", "plots", "problems"}
    without = {"Refinement", "Replay", "Sweep", "read_table"} | modules  # shown where they are used
    for thing in public:
        name = thing.__name__.rpartition(".")[2]
        assert name in without or ">>>" in thing.__doc__, name


def test_the_package_declares_what_it_imports() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[><=]", text)[0] for text in project["dependencies"]}
    used = set()
    for path in FILES.values():
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            used |= {name.split(".")[0] for name in names}
    # jaxlib runs under jax.
    assert used - sys.stdlib_module_names - {"lrsweep"} == declared - {"jaxlib"}
