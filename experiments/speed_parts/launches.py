"""How often a compiled GPU program starts a kernel, read from its text."""

import re
from collections.abc import Mapping, Sequence

# Instructions that start nothing on the device.
FREE = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "opt-barrier"}

HEAD = re.compile(r"^(?P<entry>ENTRY )?%(?P<name>[\w.-]+) \(.*\{$")
INSTRUCTION = re.compile(r"^ *(?:ROOT )?%[\w.-]+ = (?:\([^=]*?\)|\S+) (?P<code>[\w-]+)\(")


def count_launches(text: str) -> str:
    """Counts the kernels and copies that a compiled program starts, outside of its loops and in them.

    Args:
        text: What `jax.stages.Compiled.as_text` gives.

    Returns:
        A sum such as ``17 + 1000 x (7) + while (9 + one of (3 | 11))``: 17 once, 7 in each of 1,000 turns of a loop,
        and 9 and either 3 or 11 in every turn of a loop of which the device decides when it ends. After each of these
        turns, and before each choice, the host waits for the device.

    Example:
        >>> print(count_launches('''
        ... %body (x: f32[8]) -> f32[8] {
        ...   %x = f32[8] parameter(0)
        ...   ROOT %y = f32[8] fusion(%x), kind=kLoop, calls=%fused
        ... }
        ... ENTRY %main (x: f32[8]) -> f32[8] {
        ...   %x = f32[8] parameter(0)
        ...   %z = f32[8] copy(%x)
        ...   ROOT %w = f32[8] while(%z), condition=%test, body=%body, backend_config={"known_trip_count":{"n":"5"}}
        ... }
        ... '''))
        1 + 5 x (1)
    """
    computations, entry = read_computations(text)
    return sum_launches(computations, entry)


def read_computations(text: str) -> tuple[dict[str, list[str]], str]:
    """Reads the instructions of every computation by its name, and the name of the one that is run."""
    computations: dict[str, list[str]] = {}
    entry, current = "", None
    # The comments in the types of long tuples hold signs that mean something elsewhere.
    for line in re.sub(r"/\*.*?\*/", "", text).splitlines():
        if head := HEAD.match(line):
            current = computations[head["name"]] = []
            entry = head["name"] if head["entry"] else entry
        elif line.startswith("}"):
            current = None
        elif current is not None:
            current.append(line)
    return computations, entry


def sum_launches(computations: Mapping[str, Sequence[str]], name: str) -> str:
    """Writes the sum of a computation, see `count_launches`."""
    launches, rest = 0, []
    for line in computations[name]:
        instruction = INSTRUCTION.match(line)
        code = instruction["code"] if instruction else "parameter"
        if code == "while":
            rest.append(sum_loop(computations, line))
        elif code == "conditional":
            branches = [sum_launches(computations, branch) for branch in called(line, "branch|true|false")]
            rest.append(f"one of ({' | '.join(branches)})")
        elif code == "call":
            rest += [sum_launches(computations, within) for within in called(line, "to_apply")]
        elif code not in FREE:
            launches += 1
    return " + ".join([str(launches), *rest])


def sum_loop(computations: Mapping[str, Sequence[str]], line: str) -> str:
    """Writes the sum of a loop's turn, and how many turns it has where that is known."""
    (body,), (condition,) = called(line, "body"), called(line, "condition")
    turns = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
    if turns:
        return f"{turns[1]} x ({sum_launches(computations, body)})"
    return f"while ({sum_launches(computations, body)} + {sum_launches(computations, condition)})"


def called(line: str, role: str) -> list[str]:
    """Gives the names of the computations that an instruction calls in a role, or in one of several."""
    named = re.findall(rf"\b(?:{role})(?:_computations?)?=\{{?((?:%[\w.-]+(?:, )?)+)", line)
    return re.findall(r"%([\w.-]+)", " ".join(named))
