"""Lists in pages: which rows stand on one, how they are sorted, and where the others are."""

import contextlib
import math
from urllib.parse import urlencode

from proteofold.store.database import open_for_reading, path_of
from website.pages import run_data

# The columns of the list of proteins: what it is sorted by, heading, whether a number
COLUMNS = (
    ("id", "Protein", False),
    ("length", "Length", True),
    (None, "State", False),
    ("coverage", "Coverage", True),
    ("domains", "Domains", True),
    (None, "Templates of the domains", False),
    ("evalue", "E-value", True),
    (None, "Probability (%)", True),
)
# what it can be sorted by, too
_MORE_SORTS = {
    "score": "Score of the best hit",
    "hits": "Number of hits",
    "cpu": "CPU time of the search",
    "memory": "Memory of the search",
    "position": "Order of the input",
}
SORT_WORDS = {name: heading for name, heading, _ in COLUMNS if name} | _MORE_SORTS

VIEWS = ("cards", "table")
# 24 cards fill rows of two, three or four
PAGE_SIZES = (24, 50, 100, 500)
LONGEST_TEXT = 200


class RunListing:
    """Which runs the list of runs shows, from the arguments of its address; unknown ones are left out."""

    def __init__(self, arguments):
        self.shown = one_of(arguments.get("show"), run_data.RUNS_SHOWN, "all")
        self.author = arguments.get("author") or None
        self.page = page_of(arguments.get("page"))

    def path(self, here, page):
        """The address of a page of the same list."""
        arguments = {"show": self.shown, "author": self.author or "", "page": page}
        return f"{here}?{urlencode({name: value for name, value in arguments.items() if value})}"


class Pager:
    """Which of ``total`` rows stand on a page; a page that is not there becomes the nearest that is."""

    def __init__(self, total, page, most=run_data.PAGE_ROWS):
        self.total, self.most = total, most
        self.pages = max(1, math.ceil(total / most))
        self.page = min(max(page, 1), self.pages)
        self.offset = (self.page - 1) * most

    def links(self, path):
        """What a template shows: the rows on this page, and the addresses of others; ``path(page)`` makes one."""
        first, last = self.offset + 1, min(self.offset + self.most, self.total)
        shown = f"{first:,} to {last:,}" if first < last else f"{first:,}"
        turns = [("First", 1, self.page > 2), ("Previous", self.page - 1, self.page > 1)]
        turns += [("Next", self.page + 1, self.page < self.pages), ("Last", self.pages, self.page < self.pages - 1)]
        return {
            "rows": f"{shown} of {self.total:,}" if self.total else "",
            "page": f"page {self.page:,} of {self.pages:,}",
            "turns": [(word, path(page)) for word, page, there in turns if there],
        }


class Listing:
    """Which proteins a run's page lists and how, from the arguments of its address; unknown ones are left out."""

    def __init__(self, arguments):
        self.shown = one_of(arguments.get("show"), run_data.SHOWN, "all")
        self.sort = one_of(arguments.get("sort"), run_data.SORTS, "evalue")
        self.backwards = arguments.get("order") == "backwards"
        self.view = one_of(arguments.get("view"), VIEWS, "cards")
        self.text, self.template, self.node = (_text(arguments.get(name)) for name in ("q", "template", "cath"))
        self.most = int(one_of(arguments.get("rows"), map(str, PAGE_SIZES), PAGE_SIZES[0]))
        self.page = page_of(arguments.get("page"))

    @property
    def chosen(self):
        """The Filter of the list."""
        return run_data.Filter(self.shown, self.text, self.template, self.node)

    def read(self, conn, run_id, counts):
        """(the Pager of this list, the proteins on its page); ``counts`` are those of the run."""
        order = self.sort, self.backwards
        if self.chosen.is_part:
            pager = Pager(sum(counts.values()) if self.shown == "all" else counts[self.shown], self.page, self.most)
            ids = run_data.ids_of(conn, run_id, self.chosen, *order, pager.offset, self.most)
        else:  # what is not counted yet is looked for once
            ids = self._all_ids(conn, run_id, order)
            pager = Pager(len(ids), self.page, self.most)
            ids = ids[pager.offset : pager.offset + self.most]
        return pager, run_data.proteins_of(conn, run_id, ids)

    def _all_ids(self, conn, run_id, order):
        if not self.text:
            return run_data.ids_of(conn, run_id, self.chosen, *order)
        # our own SQL on a connection of its own: the functions of readers' SQL (website/sql/rules.py) take longer than
        # all the rest of the search
        with contextlib.closing(open_for_reading(path_of(conn))) as own:
            return run_data.ids_of(own, run_id, self.chosen, *order)

    def arguments(self, **changes):
        """The arguments of the address of the same list, with some changed."""
        given = {"show": self.shown, "template": self.template, "cath": self.node, "q": self.text, "sort": self.sort}
        given |= {"order": "backwards" if self.backwards else "", "view": self.view if self.view != "cards" else ""}
        given |= {"rows": self.most if self.most != PAGE_SIZES[0] else ""} | changes
        return urlencode({name: value for name, value in given.items() if value})

    def path(self, here, **changes):
        """The address of the same list with other arguments; it leads to the list itself."""
        return f"{here}?{self.arguments(**changes)}#proteins"

    def heading(self, here, sort):
        """Where a heading leads, and how the list is sorted by it now (as aria-sort says it); None, None if not."""
        if not sort:
            return None, None
        if sort != self.sort:
            return self.path(here, sort=sort, order=""), None
        falling = run_data.SORTS[sort][1] != self.backwards
        order = "" if self.backwards else "backwards"
        return self.path(here, order=order), "descending" if falling else "ascending"


def _text(value):
    text = (value or "").strip()[:LONGEST_TEXT]
    return text if text.isprintable() else ""


def one_of(value, known, otherwise):
    """The value if it is known."""
    return value if value in known else otherwise


def page_of(text):
    """The number of a page from an address; 1 if it has none."""
    return number_in(text) or 1


def number_in(text):
    """A whole number from an address; None if it has none."""
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else None
