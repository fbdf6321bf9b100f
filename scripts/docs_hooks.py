"""What the site needs that the pages do not: the README's tables as a page, links that read as titles, and none to
files beside docs/.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from properdocs.structure.files import File, Files

SECTIONS = ("Python", "Command line", "Benchmarks", "Limits")
DOCS = Path(__file__).parent.parent / "docs"
_PAGE = re.compile(r"\[(\w+\.md)\](?=\()")
_BESIDE = re.compile(r"\[([^\]]+)\]\(\.\./(?!README)[^)]*\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the page `reference.md`, made of the README's tables."""
    readme = (Path(config.config_file_path).parent / "README.md").read_text()
    found = {text.partition("\n")[0]: text for text in re.split(r"^## ", readme, flags=re.MULTILINE)}
    page = "# Reference\n\n" + "".join(f"## {found[name]}" for name in SECTIONS)
    page = re.sub(r"\[([^\]]+)\]\((?!docs/|https:)[^)#]+\)", r"\1", page)
    page = page.replace("[docs/", "[").replace("](docs/", "](")
    files.append(File.generated(config, "reference.md", content=page))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """The README is the page of reference; examples and benchmarks are named, but not on the site."""
    markdown = _BESIDE.sub(r"\1", markdown).replace("[README](../README.md", "[reference](reference.md")
    return _PAGE.sub(lambda link: f"[{_title(link[1])}]", markdown).replace("(../README.md", "(reference.md")


def _title(page: str) -> str:
    return (DOCS / page).read_text().partition("\n")[0].removeprefix("# ")
