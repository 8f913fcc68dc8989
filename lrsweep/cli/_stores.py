"""The commands of stores: `status` and `resume`."""

import contextlib
import os

from lrsweep.cli._options._shared import Executor, Quiet, StoreArgument
from lrsweep.cli._printing import print_out
from lrsweep.cli._startup import keep_loaded
from lrsweep.cli._sweeps import run
from lrsweep.inputs._errors import InputError

# What reads stores is imported where it is needed, so that --help does not wait for it.


def status(*, store: StoreArgument) -> int:
    """Say how far a sweep into a store has come."""
    from lrsweep.inputs._messages import plural
    from lrsweep.store._folder import Folder
    from lrsweep.store._store import open_store

    keep_loaded()
    opened, user = open_store(store), Folder(store).user()
    made = opened.provenance
    done = f"{opened.trials:,} of {plural(opened.of_trials, 'trial')} ({opened.trials / opened.of_trials:.0%})"
    print_out(f"{store}: {done} of {made['objective']}, with {made['optimizer']}, {made['steps']:,} steps.")
    for sentence in opened.unhashed:
        print_out(f"What cannot be told from another sweep: {sentence}.")
    if user is not None:
        print_out(f"{user[0].upper()}{user[1:]} is computing into it.")
    elif opened.trials < opened.of_trials:
        print_out(f"Nobody is computing into it: lrsweep resume {store} goes on." if opened.command else _BY_PYTHON)
    return 0


_BY_PYTHON = "Nobody is computing into it: the same call of lrsweep.sweep goes on."


def resume(*, store: StoreArgument, executor: Executor = None, quiet: Quiet = False) -> int:
    """Go on with a sweep into a store, by the options that began it."""
    from lrsweep.store._folder import Folder
    from lrsweep.store._store import open_store

    command, folder = open_store(store).command, Folder(store).address
    if command is None:
        raise InputError(f"{store!r} was begun in Python: the same call of lrsweep.sweep goes on with it")
    # The files that it names were named from there.
    with contextlib.suppress(OSError):
        os.chdir(command["folder"])
    other = {} if executor is None else {"executor": executor}
    return run(**{**command["options"], **other, "store": folder, "quiet": quiet})
