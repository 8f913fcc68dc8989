"""Results handed to trackers, and runs taken from them: MLflow, W&B, TensorBoard, Optuna; and to xarray.

A module is named by its tool, which is imported when it is used. `_entries` says what is written of a setting or a
trial, `_runs` how runs that were read become a result table.
"""

from typing import TYPE_CHECKING

from lrsweep.export._mlflow import from_mlflow, to_mlflow
from lrsweep.export._optuna import from_optuna, to_optuna
from lrsweep.export._runs import Runs
from lrsweep.export._tensorboard import from_tensorboard, to_tensorboard
from lrsweep.export._wandb import from_wandb, to_wandb
from lrsweep.export._xarray import to_xarray
from lrsweep.inputs._public import public_only

__all__ = [
    "Runs",
    "from_mlflow",
    "from_optuna",
    "from_tensorboard",
    "from_wandb",
    "to_mlflow",
    "to_optuna",
    "to_tensorboard",
    "to_wandb",
    "to_xarray",
]

# A type checker that saw this would take any name to be there.
if not TYPE_CHECKING:
    __dir__, __getattr__ = public_only(__name__, __all__)
