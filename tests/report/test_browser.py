"""The report in a real browser: headless Chromium opens it, points at trials, chooses, zooms, darkens, prints."""

from pathlib import Path
from typing import Any

import pytest

import lrsweep
from tests.report.conftest import CHART, HOSTILE, WHERE, Opened, opened
from tests.report.test_curves import CURVES, TRIALS


def point_at(page: Any, x: float, y: float) -> None:
    page.evaluate("document.querySelector('.charts').scrollIntoView()")
    page.mouse.move(*page.evaluate(WHERE, [x, y]), steps=4)


def dots(page: Any, status: str = "converged") -> list[list[float]]:
    """The places of the dots of a status in the first chart that are seen."""
    return page.evaluate(
        f"""status => {{
            const renderer = {CHART}.model.renderers.find((one) => one.tags.includes(status));
            const {{ x, y0 }} = renderer.data_source.data, seen = renderer.view.filter.booleans;
            return Array.from(x, (x, at) => [x, y0[at]]).filter((_, at) => seen[at]);
        }}""",
        status,
    )


def test_no_error_no_dialog_and_no_request_of_another_place(desk: Opened) -> None:
    assert desk.trouble == []
    assert desk.page.locator(".chart canvas").count() >= 4


def test_pointing_at_a_dot_tells_which_trial_it_is(desk: Opened) -> None:
    page = desk.page
    (first, *_) = dots(page)
    point_at(page, *first)
    tip = page.locator(".bk-Tooltip").first
    tip.wait_for()
    told = " ".join(tip.evaluate("tip => tip.shadowRoot.textContent").split())
    # A column's name is what it is, and nothing else.
    settings = f"trial: 0 learning_rate: 0.01 optimizer: sgd {HOSTILE}: 0 seed: 0"
    assert f"{settings} status: converged steps: 1000 converged_at: 400 " in told
    page.mouse.move(1, 1)


def test_the_quartiles_behind_a_dot_say_nothing_while_it_tells(desk: Opened) -> None:
    page = desk.page
    between = dots(page)[2]
    point_at(page, *between)
    tips = page.locator(".bk-Tooltip:visible")
    tips.first.wait_for()
    assert tips.count() == 1
    assert "trial: 2" in " ".join(tips.first.evaluate("tip => tip.shadowRoot.textContent").split())
    page.mouse.move(1, 1)


def test_choosing_a_setting_leaves_its_trials_alone(desk: Opened) -> None:
    page = desk.page
    assert len(dots(page)) == 10
    page.get_by_label("optimizer").select_option("sgd")
    assert page.locator(".chosen").inner_text() == "6 of 12 trials have these settings."
    assert len(dots(page)) == 4
    shares = page.evaluate(
        """() => {
            const { data_source, view } = Bokeh.documents[0].roots()[2].renderers[0];
            return Array.from(data_source.data.total).filter((_, at) => view.filter.booleans[at]);
        }"""
    )
    assert shares == [2, 2, 2]
    page.get_by_label("optimizer").select_option("all")
    assert len(dots(page)) == 10
    assert page.locator(".chosen").inner_text() == "12 of 12 trials have these settings."


def test_a_status_can_be_hidden_in_all_charts(desk: Opened) -> None:
    page = desk.page
    visible = """() => Bokeh.documents[0].roots().flatMap((chart) => chart.renderers)
        .filter((one) => one.tags.includes("diverged")).map((one) => one.visible)"""
    assert page.evaluate(visible) == [True] * 3
    page.get_by_role("checkbox", name="diverged").uncheck()
    assert page.evaluate(visible) == [False] * 3
    page.get_by_role("checkbox", name="diverged").check()
    assert page.evaluate(visible) == [True] * 3


def test_a_map_of_the_share_that_converged_stays_where_these_trials_are_hidden(desk: Opened) -> None:
    page = desk.page
    layers = "() => Bokeh.documents[0].roots()[3].renderers.map((one) => one.visible)"
    before = page.evaluate(layers)
    page.get_by_role("checkbox", name="converged").uncheck()
    assert page.evaluate(layers) == before
    page.get_by_role("checkbox", name="converged").check()
    assert page.evaluate(layers) == before


def test_the_map_shows_one_outcome_at_a_time(desk: Opened) -> None:
    page = desk.page
    visible = "() => Bokeh.documents[0].roots()[3].renderers.map((one) => one.visible)"
    assert page.evaluate(visible) == [True, False, False]
    page.get_by_label("Colour").select_option("median final loss")
    assert page.evaluate(visible) == [False, False, True]


