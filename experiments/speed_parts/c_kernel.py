"""The line in C, `line.c`: the limit of what this machine can do, written for this problem alone."""

import ctypes
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from speed_parts.entry import MissingError, Run, tabulate
from speed_parts.workloads import Workload

SOURCE = Path(__file__).with_name("line.c")

# The columns of its `struct table`.
COLUMNS = {
    "status": np.int8,
    **dict.fromkeys(["steps", "converged_at", "diverged_at", "best_at"], np.int64),
    **dict.fromkeys(["initial_loss", "final_loss", "best_loss", "rate"], np.float64),
}


def run_kernel(workload: Workload) -> Run:
    """Runs the C, with SIMD and a thread per core, each block ended when its trials have: all of lrsweep's table."""
    kernel, stopping = build_kernel(), workload.stopping
    counts = [ctypes.c_int64(workload.steps), ctypes.c_int64(stopping.hold)]
    bounds = [ctypes.c_double(stopping.tolerance), ctypes.c_double(stopping.divergence)]

    def run(trials: pd.DataFrame) -> pd.DataFrame:
        # Neighbours should end at about the same time: they do in a grid whose slowest column is the learning rate.
        assert trials["learning_rate"].is_monotonic_increasing
        given = [np.ascontiguousarray(trials[name], np.float64) for name in ("learning_rate", "w0", "w1")]
        columns = {name: np.empty(len(trials), dtype) for name, dtype in COLUMNS.items()}
        rows = [ctypes.c_void_p(array.ctypes.data) for array in given]
        table = (ctypes.c_void_p * len(columns))(*(column.ctypes.data for column in columns.values()))
        kernel.run_trials(ctypes.c_int64(len(trials)), *rows, *counts, *bounds, table)
        return tabulate(trials, columns)

    return run


def build_kernel() -> Any:
    """Compiles the C for this machine, and loads it.

    Raises:
        MissingError: There is no C compiler, or it cannot compile this.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        raise MissingError("there is no C compiler, cc")
    with tempfile.TemporaryDirectory() as folder:
        library = f"{folder}/line.so"
        command = [compiler, "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC", SOURCE, "-o", library, "-lm"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode != 0:
            raise MissingError(f"cc cannot compile {SOURCE.name}: {built.stderr.strip()}")
        return ctypes.CDLL(library)
