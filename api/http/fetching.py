"""Pictures by URL: off by default, and never a way into the network that the service stands in.

A URL has to name a host of the allow-list. Its address is resolved once, refused if it is not public, and
connected to as it was checked, so that a second answer of the name server changes nothing. Each redirect is
checked from the start. Size, time and the number of redirects are limited.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from engine.errors import BadInput

PORTS = {"http": 80, "https": 443}
REDIRECTS = 3
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches pictures from the hosts it is allowed.

    `hosts` are names, with a port where it is not the usual one, or `*.example.org` for any below that;
    `addresses` are those that are allowed although they are not public.
    """

    hosts: Sequence[str]
    addresses: Sequence[str]
    max_bytes: int
    seconds: float

    def fetch(self, url: str) -> bytes:
        """Return what lies at a URL; `BadInput` says why not."""
        if not self.hosts:
            raise BadInput(
                "pictures are not fetched from URLs here; send the picture itself, or set url_hosts"
            )
        end = time.monotonic() + self.seconds
        for _ in range(REDIRECTS + 1):
            parts = self._checked(url)
            found = self._get(parts, end)
            if isinstance(found, bytes):
                return found
            url = urljoin(url, found)
        raise BadInput(
            f"the URL redirects more than {REDIRECTS} times; give the address of the picture itself"
        )

    def _checked(self, url: str) -> SplitResult:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadInput(f"{url[:200]!r} is no URL") from None
        if parts.scheme not in PORTS or not parts.hostname or parts.username is not None:
            raise BadInput(f"{url[:200]!r} is no URL of a picture; it begins with https:// and a host's name")
        usual = port in (None, PORTS[parts.scheme])
        name = parts.hostname if usual else f"{parts.hostname}:{port}"
        if not any(_fits(name, allowed) for allowed in self.hosts):
            raise BadInput(f"pictures are not fetched from {name}; allowed: {', '.join(self.hosts)}")
        return parts

    def _get(self, parts: SplitResult, end: float) -> bytes | str:
        """Return the bytes at a URL, or where it redirects to."""
        host = parts.hostname or ""
        port = parts.port or PORTS[parts.scheme]
        connection = http.client.HTTPConnection(host, port)
        try:
            sock = connection.sock = self._connected(parts.scheme, host, port, end)
            target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            connection.request("GET", target, headers={"Accept": "image/*", "Accept-Encoding": "identity"})
            response = connection.getresponse()
            if response.status in (301, 302, 303, 307, 308):
                return response.headers.get("location", "")
            if response.status != 200:
                raise BadInput(f"{host} answers {response.status} for the picture")
            return self._read(response, sock, end, host)
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, BadInput):
                raise
            raise BadInput(
                f"the picture cannot be fetched from {host}: {error or type(error).__name__}"
            ) from None
        finally:
            connection.close()

    def _connected(self, scheme: str, host: str, port: int, end: float) -> socket.socket:
        """Connect to the very address that was checked."""
        address = self._address(host, port)
        plain = socket.create_connection((address, port), timeout=_left(end))
        if scheme == "http":
            return plain
        return ssl.create_default_context().wrap_socket(plain, server_hostname=host)

    def _address(self, host: str, port: int) -> str:
        """Resolve a name; every address it has must be public, or allowed by the settings."""
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
        for address in found:
            if address not in self.addresses and not _is_public(address):
                raise BadInput(
                    f"{host} is at an address that is not public, so no picture is fetched from it"
                )
        return sorted(found)[0]

    def _read(self, response: http.client.HTTPResponse, sock: socket.socket, end: float, host: str) -> bytes:
        data = bytearray()
        while True:
            sock.settimeout(_left(end))
            chunk = response.read1(CHUNK)
            if not chunk:
                return bytes(data)
            data += chunk
            if len(data) > self.max_bytes:
                raise BadInput(f"the picture at {host} is over the limit of {self.max_bytes} bytes")


def _left(end: float) -> float:
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError("it takes too long")
    return left


def _fits(name: str, allowed: str) -> bool:
    if allowed.startswith("*."):
        return name.endswith(allowed[1:]) and name != allowed[1:]
    return name == allowed.lower()


def _is_public(address: str) -> bool:
    """Whether an address is one of the public internet, also where IPv6 carries one of IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner is not None:
            ip = inner
        elif ip in ipaddress.ip_network("64:ff9b::/96"):  # NAT64 carries one too
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast
