"""What the documentation shows is true: every command and every program of every page runs, in its order."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from asynccrawl.building import FORMATS
from asynccrawl.cli.main import EXIT_BUG, EXIT_BUSY, EXIT_FOUND, EXIT_STORAGE, EXIT_USAGE
from asynccrawl.imaging import RESIZE_MODES
from asynccrawl.models import Reason
from asynccrawl.testing import ImageServer, picture

from .pages import GONE, PAGES, ROOT, Page, picture_of, serving, steps_of
from .test_kills import tree

CRAWL = "crawl ilsvrc12_urls.txt ilsvrc12"
HASHES = ("fd825912e7db73dde8776ca0d7af38686cda0b1f67d0e32a793948a0b54181d6", "37574e6f5401b522e136a19e0dca4d4e")
"""What docs/duplicates.md has for the hashes of two pictures, whose bytes are the JPEG library's business."""


@pytest.fixture(scope="module")
def site() -> Iterator[ImageServer]:
    with serving() as server:
        yield server


def crawled(page: Page, site: ImageServer) -> None:
    """A finished crawl of the ImageNet list."""
    page.shell(f"asynccrawl {CRAWL}")


def listed(page: Page, site: ImageServer) -> None:
    """A list that names URLs several times, and different URLs with one content; and a table with hashes."""
    paths = [f"/photos/{n}.jpg" for n in range(8)]
    site.add("/photos/5.jpg", picture(seed=4))
    site.add("/photos/4.jpg", picture(seed=4))
    lines = [f"{('cat', 'dog')[n % 2]}_{n} {site.url(paths[n % 8])}\n" for n in range(12)]
    (page.directory / "urls.txt").write_text("".join(lines))
    for shown, digest, path in zip(HASHES, (hashlib.sha256, hashlib.md5), paths[:2], strict=True):
        page.means[shown] = digest(picture_of(path)).hexdigest()


def captioned(page: Page, site: ImageServer) -> None:
    """A table as LAION has them."""
    urls = [site.url(f"/photos/{n}.jpg", n) for n in range(4)]
    rows = {"URL": urls, "TEXT": [f"picture {n}" for n in range(4)], "WIDTH": [64] * 4}
    parquet.write_table(pyarrow.table(rows), page.directory / "laion.parquet")


PREPARED: dict[str, Callable[[Page, ImageServer], None]] = {
    "docs/captions.md": captioned,
    "docs/duplicates.md": listed,
    "docs/formats.md": crawled,
    "docs/ledger.md": crawled,
    "docs/placeholders.md": crawled,
    "docs/report.md": crawled,
    "docs/subsets.md": crawled,
}
"""What has to be there before a page is read, beside the list `ilsvrc12_urls.txt`."""


def captions(page: Page) -> None:
    assert "4 of 4 records saved" in page.said["asynccrawl crawl laion.parquet laion --url-col URL"]
    page.shell("asynccrawl manifest laion")
    rows = [json.loads(line) for line in page.said["asynccrawl manifest laion"].splitlines()]
    assert [row["extra"] for row in rows] == [{"TEXT": f"picture {n}", "WIDTH": 64} for n in range(4)]


def duplicates(page: Page) -> None:
    assert "Records that another's fetch serves: 4" in page.said["asynccrawl plan urls.txt pictures --dedup url"]
    assert "8 of 12 records saved" in page.said["asynccrawl crawl urls.txt pictures --dedup url"]
    assert "Label noise: " in page.said["asynccrawl report pictures"]
    assert "2 of 2 records saved" in page.said["asynccrawl crawl table.csv checked --sha256-col sha256 --md5-col md5"]
    assert tree(page.directory / "again") == tree(page.directory / "pictures")


def placeholders(page: Page) -> None:
    assert GONE[:16] in page.said["asynccrawl placeholders ilsvrc12"]
    assert hashlib.sha256((page.directory / "gone.jpg").read_bytes()).hexdigest() == GONE


def ledger(page: Page) -> None:
    (counts,) = (text for words, text in page.said.items() if words.startswith("sqlite3"))
    assert dict(line.split("|") for line in counts.splitlines()) == {
        "None": "48", "placeholder": "12", "bad_line": "1", "http_404": "1", "not_an_image": "1",
    }  # fmt: skip


