"""The address, scheme and machine that a request comes from, with proxies in between."""

import ipaddress
from collections.abc import Sequence
from typing import Final, TypeAlias

from aiohttp import hdrs, web

from chat_web.config.parsers import Network

__all__ = ["Address", "address_of", "is_from_this_machine", "is_secure", "prefix_of"]

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")
_HOPS_MAX: Final = 32


def address_of(request: web.BaseRequest, trusted: Sequence[Network]) -> Address | None:
    """The caller's address: the peer's, or what the last trusted proxy saw. None: no address (a Unix socket).

    ``X-Forwarded-For`` is read from the right, as long as the one who wrote an entry
    is trusted; what stands further left is what the caller claims (T-26).
    """
    address = _address(request.remote)
    if address is None or not _is_trusted(address, trusted):
        return address
    hops = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    for hop in hops[: -_HOPS_MAX - 1 : -1]:
        seen = _address(hop.strip())
        if seen is None:
            return address
        address = seen
        if not _is_trusted(address, trusted):
            return address
    return address


def is_secure(request: web.BaseRequest, trusted: Sequence[Network]) -> bool:
    """Whether the caller speaks TLS, to us or to a trusted proxy in front of us."""
    if request.secure:
        return True
    if not trusted:
        return False
    peer = _address(request.remote)
    if peer is None or not _is_trusted(peer, trusted):
        return False
    return request.headers.get(hdrs.X_FORWARDED_PROTO, "").rpartition(",")[2].strip().lower() == "https"


def is_from_this_machine(request: web.BaseRequest) -> bool:
    """Whether the caller is on this machine. A forwarded request never is."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    peer = _address(request.remote)
    return peer is not None and peer.is_loopback


def _is_trusted(address: Address, trusted: Sequence[Network]) -> bool:
    return any(address in network for network in trusted)


def _address(text: str | None) -> Address | None:
    """Parses an address as a socket or a proxy writes it: with zone, port, brackets, or IPv4 in IPv6."""
    text = (text or "").partition("%")[0]
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def prefix_of(address: Address | None) -> str:
    """The source of an address: an IPv4 address, an IPv6 /64, or the Unix socket."""
    match address:
        case None:
            return "local"
        case ipaddress.IPv4Address():
            return str(address)
        case ipaddress.IPv6Address():
            return str(ipaddress.IPv6Network((address, 64), strict=False))
