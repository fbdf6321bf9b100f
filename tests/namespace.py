"""A network of one's own in which every address there is is this machine's, and nothing leads outside.

So a test can crawl any address: what would reach a stranger reaches a server of the test. Made by unshare(1) and
netlink (rtnetlink(7)), without any further package.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import subprocess
import sys

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_RTM_NEWROUTE, _REQUEST_ACK_CREATE = 24, 0x1 | 0x4 | 0x400
_TABLE_LOCAL, _BOOT, _LOCAL, _SCOPE = 255, 3, 2, {socket.AF_INET: 254, socket.AF_INET6: 0}
_RTA_OIF = 4
_STRANGER = ("192.0.2.1", 9)


def run_isolated(module: str, timeout: float) -> subprocess.CompletedProcess[str]:
    """Run a module of these tests in a network of its own. Where none can be made, it fails and says so."""
    unshare = ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--net"]
    command = [*unshare, sys.executable, "-W", "error", "-m", module]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def own_every_address() -> None:
    """Make all addresses, IPv4 and IPv6, those of this namespace. Raises RuntimeError in one that has a way out."""
    _raise_loopback()
    others = [name for _, name in socket.if_nameindex() if name != "lo" and _flags(name) & _IFF_UP]
    if others or _way_out():
        raise RuntimeError(f"this network leads outside (interfaces up: {others}); run it under `unshare --net`")
    for family in (socket.AF_INET, socket.AF_INET6):
        _everything_is_local(family)


def _way_out() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:  # to connect it sends nothing
        return probe.connect_ex(_STRANGER) != errno.ENETUNREACH


def _raise_loopback() -> None:
    with socket.socket() as any_socket:
        request = struct.pack("16sh14x", b"lo", _flags("lo") | _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request)


def _flags(name: str) -> int:
    with socket.socket() as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, struct.pack("16sh14x", name.encode(), 0))
    return int(struct.unpack("16sh14x", answer)[1])


def _everything_is_local(family: socket.AddressFamily) -> None:
    """`ip route add local 0.0.0.0/0 dev lo`."""
    route = struct.pack("=8BI", family, 0, 0, 0, _TABLE_LOCAL, _BOOT, _SCOPE[family], _LOCAL, 0)
    route += struct.pack("=HHi", 8, _RTA_OIF, socket.if_nametoindex("lo"))
    message = struct.pack("=IHHII", 16 + len(route), _RTM_NEWROUTE, _REQUEST_ACK_CREATE, 1, 0) + route
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.sendto(message, (0, 0))
        error = -struct.unpack("=i", netlink.recv(4096)[16:20])[0]
    if error:
        raise OSError(error, f"no local route for {family.name}: {os.strerror(error)}")
