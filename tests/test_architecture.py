"""The house rules as tests: imports point one way, rooms stay small, names stay public, importing stays cheap."""

from __future__ import annotations

import ast
import importlib.metadata
import subprocess
import sys
import typing
from functools import cache
from pathlib import Path
from types import FunctionType

import pytest

import asynccrawl

ROOT = Path(asynccrawl.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))

# What each room may import; itself always. A room that is not named here may not exist.
BASE = {"urls", "identity", "models", "errors", "settings", "threads"}
LEAVES = {
    "sources",
    "admission",
    "frontier",
    "pacing",
    "quota",
    "retry",
    "robots",
    "fetcher",
    "imaging",
    "decoder",
    "screening",
    "sinks",
    "ledger",
    "durability",
    "expectation",
    "report",
}
MIDDLE = BASE | LEAVES
MAY_IMPORT: dict[str, set[str]] = {
    "starting": set(),
    "urls": set(),
    "identity": {"urls"},
    "models": set(),
    "errors": {"models"},
    "threads": set(),
    "checks": {"urls"},
    "settings": {"checks", "identity", "models", "urls", "errors"},
    "subset": {"models", "errors"},
    **dict.fromkeys(LEAVES, BASE),
    "sinks": BASE | {"subset"},
    "decoder": BASE | {"imaging"},
    "engine": BASE | {"frontier", "retry", "imaging", "quota", "pacing", "robots", "expectation"},
    "recorder": BASE | {"screening", "sinks", "ledger", "quota", "durability"},
    "recovery": BASE | {"decoder", "expectation", "ledger", "screening", "sinks", "recorder"},
    "listing": BASE | {"sources", "admission", "ledger", "engine"},
    "job": MIDDLE | {"engine", "recorder", "recovery", "listing"},
    "opening": MIDDLE | {"engine", "recorder", "job", "listing", "subset", "quota", "recovery"},
    "building": BASE | {"subset", "sinks", "ledger", "imaging"},
    "reviewing": BASE | {"ledger", "recorder", "screening", "sinks"},
    "verifying": BASE | {"sinks", "ledger"},
    "near": BASE | {"imaging", "ledger", "sinks"},
    "planning": BASE | {"sources", "admission", "report", "subset"},
    "api": MIDDLE | {"recorder", "job", "opening"},
    "cli": MIDDLE
    | {
        "starting",
        "recorder",
        "job",
        "opening",
        "api",
        "testing",
        "building",
        "near",
        "planning",
        "subset",
        "reviewing",
        "verifying",
    },
    "testing": MIDDLE | {"engine"},
    "__init__": MIDDLE | {"starting", "api", "building", "planning", "reviewing", "subset"},
    "__main__": {"cli"},
}
ONLY_IN = {
    "aiohttp": {"fetcher", "testing"},
    "aiodns": {"fetcher"},
    "PIL": {"imaging", "testing", "cli"},
    "sqlite3": {"ledger"},
    "imagehash": {"imaging"},
    "numpy": {"near"},
    "scipy": {"near"},
    "click": {"cli"},
    "rich": {"cli"},
    "uvloop": {"cli", "testing"},
    "pyarrow": {"sources"},
    "cryptography": {"testing"},
    "backports": {"sources"},
    "protego": {"robots"},
    "simplejpeg": {"imaging"},
}


