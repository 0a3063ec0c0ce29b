"""The app as a reader meets it, in Debian's chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from live_app import QUIET, Live, come_in, running
from review_store import BITS, assessed_case, counting_film, pose_of_counter, readers, upload

from fidgety.app import audit, reading
from fidgety.app.store import Store
from fidgety.app.work import run_next
from fidgety.pose.pose import Pose
from fidgety.report.pdf import find_browser

CHROMIUM = find_browser()
PATIENCE_MS = 300_000  # of a machine that others keep busy
pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed: apt install chromium"),
]

# Numbers read from pixels: of the film by its blocks, of the overlay by where the nose is drawn.
READ_PIXELS = """
() => {
  const video = document.getElementById("video");
  const overlay = document.getElementById("overlay");
  const film = new OffscreenCanvas(video.videoWidth, video.videoHeight).getContext("2d",
    { willReadFrequently: true });
  const filmNumber = () => {
    film.drawImage(video, 0, 0);
    let number = 0;
    for (let bit = 0; bit < BITS; bit += 1) {
      if (film.getImageData(16 + bit * 30, 16, 1, 1).data[0] > 128) number |= 1 << bit;
    }
    return number;
  };
  const drawn = new OffscreenCanvas(overlay.width, overlay.height).getContext("2d",
    { willReadFrequently: true });
  const overlayNumber = () => {
    drawn.clearRect(0, 0, overlay.width, overlay.height);
    drawn.drawImage(overlay, 0, 0);
    const scale = Math.min(overlay.width / 320, overlay.height / 240);
    const [left, top] = [(overlay.width - 320 * scale) / 2, (overlay.height - 240 * scale) / 2];
    const row = Math.round(top + 200 * scale);
    const { data } = drawn.getImageData(0, row, overlay.width, 2);
    let [sum, count] = [0, 0];
    for (let x = 0; x < overlay.width; x += 1) {
      const [red, green, blue, alpha] = data.slice(4 * x, 4 * x + 4);
      if (alpha > 200 && red > 150 && green > 130 && blue < 140) { sum += x; count += 1; }
    }
    return count ? Math.round(((sum / count + 0.5 - left) / scale - 20) / 4) : null;
  };
  window.readNumbers = () => [filmNumber(), overlayNumber()];
}
""".replace("BITS", str(BITS))


# What both show while the film plays, again and again until there are enough readings. Where the
# page itself was held up just before, the film has run on without it, and nothing is read.
WATCH_PLAYING = """
async () => {
  const [video, play] = [document.getElementById("video"), document.getElementById("play")];
  const [found, enough, end] = [[], performance.now() + 2200, performance.now() + PATIENCE];
  let last = null;
  play.click();
  while (performance.now() < end && (performance.now() < enough || found.length < 30)) {
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    if (video.ended) play.click();
    else if (!video.seeking && last !== null && now - last < 100) found.push(window.readNumbers());
    last = now;
  }
  video.pause();
  return found;
}
""".replace("PATIENCE", str(PATIENCE_MS))

# The first and the last frame of what plays round and round; null where it never comes round.
ROUNDS = """
async () => {
  const stage = document.getElementById("stage");
  const shown = [[]];
  for (const end = performance.now() + PATIENCE; performance.now() < end && shown.length < 4;) {
    await new Promise(requestAnimationFrame);
    const frame = Number(stage.dataset.frame);
    if (frame < shown.at(-1).at(-1)) shown.push([]);
    shown.at(-1).push(frame);
  }
  const whole = shown.slice(1, 3).flat();
  return shown.length < 4 ? null : [Math.min(...whole), Math.max(...whole)];
}
""".replace("PATIENCE", str(PATIENCE_MS))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=PATIENCE_MS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A page that fails its test on any script error or refused resource while its app runs."""
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    opened, problems = context.new_page(), []
    opened.set_default_timeout(PATIENCE_MS)
    opened.watched = True

    def note(said: str) -> None:
        if opened.watched:
            problems.append(said)

    opened.on("pageerror", lambda error: note(str(error)))
    opened.on("console", lambda said: said.type == "error" and note(said.text))
    yield opened
    context.close()
    assert problems == []


@contextmanager
def shown_in(page: Any, store: Store) -> Iterator[Live]:
    """The app, running; the page leaves it before it ends, lest it ask in vain and be blamed."""
    page.watched = True
    with running(store) as live:
        yield live
        page.watched = False
        page.goto("about:blank")


def lone_nose(film: Path, **more: Any) -> Pose:
    """The counter's pose in which the nose alone is drawn whole."""
    pose = pose_of_counter(film, **more)
    confidence = np.full(pose.confidence.shape, 0.1)
    confidence[:, pose.skeleton.index["nose"]] = 1.0
    return Pose(pose.xy, confidence, pose.time, pose.size, pose.skeleton, source="test")


