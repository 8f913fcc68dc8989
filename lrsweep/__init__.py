"""Learning-rate sweeps: every learning rate and every start at once, and a table of what became of each."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrsweep import export as export
    from lrsweep import models as models
    from lrsweep import optimizers as optimizers
    from lrsweep import plots as plots
    from lrsweep import problems as problems
    from lrsweep.engine._layout import Layout as Layout
    from lrsweep.inputs._errors import InputError as InputError
    from lrsweep.problems._from_table import regression_from_csv as regression_from_csv
    from lrsweep.problems._objective import Objective as Objective
    from lrsweep.report._page import write_report as write_report
    from lrsweep.statistics._best import Best as Best
    from lrsweep.statistics._best import best_learning_rate as best_learning_rate
    from lrsweep.statistics._best import best_setting as best_setting
    from lrsweep.statistics._bins import gather as gather
    from lrsweep.statistics._compare import Comparison as Comparison
    from lrsweep.statistics._compare import compare as compare
    from lrsweep.statistics._outcome_map import outcome_map as outcome_map
    from lrsweep.statistics._quartiles import summarize_curves as summarize_curves
    from lrsweep.statistics._quartiles import summarize_outcome as summarize_outcome
    from lrsweep.statistics._range_test import RangeTest as RangeTest
    from lrsweep.statistics._sensitivity import sensitivity as sensitivity
    from lrsweep.statistics._shares import status_shares as status_shares
    from lrsweep.statistics._summary import summarize as summarize
    from lrsweep.statistics._transfer import coordinates as coordinates
    from lrsweep.statistics._transfer import transfer as transfer
    from lrsweep.store._store import Store as Store
    from lrsweep.store._store import open_store as open_store
    from lrsweep.studies._critical import critical_learning_rate as critical_learning_rate
    from lrsweep.studies._halving import Halving as Halving
    from lrsweep.studies._interrupted import Interrupted as Interrupted
    from lrsweep.studies._landscape import landscape as landscape
    from lrsweep.studies._load import load as load
    from lrsweep.studies._progress import Progress as Progress
    from lrsweep.studies._range_test import range_test as range_test
    from lrsweep.studies._refine import refine as refine
    from lrsweep.studies._refinement import Refinement as Refinement
    from lrsweep.studies._replay import Replay as Replay
    from lrsweep.studies._result import Sweep as Sweep
    from lrsweep.studies._sharpness import sharpness as sharpness
    from lrsweep.studies._sweep import sweep as sweep
    from lrsweep.tables._curves import Curves as Curves
    from lrsweep.tables._grid import grid as grid
    from lrsweep.tables._grid import log_grid as log_grid
    from lrsweep.tables._io import read_table as read_table
    from lrsweep.tables._io import write_table as write_table
    from lrsweep.tables._lazy import LazyTrials as LazyTrials
    from lrsweep.tables._lazy import lazy_grid as lazy_grid
    from lrsweep.tables._runs import from_runs as from_runs
    from lrsweep.training._stopping import Stopping as Stopping

    __version__: str

# Loaded when first asked for, so that the command line can answer --help without importing JAX.
_HOMES = {
    "Best": "statistics._best",
    "Comparison": "statistics._compare",
    "Curves": "tables._curves",
    "Halving": "studies._halving",
    "InputError": "inputs._errors",
    "Interrupted": "studies._interrupted",
    "Layout": "engine._layout",
    "LazyTrials": "tables._lazy",
    "Objective": "problems._objective",
    "Progress": "studies._progress",
    "RangeTest": "statistics._range_test",
    "Refinement": "studies._refinement",
    "Replay": "studies._replay",
    "Stopping": "training._stopping",
    "Store": "store._store",
    "Sweep": "studies._result",
    "best_learning_rate": "statistics._best",
    "best_setting": "statistics._best",
    "compare": "statistics._compare",
    "coordinates": "statistics._transfer",
    "critical_learning_rate": "studies._critical",
    "export": None,
    "from_runs": "tables._runs",
    "gather": "statistics._bins",
    "grid": "tables._grid",
    "landscape": "studies._landscape",
    "lazy_grid": "tables._lazy",
    "load": "studies._load",
    "log_grid": "tables._grid",
    "models": None,
    "open_store": "store._store",
    "optimizers": None,
    "outcome_map": "statistics._outcome_map",
    "plots": None,
    "problems": None,
    "range_test": "studies._range_test",
    "read_table": "tables._io",
    "refine": "studies._refine",
    "regression_from_csv": "problems._from_table",
    "sensitivity": "statistics._sensitivity",
    "sharpness": "studies._sharpness",
    "status_shares": "statistics._shares",
    "summarize": "statistics._summary",
    "summarize_curves": "statistics._quartiles",
    "summarize_outcome": "statistics._quartiles",
    "sweep": "studies._sweep",
    "transfer": "statistics._transfer",
    "write_report": "report._page",
    "write_table": "tables._io",
}

# It has to see every fork.
importlib.import_module("lrsweep.engine._forks")

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


# A type checker that saw this would take any name to be there.
if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name == "__version__":
            return importlib.import_module("importlib.metadata").version("lrsweep")
        if name not in _HOMES:
            raise importlib.import_module("lrsweep.inputs._public").no_attribute("lrsweep", name, __all__)
        home = _HOMES[name]
        if home is None:
            return importlib.import_module(f"lrsweep.{name}")
        return getattr(importlib.import_module(f"lrsweep.{home}"), name)


def __dir__() -> list[str]:
    return __all__
