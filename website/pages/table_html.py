"""What is changed in Datasette's HTML of its own table pages, where it has no hook for it.

What users wrote is escaped in it, so it never looks like a tag. The functions take and return plain text: of Markup,
what is put in would be escaped.
"""

import re
from html import unescape

from markupsafe import Markup

from website.pages.links import link
from website.pages.paths import protein_path, run_path

# The beginning of a control's name -> what it is called: a screen reader would say only "combo box"
_LABELS = {
    "_filter_column": "Column to filter by",
    "_filter_op": "How to compare",
    "_filter_value": "Value to compare with",
    "_sort": "Column to sort by",
}
_CONTROL = re.compile(r'<(select|input type="text") name="(_filter_column|_filter_op|_filter_value|_sort)(?=[_"])')
# What stands folded -> its heading: the rows come into sight, and the page ends with them
_FOLDED = {
    re.compile(r'<dl class="column-descriptions">.*?</dl>', re.DOTALL): "What the columns mean",
    re.compile(r'<pre class="wrapped-sql">.*?</pre>', re.DOTALL): "How it is defined in SQL",
}
_KEY_CELL = re.compile(r'(<td class="col-\w+ type-pk"[^>]*>)<a href="[^"]*">([^<]*)</a>')
_BEGINNING = 20
_PAGES = {"proteins": protein_path, "runs": run_path}


def shortened(text):
    """A long text of letters without blanks as its beginning, which opens to all of it."""
    return Markup('<details class="letters"><summary>{}… ({:,} characters)</summary><div>{}</div></details>').format(
        text[:_BEGINNING], len(text), text
    )


def label_controls(html):
    """The same page with a name on the controls that choose, compare and sort columns."""
    return _CONTROL.sub(lambda found: f'<{found[1]} aria-label="{_LABELS[found[2]]}" name="{found[2]}', html)


def fold_descriptions(html):
    """The same page with what its columns mean, and the statement that makes it, each behind a heading."""
    for part, heading in _FOLDED.items():
        html = part.sub(rf'<details class="columns"><summary>{heading}</summary>\g<0></details>', html)
    return html


def lead_to_pages(html, datasette, table):
    """The same page with the keys of proteins and runs leading to our pages of them instead of to their rows."""
    path = _PAGES.get(table)
    if not path:
        return html

    def cell(found):
        key = unescape(found[2])
        return f"{found[1]}{link(path(datasette, key), key)}"

    return _KEY_CELL.sub(cell, html)
