"""The package as a whole: its rooms, what it exports, what importing it does not do; its examples run."""

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

import lrsweep

PACKAGE = Path(lrsweep.__file__).parent
ROOT = PACKAGE.parent

# What the examples of a module need beside what the package needs.
NEEDED = {f"lrsweep.export._{name}": name for name in ("optuna", "tensorboard", "xarray")}

MODULES = sorted(module.name for module in pkgutil.walk_packages(lrsweep.__path__, "lrsweep."))

# What users rely on: a name is added here, and none is taken away without a warning first.
PUBLIC = {
    "lrsweep": """
        Best Comparison Curves Halving InputError Interrupted Layout LazyTrials Objective Progress RangeTest Refinement
        Replay Stopping Store Sweep best_learning_rate best_setting compare coordinates critical_learning_rate export
        from_runs gather grid landscape lazy_grid load log_grid models open_store optimizers outcome_map plots problems
        range_test read_table refine regression_from_csv sensitivity sharpness status_shares summarize summarize_curves
        summarize_outcome sweep transfer write_report write_table
    """,
    "lrsweep.export": """
        Runs from_mlflow from_optuna from_tensorboard from_wandb to_mlflow to_optuna to_tensorboard to_wandb to_xarray
    """,
    "lrsweep.models": "from_equinox from_linen from_nnx",
    "lrsweep.problems": "from_table line linear_regression quadratic rosenbrock softmax_regression valleys",
    "lrsweep.optimizers": """
        by_name cosine_restarts gauss_seidel independent_decay lookahead names one_cycle scheduled warmup_cosine
        warmup_linear warmup_stable_decay
    """,
    "lrsweep.plots": """
        animate_contours animate_fit animate_slope cells contours fit losses outcome overview range_test
        save_animation slope statuses transfer
    """,
}


