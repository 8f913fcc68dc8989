"""Phrases that messages share: quoted values, the nearest match, lists, numbers, all at a readable length."""

import difflib
from collections.abc import Iterable
from typing import Any

# A message has no more characters than this, whatever it quotes from a file or a caller.
LONGEST = 1000

# A quotation has no more characters than this, and a list no more names.
LONGEST_QUOTE = 80
MOST_LISTED = 60

# How a caller switches to 64-bit.
HOW_TO_WIDEN = "compute in 64-bit (--x64, or jax.config.update('jax_enable_x64', True))"


def shorten(text: str, most: int = LONGEST) -> str:
    """Shortens a text that is too long to its beginning and its end.

    Example:
        >>> shorten("abcdefghijklmnopqrstuvwxyz", most=11)
        'abcdef ... xyz'
    """
    head, tail = (most + 1) // 2, most // 4 + 1
    return text if len(text) <= most else f"{text[:head]} ... {text[-tail:]}"


def in_one_line(text: str) -> str:
    r"""Puts the lines of a text one after another.

    Example:
        >>> in_one_line("[[1, 0],\n [0, 1]]")
        '[[1, 0], [0, 1]]'
    """
    return " ".join(text.split()) if "\n" in text else text


def quote(value: Any) -> str:
    """Writes a value as Python does, in one line of readable length; a NumPy scalar as the Python number.

    Example:
        >>> quote("relu"), len(quote("relu" * 1000)) < 80
        ("'relu'", True)
    """
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        value = value.item()
    return shorten(in_one_line(repr(value)), LONGEST_QUOTE)


def listed(names: Iterable[Any]) -> str:
    """Joins names by commas; of very many it gives the first ones, and says how many more there are.

    Example:
        >>> listed(["adam", "sgd"])
        'adam, sgd'
    """
    shown = [shorten(str(name), LONGEST_QUOTE) for name in names]
    more = len(shown) - MOST_LISTED
    return ", ".join(shown[:MOST_LISTED]) + (f" and {more:,} more" if more > 0 else "")


def joined(names: Iterable[Any]) -> str:
    """Joins names, one at least, as a sentence does.

    Example:
        >>> joined(["adam"]), joined(["adam", "lion", "sgd"])
        ('adam', 'adam, lion and sgd')
    """
    *first, last = map(str, names)
    return f"{', '.join(first)} and {last}" if first else last


def unknown(kind: str, name: Any, known: Iterable[str]) -> str:
    """Writes the message that a name is unknown, with its nearest match and a list of what there is.

    Example:
        >>> unknown("optimizer", "adma", ["adam", "adamax", "sgd"])
        "there is no optimizer 'adma': did you mean 'adam'? There is: adam, adamax, sgd"
    """
    names = [str(each) for each in known]
    close = difflib.get_close_matches(name, names) if isinstance(name, str) else []
    # Letters that changed places are the likeliest slip of all.
    close.sort(key=lambda each: sorted(each) != sorted(str(name)))
    hint = f"did you mean {quote(close[0])}? There is" if close else "there is"
    return f"there is no {kind} {quote(name)}: {hint}: {listed(names) or 'none'}"


def first_line(error: BaseException) -> str:
    r"""Gives the type of an exception and the first line of its message, if it has one.

    Example:
        >>> first_line(ValueError("too long\nby far"))
        'ValueError: too long'
    """
    lines = str(error).strip().splitlines()
    return shorten(f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__, LONGEST // 2)


def number(value: float, digits: int = 4) -> str:
    """Writes a number to some significant digits.

    Example:
        >>> number(1 / 3)
        '0.3333'
    """
    return f"{value:.{digits}g}"


def plural(number: int, word: str) -> str:
    """Writes a count and what is counted, in the plural unless it is one.

    Example:
        >>> plural(1, "trial"), plural(2000, "trial")
        ('1 trial', '2,000 trials')
    """
    return f"{number:,} {word}{'' if number == 1 else 's'}"
