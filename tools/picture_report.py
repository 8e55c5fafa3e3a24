"""Take a picture of a section of a report, for README and documentation; needs Playwright and Chromium.

python tools/picture_report.py report.html accuracy docs/pictures/report.png [--width 1100] [--height 1060]
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def main() -> None:
    """Open the report and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path)
    parser.add_argument("section")
    parser.add_argument("output", type=Path)
    parser.add_argument("--width", type=int, default=1100)
    parser.add_argument("--height", type=int, default=1060)
    args = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": args.width, "height": args.height}, color_scheme="light")
        page.goto(args.report.resolve().as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        page.evaluate(f"document.getElementById('{args.section}').scrollIntoView()")
        page.wait_for_timeout(500)
        page.screenshot(path=args.output)
        browser.close()


if __name__ == "__main__":
    main()