def readme(page: Page) -> None:
    assert "48 of 63 records saved" in page.said["python"] and "placeholder" in page.said["python"]
    assert len(tree(page.directory / "12_classes")) == 48


PROVED: dict[str, Callable[[Page], None]] = {
    "README.md": readme,
    "docs/captions.md": captions,
    "docs/duplicates.md": duplicates,
    "docs/ledger.md": ledger,
    "docs/placeholders.md": placeholders,
}
"""What has come of a page once all of it was done, beyond that everything ended well."""


@pytest.mark.slow  # crawls, exports and programs, as many as the page has
@pytest.mark.timeout(300)
@pytest.mark.may_block  # commands are run here, not in a process of their own
@pytest.mark.parametrize("name", PAGES)
def test_everything_that_a_page_shows_runs(name: str, site: ImageServer, tmp_path: Path):
    page = Page(tmp_path, site)
    if name in PREPARED:
        PREPARED[name](page, site)
    for step in steps_of(name):
        page.run(step)
    if name in PROVED:
        PROVED[name](page)


def test_what_nobody_runs_is_found(site: ImageServer, tmp_path: Path):
    page = Page(tmp_path, site)
    for words in ("rm -rf ilsvrc12", "asynccrawl nosuch", "python benchmarks/nosuch.py", "scripts/nosuch",
                  "pip install 'asynccrawl[nosuch]'", "asynccrawl report ilsvrc12"):  # fmt: skip
        with pytest.raises(AssertionError):
            page.shell(words)


def test_every_link_leads_somewhere():
    for name in PAGES:
        text = (ROOT / name).read_text()
        anchors = {path: set(re.findall(r"^#+ (.*)$", (ROOT / path).read_text(), re.MULTILINE)) for path in PAGES}
        for link in re.findall(r"\]\(([^)\s]+)\)", text):
            if not link.startswith("https://"):
                path, _, anchor = link.partition("#")
                target = os.path.normpath(Path(name).parent / path) if path else name
                assert (ROOT / target).exists(), f"{name}: {link}"
                slugs = {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in anchors.get(target, ())}
                assert not anchor or anchor in slugs, f"{name}: {link}"


@pytest.mark.may_block  # commands are run here
def test_the_page_of_the_report_names_every_reason_field_and_exit_code(site: ImageServer, tmp_path: Path):
    text = (ROOT / "docs/report.md").read_text()
    rows = [row.split(" | ") for row in re.findall(r"^\| (.*) \|$", text, re.MULTILINE)]
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row[0])}
    page = Page(tmp_path, site)
    crawled(page, site)
    page.shell("asynccrawl manifest ilsvrc12")
    fields = json.loads(page.said["asynccrawl manifest ilsvrc12"].splitlines()[0]).keys()
    assert {reason.value for reason in Reason} | fields == named
    codes = {int(code) for row in rows for code in re.findall(r"\b\d+\b", row[0])}
    assert codes == {0, EXIT_FOUND, EXIT_USAGE, EXIT_STORAGE, EXIT_BUSY, EXIT_BUG, 130, 143}


@pytest.mark.slow  # the site is built twice
def test_the_site_is_built_and_a_dead_link_fails(tmp_path: Path):
    for name in ("mkdocs.yml", "README.md"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for name in ("docs", "scripts"):
        shutil.copytree(ROOT / name, tmp_path / name)
    words = [sys.executable, "-m", "properdocs", "build", "--strict", "--config-file", "mkdocs.yml"]
    built = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    made = tmp_path / "build/site"
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} | {"reference", "404"}
    assert {path.stem for path in made.glob("*.html")} == pages
    assert "<code>--per-host</code>" in (made / "reference.html").read_text()
    with (tmp_path / "docs/resume.md").open("a") as page:
        page.write("[nowhere](ledger.md#nowhere)\n")
    assert subprocess.run(words, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_every_page_is_found_from_the_first_one():
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\((\w+\.md)\)", (ROOT / "docs/index.md").read_text())) == pages


def test_the_first_page_names_every_extra_for_users():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/index.md").read_text(), re.MULTILINE))
    assert named == extras.keys() - {"test", "docs"}


def test_the_page_of_formats_names_every_format_and_mode():
    text = (ROOT / "docs/formats.md").read_text()
    for name in (*FORMATS, *RESIZE_MODES):
        assert f"`{name}`" in text
