"""What the table of routes is made of."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field

# Who may ask. "signed in" is a person at a browser: tokens make no tokens.
ANYONE, READER, UPLOADER, RUNNER, SIGNED_IN = "anyone", "read", "upload", "run", "signed in"

API = "/-/api/v1"

# How many bytes may be sent: by default; a list of some 200,000 ids, or text that was pasted; a file of proteins.
SMALL, LIST, FILE = 64 * 1024, 4 * 1024**2, 1024**3


@dataclass(frozen=True, slots=True)
class Query:
    """An argument of a route's address."""

    name: str
    schema: dict
    about: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Route:
    """A method and path, the right it needs, and who answers: ``handler(visit)`` is a coroutine.

    ``path`` has its variables in braces; ``names`` are the values that some of them may have, as the description of the
    API lists them. ``body`` names what is sent: "form"; "upload" and "list", forms with a file; "fasta", a file as it
    is; or the JSON schema of an object; None for nothing. ``answer`` is the JSON schema of what is answered, or the
    media type of a download, ``*/*`` where that depends on the file; what has neither is a page. ``most`` is how many
    bytes may be sent; strangers never send more than SMALL.
    """

    method: str
    path: str
    right: str
    handler: Callable
    summary: str
    body: object = None
    answer: object = None
    status: int = 200
    query: tuple = field(default=())
    names: dict = field(default_factory=dict)
    most: int = SMALL

    @property
    def is_api(self):
        """Whether programs ask here: errors are JSON then."""
        return self.path.startswith(API)

    @property
    def writes(self):
        """Whether it is closed to forged forms; a browser sends other methods without asking anybody."""
        return self.method not in ("GET", "HEAD")

    def most_of(self, actor):
        """How many bytes an actor may send; ``actor`` is None for a stranger."""
        return self.most if actor else min(self.most, SMALL)

    @property
    def variables(self):
        """Names of the variables of the path."""
        return re.findall(r"\{(\w+)\}", self.path)

    @property
    def pattern(self):
        """The path as Datasette's router takes it."""
        parts = re.split(r"\{(\w+)\}", self.path)
        texts = [f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts)]
        return f"^{''.join(texts)}$"


def addresses(routes):
    """The routes by pattern, in order: pattern -> {method: route}."""
    found = {}
    for route in routes:
        found.setdefault(route.pattern, {})[route.method] = route
    return found
