"""Results handed to trackers, and runs taken from them: MLflow, W&B, TensorBoard, Optuna; and to xarray.

A module is named by its tool, which is imported when it is used. `_entries` says what is written of a setting or a
trial, `_runs` how runs that were read become a result table.
"""

from lrsweep.export._mlflow import from_mlflow as from_mlflow
from lrsweep.export._mlflow import to_mlflow as to_mlflow
from lrsweep.export._optuna import from_optuna as from_optuna
from lrsweep.export._optuna import to_optuna as to_optuna
from lrsweep.export._runs import Runs as Runs
from lrsweep.export._tensorboard import from_tensorboard as from_tensorboard
from lrsweep.export._tensorboard import to_tensorboard as to_tensorboard
from lrsweep.export._wandb import from_wandb as from_wandb
from lrsweep.export._wandb import to_wandb as to_wandb
from lrsweep.export._xarray import to_xarray as to_xarray