def test_the_top_of_the_package_reads_as_a_table_of_contents() -> None:
    entries = [path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"]
    assert len(entries) <= 18
    for path in PACKAGE.glob("*/__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text())), path
        assert all(module.name.startswith("_") for module in path.parent.glob("*.py")), path.parent


@pytest.mark.parametrize("module", PUBLIC)
def test_no_public_name_has_gone(module: str) -> None:
    there = vars(importlib.import_module(module)).keys() | set(dir(importlib.import_module(module)))
    assert set(PUBLIC[module].split()) <= there


def test_what_is_exported_is_sorted_and_is_there() -> None:
    assert lrsweep.__all__ == sorted(lrsweep.__all__) == dir(lrsweep)
    typed = re.findall(r" as (\w+)$", (PACKAGE / "__init__.py").read_text(), re.M)
    assert sorted(typed) == lrsweep.__all__
    for name in lrsweep.__all__:
        assert getattr(lrsweep, name).__doc__
    with pytest.raises(AttributeError, match="'lrsweep' has no attribute 'nothing'"):
        _ = lrsweep.nothing  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("module", PUBLIC)
def test_completion_shows_public_names_only(module: str) -> None:
    listed = dir(importlib.import_module(module))
    assert set(PUBLIC[module].split()) <= set(listed)
    assert [name for name in listed if name.startswith("_")] == []
    assert listed == sorted(importlib.import_module(module).__all__)


MISTYPED = {
    ("lrsweep", "swep"): "sweep",
    ("lrsweep", "SWEEP"): "sweep",
    ("lrsweep", "best_learning_rates"): "best_learning_rate",
    ("lrsweep.problems", "quadratik"): "quadratic",
    ("lrsweep.optimizers", "lookahed"): "lookahead",
    ("lrsweep.plots", "losess"): "losses",
    ("lrsweep.models", "from_flax_nnx"): "from_nnx",
    ("lrsweep.export", "to_wanb"): "to_wandb",
}


@pytest.mark.parametrize(("module", "name"), MISTYPED)
def test_a_mistyped_name_is_answered_by_the_one_that_was_meant_and_once(module: str, name: str) -> None:
    said = f"module {module!r} has no attribute {name!r}: did you mean {MISTYPED[module, name]!r}?"
    with pytest.raises(AttributeError) as raised:
        getattr(importlib.import_module(module), name)
    assert traceback.format_exception_only(raised.value) == [f"AttributeError: {said}\n"]


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
        "import lrsweep.cli._app\n"
        "print(before == dict(jax.config.values), compiled)\n"
    )
    assert said.strip() == "True []"


def test_what_reads_tables_does_without_jax() -> None:
    said = run_python(
        "import importlib, pkgutil, sys\n"
        "for room in ('inputs', 'tables', 'statistics'):\n"
        "    package = importlib.import_module(f'lrsweep.{room}')\n"
        "    for module in pkgutil.iter_modules(package.__path__, f'lrsweep.{room}.'):\n"
        "        importlib.import_module(module.name)\n"
        "print({'flax', 'jax', 'jaxlib', 'optax'} & set(sys.modules))\n"
    )
    assert said.strip() == "set()"


def test_help_answers_without_importing_jax_or_pandas() -> None:
    said = run_python(
        "import sys\n"
        "from lrsweep.cli._app import app\n"
        "commands = 'run refine critical range-test status resume summarize compare plot report'.split()\n"
        "for words in ([], *([command] for command in commands)):\n"
        "    app([*words, '--help'], standalone_mode=False)\n"
        "print({'bokeh', 'jax', 'jinja2', 'matplotlib', 'optax', 'pandas'} & set(sys.modules))\n"
    )
    assert "Sweep learning rates" in said
    assert said.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name", [name for name in MODULES if name != "lrsweep.__main__"])
def test_the_examples_of_a_module_give_what_they_show(name: str, search: lrsweep.Sweep, tmp_path: Path) -> None:
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    module = importlib.import_module(name)
    options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    shared = {"lrsweep": lrsweep, "result": search, "folder": tmp_path}
    assert doctest.testmod(module, extraglobs=shared, optionflags=options).failed == 0


def test_every_public_function_has_an_example_that_is_run() -> None:
    public = [getattr(lrsweep, name) for name in lrsweep.__all__]
    public += [
        getattr(lrsweep.problems, name) for name in ("line", "linear_regression", "quadratic", "rosenbrock", "valleys")
    ]
    public += [getattr(lrsweep.optimizers, name) for name in ("by_name", "gauss_seidel", "independent_decay", "names")]
    public += [each for name in dir(lrsweep.plots) if callable(each := getattr(lrsweep.plots, name))]
    public += [getattr(lrsweep.export, name) for name in dir(lrsweep.export)]
    public += [lrsweep.models.from_equinox, lrsweep.models.from_linen, lrsweep.models.from_nnx]
    modules = {"export", "models", "optimizers", "plots", "problems"}
    without = {
        "RangeTest",
        "Refinement",
        "Replay",
        "Store",
        "Sweep",
        "read_table",
    } | modules  # shown where they are used
    for thing in public:
        name = thing.__name__.rpartition(".")[2]
        assert name in without or ">>>" in thing.__doc__, name


def test_the_package_declares_what_it_imports() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = ("executors", "dask", "ray", "remote", "mlflow", "optuna", "tensorboard", "wandb", "xarray")
    extras = [each for name in named for each in project["optional-dependencies"][name]]
    declared = {re.split(r"[><=]", text)[0] for text in (*project["dependencies"], *extras)}
    declared = {"sklearn" if name == "scikit-learn" else name for name in declared}
    used = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            used |= {name.split(".")[0] for name in names}
    for text in re.findall(r'load_library\("(\w+)', "".join(path.read_text() for path in PACKAGE.rglob("*.py"))):
        used.add(text)
    # jaxlib runs under jax; whoever has a model of Flax or Equinox has that library.
    assert used - sys.stdlib_module_names - {"lrsweep", "equinox", "flax"} == declared - {"jaxlib"}
