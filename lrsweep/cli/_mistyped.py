"""Options that a command does not have: which one was meant, by its spelling or by what it is called elsewhere."""

import difflib
from collections.abc import Sequence

from lrsweep.inputs._messages import listed, quote

# What options are called elsewhere, and what they are here; of several the first that the command has is named.
_MEANT = {
    ("lr", "lrs", "rate", "rates", "learning-rates", "alpha", "eta", "step-size"): ("--learning-rate", "--from"),
    ("min-lr", "lr-min", "min", "start"): ("--from", "--learning-rate"),
    ("max-lr", "lr-max", "max", "end"): ("--to", "--learning-rate"),
    ("epochs", "iterations", "iters", "updates", "max-steps", "num-steps", "n-steps"): ("--steps",),
    ("seed", "repeats", "starts", "n-seeds", "num-seeds"): ("--seeds", "--seed"),
    ("opt", "optim", "optimizers", "algorithm"): ("--optimizer",),
    ("bs", "batch", "minibatch"): ("--batch-size",),
    ("output", "save", "csv", "o"): ("--out",),
    ("figure", "picture", "chart"): ("--plot",),
    ("silent", "q"): ("--quiet",),
    ("label", "y", "predict", "response"): ("--target",),
    ("test-size", "holdout", "val", "split"): ("--validation",),
    ("layers", "network", "width", "widths"): ("--hidden",),
    ("overwrite", "yes", "f"): ("--force",),
    ("float64", "double", "64-bit"): ("--x64",),
    ("resume", "checkpoint"): ("--store",),
    ("momentum", "nesterov", "weight-decay", "b1", "b2", "beta1", "beta2", "eps", "decay", "warmup"): ("--set",),
}


def describe_unknown(option: str, options: Sequence[str], others: Sequence[str] = ()) -> str:
    """Writes the message that a command has no such option, with the one that was meant, if that can be told.

    Args:
        option: What was written, with its dashes.
        options: The command's.
        others: The commands that have it.

    Example:
        >>> describe_unknown("--epochs", ["--raw", "--steps"])
        "there is no option '--epochs': did you mean '--steps'? -h lists all there are"
        >>> describe_unknown("--lr", ["--raw", "--steps"])
        "there is no option '--lr': there is: --raw, --steps"
        >>> describe_unknown("--weight_decay", ["--set", "--steps"])
        "there is no option '--weight_decay': did you mean '--set weight_decay=AXIS'? -h lists all there are"
        >>> describe_unknown("--store", ["--steps"], ["run"])
        "there is no option '--store' here, it is one of run: -h lists all there are"
    """
    meant, said = _find_meant(option, options, others), f"there is no option {quote(option)}"
    if meant is not None:
        whole = f"--set {option.lstrip('-')}=AXIS" if meant == "--set" else meant
        return f"{said}: did you mean {quote(whole)}? -h lists all there are"
    if others:
        commands = " and ".join(filter(None, [", ".join(others[:-1]), others[-1]]))
        return f"{said} here, it is one of {commands}: -h lists all there are"
    return f"{said}: there is: {listed(options)}"


def _find_meant(option: str, options: Sequence[str], others: Sequence[str]) -> str | None:
    """Gives the option that was meant, or None where that cannot be told, or where it is that of other commands."""
    word = option.lstrip("-").replace("_", "-").lower()
    there = {each.lstrip("-"): each for each in options}
    if word in there:
        return there[word]
    for names, candidates in _MEANT.items():
        found = [each for each in candidates if each in options]
        if word in names and found:
            return found[0]
    if others:
        return None
    # The dashes, which all have in common, would make any two short names alike.
    close = difflib.get_close_matches(word, there, n=1)
    return there[close[0]] if close else None
