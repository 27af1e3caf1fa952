"""Private memory of real searches against the model by which jobs are sized."""

import random

from made_runs import demo_library, repeated_library
from measure import ROOT, measure_private, table

from proteofold.formats.a3m import format_a3m
from proteofold.formats.psipred import Prediction
from proteofold.science import hhsuite

LENGTHS = (30, 100, 300, 1000, 3000, 5000, 14_507, 34_350)
LONG_TEMPLATE = 3000
MANY = 5000
MANY_LENGTHS = (30, 300, 1000, 5000, 14_507)  # the longest, which takes minutes, in mode lean only

SMALL_MB = 200  # up to here the model may ask for what it likes
MOST = 1.4


def run(folder, options):
    """Peak of the private memory of searches in each mode, on libraries of few, many and long templates.

    The queries have relatives among the templates, a long one too: with none, `reference` realigns nothing.
    """
    few = hhsuite.read_library(demo_library(folder, [("LONG_A", _made(LONG_TEMPLATE))]))
    many = hhsuite.read_library(repeated_library(few.prefix, folder / "many", MANY))
    plan = [(few, "lean", LENGTHS), (few, "reference", LENGTHS), (few, "fast", LENGTHS)]
    plan += [(many, "lean", MANY_LENGTHS), (many, "fast", MANY_LENGTHS[:-1])]
    rows, worst = [], []
    for library, search, lengths in plan:
        for length in lengths:
            measured = _private_mb(folder, search, _query(length), library)
            asked = hhsuite.search_mem_mb(length, library, search)
            ratio = asked / measured
            worst.append((ratio, measured))
            sizes = (f"{library.templates:,}", f"{length:,}", f"{measured:,.0f}", f"{asked:,}")
            rows.append((search, *sizes, f"{ratio:.2f}"))
    large = [ratio for ratio, measured in worst if measured > SMALL_MB]
    below = sum(ratio < 1 for ratio, _ in worst)
    words = (
        f"Asked for less than was used: **{below}** of {len(worst)}. Above {SMALL_MB} MB: {min(large):.2f} to "
        f"**{max(large):.2f}** times what was used (limit {MOST})."
    )
    head = ["mode", "templates", "residues", "used, MB", "asked, MB", "asked / used"]
    return f"{table(head, rows)}\n\nLongest template: {few.longest:,} columns. {words}"


def _made(length):
    dice = random.Random(3)
    return "".join(dice.choices("ACDEFGHIKLMNPQRSTVWY", k=length))


def _query(length):
    """A sequence that begins like a chain of the demo library and continues like the long template."""
    text = (ROOT / "config" / "demo" / "templates" / "4HHB_A.a3m").read_text()
    globin = "".join(text.split(">")[1].splitlines()[1:])
    dice = random.Random(length)
    return (globin + _made(LONG_TEMPLATE) + "".join(dice.choices("ACDEFGHIKLMNPQRSTVWY", k=length)))[:length]


def _private_mb(folder, search, sequence, library):
    """The highest private memory of a search in MB."""
    dice, length = random.Random(1), len(sequence)
    prediction = Prediction(sequence, "".join(dice.choices("HEC", k=length)), "9" * length)
    query = folder / "q.a3m"
    query.write_text(format_a3m("made", sequence, prediction))
    columns = hhsuite.maxres(length, library.longest)
    command = hhsuite.search_command(
        search, query, library.prefix, folder / "q.hhr", query_length=length, maxres=columns
    )
    _, private_mb = measure_private(command)
    return private_mb
