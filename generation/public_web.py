"""Fetching from addresses that somebody else has named: the public web, and nothing inside.

The check sits where the connection is made: the address that was checked is the one connected to,
so neither a redirect nor a name that answers differently the second time leads inward.
"""

import ipaddress
import socket
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

MOST_REDIRECTS = 3
# Public by Python's tables, and yet not somebody's server: carrier NAT, 6to4 relays, discard.
NOT_THE_WEB = tuple(
    ipaddress.ip_network(network) for network in ("100.64.0.0/10", "192.88.99.0/24", "100::/64")
)
NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(text: str) -> bool:
    """Does this address, also behind an IPv6 disguise, lie on the public internet?"""
    address = _unwrapped(ipaddress.ip_address(text.partition("%")[0]))
    if not address.is_global or address.is_multicast or address.is_reserved:
        return False
    if address.version == 6 and address.is_site_local:
        return False
    return not any(address in net for net in NOT_THE_WEB if net.version == address.version)


def _unwrapped(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IPv4 address that an IPv6 one stands for; itself when it stands for none."""
    if address.version == 4:
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address.sixtofour:
        return address.sixtofour
    return address.teredo[1] if address.teredo else address


class _PublicOnly:
    """Mixed into urllib3's connections. `trusted` is the one host and port that may be inside."""

    trusted: tuple[str | None, int | None] = (None, None)

    def _new_conn(self: Any) -> socket.socket:
        if (self.host, self.port) == self.trusted:
            connection: socket.socket = super()._new_conn()  # type: ignore[misc]
            return connection
        try:
            answers = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            raise NameResolutionError(self.host, self, socket.gaierror(str(error))) from error
        addresses = [str(answer[4][0]) for answer in answers]
        # Every answer: one inside among several outside is a trap, not a server.
        if not all(is_public(address) for address in addresses):
            raise NewConnectionError(self, "the address is not on the public internet")
        return _connect_to_first(self, addresses)


def _connect_to_first(connection: Any, addresses: list[str]) -> socket.socket:
    """A socket connected to the first of these addresses that answers."""
    failure: OSError = OSError("no address")
    for address in addresses:
        try:
            return create_connection(
                (address, connection.port),
                connection.timeout,
                socket_options=connection.socket_options,
            )
        except OSError as error:
            failure = error
    if isinstance(failure, TimeoutError):
        raise ConnectTimeoutError(connection, "connect timeout") from failure
    raise NewConnectionError(connection, str(failure)) from failure


class _Adapter(HTTPAdapter):
    def __init__(self, trusted: tuple[str | None, int | None]) -> None:
        self._trusted = trusted
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools: dict[str, Any] = {}
        for scheme, connection, pool in (
            ("http", HTTPConnection, HTTPConnectionPool),
            ("https", HTTPSConnection, HTTPSConnectionPool),
        ):
            facts = {"trusted": self._trusted}
            checked = type(f"Public{connection.__name__}", (_PublicOnly, connection), facts)
            pools[scheme] = type(f"Public{pool.__name__}", (pool,), {"ConnectionCls": checked})
        self.poolmanager.pool_classes_by_scheme = pools


def public_session(*, trusted_url: str = "") -> requests.Session:
    """A session that reaches the public web and the origin of `trusted_url`, nothing else.

    What lies elsewhere raises requests.ConnectionError, like a server that does not answer.
    """
    parts = urlsplit(trusted_url)
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    session = requests.Session()
    # No proxy of the environment: it would resolve and connect in our place.
    session.trust_env = False
    session.max_redirects = MOST_REDIRECTS
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter((parts.hostname, port)))
    return session
