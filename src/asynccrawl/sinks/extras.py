"""Packages that only some sinks need, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import SettingsError


def extra(module: str, name: str) -> Any:
    """The module of an extra. Raises SettingsError, which says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise SettingsError(f"{name} needs {package}: pip install 'asynccrawl[{name}]'") from error
