"""Sets up what we are compared with: from PyPI in an environment of its own, from Debian where we may."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "requirements.txt"
_PROGRAMS = {"nginx": "nginx-light", "aria2c": "aria2", "curl": "curl"}
"""What is looked for, and the Debian package that has it."""


def set_up() -> dict[str, str]:
    """The environment variables that name the programs from PyPI. What cannot be had is said, and left out."""
    _from_debian()
    named = {name: os.environ[name] for name in ("IMG2DATASET", "SCRAPY") if name in os.environ}
    return named if len(named) == 2 else {**_from_pypi(), **named}


def _from_debian() -> None:
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program, path=path) is None]
    if not missing:
        return
    if os.getuid() or not shutil.which("apt-get"):
        print(f"Not installed: apt install {' '.join(missing)}", file=sys.stderr)
        return
    print(f"Installing {', '.join(missing)} ...", file=sys.stderr, flush=True)
    for words in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
        subprocess.run(["apt-get", "-qq", *words], check=False, stdout=subprocess.DEVNULL)


def _from_pypi() -> dict[str, str]:
    directory = Path(tempfile.gettempdir()) / "asynccrawl-benchmark" / "peers"
    programs = {"IMG2DATASET": directory / "bin" / "img2dataset", "SCRAPY": directory / "bin" / "scrapy"}
    if not all(program.exists() for program in programs.values()):
        print(f"Setting up img2dataset and Scrapy in {directory} (a minute) ...", file=sys.stderr, flush=True)
        venv.create(directory, with_pip=True, clear=True)
        install = [str(directory / "bin" / "python"), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        if subprocess.run([*install, "-r", str(REQUIREMENTS)], check=False).returncode:
            shutil.rmtree(directory, ignore_errors=True)
    return {name: str(program) for name, program in programs.items() if program.exists()}
