"""What a shell completes an option's value to: its words, or the names that there are."""

from collections.abc import Callable, Sequence
from typing import Any

import typer

# optax and JAX, which take a second to load, are imported only where a name of theirs is asked for.


def one_of(*words: str, **about: Any) -> Any:
    """Makes an option that takes one of some words, which its help shows and a shell completes.

    Args:
        *words: The words.
        **about: What else `typer.Option` takes.

    Example:
        >>> one_of("best", "edge", help="Where to.").metavar
        'best|edge'
    """
    return typer.Option(metavar="|".join(words), autocompletion=_complete(words), **about)


def complete_optimizers(incomplete: str) -> list[str]:
    """Gives what the last of some optimizers' names can go on to.

    Example:
        >>> complete_optimizers("sgd,adag")
        ['sgd,adagrad']
    """
    from lrsweep.optimizers import names

    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in names() if name.startswith(last)]


def complete_schedules(incomplete: str) -> list[str]:
    """Gives the schedules that begin so.

    Example:
        >>> complete_schedules("one")
        ['one_cycle']
    """
    from lrsweep.optimizers._schedules import SHAPES

    return [name for name in SHAPES if name.startswith(incomplete)]


def complete_objectives(incomplete: str) -> list[str]:
    """Gives the ready-made objectives that begin so. Where there are none, a shell completes to files.

    Example:
        >>> complete_objectives("ro")
        ['rosenbrock']
    """
    from lrsweep.cli._objective import ready_made

    return [name for name in ready_made() if name.startswith(incomplete)]


def _complete(words: Sequence[str]) -> Callable[[str], list[str]]:
    """Makes a function that gives the words that begin so."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete
