"""Phrases that error messages share: what there is, and the nearest match."""

import difflib
from collections.abc import Iterable


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """One sentence that refuses `name`, gives its nearest match and lists what there is.

    Example:
        >>> unknown("optimizer", "adm", ["adam", "sgd"])
        "there is no optimizer 'adm': did you mean 'adam'? There is: adam, sgd"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {close[0]!r}? There is" if close else "there is"
    return f"there is no {kind} {name!r}: {hint}: {', '.join(names) or 'none'}"


def first_line(error: BaseException) -> str:
    r"""What an exception says first, after its type's name; its type's name alone where it says nothing.

    Example:
        >>> first_line(ValueError("too long\nby far"))
        'ValueError: too long'
    """
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