def until(page: Any, expression: str) -> None:
    """Wait for a page's word; playwright's own way needs eval, which the app's policy forbids."""
    for _ in range(PATIENCE_MS // 50):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never: {expression}")


def until_shown(page: Any, frame: int) -> None:
    """Wait until film and overlay, standing, both show a frame."""
    seen: list[int | None] = []
    for _ in range(PATIENCE_MS // 50):
        if (seen := page.evaluate("window.readNumbers()")) == [frame, frame]:
            return
        page.wait_for_timeout(50)
    pytest.fail(f"film and overlay show {seen}, not {frame}")


def wait_loaded(page: Any) -> None:
    page.wait_for_selector("#case[data-loaded]")
    until(page, "document.getElementById('video').readyState >= 2")


def test_the_whole_way_and_a_restart(page: Any, store: Store, tmp_path: Path) -> None:
    film = counting_film(tmp_path / "Name of a child.mp4")
    with shown_in(page, store) as live:
        come_in(page, live)
        page.set_input_files("#files", film)
        page.fill("#infant", "b07")
        page.fill("#age", "13")
        page.click("#intake button[type=submit]")
        page.wait_for_selector("#jobs li")
        assert "waiting" in page.inner_text("#jobs")
        assert run_next(store, {}, pose_of_counter)
        page.wait_for_selector("tbody .quality")
        page.click("tbody th a")
        wait_loaded(page)
        assert page.inner_text("h1") == "b07"
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        page.wait_for_selector("#stage[data-frame='3']")
        page.click("#reading label:has(input[value='F+'])")
        page.click("#rate-form button[type=submit]")
        page.wait_for_selector("#sign")
        wait_loaded(page)
        page.fill("#comment", "seen in the wrists")
        page.click("#sign button[type=submit]")
        page.wait_for_selector(".signature")
        seal = page.inner_text(".signature .hash")
        page.click("summary:has-text('More')")
        with page.expect_download() as got:
            page.click("text=Case as JSON")
        content = json.loads(Path(got.value.path()).read_text("utf-8"))
        assert content["readings"][0]["versions"][0]["seal"] == seal
        assert "Name of a child" not in page.content()
    with shown_in(page, Store(store.folder)) as live:
        come_in(page, live)
        page.click("text=b07")
        wait_loaded(page)
        assert page.inner_text(".signature .hash") == seal
        assert "seen in the wrists" in page.inner_text(".signature")
    assert audit.verify(store) == []


def test_files_chosen_before_the_script_is_there(page: Any, store: Store, tmp_path: Path) -> None:
    film = counting_film(tmp_path / "film.mp4", 10)
    with shown_in(page, store) as live:
        come_in(page, live)
        held: list[Any] = []
        page.route("**/static/inbox.js", lambda asked: held.append(asked))
        page.goto(f"{live.address}/", wait_until="commit")
        page.set_input_files("#files", film)
        until(page, "document.readyState === 'interactive'")
        assert page.locator("#chosen li").count() == 0
        while not held:
            page.wait_for_timeout(20)
        held[0].continue_()
        assert page.locator("#chosen li").inner_text().startswith("film.mp4")
        assert page.locator("#intake button[type=submit]").is_enabled()


def test_no_word_typed_before_the_script_is_there_gets_into_an_address(
    page: Any, store: Store
) -> None:
    with shown_in(page, store) as live:
        page.goto(live.link)
        page.wait_for_url("**/reader")
        page.route("**/static/reader.js", lambda route: None)  # it never comes
        page.goto(f"{live.address}/reader", wait_until="commit")
        page.fill("#name", "Anna One")
        page.watched = False  # the browser says in its console that it sent nothing
        page.click("#new button[type=submit]", no_wait_after=True)
        page.wait_for_timeout(300)
        assert page.url == f"{live.address}/reader"


def test_film_and_overlay_show_the_same_frame(page: Any, store: Store, tmp_path: Path) -> None:
    film = counting_film(tmp_path / "f.mp4", 60)
    case = upload(store, film.read_bytes())["case"]
    assert run_next(store, {}, lone_nose)
    with shown_in(page, store) as live:
        come_in(page, live)
        page.goto(f"{live.address}/cases/{case}")
        wait_loaded(page)
        page.evaluate(READ_PIXELS)
        # Standing: exactly the same, by single steps on and back, and after jumps.
        for key, frame in [*[("ArrowRight", k) for k in range(1, 9)], ("ArrowLeft", 7),
                           ("Shift+ArrowRight", 32), ("End", 59), ("ArrowLeft", 58),
                           ("Shift+ArrowLeft", 33), ("Home", 0)]:  # fmt: skip
            page.keyboard.press(key)
            page.wait_for_selector(f"#stage[data-frame='{frame}']")
            until(page, "!document.getElementById('video').seeking")
            until_shown(page, frame)
        # Running, at three speeds: not more than one apart. A busy machine drops frames between the
        # callback and the reading of the pixels, so that a few readings are let off.
        for rate in ("0.25", "1", "2"):
            page.keyboard.press("Home")
            page.select_option("#rate", rate)
            page.evaluate("document.activeElement.blur()")
            pairs = page.evaluate(WATCH_PLAYING)
            assert len({film for film, _ in pairs}) > 2  # it runs; how smoothly is the machine's
            assert None not in {overlay for _, overlay in pairs}
            close = [abs(film - overlay) <= 1 for film, overlay in pairs]
            assert sum(close) >= 0.9 * len(close), (rate, pairs)


def test_a_review_by_keyboard_alone(page: Any, store: Store) -> None:
    assessed_case(store, "b07")
    with shown_in(page, store) as live:
        page.goto(live.link)
        page.wait_for_url("**/reader")

        def tab_to(selector: str, most: int = 60) -> None:
            for _ in range(most):
                page.keyboard.press("Tab")
                if page.evaluate(f"document.activeElement.matches({selector!r})"):
                    shown = page.evaluate(
                        "getComputedStyle(document.activeElement).outlineStyle"
                        " + getComputedStyle(document.activeElement.nextElementSibling"
                        " || document.activeElement).outlineStyle"
                    )
                    assert "solid" in shown or "auto" in shown  # focus can be seen
                    return
            pytest.fail(f"the keyboard does not reach {selector}")

        tab_to("#name")
        page.keyboard.type("Key Reader")
        page.keyboard.press("Enter")
        page.wait_for_selector(".inbox")
        tab_to("tbody th a")
        page.keyboard.press("Enter")
        page.wait_for_selector("#case[data-loaded]")
        page.keyboard.press("?")
        assert page.locator("#help-dialog").is_visible()
        page.keyboard.press("Escape")
        frame = "Number(document.getElementById('stage').dataset.frame)"
        page.wait_for_selector("#help-dialog", state="hidden")
        page.keyboard.press("ArrowRight")
        until(page, f"{frame} === 1")
        page.keyboard.press("n")
        until(page, f"{frame} > 1")
        salient = page.evaluate(frame)
        page.keyboard.press("l")
        assert page.get_attribute("#loop", "aria-pressed") == "true"
        page.keyboard.press("Space")
        first, last = page.evaluate(ROUNDS)  # of the clip jumped to: a second at 5 fps
        assert first == salient < last <= salient + 5
        page.keyboard.press("Space")
        page.keyboard.press("n")
        assert page.evaluate(frame) > salient + 5  # to the next one, not to this one again
        page.keyboard.press("p")
        until(page, f"{frame} === {salient}")
        page.keyboard.press("l")
        page.keyboard.press("[")
        assert page.input_value("#rate") == "0.75"
        page.keyboard.press("m")
        page.keyboard.type("here")
        page.keyboard.press("Enter")
        page.wait_for_selector("#notes li")
        page.keyboard.press("Escape")
        tab_to("#strip", 90)
        page.keyboard.press("Home")
        assert page.get_attribute("#strip", "aria-valuetext") == "0:00.0 of 0:20"
        page.keyboard.press("r")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_selector("#sign")
        assert page.locator("#model-panel").is_visible()
        tab_to("#sign input[name=agreement]")
        page.keyboard.press("Space")
        tab_to("#comment")
        page.keyboard.type("by hand")
        tab_to("#sign button[type=submit]")
        page.keyboard.press("Enter")
        page.wait_for_selector(".signature")
    (own,) = reading.readings_of(store, store.all("SELECT id FROM cases")[0]["id"]).values()
    assert (own.version, own.comment, own.agreement) == (1, "by hand", "agree")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    chromium: Any, store: Store, tmp_path: Path, scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    case, other = assessed_case(store, "b07", 1), assessed_case(store, "b08", 2)
    one, two = readers(store, "Anna One", "Berta Two")
    for score, reader in (("F+", one), ("F-", two)):
        reading.rate(store, other, reader, score)
        reading.note(store, other, reader, 3.0, "a note")
        reading.sign(store, other, reader, score=score, agreement="agree", comment="words")
    film = counting_film(tmp_path / "f.mp4", 10)
    waiting = upload(store, film.read_bytes())["case"]
    context = chromium.new_context(
        viewport={"width": 1366, "height": 768}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    found: dict[str, list[str]] = {}

    def look(name: str) -> None:
        page.wait_for_timeout(150)
        options = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
        result = Axe().run(page, options=options)
        found[name] = [
            f"{v['id']}: {v['nodes'][0]['html'][:120]}: {v['nodes'][0].get('failureSummary', '')}"
            for v in result.response["violations"]
            if v["impact"] in ("serious", "critical")
        ]

    with running(store) as live:
        page.goto(f"{live.address}/door")
        look("door")
        page.goto("about:blank")
        page.goto(live.link)
        page.wait_for_url("**/reader")
        look("reader")
        page.select_option("#reader", label="Anna One")
        page.click("#known button[type=submit]")
        page.wait_for_selector("#jobs li")
        look("inbox")
        for name, place in (("to rate", case), ("signed", other), ("waiting", waiting)):
            page.goto(f"{live.address}/cases/{place}")
            if name != "waiting":
                page.wait_for_selector("#case[data-loaded]")
            look(name)
        page.goto(f"{live.address}/cases/{other}")
        page.wait_for_selector("#case[data-loaded]")
        page.click("#help")
        look("help")
        for place in ("agreement", "library", "nowhere"):
            page.goto(f"{live.address}/{place}")
            look(place)
    context.close()
    assert len(found) == 10
    assert {name: said for name, said in found.items() if said} == {}
