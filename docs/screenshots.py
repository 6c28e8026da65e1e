"""Take the pictures in docs/screenshots: a real desk in a temporary home, its pages in a real browser."""

import shutil
import sys
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "screenshots"
SESSIONS = ("2018-11-29", "2018-11-30", "2018-12-03", "2018-12-04", "2018-12-06", "2018-12-07", "2018-12-10")
CONSOLE: tuple[tuple[str, Literal["light", "dark"], int], ...] = (
    ("console", "light", 1100),
    ("console-dark", "dark", 1100),
    ("console-book", "light", 1100),
    ("console-phone", "light", 380),
)
COLOURS = 128
"""Of a picture: enough for pages, and a third of the bytes."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

sys.path.insert(0, str(ROOT))

from tests import pages, running  # noqa: E402 - found once the checkout is on the path


def take_screenshots(folder: Path, browser: Path) -> None:
    for session in SESSIONS[:-1]:
        print(f"playing {session}", flush=True)
        running.play_session(folder, session)
    take_console(folder, browser)
    print("starting the servers", flush=True)
    with running.running(folder) as up:
        run = up.create_run("daily/daily", {"session": SESSIONS[-1]})
        run = up.state_reached(run, "COMPLETED", "FAILED", "CRASHED", "CANCELLED")
        artifacts = up.artifacts(run)
        with pages.visit(browser) as seen:
            pages.open_deployments(seen.page, up)
            save_picture(seen.page, "prefect-deployments")
            pages.open_form(seen.page, up)
            save_picture(seen.page, "prefect-form")
            pages.open_day(seen.page, up, run)
            save_picture(seen.page, "prefect-day")
            pages.open_artifact(seen.page, up, artifacts["day-report"])
            pages.scroll_to(seen.page.get_by_role("img", name="equity against the benchmark"), "end")
            save_picture(seen.page, "prefect-report")
            pages.open_fits(seen.page, up)
            save_picture(seen.page, "mlflow-runs")
            pages.open_fit(seen.page, up)
            save_picture(seen.page, "mlflow-fit")
            pages.open_charts(seen.page, up)
            save_picture(seen.page, "mlflow-charts")
            pages.open_comparison(seen.page, up)
            pages.scroll_to(seen.page.get_by_text("Run details"), "start")
            save_picture(seen.page, "mlflow-compare")


def take_console(folder: Path, browser: Path) -> None:
    """The console's pages, light, dark and on a phone."""
    with running.console(folder, running.free_port()) as address, pages.visit(browser) as seen:
        for name, scheme, width in CONSOLE:
            seen.page.emulate_media(color_scheme=scheme)
            seen.page.set_viewport_size({"width": width, "height": 800})
            seen.page.goto(address)
            if "book" in name:
                seen.page.get_by_role("link", name="sp500_svc").first.click()
            save_picture(seen.page, name)


def save_picture(page: pages.Page, name: str) -> None:
    page.wait_for_timeout(3000)  # the pages' own animations
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    with Image.open(BytesIO(page.screenshot())) as taken:
        taken.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path}, {path.stat().st_size / 1000:.0f} kB", flush=True)


def main() -> None:
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"No browser found: none of {', '.join(BROWSERS)} is on the PATH.")
    with tempfile.TemporaryDirectory(prefix="nightdesk-screenshots-") as folder:
        take_screenshots(Path(folder), Path(browser))


if __name__ == "__main__":
    main()
