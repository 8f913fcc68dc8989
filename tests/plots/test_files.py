"""Pictures as files: each says in words what it shows, to those who cannot see it."""

import re
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import lrsweep
from lrsweep.plots._files import describe, is_drawn, render
from tests.statistics.test_summary import THREE


def picture() -> Figure:
    return lrsweep.plots.overview(THREE)


def test_a_picture_is_told_by_its_axes_and_its_legend() -> None:
    words = describe(picture())
    assert "final loss against learning rate; share of trials against learning rate; marked: " in words
    assert words.endswith("converged, slow (still improving), diverged")
    figure = Figure()
    ax = figure.subplots()
    ax.plot(np.arange(3), label="0.1")
    ax.set(title="A & B", xlabel="updates")
    ax.legend(title="learning rate")
    assert describe(figure) == "A & B updates; learning rate: 0.1"
    assert describe(Figure()) == ""


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_a_file_says_what_it_shows_and_is_still_known_as_drawn(ending: str, tmp_path: Any) -> None:
    path = tmp_path / f"picture{ending}"
    path.write_bytes(render(picture(), ending))
    assert is_drawn(path)
    words = describe(picture())
    if ending == ".png":
        with Image.open(path) as image:
            assert (image.info["Title"], image.info["Description"]) == (words, words)
    elif ending == ".svg":
        text = path.read_text(encoding="utf-8")
        assert re.search(r"<svg[^>]*>\s*<title>(.*?)</title>", text, re.DOTALL)[1] == words  # pyright: ignore
        assert f"<dc:description>{words}</dc:description>" in text
    else:
        assert b"/Title (converged at \\(updates\\) against learning rate; " in path.read_bytes()
    assert render(picture(), ending) == path.read_bytes()