def room(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module that a file names in an import, absolute, wherever the import hides."""
    package = ("asynccrawl", *path.relative_to(ROOT).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module or "") if part)
            found |= {f"{module}.{alias.name}" for alias in node.names}
    return frozenset(found)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_one_way(path: Path):
    here = room(path)
    rooms = {name.split(".")[1] for name in imports(path) if name.startswith("asynccrawl.")}
    rooms -= {here} | ({"__version__", *asynccrawl.__all__} if here in ("cli", "testing") else set())
    assert rooms <= MAY_IMPORT[here], f"{here} may not import {rooms - MAY_IMPORT[here]}"


@pytest.mark.parametrize("library", ONLY_IN)
def test_foreign_libraries_stay_in_their_rooms(library: str):
    users = {room(path) for path in FILES for name in imports(path) if name.split(".")[0] == library}
    assert users and users <= ONLY_IN[library]


def test_files_and_functions_stay_small():
    sizes = []
    for path in FILES:
        text = path.read_text()
        assert len(text.splitlines()) <= 400, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                sizes.append((node.end_lineno or 0) - node.lineno + 1)
                arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
                assert sum(a.arg not in ("self", "cls") for a in arguments) <= 8, f"{path}:{node.lineno}"
    assert sorted(sizes)[int(len(sizes) * 0.95)] <= 40


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_everything_public_is_documented(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name}"


def test_the_public_names_are_these():
    assert set(asynccrawl.__all__) == {
        "CrawlError", "DestinationBusy", "DirectorySink", "ExportReport", "Failure", "Grouping", "HostLimits",
        "ImagePolicy", "Limits", "ListError", "ListOptions", "MemorySink", "Network", "NullSink", "Outcome",
        "Placeholder", "Plan", "Reason", "Report", "Request", "RetryPolicy", "Sample", "Settings", "SettingsError",
        "Sink", "Status", "StorageError", "SubsetReport", "SubsetSink", "TeeSink", "WebDatasetSink",
        "build_subset", "crawl",
        "crawl_sync", "export", "placeholders", "plan", "refuse", "restore", "stream",
    }  # fmt: skip
    assert all(hasattr(asynccrawl, name) for name in asynccrawl.__all__)


def loaded_by(code: str) -> set[str]:
    """The modules that a new interpreter holds after `code`."""
    words = [sys.executable, "-c", f"{code}\nimport sys; print(*sys.modules)"]
    return set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())


def test_importing_loads_no_more_than_the_names():
    ours = {name for name in loaded_by("import asynccrawl") if name.startswith("asynccrawl")}
    assert ours == {"asynccrawl", "asynccrawl.starting"}


def test_next_to_nothing_is_imported_before_signals_are_seen_to():
    """Until then Ctrl-C ends the command with Python's traceback."""
    code = "import sys; sys.orig_argv[:] = sys.argv[:] = ['asynccrawl']; import asynccrawl.starting"
    assert not (loaded_by(code) - loaded_by("pass")) & {"typing", "pathlib", "re", "contextlib", "importlib", "click"}


def test_importing_loads_neither_network_nor_pictures():
    assert not loaded_by("import asynccrawl") & {"asyncio", "aiohttp", "PIL", "sqlite3", "ssl", "dataclasses"}


@pytest.mark.slow  # a decoder process is started
@pytest.mark.parametrize("settings", ["image=ac.ImagePolicy(decode='none')", "processes=1"])
def test_a_crawl_that_decodes_nothing_itself_loads_no_decoder(settings: str, tmp_path: Path):
    code = f"import asynccrawl as ac; ac.crawl_sync([], {str(tmp_path / 'dest')!r}, settings=ac.Settings({settings}))"
    loaded = loaded_by(code)
    assert "aiohttp" in loaded and not loaded & {"PIL.Image", "simplejpeg", "numpy"}


def test_each_name_is_found_and_listed_before_it_was_used():
    code = (
        "import asynccrawl as ac\n"
        "assert set(ac.__all__) <= set(dir(ac))\n"
        "for name in ac.__all__: assert getattr(ac, name).__name__.rpartition('.')[2] == name, name\n"
        "assert set(ac.__all__) <= set(dir(ac)) and set(ac.__all__) <= set(vars(ac))"
    )
    assert "asynccrawl.api" in loaded_by(code)


@pytest.mark.parametrize("name", asynccrawl.__all__)
def test_the_types_of_each_name_can_be_resolved(name: str):
    """As tools do that check or convert arguments at run time."""
    public = getattr(asynccrawl, name)
    typing.get_type_hints(public)
    functions = [getattr(member, "__func__", member) for member in vars(public).values()]
    for function in [one.fget if isinstance(one, property) else one for one in functions]:
        if isinstance(function, FunctionType):
            typing.get_type_hints(function)


def test_each_name_is_told_to_type_checkers_from_where_it_lives():
    (block,) = (
        node
        for node in ast.parse((ROOT / "__init__.py").read_text()).body
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    )
    told = {a.name: n.module for n in block.body if isinstance(n, ast.ImportFrom) for a in n.names}
    assert told == asynccrawl._HOMES and sorted(told) == sorted(asynccrawl.__all__)


def test_the_version_is_the_one_that_is_installed():
    assert asynccrawl.__version__ == importlib.metadata.version("asynccrawl")


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'crawl_async'"):
        asynccrawl.crawl_async  # noqa: B018
    assert not hasattr(asynccrawl, "os_")


def test_the_calls_load_no_extra_and_nothing_of_the_command():
    loaded = loaded_by("import asynccrawl\nfor name in asynccrawl.__all__: getattr(asynccrawl, name)")
    extras = {"skimage", "sklearn", "numpy", "pyarrow", "lmdb", "PIL", "datasets", "cryptography", "protego"}
    extras |= {"simplejpeg"}
    assert not loaded & extras
    assert not loaded & {"rich", "click", "uvloop", "asynccrawl.testing", "asynccrawl.cli"}
