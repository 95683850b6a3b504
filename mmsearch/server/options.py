"""What a server may do, and for whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from mmsearch.errors import SettingsError
from mmsearch.settings import DEFAULT_MAX_MEGAPIXELS

DEFAULT_PORT = 8642

_TOKEN = re.compile("[!-~]([ -~]*[!-~])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """How a server runs.

    Attributes:
        host: the address that it listens at; any but loopback demands a ``token``.
        port: likewise.
        token: what callers must show; None where only this machine's user can call.
        allowed_hosts: names beside IP addresses and ``localhost`` under which it may be called.
        allowed_origins: origins of other pages that may call it, for instance
            ``https://photos.example``.
        max_upload_bytes: larger request bodies are refused.
        max_megapixels: larger images are refused.
        timeout: seconds in which a request's body, or an image that is fetched, must arrive.
        fetch_urls: whether images may be given by URL; never of private addresses.
        threads: requests that are worked on at the same time.
        max_waiting: requests that are accepted at the same time; more are told to come back.
        allow_index: folders below which callers may have anything indexed, beside the sources
            that an index has already.
        watch: whether the indexes are kept current while files change.
        secret: what this user's own commands show, see `mmsearch.server.local`; None where they
            are not answered.
    """

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    token: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    max_upload_bytes: int = 50_000_000
    max_megapixels: float = DEFAULT_MAX_MEGAPIXELS
    timeout: float = 30.0
    fetch_urls: bool = False
    threads: int = 32
    max_waiting: int = 512
    allow_index: tuple[Path, ...] = ()
    watch: bool = False
    secret: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None and not _TOKEN.fullmatch(self.token):
            raise SettingsError(
                "A token is made of letters, digits and signs of ASCII, is not empty, and neither "
                "begins nor ends with a space: any other cannot be sent in a header."
            )
        if self.token is None and not is_loopback(self.host):
            raise SettingsError(
                f"Whoever reaches {self.host} could see the photos: give a token, or listen at "
                "127.0.0.1."
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
