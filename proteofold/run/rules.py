"""The rules of the workflow that make something of a protein, and the step that each is in failed.csv and the store."""

from typing import NamedTuple


class Rule(NamedTuple):
    """A rule by its ``name`` in workflow/rules/, and the ``step`` that it is of the work for a protein."""

    name: str
    step: str


WRITE_BATCH = Rule("write_batch", "batch")
PREDICTION = Rule("predict_secondary_structure", "secondary_structure")
LIBRARY = Rule("build_template_library", "template_library")
ALIGNMENT = Rule("align_query", "alignment")
A3M = Rule("write_a3m", "a3m")
SEARCH = Rule("search_templates", "search")
SUMMARY = Rule("summarise_hits", "summary")

RULES = (WRITE_BATCH, PREDICTION, LIBRARY, ALIGNMENT, A3M, SEARCH, SUMMARY)