def test_dragging_zooms_all_charts_along_the_learning_rate_and_reset_leads_back(desk: Opened) -> None:
    page = desk.page
    seen = "() => Bokeh.documents[0].roots().slice(0, 3).map((chart) => [chart.x_range.start, chart.x_range.end])"
    before = page.evaluate(seen)
    page.evaluate("document.querySelector('.charts').scrollIntoView()")
    start, end = page.evaluate(WHERE, [0.03, 300]), page.evaluate(WHERE, [0.3, 30])
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*end, steps=5)
    page.mouse.up()
    page.wait_for_function(f"{CHART}.model.x_range.start > 0.02")
    for low, high in page.evaluate(seen):
        assert (low, high) == pytest.approx((0.03, 0.3), rel=0.05)
    page.locator(".bk-tool-icon-reset").first.click()
    page.wait_for_function(f"{CHART}.model.x_range.start < 0.02")
    assert page.evaluate(seen) == before


def test_the_curves_show_one_kind_at_a_time_and_leave_the_map_alone(chromium: Any, tmp_path: Path) -> None:
    trials = TRIALS.assign(width=32)
    trials.insert(1, "width", trials.pop("width"))
    lrsweep.write_report(trials, tmp_path / "curves.html", curves=CURVES)
    page, trouble = opened(chromium, tmp_path / "curves.html", viewport={"width": 1280, "height": 900})
    visible = """(key) => {
        const parts = Bokeh.documents[0].roots().flatMap((chart) => [...chart.references()]);
        const shown = parts.filter(({ tags, visible }) => tags[1] === key && visible);
        return shown.map(({ type, tags }) => `${type} ${tags[2]}`);
    }"""
    before = page.evaluate(visible, "map")
    assert set(page.evaluate(visible, "curves")) == {"GlyphRenderer l0", "LinearAxis l0", "Grid l0"}
    page.get_by_label("Curve of the").select_option("loss")
    shown = set(page.evaluate(visible, "curves"))
    assert {"GlyphRenderer l1", "Grid l1"} <= shown
    assert {part.split()[1] for part in shown} == {"l1"}
    assert page.evaluate(visible, "map") == before != []
    assert trouble == []
    page.context.close()


def test_markup_in_a_columns_name_is_read_as_text(desk: Opened) -> None:
    page = desk.page
    assert page.get_by_role("columnheader", name=HOSTILE).first.is_visible()
    assert page.get_by_label(HOSTILE, exact=True).is_visible()
    assert page.locator("pre", has_text=f"lrsweep run {HOSTILE}").first.is_visible()
    assert page.locator("script").count() == 3


def test_on_a_phone_nothing_is_wider_than_the_page_and_a_finger_scrolls_it(chromium: Any, report: Path) -> None:
    for width in (320, 400):
        page, trouble = opened(
            chromium, report, viewport={"width": width, "height": 740}, is_mobile=True, has_touch=True
        )
        assert page.evaluate("[document.documentElement.scrollWidth, innerWidth]") == [width, width]
        assert page.evaluate("Bokeh.documents[0].roots().map((chart) => chart.inner_width > 150)") == [True] * 4
        # The tables are wider, and scroll within themselves.
        assert page.evaluate("[...document.querySelectorAll('.grid')].some((one) => one.scrollWidth > one.clientWidth)")
        assert page.evaluate(f"getComputedStyle({CHART}.canvas_view.events_el).touchAction") == "auto"
        assert trouble == []
        page.context.close()


def test_page_and_charts_darken_with_the_readers_system_and_print_light(chromium: Any, report: Path) -> None:
    page, trouble = opened(chromium, report, color_scheme="dark")
    colours = """() => {
        const [axis] = Bokeh.documents[0].roots()[0].below;
        return [getComputedStyle(document.body).backgroundColor, axis.axis_label_text_color];
    }"""
    dark, ink = page.evaluate(colours)
    assert brightness(dark) < 60 < 200 < brightness(ink)
    page.emulate_media(color_scheme="light")
    page.wait_for_function("ink => Bokeh.documents[0].roots()[0].below[0].axis_label_text_color !== ink", arg=ink)
    light, ink = page.evaluate(colours)
    assert brightness(ink) < 60 < 240 < brightness(light)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("ink => Bokeh.documents[0].roots()[0].below[0].axis_label_text_color !== ink", arg=ink)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(color_scheme="dark", media="print")
    assert brightness(page.evaluate(colours)[0]) == 255
    # What is printed in place of the charts is dark, though these were light on dark.
    printed = page.evaluate(
        """() => [...document.querySelectorAll(".printed canvas")].map((canvas) => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            let darkest = 255;
            for (let at = 0; at < data.length; at += 4) {
                if (data[at + 3] === 255) darkest = Math.min(darkest, Math.max(data[at], data[at + 1], data[at + 2]));
            }
            return [canvas.getBoundingClientRect().width > 200, darkest];
        })"""
    )
    assert len(printed) == 4
    for wide, darkest in printed:
        assert wide
        assert darkest < 60
    assert page.pdf()[:5] == b"%PDF-"
    assert trouble == []
    page.context.close()


def brightness(colour: str) -> int:
    """The brightest channel of a colour as CSS writes it."""
    if colour.startswith("#"):
        return max(int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return max(int(part) for part in colour[colour.index("(") + 1 : -1].split(",")[:3])
