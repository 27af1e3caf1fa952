"""Datasette's pages that describe the server: they are closed to all users, as administrators have a shell.

Versions, plugins, settings, configuration, paths of files, threads, tests of rights: readers need none of it. What is
open is listed, so that a page which another version of Datasette brings is closed, too.
"""

from datasette import NotFound

# Beside our own pages, which are looked for first: the front page, style sheets and scripts, the box that the key "/"
# opens, saved queries, and the tables' columns.
CLOSED = r"^/-/(?!$|static/|static-plugins/|(?:jump|queries|schema)(?:\.\w+)?$)"


async def closed():
    """The answer of a page that is closed: that of one that does not exist."""
    raise NotFound("Page not found.")
