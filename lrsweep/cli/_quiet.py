"""The option `--quiet`, which commands that print an answer have in common."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from lrsweep.cli._options._shared import Quiet
from lrsweep.cli._printing import words_aside


def with_quiet(command: Callable[..., int]) -> Callable[..., int]:
    """Gives a command the option `--quiet`, and has it print where that and its `--out` say.

    Args:
        command: A function of keywords.

    Example:
        >>> from lrsweep.cli._printing import print_out
        >>> @with_quiet
        ... def answer(*, out: str | None = None) -> int:
        ...     print_out("Use learning_rate 0.1.")
        ...     return 0
        >>> answer(), answer(quiet=True)
        Use learning_rate 0.1.
        (0, 0)
    """

    @wraps(command)
    def told(*, quiet: bool = False, **options: Any) -> int:
        with words_aside(out=options.get("out"), quiet=quiet):
            return command(**options)

    signature = inspect.signature(command)
    option = inspect.Parameter("quiet", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Quiet)
    told.__signature__ = signature.replace(  # pyright: ignore[reportAttributeAccessIssue]
        parameters=[*signature.parameters.values(), option]
    )
    told.__annotations__ = {**command.__annotations__, "quiet": Quiet}
    return told
