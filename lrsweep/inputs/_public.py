"""What a module shows: completion its public names, and an error the one that was meant."""

import difflib
from collections.abc import Callable, Iterable, Sequence
from typing import NoReturn


def public_only(module: str, names: Sequence[str]) -> tuple[Callable[[], list[str]], Callable[[str], NoReturn]]:
    """Gives a module's `__dir__`, which lists its public names, and its `__getattr__`, which refuses all others.

    Args:
        module: The module's name.
        names: Its public names.

    Example:
        >>> listing, refuse = public_only("lrsweep.problems", ["line", "quadratic"])
        >>> listing()
        ['line', 'quadratic']
        >>> refuse("quadratik")
        Traceback (most recent call last):
        AttributeError: module 'lrsweep.problems' has no attribute 'quadratik': did you mean 'quadratic'?
    """

    def refuse(name: str) -> NoReturn:
        raise no_attribute(module, name, names)

    return lambda: sorted(names), refuse


def no_attribute(module: str, name: str, names: Iterable[str]) -> AttributeError:
    """Gives the error for a name that a module does not have, with the public name that is nearest, whatever its case.

    Args:
        module: The module's name.
        name: What was asked for.
        names: The public names.

    Example:
        >>> print(no_attribute("lrsweep", "swep", ["grid", "sweep"]))
        module 'lrsweep' has no attribute 'swep': did you mean 'sweep'?
        >>> print(no_attribute("lrsweep", "GRID", ["grid", "sweep"]))
        module 'lrsweep' has no attribute 'GRID': did you mean 'grid'?
        >>> print(no_attribute("lrsweep", "torch", ["grid", "sweep"]))
        module 'lrsweep' has no attribute 'torch'
    """
    names, said = list(names), f"module {module!r} has no attribute {name!r}"
    # Python asks modules for names such as __path__ and __wrapped__, which nobody has mistyped.
    if not name.startswith("_"):
        meant = {each.casefold(): each for each in names} | {each: each for each in names}
        near = difflib.get_close_matches(name, names, n=1) or difflib.get_close_matches(name.casefold(), meant, n=1)
        if near:
            said += f": did you mean {meant[near[0]]!r}?"
    # Python's own tracebacks, unlike notebooks, look for a near name too: without the module they do not say it twice.
    return AttributeError(said, name=name, obj=None)
