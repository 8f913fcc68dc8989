"""What an executor asks of whoever keeps its trials while they run, so that another process can go on from there."""

from typing import Any, Protocol


class Checkpoints(Protocol):
    """The keeper of a group's trials while they run, part by part.

    The engine hands it pytrees of arrays. When it writes them, and where, is its own affair.
    """

    @property
    def parts(self) -> int | None:
        """Into how many parts the trials were divided that have been kept; None where none have."""
        ...

    def divide(self, parts: int) -> None:
        """Is told, before anything else, into how many parts the trials are divided now."""
        ...

    def read(self, part: int, *likes: Any) -> Any:
        """Gives what was kept of a part, where there are as many parts now.

        Args:
            part: Its number.
            likes: The pytrees that it may be, with leaves of a `shape` and a `dtype`.

        Returns:
            A pytree of NumPy arrays like one of these, or None.
        """
        ...

    def keep_running(self, part: int, state: Any) -> None:
        """Is given the state of a part that runs, from which it would go on. It is gone once this returns."""
        ...

    def keep_ended(self, part: int, results: Any) -> None:
        """Is given the results of a part that has ended, which do not change any more."""
        ...
