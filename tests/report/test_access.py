"""The report for every reader: by keyboard, by ear, with weak eyes, on a phone, on paper."""

import itertools
import re
from pathlib import Path
from typing import Any

import pytest
from bokeh.palettes import Viridis256

import lrsweep
from lrsweep.plots._style import COLOURS
from lrsweep.report._contrast import Themes, cards, contrast, distinct_shades, outlines
from lrsweep.report._embedding import read_text, style
from lrsweep.report._page import make_page
from tests.report.conftest import CHART, Opened, opened, reported
from tests.report.test_curves import CURVES, TRIALS
from tests.report.test_page import Page

# In the order of the Tab key: the part of the page, or of the shadow tree, that has the focus.
FOCUSED = """() => {
    let at = document.activeElement;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    if (!at || at === document.body) return null;
    const { outlineStyle, outlineWidth } = getComputedStyle(at);
    const isOutlined = outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    const name = at.ariaLabel ?? at.labels?.[0]?.textContent ?? at.textContent;
    return [at.role ?? at.localName, name.replace(/\\s+/g, " ").trim(), isOutlined];
}"""


def themes() -> dict[str, dict[str, str]]:
    """The colours of the page's style by name, in the light and in the dark page."""
    light, dark = re.findall(r":root[^{]*\{([^}]*--paper[^}]*)\}", style())
    return {name: dict(re.findall(r"--(\w+): (#\w{6})", text)) for name, text in (("light", light), ("dark", dark))}


def relative_luminance(colour: str) -> float:
    """As https://www.w3.org/TR/WCAG22/#dfn-relative-luminance has it."""
    shares = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def ratio(one: str, other: str) -> float:
    high, low = sorted((relative_luminance(one), relative_luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_marks_stand_out_from_what_they_lie_on(theme: str) -> None:
    colours = themes()[theme]
    for ground in (colours["paper"], colours["card"]):
        for text in ("ink", "faint", "accent"):
            assert ratio(colours[text], ground) >= 4.5
        # The rims of what can be chosen and pressed.
        assert ratio(colours["rim"], ground) >= 3
    assert colours["card"] == getattr(cards(), theme)
    for status, edge in outlines():
        assert ratio(getattr(edge, theme), colours["card"]) >= 3
        # Where the colour of the pictures stands out itself it is kept.
        if ratio(COLOURS[status], colours["card"]) >= 3:
            assert getattr(edge, theme) == COLOURS[status].lower()
    shades = distinct_shades(Viridis256, colours["card"])
    assert len(shades) > 100
    assert min(ratio(shade, colours["card"]) for shade in shades) >= 3


def test_contrast_is_that_of_the_guidelines() -> None:
    for colours in (Themes("#000000", "#ffffff"), Themes("#777777", "#ffffff"), Themes("#0b5cad", "#1d2026")):
        assert contrast(*colours) == pytest.approx(ratio(*colours))
    # Known: the lightest grey on white that is legible by the guidelines.
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)


def test_headings_are_in_order_and_the_parts_of_the_page_have_names_of_their_own() -> None:
    page = Page(make_page(reported(), None, title="sweep"))
    levels = [int(tag[1]) for tag, _, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))
    assert [tag for tag, _, _ in page.elements if tag in ("header", "nav", "main", "footer")] == [
        "header",
        "nav",
        "main",
        "footer",
    ]
    regions = [attrs["aria-label"] for _, attrs, _ in page.elements if attrs.get("role") == "region"]
    assert len(regions) == len(set(regions))
    ids = {attrs["id"] for _, attrs, _ in page.elements if "id" in attrs}
    links = {(attrs["href"] or "")[1:] for tag, attrs, _ in page.elements if tag == "a"}
    assert len(links) == 8
    assert links <= ids


