"""What the pages of the documentation show, as steps that can be run: commands, programs, and files that they speak of.

In a page, each line of a ```console block that begins with `$ ` is a command (`\\` at its end goes on in the next line,
`# exits 1` behind it says how it ends); a ```python block is a program; and a block behind `<!-- file NAME -->` is a
file of that name. They are run in their order, in a directory of the page's own, against a server of the kit: addresses
below https://images.example are the server's, and loopback is open, which the pages do not say.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import re
import shlex
import sqlite3
import subprocess
import sys
import threading
import tomllib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from asynccrawl.cli.main import group
from asynccrawl.subset import load_grouping
from asynccrawl.testing import Answer, ImageServer, html_page, picture, placeholder, status
from asynccrawl.testing.http_request import HttpRequest

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "benchmarks/README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
SITE = "https://images.example"
GONE = hashlib.sha256(placeholder()).hexdigest()
OPEN = ("--allow-net", "127.0.0.0/8")
PER_LABEL = 4

_BLOCK = re.compile(r"(?:^<!-- file (\S+) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXITS = re.compile(r"# exits (\d+)")
_OTHERS = re.compile(r"^(?:import|from) (?:datasets|webdataset)\b", re.MULTILINE)
"""Packages that warn of one thing or another, as others' Pythons and versions have it."""
_PROGRAM = """\
import warnings
warnings.simplefilter({filter!r})
import asynccrawl
asynccrawl.Network.__init__.__kwdefaults__["allow_net"] = ("127.0.0.0/8",)
asynccrawl.Settings.__init__.__kwdefaults__["network"] = asynccrawl.Network()
"""


@dataclass(frozen=True)
class Step:
    """One thing that a page shows: a `command`, a `program`, or a `file` of that `name`."""

    kind: str
    text: str
    name: str = ""


def steps_of(page: str) -> list[Step]:
    """What is to be done with a page, in its order."""
    steps: list[Step] = []
    for name, kind, text in _BLOCK.findall((ROOT / page).read_text()):
        if kind == "console":
            assert not name, f"{page}: no file is made of commands"
            for line in text.replace("\\\n", " ").splitlines():
                assert line.startswith("$ "), (
                    f"{page}: {line!r} is no command; what is printed stands in a block of text"
                )
                steps.append(Step("command", line[2:]))
        elif name or kind == "python":
            steps.append(Step("file" if name else "program", text, name))
    return steps


def picture_of(path: str) -> bytes:
    """The picture of a path."""
    return picture(seed=zlib.crc32(path.encode()), size=(64, 48))


def served(request: HttpRequest) -> Answer:
    """A picture for every path, drawn after it; but for those that say what they are."""
    if "/gone/" in request.path:
        return Answer(placeholder())
    if "/404/" in request.path:
        return status(404)
    if "/page/" in request.path:
        return Answer(html_page(), content_type="text/html")
    return Answer(picture_of(request.path))


