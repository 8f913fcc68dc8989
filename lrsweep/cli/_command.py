"""Commands that lose nothing of what they are told, and whose help shows of a switch no type: it takes no value."""

from collections import Counter
from typing import Any

from typer.core import TyperCommand, TyperGroup

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

    def get_params(self, ctx: Any) -> list[Any]:
        """Gives the options of a command."""
        return _without_types(super().get_params(ctx))


class Group(TyperGroup):
    """The command line as a whole."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Gives the options that stand before a command."""
        return _without_types(super().get_params(ctx))


def _without_types(parameters: list[Any]) -> list[Any]:
    """Has the help call no switch a `<bool>`, as if it took a value."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


def _times(times: int) -> str:
    return "twice" if times == 2 else f"{times} times"
