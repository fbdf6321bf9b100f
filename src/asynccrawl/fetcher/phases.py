"""How far a hop has come, for a time limit that must say what it was waiting for."""

from __future__ import annotations

import socket
from contextvars import ContextVar
from dataclasses import dataclass

from ..errors import FetchError
from ..models import Reason
from .wire import Doubt


@dataclass(slots=True)
class Phase:
    """The phase of one hop: `connecting`, `resolving`, `head` or `body`. `socket`: the last one that was made.
    `fresh`: whether a connection was made for it. `doubt`: of an answer on a connection that was used before.
    """

    name: str = "connecting"
    socket: socket.socket | None = None
    fresh: bool = False
    doubt: Doubt | None = None

    def timed_out(self, secure: bool, seconds: float) -> FetchError:
        """The error of a hop that ran into a limit of `seconds` here. `secure`: it was to use TLS."""
        within = f"within {seconds:.3g} s"
        if self.name == "resolving":
            return FetchError(Reason.DNS, True, f"the name was not resolved {within}")
        if self.name == "connecting":
            if secure and self._connected():
                return FetchError(Reason.TLS, True, f"the TLS handshake was not finished {within}")
            return FetchError(Reason.CONNECT, True, f"no connection {within}")
        doing = "the answer's head had not come" if self.name == "head" else "the body was still coming"
        return FetchError(Reason.TIMEOUT, True, f"no complete answer {within} of fetching: {doing}")

    def _connected(self) -> bool:
        try:
            return self.socket is not None and bool(self.socket.getpeername())
        except OSError:
            return False


current: ContextVar[Phase | None] = ContextVar("current", default=None)
"""The phase of the hop that the running task makes."""
