"""Learning-rate sweeps: every learning rate and every start at once, and a table of what became of each."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lrsweep import optimizers as optimizers
    from lrsweep import plots as plots
    from lrsweep import problems as problems
    from lrsweep.axes import grid as grid
    from lrsweep.axes import log_grid as log_grid
    from lrsweep.best import Best as Best
    from lrsweep.best import best_learning_rate as best_learning_rate
    from lrsweep.best import best_setting as best_setting
    from lrsweep.bins import gather as gather
    from lrsweep.cells import outcome_map as outcome_map
    from lrsweep.critical import critical_learning_rate as critical_learning_rate
    from lrsweep.csv_file import regression_from_csv as regression_from_csv
    from lrsweep.curvature import sharpness as sharpness
    from lrsweep.errors import InputError as InputError
    from lrsweep.halving import Halving as Halving
    from lrsweep.objective import Objective as Objective
    from lrsweep.refinement import Refinement as Refinement
    from lrsweep.refinement import refine as refine
    from lrsweep.replay import Replay as Replay
    from lrsweep.report.page import write_report as write_report
    from lrsweep.robustness import sensitivity as sensitivity
    from lrsweep.run import Sweep as Sweep
    from lrsweep.run import sweep as sweep
    from lrsweep.shares import status_shares as status_shares
    from lrsweep.spread import summarize_curves as summarize_curves
    from lrsweep.spread import summarize_outcome as summarize_outcome
    from lrsweep.status import Stopping as Stopping
    from lrsweep.summary import summarize as summarize
    from lrsweep.surface import landscape as landscape
    from lrsweep.table import read_table as read_table
    from lrsweep.table import write_table as write_table
    from lrsweep.turns import Layout as Layout

# Loaded when first asked for, so that the command line can answer --help without importing JAX.
_HOMES = {
    "Best": "best",
    "Halving": "halving",
    "InputError": "errors",
    "Layout": "turns",
    "Objective": "objective",
    "Refinement": "refinement",
    "Replay": "replay",
    "Stopping": "status",
    "Sweep": "run",
    "best_learning_rate": "best",
    "best_setting": "best",
    "critical_learning_rate": "critical",
    "gather": "bins",
    "grid": "axes",
    "landscape": "surface",
    "log_grid": "axes",
    "optimizers": None,
    "outcome_map": "cells",
    "plots": None,
    "problems": None,
    "read_table": "table",
    "refine": "refinement",
    "regression_from_csv": "csv_file",
    "sensitivity": "robustness",
    "sharpness": "curvature",
    "status_shares": "shares",
    "summarize": "summary",
    "summarize_curves": "spread",
    "summarize_outcome": "spread",
    "sweep": "run",
    "write_report": "report.page",
    "write_table": "table",
}

# It has to see every fork.
importlib.import_module("lrsweep.forks")

__all__ = sorted(_HOMES)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lrsweep' has no attribute {name!r}")
    home = _HOMES[name]
    if home is None:
        return importlib.import_module(f"lrsweep.{name}")
    return getattr(importlib.import_module(f"lrsweep.{home}"), name)


def __dir__() -> list[str]:
    return __all__