@contextlib.contextmanager
def serving() -> Iterator[ImageServer]:
    """A server in a thread of its own, so that commands can run in this one."""
    ready, done, servers = threading.Event(), threading.Event(), list[ImageServer]()

    async def serve() -> None:
        async with ImageServer(hosts=4) as server:
            server.route(served)
            servers.append(server)
            ready.set()
            await asyncio.to_thread(done.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(60)
        yield servers[0]
    finally:
        done.set()
        thread.join()


def imagenet_list(server: ImageServer) -> str:
    """Some lines of each of the twelve classes, and what old lists have: placeholders, dead links, no line at all."""
    lines = []
    for n, label in enumerate(next(iter(members.values())) for members in load_grouping("imagenet12").groups.values()):
        kinds = ["photos"] * PER_LABEL + ["gone"] + ["404", "page"] * (n == 0)
        for k, kind in enumerate(kinds, 1):
            lines.append(f"{label}_{k}\t{server.url(f'/{kind}/{label}_{k}.jpg', n % 4)}\n")
    return "".join(lines) + "n02799071_77\n"


class Page:
    """A page that is run in `directory`, against `server`.

    `said` has what each command printed, by its words. `means` has what stands in a page for something that only the
    run knows, such as a hash.
    """

    def __init__(self, directory: Path, server: ImageServer) -> None:
        self.directory = directory
        self.said: dict[str, str] = {}
        self.means = {SITE: server.url(""), "8f31c2": GONE[:6]}
        (directory / "ilsvrc12_urls.txt").write_text(imagenet_list(server))

    def run(self, step: Step) -> None:
        """Do what the step says. Raises AssertionError where it does not work, or nobody knows how it is done."""
        text = step.text
        for shown, meant in self.means.items():
            text = text.replace(shown, meant)
        if step.kind == "file":
            (self.directory / step.name).write_text(text)
        elif step.kind == "program":
            self._python(text)
        else:
            wanted = _EXITS.search(text)
            self.said[" ".join(shlex.split(step.text, comments=True))] = self._command(
                shlex.split(text, comments=True), int(wanted[1]) if wanted else 0
            )

    def shell(self, command: str) -> None:
        """Run a command that the page does not show."""
        self.run(Step("command", command))

    def _command(self, words: list[str], wanted: int) -> str:
        if words[0] == "asynccrawl" and "|" not in words:
            words, into = (words[:-2], words[-1]) if words[-2] == ">" else (words, None)
            out = self._asynccrawl(words[1:], wanted)
            if into:
                (self.directory / into).write_text(out)
            return out
        if words[:2] == ["sqlite3", "-readonly"]:
            with contextlib.closing(sqlite3.connect(f"file:{self.directory / words[2]}?mode=ro", uri=True)) as database:
                return "\n".join("|".join(map(str, row)) for row in database.execute(words[3]))
        elsewhere(words)
        return ""

    def _asynccrawl(self, words: list[str], wanted: int) -> str:
        """Run it here: that is a tenth of what a process costs."""
        more = (*OPEN, "--processes", "0") if words[0] in ("crawl", "retry") else ()
        with contextlib.chdir(self.directory):
            ended = CliRunner().invoke(group, [*words, *more], prog_name="asynccrawl")
        if ended.exception is not None and not isinstance(ended.exception, SystemExit):
            raise AssertionError(f"{shlex.join(words)} raised {ended.exception!r}") from ended.exception
        assert ended.exit_code == wanted, (words, ended.exit_code, ended.output)
        assert words[0] != "crawl" or not ended.stdout.startswith("0 of"), f"nothing was saved: {words}"
        return ended.stdout

    def _python(self, text: str) -> None:
        before = _PROGRAM.format(filter="ignore" if _OTHERS.search(text) else "error")
        words = [sys.executable, "-c", before + text]
        kept = {"HF_HOME": str(self.directory / ".cache"), "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
        ended = subprocess.run(
            words, cwd=self.directory, env=os.environ | kept, capture_output=True, text=True, check=False, timeout=150
        )
        assert (ended.returncode, ended.stderr) == (0, ""), f"{text}\n{ended.stderr}"
        self.said["python"] = ended.stdout


def elsewhere(words: list[str]) -> None:
    """What would take minutes, or sets up a machine, is run by a test of its own, which is looked up here."""
    tests = {path.name: path.read_text() for path in (ROOT / "tests").glob("test_*.py")}
    if words[0] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        project = re.fullmatch(r"(?:asynccrawl|\.)(?:\[(\w+)\])?", words[-1])
        assert words[:-1] == ["pip", "install"] and project, words
        assert project[1] is None or project[1] in extras, words
    elif words[0] == "python" and words[1].startswith("benchmarks/"):
        script = (ROOT / words[1]).name
        assert f'"{script}"' in tests["test_benchmarks.py"], f"no test runs {script}"
        sources = "".join(path.read_text() for path in (ROOT / "benchmarks").glob("*.py"))
        assert all(f'"{word}"' in sources for word in words if word.startswith("--")), words
    elif words[0] == "python" and words[1].startswith("examples/"):
        assert f'"{Path(words[1]).name}"' in tests["test_readme.py"], words
    elif words[:3] == ["python", "-m", "benchmarks"]:
        assert '"-m", "benchmarks"' in tests["test_benchmarks.py"], words
        assert all(word in (ROOT / "benchmarks" / "__main__.py").read_text() for word in words[3:]), words
    elif words[0].startswith("scripts/"):
        assert len(words) == 1 and os.access(ROOT / words[0], os.X_OK), words
        run_by = {
            "demo": "test_readme.py",
            "readers": "test_loaders.py",
            "docs": "test_docs.py",
            "test": "test_docs.py",
        }
        assert Path(words[0]).name in run_by, f"no test runs {words[0]}"
    else:
        raise AssertionError(f"nobody knows how to run {shlex.join(words)}")
