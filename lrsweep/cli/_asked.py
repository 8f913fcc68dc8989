"""What a command that runs trials is asked for: the options of all such commands, read and checked in one place."""

from pathlib import Path
from typing import NamedTuple

import pandas as pd

from lrsweep.cli._destinations import check_out, check_picture
from lrsweep.cli._objective import load_objective, print_taken
from lrsweep.cli._options._study import Study, Swept
from lrsweep.cli._own import split_name
from lrsweep.cli._trials import read_optimizers, read_trials
from lrsweep.inputs._errors import InputError
from lrsweep.optimizers._factories import Factory
from lrsweep.problems._objective import Objective
from lrsweep.tables._schema import LEARNING_RATE
from lrsweep.training._stopping import Stopping


class Asked(NamedTuple):
    """What a command that runs trials is asked for.

    Attributes:
        objective: What is minimised.
        optimizers: The optimizers' factories by name.
        trials: One row per trial; without learning rates where the command finds them itself.
        path: Where the table goes to, or None where it is not written.
        picture: Where the picture goes to, or None.
    """

    objective: Objective
    optimizers: dict[str, Factory]
    trials: pd.DataFrame
    path: Path | None
    picture: Path | None


def read_study(
    options: Study,
    *,
    learning_rate: str | None = None,
    default_rates: str | None = None,
    schedule: str | None = None,
    plot: str | None = None,
    curves: bool = False,
) -> Asked:
    """Reads the options that all commands that run trials share, and says what a file of data was taken for.

    Args:
        options: The options.
        learning_rate: `--learning-rate`, or None.
        default_rates: The learning rates where none are given; or None where the command finds them itself.
        schedule: `--schedule`, or None.
        plot: `--plot`, or None.
        curves: Whether curves are written beside the table.

    Raises:
        InputError: An option is wrong.
    """
    tried, inputs = options.tried, [split_name(options.problem.objective)[0], options.tried.trials]
    path = check_out(options.out, inputs, force=options.force, curves=curves)
    picture = None if plot is None else check_picture("--plot", plot, inputs, force=options.force)
    if default_rates is None and "," in options.optimizer:
        raise InputError(f"--optimizer {options.optimizer} names several: test one at a time")
    optimizers = read_optimizers(options.optimizer, schedule=schedule, steps=options.steps)
    objective = load_objective(options.problem, batch_size=options.batch_size)
    trials = read_trials(
        optimizers,
        options.problem.objective,
        file=tried.trials,
        learning_rate=learning_rate,
        default_rates=default_rates,
        settings=tried.settings,
        seeds=tried.seeds,
    )
    print_taken(objective)
    return Asked(objective, optimizers, trials, path, picture)


def read_sweep(options: Swept, *, default_rates: str, curves: bool = False) -> tuple[Asked, Stopping]:
    """Reads the options that `run` and `refine` share, and when a trial ends.

    Args:
        options: The options.
        default_rates: The learning rates where none are given.
        curves: Whether curves are written beside the table.

    Raises:
        InputError: An option is wrong.
    """
    ending = options.ending
    stopping = Stopping(ending.tolerance, ending.target_loss, ending.hold, ending.divergence)
    asked = read_study(
        options,
        learning_rate=options.learning_rate,
        default_rates=default_rates,
        schedule=options.schedule,
        plot=options.plot,
        curves=curves,
    )
    if asked.picture is not None and LEARNING_RATE not in asked.trials.columns:
        raise InputError(f"--plot {options.plot} is drawn against learning_rate, which these trials do not have")
    return asked, stopping
