"""Commands that lose nothing of what they are told, and whose help shows of a switch no type: it takes no value."""

import shutil
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

from typer.core import TyperCommand, TyperGroup

from lrsweep.inputs._errors import InputError

# Panels of fewer columns have no room for the longest options beside what they mean.
_LEAST_WIDTH = 72


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
        """Gives the options of a command, those first that stand in no panel of their own."""
        parameters = _without_types(super().get_params(ctx))
        return sorted(parameters, key=lambda each: getattr(each, "rich_help_panel", None) is not None)

    def get_short_help_str(self, limit: int = 0) -> str:
        """Gives what the list of commands says of this one: all of it, also where it takes several lines."""
        del limit
        return self.help or ""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help, in panels where there is room for them."""
        self.rich_markup_mode = _fit(formatter)
        super().format_help(ctx, formatter)


class Group(TyperGroup):
    """The command line as a whole."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Gives the options that stand before a command."""
        return _without_types(super().get_params(ctx))

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Writes the help, in panels where there is room for them."""
        self.rich_markup_mode = _fit(formatter)
        super().format_help(ctx, formatter)


def _fit(formatter: Any) -> Literal["rich"] | None:
    """Gives how the help is written: in panels, or plainly where these would break the names of options.

    Args:
        formatter: What writes it plainly; it then writes what an option means below its name.
    """
    width = shutil.get_terminal_size().columns
    if width >= _LEAST_WIDTH:
        return "rich"

    def stack(rows: Sequence[tuple[str, str]], *_: Any) -> None:
        for name, meaning in rows:
            formatter.write(f"  {name}\n")
            formatter.write(f"{textwrap.indent(textwrap.fill(meaning, width - 7, break_on_hyphens=False), ' ' * 6)}\n")

    formatter.width, formatter.write_dl = width, stack
    return None


def _without_types(parameters: list[Any]) -> list[Any]:
    """Has the help call no switch a `<bool>`, as if it took a value."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    return parameters


def _times(times: int) -> str:
    return "twice" if times == 2 else f"{times} times"
