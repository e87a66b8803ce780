"""A picture of a page that Surefoot wrote: python docs/screenshot.py PAGE.html OUT.png [--at SECONDS] [--size WxH] [--dark]

In headless Chromium, which `make test` installs. Exit code 1 where the page complains or cannot be shown.
"""

import argparse
import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FLAGS = "--no-sandbox --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
PATIENCE = 60.0  # s, for software WebGL


def wait(tab: Page, condition: str) -> None:
    """Ask again and again: the page's policy forbids Playwright's own waiting. Raises `TimeoutError`."""
    end = time.monotonic() + PATIENCE
    while not tab.evaluate(f"() => Boolean({condition})"):
        if time.monotonic() > end:
            raise TimeoutError(f"never came true: {condition}")
        time.sleep(0.05)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--at", type=float, default=0.0, help="seconds of the recordings")
    parser.add_argument("--size", default="1280x960")
    parser.add_argument("--dark", action="store_true")
    args = parser.parse_args()
    width, height = map(int, args.size.split("x"))
    complaints: list[str] = []
    with sync_playwright() as running:
        path = shutil.which("chromium") or shutil.which("chromium-browser")
        browser = running.chromium.launch(executable_path=path, args=FLAGS.split())
        scheme = "dark" if args.dark else "light"
        tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(args.page.resolve().as_uri())
        wait(tab, "window.surefoot?.ready")
        tab.evaluate(f"() => surefoot.seek({args.at})")
        tab.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        args.out.parent.mkdir(parents=True, exist_ok=True)
        tab.screenshot(path=args.out, timeout=1e3 * PATIENCE)
        browser.close()
    if complaints:
        sys.exit("; ".join(complaints))


if __name__ == "__main__":
    main()
