"""What the end of a fetch says of its host."""

from __future__ import annotations

from ..errors import FetchError
from ..frontier import Signal
from ..models import Reason, Response

_BUSY = {429, 503}
_OURS = {Reason.INTERNAL, Reason.BLOCKED_ADDRESS, Reason.BLOCKED_SCHEME, Reason.BAD_URL}


def signal_of(answer: Response | FetchError | None, heard: bool) -> Signal:
    """The signal of an answer or error; None is a fetch that we broke off. `heard`: whether an answer had begun."""
    if answer is None:
        return Signal.NONE
    if isinstance(answer, Response):
        return Signal.ANSWERED
    if answer.http_status in _BUSY or (answer.retryable and answer.retry_after is not None):
        return Signal.BUSY
    if answer.http_status is not None or answer.reason is Reason.PROTOCOL:
        return Signal.ANSWERED
    return _failed(answer, heard)


def _failed(error: FetchError, heard: bool) -> Signal:
    if error.reason in _OURS or (error.reason is Reason.DNS and not error.retryable):
        return Signal.NONE  # a name that does not exist is no host that could be down
    if heard:
        return Signal.BROKEN
    return Signal.SILENT if error.reason in (Reason.DNS, Reason.CONNECT, Reason.TIMEOUT) else Signal.REFUSED
