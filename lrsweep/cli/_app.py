"""The command line as a whole: its commands, and what a mistake or a warning comes to."""

import sys
import warnings
from typing import Any, NoReturn

import typer

from lrsweep.cli._command import Command, Group
from lrsweep.cli._exit_codes import MISTAKE, UNWRITTEN
from lrsweep.cli._jax_setup import cache_folder, shrink
from lrsweep.cli._listing import list_names
from lrsweep.cli._mistyped import describe_unknown
from lrsweep.cli._options._shared import Version
from lrsweep.cli._printing import escape_what_cannot_be_encoded, failure_of_output, print_error
from lrsweep.cli._searches import critical, range_test
from lrsweep.cli._stores import resume, status
from lrsweep.cli._sweeps import refine, run
from lrsweep.cli._tables import compare, plot, report, summarize
from lrsweep.inputs._errors import InputError, UnwrittenError

app = typer.Typer(
    cls=Group,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)


@app.callback()
def lrsweep(*, version: Version = False) -> None:
    """Try every learning rate at once, and see which one to take."""
    del version  # which has been printed, and has ended the command, by now


for _name, _command in {
    "run": run,
    "refine": refine,
    "critical": critical,
    "range-test": range_test,
    "status": status,
    "resume": resume,
    "summarize": summarize,
    "compare": compare,
    "report": report,
    "plot": plot,
    "list": list_names,
}.items():
    app.command(_name, cls=Command)(_command)


def main() -> NoReturn:
    """Runs the command line.

    The exit code is 0; 2 for a user's mistake; 3 where the command has run, and something that it was to write could
    not be written where it was to go; 4 where all trials diverged; 128 and a signal's number where one ended it.
    """
    warnings.showwarning = _print_warning
    escape_what_cannot_be_encoded()
    try:
        code = app(prog_name="lrsweep", standalone_mode=False) or 0
    except typer.TyperException as error:
        # Without a command the help has been shown, and there is no more to say.
        code = _refuse(_describe_usage(error)) if error.format_message() else MISTAKE
    except UnwrittenError as error:
        _refuse(str(error))
        code = UNWRITTEN
    except InputError as error:
        code = _refuse(str(error))
    except OSError as error:
        if not _is_named(error):
            raise
        code = _refuse(f"{error.filename!r}: {error.strerror}")
    failure = failure_of_output()
    if failure is not None:
        print_error(f"lrsweep: standard output could not be written to: {failure.strerror or failure}")
        code = code or UNWRITTEN
    sys.exit(code)


def _is_named(error: OSError) -> bool:
    """Says whether an error is about a file that the user has named, and not about one of lrsweep's or a library's."""
    named = {word.rpartition("=")[2].partition(".py:")[0].removesuffix(".py") for word in sys.argv[1:]}
    return error.filename is not None and str(error.filename).removesuffix(".py") in named


def _refuse(message: str) -> int:
    """Prints what is wrong, in one line, and gives the exit code of a user's mistake."""
    print_error("lrsweep: " + " ".join(message.split()))
    return MISTAKE


def _describe_usage(error: typer.TyperException) -> str:
    """Gives what is wrong with the words of a command; where it is an unknown option, with the options there are."""
    option, context = getattr(error, "option_name", None), getattr(error, "ctx", None)
    if option is None or context is None:
        return error.format_message()
    commands = context.find_root().command.commands
    others = [name for name, command in commands.items() if option in _options_of(command, context)]
    return describe_unknown(option, _options_of(context.command, context), others)


def _options_of(command: Any, context: Any) -> list[str]:
    """Names the options of a command, but for the one for its help."""
    names = [name for each in command.get_params(context) if each.name != "help" for name in each.opts]
    return [name for name in names if name.startswith("-")]


def _print_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Prints a warning in one line, in place of `warnings.showwarning`."""
    text = " ".join(str(message).split())
    # A program that cannot be read from the cache, or written to it, is compiled again: there is nothing to warn of.
    if text.startswith("Error reading persistent compilation cache"):
        # One that a full disk has cut short would be read again and again by JAX, and never written anew.
        folder = cache_folder()
        if folder is not None:
            shrink(folder, 0)
    elif not text.startswith("Error writing persistent compilation cache"):
        print_error(f"lrsweep: warning: {text}")
