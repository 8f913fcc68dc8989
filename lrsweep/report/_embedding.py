"""What the page carries beside its words: charts as JSON, Bokeh's library, style and script, and what they may do."""

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

import bokeh.resources
import jinja2
from bokeh.core.json_encoder import serialize_json
from bokeh.document import Document

from lrsweep.report._charts import Chart
from lrsweep.report._contrast import outlines


def chart_json(charts: Sequence[Chart]) -> str:
    """Writes the charts as JSON that can stand in HTML."""
    document = Document()
    for chart in charts:
        document.add_root(chart.figure)
    text = serialize_json(document.to_json(deferred=False))
    roots = [chart.figure.id for chart in charts]
    # Bokeh numbers its objects from the start of the process: renumbered, the same table gives the same bytes. No text
    # of a user's can match the pattern, for its quotes are escaped.
    ids: dict[str, str] = {}
    text = re.sub(r'"id":"([^"]+)"', lambda match: f'"id":"{ids.setdefault(match[1], f"p{len(ids)}")}"', text)
    elements = [{"root": ids[root], "element": chart.key} for root, chart in zip(roots, charts, strict=True)]
    whole = f'{{"document": {text}, "charts": {serialize_json(elements)}}}'
    return whole.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def content_policy(scripts: Sequence[str]) -> str:
    """Says what a browser may do for this page: run these scripts, and load nothing from a network."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    run = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return f"default-src 'none'; script-src {run}; style-src 'unsafe-inline'; img-src data: blob:"


@functools.cache
def library() -> str:
    """Gives the script of Bokeh, which draws the charts."""
    return bokeh.resources.Resources(mode="inline", components=["bokeh"]).js_raw[0]


@functools.cache
def template() -> jinja2.Template:
    """Gives the page's template, in which whatever is filled in is text and no markup."""
    return jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined).from_string(read_text("page.html"))


def read_text(name: str) -> str:
    """Reads a file that lies beside this module."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def style() -> str:
    """Gives the page's style, led by the colours that outline the marks of each status."""
    light, dark = (" ".join(f"--edge-{status}: {themes[at]};" for status, themes in outlines()) for at in range(2))
    darkened = f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}"
    return f":root, .printed {{ {light} }}\n{darkened}\n{read_text('page.css')}"
