"""Sample -> keep it, or a Failure: pictures that are valid and yet not what was asked for.

Known placeholders are told by the signatures in `data/placeholders.json`. Discovery of unknown ones, quotas and
duplicates take their place in `screen` as they come.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..models import Failure, Reason, Result, Sample
from ..settings import ImagePolicy
from .signatures import Signature, known_signatures


class Screening:
    """Decides what is kept of the valid pictures. `signatures`: the shipped ones unless given."""

    def __init__(self, policy: ImagePolicy, signatures: Iterable[Signature] | None = None) -> None:
        known = known_signatures() if signatures is None else list(signatures)
        self._signatures = known if policy.placeholders == "known" else []

    def screen(self, result: Result) -> Result:
        """The result itself, or the Failure that takes a sample's place."""
        if isinstance(result, Sample):
            for signature in self._signatures:
                if signature.matches(result):
                    return Failure.instead(result, Reason.PLACEHOLDER, f"known placeholder: {signature.name}")
        return result
