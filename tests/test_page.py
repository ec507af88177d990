"""The page, as text and in a real browser: what it says, that it needs nothing, that keys do."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import tricheck
from tests.browser import NoBrowserError, chromium
from tests.test_report import GOOD_DRAWN, WRONG, WRONG_DRAWN, parameter
from tricheck.report import Report
from tricheck.report.heat import blocks, heat
from tricheck.report.page import Page, index
from tricheck.targets import find
from tricheck.vocabulary import Finding, Verdict

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

BROKEN = Path(__file__).parent.parent / "examples" / "broken"
NASTY = "<script>alert('x')</script> & \"W\" $\\frac$"


def nasty() -> Report:
    """Of a model and a parameter with a name that must stay text."""
    params = {NASTY: np.ones(2)}
    return tricheck.check(
        lambda p: np.sum(p[NASTY] ** 2), lambda p: {NASTY: p[NASTY]}, params, name=NASTY
    )


@cache
def checked(name: str) -> Report:
    [target] = find(str(BROKEN / f"{name}.py"))
    return tricheck.check(target.model)


@pytest.fixture(scope="module")
def lstm() -> Report:
    return checked("lstm_forget_gate")


class Outline(HTMLParser):
    """Tags that are open, ids, and addresses of a page."""

    VOID = ("meta", "link", "br", "img", "input", "hr")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.stack.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("href", "src", "xlink:href") and value:
                self.addresses.append(value)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.stack.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag


# --- as text ------------------------------------------------------------------------------------


def test_it_says_what_the_report_says(lstm: Report) -> None:
    page = lstm.to_html()
    text = " ".join(re.sub(r"<[^>]+>", "", page).split())
    for said in (
        "broken_lstm_forget_gate: backprop", "The hand-written backprop is wrong.",
        "Consistent with a backward pass where what comes back to c_prev through f * c_prev",
        "disagree on 8 of 10 parameters", "agree on all of 10 parameters",
        "the error enters on the way back through this line", "tricheck.check(model)",
        f"numpy {np.__version__}", "seed 0", "autograd through the loss",
    ):  # fmt: skip
        assert said in text, said
    for pair in lstm.parameters["Wf"].pairs.values():
        assert f"{pair.difference:.1e}" in text


def test_it_is_well_formed_and_needs_no_other_file(lstm: Report) -> None:
    outline = Outline(lstm.to_html())
    assert not outline.stack
    assert len(outline.ids) == len(set(outline.ids))
    outside = [a for a in outline.addresses if not a.startswith(("#", "data:"))]
    assert outside == []
    assert all(a[1:] in outline.ids for a in outline.addresses if a.startswith("#"))


def test_the_same_report_is_the_same_page() -> None:
    report = checked("two_layer_mse_sign")
    assert report.to_html() == report.to_html()


@pytest.mark.parametrize("verdict", list(Verdict))
def test_every_verdict_has_a_page(verdict: Verdict) -> None:
    report = replace(WRONG, verdict=verdict, parameters={"W1": parameter("W1", verdict, [])},
                     gradients={"backprop": {"W1": np.ones((3, 2))}},
                     bounds={"backprop": {"W1": np.ones((3, 2))}})  # fmt: skip
    page = report.to_html()
    assert verdict.sentence in page
    assert "a copy of a report has not" in page
    assert not Outline(page).stack


def test_names_stay_text() -> None:
    report = tricheck.check(
        lambda p: np.sum(p[NASTY] ** 2),
        lambda p: {NASTY: p[NASTY]},
        {NASTY: np.ones(2)},
        name=NASTY,
    )
    finding = Finding(report.findings[0].cause, f"said `{NASTY}` and ` alone")
    report = replace(report, findings=[finding, *report.findings], command=NASTY)
    for page in (report.to_html(), str(report._repr_html_())):
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt; &amp; &#34;W&#34;" in page
    listed = index([(Page(NASTY, NASTY, Verdict.AGREE, NASTY, NASTY, ""), "a.html")], [NASTY])
    assert "<script>" not in listed


def test_a_report_without_its_model_has_no_curves_and_says_so(lstm: Report) -> None:
    page = Report.from_json(lstm.to_json()).to_html()
    assert "step h" not in page
    assert "which a copy of a report has not" in page
    assert "step h" in lstm.to_html()


def test_a_loss_that_fails_afterwards_costs_the_curves_alone() -> None:
    calls = {"left": 10**6}

    def loss(w: Any) -> Any:
        calls["left"] -= 1
        if calls["left"] < 0:
            raise RuntimeError("out of fuel")
        return np.sum(w**2)

    report = tricheck.check(loss, lambda w: 2 * w, np.ones(3))
    calls["left"] = 0
    assert "out of fuel" in report.to_html()


def test_warnings_of_the_loss_do_not_end_the_page() -> None:
    def loss(w: Any) -> Any:
        import warnings

        if w[0] > 1.2:
            warnings.warn("far out", stacklevel=1)
        return np.sum(w**2)

    report = tricheck.check(loss, lambda w: 2 * w, np.ones(3))
    assert "step h" in report.to_html()


@pytest.mark.parametrize("missing", ["jinja2", "matplotlib"])
def test_a_missing_extra_is_named(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import subprocess
    import sys

    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "import numpy as np, tricheck\n"
        "report = tricheck.check(np.sum, np.ones_like, np.zeros(2))\n"
        "try:\n    report.to_html()\n"
        "except ImportError as error:\n    print(error)\n"
        "print((report._repr_html_() is None) == (sys.argv[1] == 'jinja2'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, missing], capture_output=True, text=True, check=True
    )
    said, shown = done.stdout.splitlines()
    assert 'pip install "tricheck[report]"' in said
    assert shown == "True"


# --- heat ---------------------------------------------------------------------------------------


def report_of(gradient: Any, params: Any) -> Report:
    return tricheck.check(lambda w: np.sum(w**2), lambda w: 2 * w + gradient(w), params)


def test_the_heat_is_the_difference_over_the_bounds() -> None:
    wrong = np.zeros((3, 4))
    wrong[1, 2] = 0.5
    report = report_of(lambda w: wrong, np.ones((3, 4)))
    sources = blocks(report)["params"]
    grid = heat(report.parameters["params"], sources, 100)
    assert grid.entrywise
    assert np.argwhere(grid.wrong).tolist() == [[1, 2]]
    (b, b_bound), (r, r_bound) = sources["backprop"], sources["reference"]
    assert grid.ratios[1, 2] == pytest.approx((abs(b - r) / (b_bound + r_bound))[6])
    assert np.all(grid.ratios[grid.wrong == 0] <= 1.0)


def test_large_arrays_are_summarized_by_block_and_lose_no_blame() -> None:
    wrong = np.zeros((101, 57))
    wrong[100, 56] = 1.0
    report = report_of(lambda w: wrong, np.ones((101, 57)))
    grid = heat(report.parameters["params"], blocks(report)["params"], 200)
    assert not grid.entrywise
    assert grid.ratios.size <= 200
    assert grid.wrong[-1, -1] == 1
    assert grid.wrong.sum() == 1
    last = list(grid.cells())[-1]
    assert last.index == 100 * 57 + 56
    assert last.name.endswith(":101, " + last.name.partition(", ")[2])
    assert last.name.endswith(":57]")


@pytest.mark.parametrize("shape", [(), (1,), (7,), (3, 1), (2, 3, 4), (1, 1, 1), (3000,), (1, 900)])
def test_every_shape_has_a_grid(shape: tuple[int, ...]) -> None:
    params = {"w": np.ones(shape)}
    report = tricheck.check(lambda p: np.sum(p["w"] ** 2), lambda p: {"w": 2 * p["w"]}, params)
    grid = heat(report.parameters["w"], blocks(report)["w"], 64)
    assert 1 <= grid.ratios.size <= 64
    assert np.nanmax(grid.ratios) <= 1.0
    assert report.to_html()


def test_what_was_not_compared_has_no_heat() -> None:
    report = tricheck.check(
        lambda w: np.sum(w**2), lambda w: np.array([np.nan, 2.0, np.inf]), np.ones(3)
    )
    grid = heat(report.parameters["params"], blocks(report)["params"], 64)
    assert grid.ratios[0, 1] <= 1.0
    assert np.isinf(grid.ratios[0, [0, 2]]).all()


def test_a_reference_that_is_no_number_is_hot() -> None:
    def reference(w: Any) -> Any:
        return 2 * w * np.array([1.0, 1.0, np.nan])

    report = tricheck.check(
        lambda w: np.sum(w**2), lambda w: 2 * w, np.ones(3), reference=reference
    )
    grid = heat(report.parameters["params"], blocks(report)["params"], 64)
    assert np.isinf(grid.ratios[0]).tolist() == [False, False, True]
    assert "nan" in report.to_html()


def test_a_gradient_that_is_wrong_at_the_second_call_is_said_to_be() -> None:
    total = np.zeros(2)

    def gradient(w: Any) -> Any:
        np.add(total, 2 * w, out=total)
        return total.copy()

    page = tricheck.check(lambda w: np.sum(w**2), gradient, np.ones(2)).to_html()
    assert "These are the answers of the first call" in page


def test_a_model_that_has_changed_is_not_drawn() -> None:
    factor = {"k": 1.0}
    report = tricheck.check(lambda w: np.sum(w**2), lambda w: factor["k"] * w, np.ones(2))
    factor["k"] = 5.0
    assert "gives another gradient by now" in report.to_html()


def test_of_a_slow_loss_no_curve_is_drawn_unasked(monkeypatch: pytest.MonkeyPatch) -> None:
    report = tricheck.check(lambda w: np.sum(w**2), lambda w: w, np.ones(2))
    monkeypatch.setattr("tricheck.report.page.view._LONGEST", 0.0)
    assert "One would take some" in report.to_html()


# --- in a browser -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    pytest.importorskip("playwright", reason="playwright is not installed")
    try:
        with chromium() as found:
            yield found
    except NoBrowserError as error:
        pytest.skip(str(error))


class Opened:
    """A page in a tab that notes what goes wrong and what it asks the network for."""

    def __init__(self, browser: Browser, page: str, folder: Path, **options: Any) -> None:
        file = folder / "report.html"
        file.write_text(page, encoding="utf-8")
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.tab: Tab = browser.new_context(**options).new_page()
        self.tab.on("console", lambda message: self.problems.append(message.text))
        self.tab.on("pageerror", lambda error: self.problems.append(str(error)))
        self.tab.on("request", lambda request: self.requests.append(request.url))
        began = time.monotonic()
        self.tab.goto(file.as_uri())
        self.seconds = time.monotonic() - began

    def fits(self) -> bool:
        """Whether nothing sticks out to the right."""
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        return not self.tab.evaluate(wide)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1200, 380])
def test_it_opens_without_a_complaint_or_the_network(
    browser: Browser, tmp_path: Path, lstm: Report, scheme: Any, width: int
) -> None:
    size: Any = {"width": width, "height": 800}
    opened = Opened(browser, lstm.to_html(), tmp_path, color_scheme=scheme, viewport=size)
    assert opened.problems == []
    assert len([url for url in opened.requests if not url.startswith("data:")]) == 1
    assert opened.fits()
    assert opened.tab.title() == "broken_lstm_forget_gate: backprop – tricheck"
    assert opened.tab.locator("h1").inner_text() == "✗ broken_lstm_forget_gate: backprop"
    shot = opened.tab.screenshot()
    assert len(shot) > 20_000


def luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


CONTRAST = """() => {
  const background = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if (colour !== "rgba(0, 0, 0, 0)") return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = [];
  for (const node of document.querySelectorAll("main *")) {
    const own = [...node.childNodes].some((one) => one.nodeType === 3 && one.data.trim());
    if (own && !node.closest("svg") && node.getClientRects().length)
      found.push([node.textContent.trim(), getComputedStyle(node).color, background(node)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_the_contrast_that_wcag_asks_for(
    browser: Browser, tmp_path: Path, lstm: Report, scheme: Any
) -> None:
    opened = Opened(browser, lstm.to_html(), tmp_path, color_scheme=scheme)
    for text, front, back in opened.tab.evaluate(CONTRAST):
        lighter, darker = sorted((luminance(front), luminance(back)), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (text, front, back)


FOCUSED = "document.activeElement.tagName + '.' + document.activeElement.className"


def test_keys_alone_reach_and_read_everything(browser: Browser, tmp_path: Path) -> None:
    wrong = np.zeros((3, 4))
    wrong[1, 1] = 0.5
    report = report_of(lambda w: wrong, np.ones((3, 4)))
    opened = Opened(browser, report.to_html(), tmp_path)
    tab = opened.tab
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    reached = []
    for _ in range(60):
        tab.keyboard.press("Tab")
        reached.append(
            tab.evaluate("document.activeElement.tagName + '.' + document.activeElement.className")
        )
        if reached[-1] == "DIV.heat":
            break
    assert "SUMMARY." in reached
    assert "DIV.heat" in reached
    readout = tab.locator(".readout").first
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        tab.keyboard.press(key)
    assert readout.inner_text().startswith("params[1, 1]: ")
    assert "blamed; backprop 2.5 ± " in readout.inner_text()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        tab.keyboard.press(key)
    assert readout.inner_text().startswith("params[0, 0]: ")
    tab.keyboard.press("Tab")  # the table's summary
    tab.keyboard.press("Enter")
    assert tab.locator(".parameter table").is_visible()
    assert tab.locator(".parameter tbody tr").count() == 12
    assert opened.problems == []


def test_pointing_reads_the_same_as_the_table(
    browser: Browser, tmp_path: Path, lstm: Report
) -> None:
    tab = Opened(browser, lstm.to_html(), tmp_path).tab
    map_ = tab.locator("#parameter-0 .heat")
    box = map_.bounding_box()
    assert box is not None
    map_.hover(position={"x": box["width"] * 0.9, "y": box["height"] * 0.95})
    read = tab.locator("#parameter-0 .readout").inner_text()
    cells = tab.locator("#parameter-0 tbody tr").last.locator("th, td").all_text_contents()
    assert read.startswith(f"{cells[0]}: {cells[1]} × bound, {cells[-1]}; ")
    for value in cells[2:-1]:
        assert value in read


def test_a_link_unfolds_its_parameter_and_print_unfolds_all(
    browser: Browser, tmp_path: Path, lstm: Report
) -> None:
    tab = Opened(browser, lstm.to_html(), tmp_path).tab
    last = tab.locator(".parameter").last
    assert not last.evaluate("one => one.open")
    tab.locator("table.parameters a").last.click()
    assert last.evaluate("one => one.open")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.evaluate("document.querySelectorAll('details:not([open])').length") == 0
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.evaluate("document.querySelectorAll('details:not([open])').length") > 0
    assert len(tab.pdf()) > 20_000


def test_what_a_screen_reader_is_told(browser: Browser, tmp_path: Path, lstm: Report) -> None:
    tab = Opened(browser, lstm.to_html(), tmp_path).tab
    assert tab.evaluate("document.documentElement.lang") == "en"
    assert tab.get_by_role("main").count() == 1
    assert tab.get_by_role("navigation", name="Sections").count() == 1
    levels = [int(tag[1]) for tag in tab.evaluate(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map((one) => one.tagName)"
    )]  # fmt: skip
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    labels = tab.get_by_role("img").evaluate_all("all => all.map((one) => one.ariaLabel)")
    assert len(labels) > 3
    assert all(labels)
    assert tab.get_by_text("The gradient that comes back to it is wrong.").count() == 10
    assert tab.locator("th:not([scope])").count() == 0


def test_names_run_no_code(browser: Browser, tmp_path: Path) -> None:
    report = tricheck.check(
        lambda p: np.sum(p[NASTY] ** 2),
        lambda p: {NASTY: p[NASTY]},
        {NASTY: np.ones(2)},
        name=NASTY,
    )
    opened = Opened(browser, report.to_html(), tmp_path)
    assert opened.problems == []
    assert opened.tab.locator("h1").inner_text() == f"✗ {' '.join(NASTY.split())}: backprop"
    assert NASTY in opened.tab.locator(".curve svg").first.text_content()  # type: ignore[operator]


def test_two_hundred_parameters_and_a_million_entries_open_within_two_seconds(
    browser: Browser, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    params = {f"W{k}": rng.standard_normal((50, 100)) for k in range(200)}
    values = {name: np.cos(w) for name, w in params.items()}
    bounds = {name: np.full(w.shape, 1e-15) for name, w in params.items()}
    wrong = {name: w.copy() for name, w in values.items()}
    wrong["W7"][3, 4] += 1.0
    blamed: dict[str, list[tuple[int, ...]]] = {"W7": [(3, 4)]}
    given = {"backprop": wrong, "finite-difference": values, "reference": values}
    report = replace(
        WRONG,
        parameters={
            name: replace(
                parameter(name, Verdict.BACKPROP if name in blamed else Verdict.AGREE,
                          blamed.get(name, [])),
                shape=(50, 100),
            )
            for name in params
        },
        gradients=given,
        bounds=dict.fromkeys(given, bounds),
    )  # fmt: skip
    page = report.to_html()
    assert len(page) < 5e6
    opened = Opened(browser, page, tmp_path)
    assert opened.seconds < 2.0
    assert opened.problems == []
    assert opened.tab.locator(".parameter").count() == 200
    read = opened.tab.locator("#parameter-0 tbody tr", has_text="1 blamed").text_content()
    assert "worst W7[3, 4]" in str(read)


def test_the_list_of_a_run_leads_to_its_pages(browser: Browser, tmp_path: Path) -> None:
    from tricheck.report.run import write_pages

    pages = [Page.of(report, "model.py") for report in (GOOD_DRAWN, WRONG_DRAWN)]
    write_pages(tmp_path / "index.html", "pages", pages, ["model.py: no gradient"])
    tab = browser.new_context().new_page()
    tab.goto((tmp_path / "index.html").as_uri())
    assert tab.locator("h1").inner_text() == "2 models, 1 backprop, 1 agree, 1 not checked"
    tab.get_by_role("link", name="two_layer").first.click()
    assert tab.locator("h1").inner_text() == "✗ two_layer: backprop"
    tab.go_back()
    assert "no gradient" in tab.locator("main").inner_text()
