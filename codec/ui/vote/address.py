"""The address that phones open: the one the host's browser has, or this machine's in the local network."""

import functools
import ipaddress
import socket
from urllib.parse import urlsplit

import segno

#: Nothing is sent there: connecting a datagram socket only asks the system which of its addresses it would use.
ELSEWHERE = ("10.254.254.254", 9)


def is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def local() -> str:
    """This machine's address in its network; "" where it has none."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(ELSEWHERE)
            address = probe.getsockname()[0]
    except OSError:
        return ""
    return "" if is_loopback(address) or address == "0.0.0.0" else address


def answers(host: str, port: int) -> bool:
    """Whether this page is to be reached there, too, which it is not where it listens to this machine only."""
    try:
        with socket.create_connection((host, port), 0.5):
            return True
    except OSError:
        return False


def of_page(seen: str) -> tuple[str, bool]:
    """The address of the page for other machines, and whether they reach it. seen: the one that a browser has."""
    url = urlsplit(seen)
    path = url.path.rstrip("/")
    if not is_loopback(url.hostname or ""):
        return f"{url.scheme}://{url.netloc}{path}", True
    host, port = local(), url.port or (443 if url.scheme == "https" else 80)
    if host and answers(host, port):
        return f"{url.scheme}://{host}:{port}{path}", True
    return f"{url.scheme}://{url.netloc}{path}", False


@functools.lru_cache(50)
def qr(address: str) -> str:
    """The QR code of an address as an SVG in a data address, dark on white with its quiet zone."""
    return segno.make(address, error="m", micro=False).svg_data_uri(scale=8, dark="#000", light="#fff")
