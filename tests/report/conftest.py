"""What the report's tests in a real browser share: headless Chromium, a report, and a window that it is open in."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest

import lrsweep
from tests.statistics.test_summary import table

REQUIRED = os.environ.get("LRSWEEP_BROWSER") == "required"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HOSTILE = "<script>alert(1)</script>"
READY = "html[data-ready]"

# The first chart, and where in the window a place on its axes is.
CHART = "Bokeh.index.get_by_id(Bokeh.documents[0].roots()[0].id)"
WHERE = f"""([x, y]) => {{
    const view = {CHART};
    const box = view.canvas_view.el.getBoundingClientRect();
    return [box.x + view.frame.x_scale.compute(x), box.y + view.frame.y_scale.compute(y)];
}}"""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A headless Chromium; where there is none, and none is asked for, these tests are skipped."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None and not REQUIRED:
        pytest.skip(f"no Chromium: none of {', '.join(NAMES)} is installed")
    assert found is not None, f"LRSWEEP_BROWSER=required, and none of {', '.join(NAMES)} is installed"
    api = __import__("playwright.sync_api").sync_api if REQUIRED else pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


class Opened(NamedTuple):
    page: Any
    trouble: list[str]


def rows() -> Iterator[tuple[Any, ...]]:
    for at, rate in enumerate((0.01, 0.1, 1.0)):
        for name in ("sgd", HOSTILE):
            for seed in (0, 1):
                # Those of the second optimizer lie between the others, within the quartiles.
                after = 400 // 4**at + (40 * seed if name == "sgd" else 20 + 10 * seed)
                ended = ("diverged", None, np.nan) if rate == 1 and name == "sgd" else ("converged", after, 1e-3)
                yield rate, name, seed, *ended


def reported() -> pd.DataFrame:
    """The table that `report` is on."""
    trials = table(list(rows()), ("learning_rate", "optimizer", "seed"))
    trials.insert(2, HOSTILE, [0.0, 0.0, 0.5, 0.5] * 3)
    return trials


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two optimizers at three learning rates from two seeds; a column and an optimizer bear markup."""
    path = tmp_path_factory.mktemp("report") / "report.html"
    lrsweep.write_report(reported(), path, {"command": f"lrsweep run {HOSTILE}", "versions": {}})
    return path


def opened(browser: Any, report: Path, **options: Any) -> Opened:
    """The report in a window of its own, and what went wrong there: errors, dialogs, requests of any other place."""
    page, trouble = browser.new_context(**options).new_page(), []
    page.on("console", lambda said: trouble.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("dialog", lambda dialog: (trouble.append(dialog.message), dialog.dismiss()))
    own = report.as_uri()
    page.on(
        "request",
        lambda request: None if request.url.startswith((own, "data:", "blob:")) else trouble.append(request.url),
    )
    page.goto(own)
    page.wait_for_selector(READY, state="attached")
    page.wait_for_function(f"{CHART}.has_finished()")
    return Opened(page, trouble)


@pytest.fixture(scope="module")
def desk(chromium: Any, report: Path) -> Iterator[Opened]:
    """The report on a desk, opened once."""
    window = opened(chromium, report, viewport={"width": 1280, "height": 900})
    yield window
    # Whatever the tests did with it.
    assert window.trouble == []
    window.page.context.close()
