"""The errors that are raised where the caller has to change something, rather than lrsweep."""

from lrsweep.inputs._messages import in_one_line, shorten


class InputError(ValueError):
    """An error in what the caller passed; its message names the culprit and what would be accepted, in one sentence.

    On the command line only these are shown as one line. Any other error is lrsweep's own, or one of the functions that
    it was given.

    Example:
        >>> lrsweep.grid(learning_rate=[])
        Traceback (most recent call last):
            ...
        lrsweep.inputs._errors.InputError: column 'learning_rate' of the grid has no values: it needs at least one
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten(in_one_line(message)))


class InputTypeError(InputError, TypeError):
    """An argument of the wrong kind: an `InputError` that is a `TypeError` too."""


class MissingFileError(InputError, FileNotFoundError):
    """A file that does not exist: an `InputError` that is a `FileNotFoundError` too."""


class UnwrittenError(InputError, OSError):
    """A file that could not be written, as on a full disk: an `InputError` that is an `OSError` too."""


class WorkersError(InputError, RuntimeError):
    """Workers that have died, and with them what they were to compute: an `InputError` that is a `RuntimeError` too."""