def test_the_tab_key_leads_to_everything_that_the_mouse_can_use_and_shows_where_it_is(
    chromium: Any, report: Path
) -> None:
    page, trouble = opened(chromium, report, viewport={"width": 1280, "height": 900})
    seen: list[tuple[str, str]] = []
    for _ in range(120):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:
            break
        assert focused[2], focused
        seen.append((focused[0], focused[1]))
    roles = [role for role, _ in seen]
    count = page.evaluate("document.querySelectorAll('a, input, select, button, summary').length")
    assert sum(role in ("a", "input", "select", "button", "summary") for role in roles) >= count
    charts = [name for role, name in seen if role == "group"]
    assert [name.split(":")[0] for name in charts][:3] == ["Updates to converge", "Final loss", "How the trials ended"]
    # Each chart says what it shows.
    assert "The median number of updates to converge is least at learning_rate 1, 55" in charts[0]
    tools = [name for role, name in seen if role == "button" and name in ("Pan", "Box Zoom", "Reset", "Save")]
    assert tools.count("Reset") == tools.count("Save") == len(charts) == 4
    assert trouble == []
    page.context.close()


def test_keys_move_and_zoom_a_chart_and_lead_back(desk: Opened) -> None:
    page = desk.page
    ends = f"(({{ x_range, y_range }}) => [x_range.start, x_range.end, y_range.start])({CHART}.model)"
    before = page.evaluate(ends)
    page.get_by_role("group", name="Updates to converge:").focus()
    page.keyboard.press("ArrowRight")
    moved = page.evaluate(ends)
    # Along a logarithmic axis by a tenth of its length.
    factor = (before[1] / before[0]) ** 0.1
    assert moved == pytest.approx([before[0] * factor, before[1] * factor, before[2]])
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(ends) == pytest.approx(before)
    page.keyboard.press("+")
    zoomed = page.evaluate(ends)
    assert zoomed[1] / zoomed[0] == pytest.approx((before[1] / before[0]) ** 0.8)
    page.keyboard.press("0")
    assert page.evaluate(ends) == before


def test_a_tool_is_used_by_the_enter_key(desk: Opened) -> None:
    page = desk.page
    page.get_by_role("group", name="Final loss:").focus()
    page.keyboard.press("-")
    before = page.evaluate(f"{CHART}.model.x_range.start")
    page.get_by_role("button", name="Reset").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"before => {CHART}.model.x_range.start > before", arg=before)
    page.keyboard.press("0")


@pytest.mark.parametrize("width", [320, 390])
def test_on_a_phone_tables_scroll_in_their_boxes_and_what_is_tapped_is_large(
    chromium: Any, report: Path, width: int
) -> None:
    page, trouble = opened(chromium, report, viewport={"width": width, "height": 800}, is_mobile=True, has_touch=True)
    for details in page.locator("details").all():
        details.evaluate("one => { one.open = true; }")
    assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
    tapped = "nav a, select, button, summary, .status"
    heights = "names => [...document.querySelectorAll(names)].map((one) => one.getBoundingClientRect().height)"
    sizes = page.evaluate(heights, tapped)
    assert min(sizes) >= 40
    assert trouble == []
    page.context.close()


def test_on_paper_there_is_nothing_to_press_and_every_chart_stays_whole(chromium: Any, tmp_path: Path) -> None:
    lrsweep.write_report(TRIALS, tmp_path / "curves.html", curves=CURVES)
    page, trouble = opened(chromium, tmp_path / "curves.html", viewport={"width": 1280, "height": 900})
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    shown = "names => [...document.querySelectorAll(names)].filter((one) => one.checkVisibility()).length"
    assert page.evaluate(shown, "nav, button, select, input, summary, .chart") == 0
    images = page.evaluate(
        "[...document.querySelectorAll('.printed canvas')].map((one) => [one.role, one.ariaLabel.length > 40])"
    )
    assert images == [["img", True]] * len(images) != []
    breaks = "[...document.querySelectorAll('figure, pre, .answer')].map((one) => getComputedStyle(one).breakInside)"
    assert set(page.evaluate(breaks)) == {"avoid"}
    assert trouble == []
    page.context.close()


def test_nothing_on_the_page_moves_by_itself(desk: Opened) -> None:
    assert desk.page.evaluate("document.getAnimations().length") == 0
    assert not re.search(r"animation|transition|scroll-behavior", read_text("page.css"))
