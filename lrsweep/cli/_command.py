"""A command that loses nothing of what it is told: an option given twice, of which one would count, is refused."""

from collections import Counter
from typing import Any

from typer.core import TyperCommand

from lrsweep.inputs._errors import InputError


class Command(TyperCommand):
    """A command of the command line, which refuses an option that is given twice unless it takes several values."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the words of a command.

        Raises:
            InputError: An option is given twice, and only the last would count.
        """
        if ctx.resilient_parsing:  # a shell asks what a command that is still being written can go on to
            return super().parse_args(ctx, args)
        _, _, order = self.make_parser(ctx).parse_args(args=list(args))
        for parameter, times in Counter(order).items():
            # A switch that is on twice is on.
            kept = getattr(parameter, "multiple", False) or getattr(parameter, "is_flag", False)
            if times > 1 and not kept:
                raise InputError(f"{parameter.opts[0]} is given {_times(times)}, and only one can count: give it once")
        return super().parse_args(ctx, args)


def _times(times: int) -> str:
    return "twice" if times == 2 else f"{times} times"
