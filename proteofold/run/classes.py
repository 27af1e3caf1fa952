"""CATH superfamilies of the domains of a run, where a classification was fetched."""

from operator import itemgetter
from pathlib import Path

from proteofold.science.classification import CURRENT, FOLDER, NOT_IN_CATH, NOT_MAPPED, fold_of

# What is appended to the row of a domain in domains.csv; both are empty without a superfamily.
CLASS_COLUMNS = ("superfamily", "superfamily_name")

# What stands for no superfamily.
_NONE = (None, NOT_IN_CATH, NOT_MAPPED)


def chosen_classification(folder=FOLDER):
    """The folder of the release in use now, as settings.json has it; None if none was fetched."""
    link = Path(folder) / CURRENT
    if not link.exists():
        return None
    # not the link: a newer release must not enter a running run
    return str(link.parent / link.readlink()) if link.is_symlink() else str(link)


def superfamilies(classification, domains):
    """The superfamily of each of these domains, or NOT_IN_CATH or NOT_MAPPED; None without a Classification.

    A domain is a mapping with template, template_start, template_end and template_length.
    """
    region = itemgetter("template", "template_start", "template_end", "template_length")
    return [classification.superfamily(*region(domain)) if classification else None for domain in domains]


def class_values(classification, superfamily):
    """The values of CLASS_COLUMNS for one of the ``superfamilies``."""
    if superfamily in _NONE:
        return "", ""
    return superfamily, classification.name_of(superfamily)


def node_names(classification, found):
    """code -> name of some of the ``superfamilies`` and of their folds."""
    codes = {code for code in found if code not in _NONE}
    return {code: classification.name_of(code) for code in codes | set(map(fold_of, codes))}
