"""What a server does when a client wants TLS: a certificate, good or bad, or a handshake that comes to nothing."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

if TYPE_CHECKING:
    from .certificates import Authority

Handshake = Literal[
    "good", "expired", "not_yet_valid", "self_signed", "wrong_name", "untrusted", "plain_text", "silence", "close"
]
"""How a handshake goes.

`good`: a certificate of the kit's authority for every address of the server and for all `names`. `expired`,
`not_yet_valid`: the same a week ago, or next week. `self_signed`: signed by itself. `wrong_name`: for
somebody-else.invalid. `untrusted`: good, but by an authority that nobody has heard of.

Without a certificate: `plain_text` answers the ClientHello with an HTTP error in clear, `silence` never answers it,
`close` ends the connection when it has come.
"""

BROKEN = ("plain_text", "silence", "close")
"""The handshakes that need no certificate."""

CA_FILE = "ca.pem"

Meeting = ssl.SSLContext | Handshake


class Tls:
    """The TLS of an ImageServer.

    kind: how handshakes go (default `good`). hosts: other kinds for single addresses of the server. names: host names
    that the certificates cover beside the addresses.

        async with ImageServer(hosts=2, tls=Tls(hosts={"127.0.0.2": "expired"}, names=("cats.example",))) as server:
            ...                                          # fetch server.url("/a.jpg") and trust server.ca_file

    The authority is made with the object and for it alone: servers that are given the same object share it.
    Certificates need the extra `testing`. Raises ValueError for a kind that is none.
    """

    def __init__(
        self, kind: Handshake = "good", *, hosts: Mapping[str, Handshake] | None = None, names: Sequence[str] = ()
    ) -> None:
        self.kind = kind
        self.hosts = dict(hosts or {})
        self.names = tuple(names)
        for value in self.kinds:
            if value not in get_args(Handshake):
                raise ValueError(f"{value!r} is none of {', '.join(get_args(Handshake))}")

    @property
    def kinds(self) -> set[Handshake]:
        """All kinds that are asked for."""
        return {self.kind, *self.hosts.values()}

    @cached_property
    def _authority(self) -> Authority:
        from .certificates import Authority

        return Authority()

    def prepare(self, addresses: Sequence[str], folder: Path) -> dict[str, Meeting]:
        """What meets the clients of each address. Blocking; writes CA_FILE to `folder`. For the server.

        Raises MissingExtra, and ValueError for an entry of `hosts` that is no address of the server.
        """
        for address in self.hosts:
            if address not in addresses:
                raise ValueError(f"tls names the host {address}, which is not among {addresses[0]} to {addresses[-1]}")
        meetings = {kind: kind if kind in BROKEN else self._context(kind, addresses, folder) for kind in self.kinds}
        return {address: meetings[self.hosts.get(address, self.kind)] for address in addresses}

    def _context(self, kind: Handshake, addresses: Sequence[str], folder: Path) -> ssl.SSLContext:
        from .certificates import WRONG_NAME, Authority

        authority = Authority() if kind == "untrusted" else self._authority
        (folder / CA_FILE).write_bytes(self._authority.pem)
        names = (WRONG_NAME,) if kind == "wrong_name" else (*addresses, *self.names)
        file = folder / f"{kind}.pem"
        file.write_bytes(authority.issue(kind, names))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        file.unlink()  # the context has read it
        return context
