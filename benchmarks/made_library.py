"""Template libraries of 2,000 and 90,000 made templates, and queries for them."""

from pathlib import Path

from made_runs import demo_library, repeated_library
from measure import PROTEOFOLD, RESIDUES, ROOT, measure

from proteofold.formats.psipred import read_horiz
from proteofold.science import hhsuite

TEMPLATES, RELATIVES, MANY = 2_000, 1_500, 90_000
HOMOLOGUES = 30  # of each unrelated template
WITHOUT_RELATIVES = 0.36  # of 6,000 human proteins searched against PDB70 so many had no hit with E < 1e-5


def small_and_large_library(folder, dice):
    """The two libraries: chains of the demo, relatives of them and unrelated templates.

    The large one has the chains and relatives once; its unrelated templates are repeated.
    """
    chains = demo_chains()
    related = [(f"M{number:04d}", mutated(dice, dice.choice(chains))) for number in range(RELATIVES - len(chains))]
    unrelated = [(f"U{number:04d}", *_family(dice)) for number in range(TEMPLATES - RELATIVES)]
    library = hhsuite.read_library(demo_library(folder, related + unrelated))
    names = {name for name, *_ in unrelated}
    return library, hhsuite.read_library(repeated_library(library.prefix, folder / "large", MANY, names))


def demo_chains():
    """The sequences of the demo's templates."""
    found = []
    for path in sorted((ROOT / "config" / "demo" / "templates").glob("*.a3m")):
        first = path.read_text().split(">")[1]
        found.append("".join(first.splitlines()[1:]).replace("-", "").upper())
    return found


def mutated(dice, chain):
    """A relative: between a tenth and two thirds of the residues are others."""
    part = dice.uniform(0.1, 0.67)
    return "".join(dice.choice(RESIDUES) if dice.random() < part else residue for residue in chain)


def _family(dice):
    """A sequence like no other, as long as those of PDB70 are, 255 residues on average, and its homologues.

    A profile of many sequences is more text to read than that of one, and nearly all of a search is reading.
    """
    length = int(min(max(dice.lognormvariate(5.4, 0.55), 30), 2000))
    first = "".join(dice.choices(RESIDUES, k=length))
    return [first, *(mutated(dice, first) for _ in range(HOMOLOGUES))]


def made_query(dice, chains, length):
    """As many as of human proteins have a relative among the templates, with other residues around it."""
    inner = "" if dice.random() < WITHOUT_RELATIVES else mutated(dice, dice.choice(chains))[:length]
    before = dice.randint(0, length - len(inner))
    around = "".join(dice.choices(RESIDUES, k=length - len(inner)))
    return around[:before] + inner + around[before:]


def predicted(folder, name, named):
    """(id, sequence, prediction) of queries."""
    fasta, horiz = folder / f"{name}.fasta", folder / f"{name}.horiz"
    fasta.write_text("".join(f">{query_id}\n{sequence}\n" for query_id, sequence in named))
    measure([PROTEOFOLD, "s4pred", fasta], output=horiz)
    return [(*one, prediction) for one, prediction in zip(named, read_horiz(Path(horiz)), strict=True)]
