"""How a sweep shows itself in a notebook: what was run, the answer, the best settings."""

import html
from collections.abc import Mapping
from typing import Any

import pandas as pd

from lrsweep.inputs._messages import plural
from lrsweep.statistics._advice import advise
from lrsweep.statistics._best import rank
from lrsweep.statistics._display import summary_html
from lrsweep.statistics._summary import summarize
from lrsweep.tables._schema import criterion_of

# A table of more settings than this is not read.
_MOST_SHOWN = 20


def present(table: pd.DataFrame, provenance: Mapping[str, Any]) -> str:
    """Shows a sweep as HTML: a line on what was run, the answer in a sentence or two, and the summary by setting.

    Args:
        table: The sweep's table.
        provenance: The sweep's provenance.

    Example:
        >>> print(present(result.table, result.provenance).splitlines()[1])
        <p>Use learning_rate 0.1: it converged after 51 updates. None of these learning rates diverged; 0.1 is the
        largest tried, and a larger one may be faster.</p>
    """
    summary = summarize(table)
    shown = rank(summary, criterion_of(table)).head(_MOST_SHOWN) if len(summary) > _MOST_SHOWN else summary
    heading = f" The best {len(shown)} of {len(summary):,} settings:" if len(shown) < len(summary) else ""
    trials = plural(provenance["trials"], "trial")
    what_was_run = (
        f"{provenance['objective']}, {provenance['optimizer']}: {trials} of up to {provenance['steps']:,} updates, "
        f"in {provenance['seconds']:.2g} s on {provenance['device']['kind']}, {provenance['dtype']}."
    )
    paragraphs = [f"<p>{html.escape(text)}</p>" for text in (what_was_run, advise(summary, table) + heading)]
    return "\n".join([*paragraphs, summary_html(shown)])
