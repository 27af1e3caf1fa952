"""The human proteome on the hardware of the earlier project, by `proteofold plan`, in each mode."""

import json
import random

import yaml
from measure import PROTEOFOLD, measure, table, write_proteins
from section_s4pred import make_weights

from proteofold.science import hhsuite

PROTEINS = 41_339
NODES = [
    {"name": "worker", "count": 4, "cores": 2, "mem_mb": 3500},
    {"name": "client", "count": 1, "cores": 4, "mem_mb": 7400},
]
# PDB70 of the earlier project: templates and columns.
TEMPLATES, COLUMNS, LONGEST = 92_111, 22_954_027, 4_000
EARLIER_MINUTES = (13, 20)  # per protein, as the earlier project reported


def run(folder, options):
    """Plans of made proteins with human-like lengths, against files with the numbers of PDB70 and no content."""
    lengths = write_proteins(folder / "made.fasta", PROTEINS)
    _stand_in(folder / "pdb70")
    (folder / "weights").mkdir()
    make_weights(folder / "weights")
    (folder / "nodes.yaml").write_text(yaml.safe_dump(NODES))
    rows = []
    for mode in hhsuite.SEARCH_MODES:
        config = {"run": mode, "proteins": ["made.fasta"], "templates": str(folder / "pdb70"), "search": {"mode": mode}}
        config["s4pred"] = {"weights": str(folder / "weights")}
        (folder / "my.yaml").write_text(yaml.safe_dump(config))
        command = [PROTEOFOLD, "plan", "--configfile", "my.yaml", "--nodes", "nodes.yaml", "--json"]
        measure(command, cwd=folder, output=folder / "plan.json")
        plan = json.loads((folder / "plan.json").read_text())
        rows.append(
            [
                mode,
                f"{plan['search_cpu_s'] / PROTEINS:.1f}",
                f"{plan['prediction_cpu_s'] / PROTEINS:.1f}",
                f"**{plan['wall_s'] / 3600:,.1f}**",
                f"{plan['bound_s'] / 3600:,.1f}",
            ]
        )
    head = ["mode", "search, CPU s a protein", "S4PRED, CPU s a protein", "hours", "bound, hours"]
    low, high = EARLIER_MINUTES
    slots = sum(kind["count"] * kind["cores"] for kind in NODES)
    hours = [PROTEINS * minutes / 60 / slots for minutes in EARLIER_MINUTES]
    text = (
        f"{PROTEINS:,} proteins with {sum(lengths):,} residues (log-normal lengths, median 300, at most 34,350),"
        f" {TEMPLATES:,} templates with {COLUMNS:,} columns, {slots} cores: 4 nodes with 2 cores and 3.5 GB, one with 4"
        f" cores and 7.4 GB. Cores as fast as those of the cost model (proteofold/plan/cost.py; S4PRED on an AMD EPYC),"
        f" library in the page cache. The earlier {low} to {high} minutes per protein are {hours[0]:,.0f} to"
        f" {hours[1]:,.0f} hours if {slots} cores take a protein each."
    )
    return f"{table(head, rows)}\n\n{text}"


def _stand_in(prefix):
    """Files of a library with the numbers of PDB70: planning reads index and sizes, and the ends of entries."""
    dice = random.Random(1)
    lengths = [min(LONGEST, max(30, dice.lognormvariate(5.3, 0.6))) for _ in range(TEMPLATES)]
    scale = COLUMNS / sum(lengths)
    lengths = [max(30, int(length * scale)) for length in lengths]
    missing = COLUMNS - sum(lengths)
    lengths = [length + (place < missing) for place, length in enumerate(lengths)]
    texts = {
        "hhm": lambda name, length: f"HHsearch 1.5\nNAME  {name}\nLENG  {length} match states\n//\n",
        "a3m": lambda name, length: f">{name}\n{'A' * length}\n",
        "cs219": lambda name, length: "A" * length,
    }
    for part in hhsuite.PARTS:
        place = 0
        with open(f"{prefix}_{part}.ffdata", "wb") as data, open(f"{prefix}_{part}.ffindex", "w") as index:
            for number, length in enumerate(lengths):
                name = f"{number:05d}_A"
                entry = texts[part](name, length).encode() + b"\0"
                index.write(f"{name}\t{place}\t{len(entry)}\n")
                place += data.write(entry)
