"""What a report says of how its trials were made, as far as their provenance tells."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lrsweep.inputs._messages import plural
from lrsweep.tables._text import write

# What is so where nothing is said.
_EACH = ("evaluate_every", 1)

# What the provenances of other searches hold, which a plain sweep does not repeat.
_SEARCHES = ("refine", "sweeps")


class ProvenanceText(NamedTuple):
    """A provenance as text.

    Attributes:
        command: The command line that made the trials, where it was one.
        facts: The rest that a reader may ask for first: labels and texts.
        whole: All of the provenance, as JSON.
        code: Python that makes the trials, where it was a sweep from Python.
    """

    command: str | None
    facts: list[tuple[str, str]]
    whole: str
    code: str | None


def write_provenance(provenance: Mapping[str, Any], settings: Sequence[str]) -> ProvenanceText:
    """Writes a provenance as text, and leaves out what it lacks.

    Args:
        provenance: As `Sweep.provenance` and the `.json` beside a table hold it.
        settings: The caller's columns of the table.

    Raises:
        TypeError: JSON cannot hold it.

    Example:
        >>> write_provenance(result.provenance, []).facts[:3]
        [('objective', 'line'), ('optimizer', 'sgd'), ('steps', 'at most 1000 updates')]
    """
    whole = json.dumps(provenance, indent=2, ensure_ascii=False)
    known = {
        "objective": provenance.get("objective"),
        "optimizer": provenance.get("optimizer"),
        "steps": _insert(provenance.get("steps"), "at most {} updates"),
        "batch size": _insert(provenance.get("batch_size"), "{} examples per update"),
        "stopping": _pairs(provenance.get("stopping")),
        "dtype": provenance.get("dtype"),
        "device": _device(provenance.get("device")),
        "versions": _pairs(provenance.get("versions")),
        "started": provenance.get("started"),
        "took": _insert(provenance.get("seconds"), "{} s"),
        "interrupted": _pairs(provenance.get("interrupted")),
    }
    command = provenance.get("command")
    facts = [(label, write(value)) for label, value in known.items() if value is not None]
    code = _code(provenance, settings) if command is None else None
    return ProvenanceText(None if command is None else str(command), facts, whole, code)


def _code(provenance: Mapping[str, Any], settings: Sequence[str]) -> str | None:
    """Writes the call of `lrsweep.sweep` that a provenance is of; None where it is of another search, or of none."""
    groups = provenance.get("groups")
    if not isinstance(groups, list) or any(name in provenance for name in _SEARCHES):
        return None
    static = sorted({name for group in groups for name in group.get("static", {}) if name in settings})
    options = {name: provenance.get(name) for name in ("steps", "evaluate_every", "record", "record_every")}
    stopping = provenance.get("stopping")
    written = {name: _argument(value) for name, value in options.items() if value and (name, value) != _EACH}
    if isinstance(stopping, Mapping):
        limits = ", ".join(f"{name}={_argument(value)}" for name, value in stopping.items() if value is not None)
        written["stopping"] = f"lrsweep.Stopping({limits})"
    if static:
        written["static"] = repr(static)
    arguments = ["objective", "optimizer", "trials", *(f"{name}={value}" for name, value in written.items())]
    lines = "".join(f"    {argument},\n" for argument in arguments)
    return f"trials = table[{list(settings)!r}]\nresult = lrsweep.sweep(\n{lines})"


def _argument(value: Any) -> str:
    """Writes an argument; an infinite one, which JSON holds as a word, as a float."""
    return f"float({value!r})" if value in ("inf", "-inf") else repr(value)


def _insert(value: Any, phrase: str) -> str | None:
    return None if value is None else phrase.format(write(value))


def _pairs(values: Any) -> str | None:
    if not isinstance(values, Mapping):
        return None
    return ", ".join(f"{name} {write(value)}" for name, value in values.items() if value is not None)


def _device(device: Any) -> str | None:
    if not isinstance(device, Mapping):
        return None
    count = device.get("count")
    # Without repetition: on a CPU platform and kind are the same word.
    names = dict.fromkeys(str(device[name]) for name in ("platform", "kind") if name in device)
    return ", ".join([*names, *([plural(count, "device")] if isinstance(count, int) else [])])
