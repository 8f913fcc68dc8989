"""What a sweep shows of itself in a notebook: what was run, what came of it, the best settings."""

import html
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrsweep.inputs._messages import plural
from lrsweep.statistics._advice import advise
from lrsweep.statistics._best import rank
from lrsweep.statistics._display import in_html
from lrsweep.statistics._summary import summarize
from lrsweep.tables._schema import best_by_of

# More settings than this are not a table to read.
_MOST_SHOWN = 20


def present(table: pd.DataFrame, made: Mapping[str, Any]) -> str:
    """Shows a sweep as HTML: a line on what was run, the answer in a sentence, and its summary by setting.

    Args:
        table: Its table.
        made: Its provenance.

    Example:
        >>> print(present(result.table, result.provenance).splitlines()[1])
        <p>Use learning_rate 0.1: it converged after 51 updates. None of these learning rates diverged; 0.1 is the
        largest tried, and a larger one may be faster.</p>
    """
    summary = summarize(table)
    shown = rank(summary, best_by_of(table)).head(_MOST_SHOWN) if len(summary) > _MOST_SHOWN else summary
    of_them = f" The best {len(shown)} of {len(summary):,} settings:" if len(shown) < len(summary) else ""
    trials = plural(made["trials"], "trial")
    ran = (
        f"{made['objective']}, {made['optimizer']}: {trials} of up to {made['steps']:,} updates, "
        f"in {made['seconds']:.2g} s on {made['device']['kind']}, {made['dtype']}."
    )
    told = [f"<p>{html.escape(text)}</p>" for text in (ran, advise(summary, table) + of_them)]
    return "\n".join([*told, in_html(shown)])
