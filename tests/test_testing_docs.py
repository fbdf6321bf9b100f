"""What docs/testing.md shows is true: it names everything that the kit has. (tests/test_docs.py runs its example.)"""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import asynccrawl.testing
from asynccrawl.testing.dns_answers import DnsLie
from asynccrawl.testing.dns_wire import RCODES
from asynccrawl.testing.tls import Handshake

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "testing.md").read_text()


def test_every_name_of_the_kit_is_there_and_no_other() -> None:
    code = " ".join(re.findall(r"`([^`\n]+)`", TEXT.replace("```", "")))
    named = set(re.findall(r"[A-Za-z_]\w*", code))
    assert set(asynccrawl.testing.__all__) <= named
    rows = re.findall(r"^\| (`.*?) \|", TEXT, re.M)
    called = {name for row in rows for name in re.findall(r"`(\w+)\(", row)}
    assert called <= set(asynccrawl.testing.__all__)


def test_every_kind_of_handshake_and_answer_of_names_is_there() -> None:
    for kind in get_args(Handshake):
        assert f"`{kind}`" in TEXT
    for lie in get_args(DnsLie):
        assert f'`lie="{lie}"`' in TEXT
    for rcode in set(RCODES) - {"NOERROR"}:
        assert f'`"{rcode}"`' in TEXT


def test_the_readme_leads_here() -> None:
    assert "(docs/testing.md)" in (ROOT / "README.md").read_text()
