"""Which hits the page of a protein lists: filters, order and pages, from the arguments of its address."""

from urllib.parse import urlencode

from website.pages.listing import Pager, number_in, one_of

SIZES = (25, 50, 100)
# Lower limits that a reader can choose, in percent; the first is no limit.
PROBABILITIES = (0, 20, 50, 80, 95)
COVERAGES = (0, 25, 50, 75)

# What hits can be sorted by -> the value, and whether the largest stand first. Hits without the value stand last.
SORTS = {
    "rank": (lambda hit: hit.rank, False),
    "probability": (lambda hit: hit.probability, True),
    "evalue": (lambda hit: hit.evalue, False),
    "score": (lambda hit: hit.score, True),
    "ss": (lambda hit: hit.ss_score, True),
    "columns": (lambda hit: hit.aligned_columns, True),
    "identity": (lambda hit: hit.identity, True),
    "start": (lambda hit: hit.query_start, False),
    "coverage": (lambda hit: hit.template_coverage, True),
    "agreement": (lambda hit: hit.ss_agreement, True),
    "template": (lambda hit: hit.template, False),
}

# The columns of the table: what it is sorted by, heading, whether a number
COLUMNS = (
    ("rank", "Rank", True),
    ("template", "Template", False),
    ("probability", "Prob. (%)", True),
    ("evalue", "E-value", True),
    ("score", "Score", True),
    ("ss", "SS score", True),
    ("agreement", "SS agree (%)", True),
    ("columns", "Columns", True),
    ("identity", "Identity (%)", True),
    ("start", "Residues", True),
    (None, "In template", True),
    ("coverage", "Covered (%)", True),
)


class HitListing:
    """Which hits are listed and how; unknown arguments are left out."""

    def __init__(self, arguments, length):
        self.show_all = arguments.get("show") == "all"
        self.probability = int(one_of(arguments.get("probability"), map(str, PROBABILITIES), 0))
        self.coverage = int(one_of(arguments.get("coverage"), map(str, COVERAGES), 0))
        first, last = (_residue(arguments.get(name), length) for name in ("from", "to"))
        self.region = (min(first or 1, last or length), max(first or 1, last or length)) if first or last else None
        self.sort = one_of(arguments.get("sort"), SORTS, "rank")
        self.backwards = arguments.get("order") == "backwards"
        self.rows = int(one_of(arguments.get("rows"), map(str, SIZES), SIZES[0]))
        self.page, self.asked = number_in(arguments.get("page")), number_in(arguments.get("hit"))
        # whether the address asks for anything of the list
        self.opened = any(arguments.get(name) for name in ("show", "sort", "page", "rows", "hit")) or self.filtered

    @property
    def filtered(self):
        """Whether a filter is set."""
        return bool(self.probability or self.coverage or self.region)

    def chosen(self, hits, significant):
        """The hits of the list, in its order: of all if the reader asks for them or none is significant."""
        value, falling = SORTS[self.sort]
        found = [hit for hit in (hits if self.show_all or not significant else significant) if self._fits(hit)]
        known = [hit for hit in found if value(hit) is not None]
        known.sort(key=value, reverse=falling != self.backwards)
        return known + [hit for hit in found if value(hit) is None]

    def _fits(self, hit):
        if (hit.probability or 0) < self.probability or (hit.template_coverage or 0) < self.coverage:
            return False
        if not self.region:
            return True
        return hit.query_start is not None and hit.query_start <= self.region[1] and hit.query_end >= self.region[0]

    def pager(self, found):
        """The Pager of the hits ``found``; without a page in the address, at the hit whose alignment is asked for."""
        place = next((place for place, hit in enumerate(found) if hit.rank == self.asked), 0)
        return Pager(len(found), self.page or place // self.rows + 1, self.rows)

    def path(self, here, anchor="hits", **changes):
        """The address of the same list with other arguments; ``here`` is empty, or the arguments that name the page."""
        arguments = {
            "show": "all" if self.show_all else "",
            "probability": self.probability,
            "coverage": self.coverage,
            "from": self.region and self.region[0],
            "to": self.region and self.region[1],
            "sort": self.sort if self.sort != "rank" else "",
            "order": "backwards" if self.backwards else "",
            "rows": self.rows if self.rows != SIZES[0] else "",
        } | changes
        given = urlencode({name: value for name, value in arguments.items() if value})
        return f"{here}{'&' if here else '?'}{given}#{anchor}"

    def heading(self, here, sort):
        """Where a heading leads, and how the list is sorted by it now (as aria-sort says it); None, None if not."""
        if not sort:
            return None, None
        if sort != self.sort:
            return self.path(here, sort=sort, order=""), None
        falling = SORTS[sort][1] != self.backwards
        return self.path(here, order="" if self.backwards else "backwards"), "descending" if falling else "ascending"


def _residue(text, length):
    number = number_in(text)
    return number and min(number, length)
