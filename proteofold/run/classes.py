"""CATH superfamilies of the domains of a run, where a classification was fetched."""

from itertools import zip_longest
from pathlib import Path

from proteofold.run.verdicts import DOMAIN_COLUMNS
from proteofold.science.classification import CURRENT, FOLDER, NOT_IN_CATH, NOT_MAPPED

# What is appended to the row of a domain in domains.csv; both are empty without a superfamily.
CLASS_COLUMNS = ("superfamily", "superfamily_name")


def chosen_classification(folder=FOLDER):
    """The folder of the release in use now, as settings.json has it; None if none was fetched."""
    link = Path(folder) / CURRENT
    if not link.exists():
        return None
    # not the link: a newer release must not come into a run that is at work
    return str(link.parent / link.readlink()) if link.is_symlink() else str(link)


def superfamilies(classification, domain_rows):
    """For each of these rows of DOMAIN_COLUMNS the code of its superfamily, or NOT_IN_CATH or NOT_MAPPED.

    Empty without a Classification.
    """
    values = (dict(zip(DOMAIN_COLUMNS, row, strict=True)) for row in domain_rows if classification)
    columns = ("template", "template_start", "template_end", "template_length")
    return [classification.superfamily(*(domain[name] for name in columns)) for domain in values]


def with_classes(classification, domain_rows, found):
    """The rows of domains.csv: these rows of DOMAIN_COLUMNS, and the values of CLASS_COLUMNS for what was found."""
    for row, superfamily in zip_longest(domain_rows, found):
        known = superfamily not in (None, NOT_IN_CATH, NOT_MAPPED)
        yield (*row, *((superfamily, classification.name_of(superfamily)) if known else ("", "")))
