"""How sweeps and refinements show themselves at Python's prompt and in a notebook: what was run, and the answer."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrsweep.inputs._messages import plural
from lrsweep.inputs._showing import MOST_SHOWN, paragraphs
from lrsweep.statistics._best import rank
from lrsweep.statistics._conclusion import conclude
from lrsweep.statistics._display import summary_html
from lrsweep.statistics._short import MOST_ANSWERED, count_trials, head_line, tell_answer, tell_ends
from lrsweep.statistics._summary import summarize
from lrsweep.tables._schema import ROUND, criterion_of


def describe_sweep(table: pd.DataFrame, provenance: Mapping[str, Any]) -> str:
    """Shows a sweep as text: what was run, how its trials ended, the answer, and where to read on.

    Args:
        table: The sweep's table.
        provenance: The sweep's provenance.

    Example:
        >>> print(describe_sweep(result.table, result.provenance))
        Sweep of line with sgd: 3 trials of 3 settings, up to 1,000 updates each
        2 converged, 1 slow
        Use learning_rate 0.1: it converged after 51 updates. None of these learning rates diverged; 0.1 is the
        largest tried, and a larger one may be faster.
        Each trial: result.table; each setting: lrsweep.summarize(result.table)
    """
    what = f"{count_trials(table)}, up to {plural(provenance['steps'], 'update')} each"
    more = "Each trial: result.table; each setting: lrsweep.summarize(result.table)"
    return "\n".join([head_line("Sweep", provenance, what), tell_ends(table), tell_answer(table), more])


def present(table: pd.DataFrame, provenance: Mapping[str, Any]) -> str:
    """Shows a sweep as HTML: what was run, how its trials ended, the answer, and the summary by setting.

    There are no colours in it, so that it takes those of the notebook, light or dark.

    Args:
        table: The sweep's table.
        provenance: The sweep's provenance.

    Example:
        >>> print(present(result.table, result.provenance).splitlines()[2])
        <p>Use learning_rate 0.1: it converged after 51 updates. None of these learning rates diverged; 0.1 is the
        largest tried, and a larger one may be faster.</p>
    """
    what_was_run = (
        f"{provenance['objective']}, {provenance['optimizer']}: {plural(len(table), 'trial')} of up to "
        f"{plural(provenance['steps'], 'update')}, in {provenance['seconds']:.2g} s on {provenance['device']['kind']}, "
        f"{provenance['dtype']}."
    )
    lead = [what_was_run, f"{tell_ends(table)}."]
    if not 0 < len(table) <= MOST_ANSWERED:
        return paragraphs(*lead, tell_answer(table))
    summary = summarize(table)
    shown, answer = summary, tell_answer(table, summary)
    if len(summary) > MOST_SHOWN:
        shown = rank(summary, criterion_of(table)).head(MOST_SHOWN)
        answer += f" The best {MOST_SHOWN} of {len(summary):,} settings:"
    return f"{paragraphs(*lead, answer)}\n{summary_html(shown)}"


def describe_refinement(table: pd.DataFrame, found: pd.DataFrame, provenance: Mapping[str, Any]) -> str:
    """Shows a refinement as text: what was run, what it found, and where to read on.

    Args:
        table: The refinement's table.
        found: The answer of each setting.
        provenance: The refinement's provenance.

    Example:
        >>> import optax
        >>> refined = lrsweep.refine(lrsweep.problems.line(), optax.sgd, lrsweep.grid(learning_rate=[1.0, 0.1, 0.01]))
        >>> print(describe_refinement(refined.table, refined.found, refined.provenance))
        Refinement of line with sgd: 27 trials in 4 sweeps, up to 1,000 updates each
        Use learning_rate 0.225: it converged after 22 updates; 27 trials in 3 rounds found it between 0.221 and 0.229.
        Give more rounds to narrow it down.
        Each setting's answer: result.found; each trial: result.table
    """
    rounds = plural(table[ROUND].nunique(), "sweep")
    what = f"{plural(len(table), 'trial')} in {rounds}, up to {plural(provenance['steps'], 'update')} each"
    more = "Each setting's answer: result.found; each trial: result.table"
    return "\n".join([head_line("Refinement", provenance, what), _conclusion(table, found, provenance), more])


def present_refinement(table: pd.DataFrame, found: pd.DataFrame, provenance: Mapping[str, Any]) -> str:
    """Shows a refinement as HTML: what was run, what it found, and the answer of each setting.

    Args:
        table: The refinement's table.
        found: The answer of each setting.
        provenance: The refinement's provenance.
    """
    *lead, _ = describe_refinement(table, found, provenance).split("\n")
    answers = found.to_html(index=False, border=0, max_rows=MOST_SHOWN)
    return f"{paragraphs(*lead)}\n{answers}"


def _conclusion(table: pd.DataFrame, found: pd.DataFrame, provenance: Mapping[str, Any]) -> str:
    # A refinement that was interrupted in its first round has found nothing yet.
    if len(found) == 0 or len(table) > MOST_ANSWERED:
        return tell_ends(table)
    return conclude(table, found, provenance["refine"])
