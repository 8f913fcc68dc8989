"""How a sweep shows itself at Python's prompt and in a notebook: what was run, the answer, the best settings."""

import html
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrsweep.inputs._messages import plural
from lrsweep.statistics._best import rank
from lrsweep.statistics._display import summary_html
from lrsweep.statistics._short import MOST_ANSWERED, count_trials, head_line, tell_answer, tell_ends
from lrsweep.statistics._summary import summarize
from lrsweep.tables._schema import criterion_of

# A table of more settings than this is not read.
_MOST_SHOWN = 20


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
        return _paragraphs(*lead, tell_answer(table))
    summary = summarize(table)
    shown, answer = summary, tell_answer(table, summary)
    if len(summary) > _MOST_SHOWN:
        shown = rank(summary, criterion_of(table)).head(_MOST_SHOWN)
        answer += f" The best {_MOST_SHOWN} of {len(summary):,} settings:"
    return f"{_paragraphs(*lead, answer)}\n{summary_html(shown)}"


def _paragraphs(*texts: str) -> str:
    return "\n".join(f"<p>{html.escape(text)}</p>" for text in texts)
