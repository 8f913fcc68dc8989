"""What is raised where the caller, and not lrsweep, has to change something."""

from lrsweep.inputs._messages import in_one_line, shorten


class InputError(ValueError):
    """What was handed in cannot be used; the message names the culprit and what would be accepted, in one sentence.

    Only these become the one line of the command line. Whatever else is raised is an error of lrsweep's own, or of the
    functions it was given.

    Example:
        >>> lrsweep.grid(learning_rate=[])
        Traceback (most recent call last):
            ...
        lrsweep.inputs._errors.InputError: column 'learning_rate' of the grid has no values: it needs at least one
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten(in_one_line(message)))


class InputTypeError(InputError, TypeError):
    """What was handed in is of the wrong kind: an `InputError` that is a `TypeError` too."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that was named is not there: an `InputError` that is a `FileNotFoundError` too."""
