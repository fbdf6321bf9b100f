"""The list's further columns, such as captions, in formats whose columns have one type each."""

from __future__ import annotations

import json
from typing import Any, Literal

Column = Literal["string", "int64", "float64", "bool"]
"""The type of a column, in Arrow's words."""


def typed(value: Any, kind: Column) -> Any:
    """A value from a list as one of type `kind`; what is no text becomes JSON in a column of text."""
    if value is None:
        return None
    if kind == "string":
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return text.encode("utf-8", "replace").decode()  # half a character, which JSON can hold, is no text
    return {"int64": int, "float64": float, "bool": bool}[kind](value)
