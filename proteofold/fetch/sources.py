"""Where official data come from: config/sources.yaml, and what a user says instead."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

import yaml

from proteofold.system import paths
from proteofold.system.errors import UserError

SOURCES = paths.SOURCES

_CHECKSUM = re.compile(r"(?:md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})", re.IGNORECASE)


class Source(NamedTuple):
    """A file to fetch: its address, and its checksum as ``md5:...`` or ``sha256:...``, None where there is none."""

    url: str
    checksum: str | None


def read_source(name, url=None, checksum=None):
    """The source of ``pdb70``, ``weights`` or ``proteome``; ``url`` and ``checksum`` replace what the file says.

    ``checksum`` 'none' stands for no checksum. UserError where an address or a checksum is none.
    """
    entry = yaml.safe_load(SOURCES.read_text(encoding="utf-8"))[name]
    url = url or entry["url"]
    checksum = checksum or entry.get("checksum")
    checksum = None if checksum in (None, "none") else checksum.lower()
    if checksum and not _CHECKSUM.fullmatch(checksum):
        raise UserError(
            f"checksum {checksum!r}: expected md5:<32 hex digits>, sha256:<64 hex digits> or none.", topic="download"
        )
    return Source(checked_url(url), checksum)


def checked_url(url):
    """The address itself; UserError unless it is one of http or https, without a password."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isprintable() or not url.isascii() or " " in url:
        raise UserError(
            f"address {url!r}: expected http://... or https://..., blanks and the like as %20.", topic="download"
        )
    if parts.username is not None:
        raise UserError(
            "an address with a user or password in it would appear in logs: use a mirror that needs none.",
            topic="download",
        )
    return url
