"""The exception that ends a study on Ctrl-C, and carries what had been found by then."""

from typing import Any


class Interrupted(KeyboardInterrupt):
    """The exception that the studies of many trials raise on Ctrl-C, with what had ended by then.

    It is a `KeyboardInterrupt`, so that a script ends with it. After one that nobody caught, a notebook and Python's
    prompt have it as `sys.last_value`. Trials that end early are those that converge or diverge soon: they are no fair
    sample of all of them.

    Attributes:
        result: What the call would have returned. Of `sweep`, a `Sweep` of the trials that had ended, under their own
            labels. Of `refine`, a `Refinement`: the trials that had ended in all rounds, and as `found` the answer of
            the last round that was complete. Of `critical_learning_rate`, its table, with the brackets as narrow as
            they were, and without theory. Of `range_test`, a `RangeTest` of the starts that had run to the last
            learning rate. Any of them may be of no rows.
        ended: How many trials had ended (int).
        of_trials: How many there were to run (int), of a study in several rounds at most.
        store: The folder of the store that the sweep goes on from when it is called again (str); None without one.

    Example:
        >>> try:
        ...     raise lrsweep.Interrupted(result, ended=3, of_trials=10)
        ... except lrsweep.Interrupted as stopped:
        ...     print(stopped)
        ...     print(stopped.result.table["status"].value_counts().to_dict())
        interrupted: 3 of 10 trials had ended, and what became of them is in .result
        {'converged': 2, 'slow': 1, 'diverged': 0, 'oscillating': 0, 'stalled': 0, 'dropped': 0,
         'finished': 0}
    """

    def __init__(
        self, result: Any, *, ended: int, of_trials: int, store: str | None = None, kept: int | None = None
    ) -> None:
        """Carries a result; `kept` is how many of the trials that had ended are in the store."""
        said = f"interrupted: {ended:,} of {of_trials:,} trials had ended, and what became of them is in .result"
        if store is not None:
            said += f"; {kept:,} of them are in the store {store!r}, and the same call goes on from there"
        super().__init__(said)
        self.result, self.ended, self.of_trials, self.store = result, ended, of_trials, store
