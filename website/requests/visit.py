"""One request to a page or to the API: who asks, what was sent, and how an answer is made."""

from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from datasette import Response

from proteofold.service.accounts import User
from website.drawing import words
from website.requests import answers, events, identity

NEVER_KEPT = {"Cache-Control": "no-store"}


@dataclass
class Visit:
    """A request that passed the guard. ``body`` is what was sent, read and checked as the route says."""

    datasette: object
    request: object
    route: object
    actor: object
    body: object = field(default_factory=dict)

    def named(self, key):
        """A name in the address, unquoted."""
        return name_in(self.request, key)

    def argument(self, key, otherwise=""):
        """An argument of the address; the last one where it is given twice."""
        return (self.request.args.getlist(key) or [otherwise])[-1].strip()

    def field(self, key, otherwise=""):
        """A text of the form that was sent."""
        value = self.body.get(key)
        return value if isinstance(value, str) else otherwise

    @property
    def user(self):
        """Who asks, as the platform knows users."""
        return User(self.actor.name, self.actor.is_admin)

    @property
    def wants_json(self):
        """Whether a program asks rather than a browser."""
        return self.route.is_api or wants_json(self.request)

    def path(self, path):
        """An address of the site."""
        return self.datasette.urls.path(path)

    @property
    def here(self):
        """The address asked for, for coming back to it."""
        return self.request.full_path

    @property
    def site(self):
        """Where the site is, for requests that users copy: https://host/base, without a slash at its end."""
        scheme = "https" if self.datasette.setting("force_https_urls") else self.request.scheme
        return f"{scheme}://{self.request.host}{self.path('/')}".rstrip("/")

    async def note(self, kind, about=""):
        """Note a security event."""
        await events.note(self.datasette, self.request, kind, self.actor.name if self.actor else None, about)

    async def page(self, template, context, status=200):
        """A page, drawn by a template, which knows the visit."""
        common = {"visit": self, "words": words, "form_token": identity.form_token(self.request)}
        answer = await answers.page(self.datasette, self.request, template, common | context, status)
        answer.headers |= NEVER_KEPT
        return answer

    def json(self, content, status=200):
        """An answer of the API."""
        return Response.json({"ok": True} | content, status=status, headers=dict(NEVER_KEPT), default=str)

    def bare_json(self, content):
        """JSON that has a form of its own."""
        return Response.json(content, headers=dict(NEVER_KEPT))

    def go(self, path):
        """Send the browser to another page, to be asked for with GET."""
        return Response.redirect(path, status=303, headers=dict(NEVER_KEPT))


def name_in(request, key):
    """A name that is part of the address: Datasette hands over the path as it came, still quoted."""
    return unquote(request.url_vars[key])


def wants_json(request):
    """Whether the request names JSON explicitly."""
    return "application/json" in (request.headers.get("accept") or "")


def sign_in_path(datasette, request):
    """Where a stranger signs in, to come back to where they are; after a form, to the front page."""
    back = request.full_path if request.method == "GET" else datasette.urls.path("/")
    return f"{datasette.urls.path('/-/sign-in')}?next={quote(back, safe='')}"
