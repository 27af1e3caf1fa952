"""The table of all hits of a run, ``hits.csv.gz``: a gzip member for the header and one for each query."""

import csv
import io

from proteofold.formats.hhr import HIT_COLUMNS
from proteofold.formats.packed_hhr import pack


def hits_csv_gz(query_id, hits):
    """All hits of a query as a gzip member of CSV rows without header: members joined make ``hits.csv.gz``.

    Holds no time stamp and no name, so the same hits are the same bytes.
    """
    return pack(_csv([query_id, *hit] for hit in hits))


def hits_csv_gz_header():
    """The gzip member that ``hits.csv.gz`` begins with: the names of the columns."""
    return pack(_csv([HIT_COLUMNS]))


def _csv(rows):
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue().encode()
