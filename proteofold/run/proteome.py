"""The run at a glance: coverage classes, domains per protein, top templates and dark proteins, as JSON and CSV."""

import json
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field

from proteofold.run.layout import RunFolder
from proteofold.run.predictions import read_batch_predictions
from proteofold.science.classification import NOT_IN_CATH, NOT_MAPPED, fold_of
from proteofold.science.verdict import COVERAGE_CLASSES, DARK
from proteofold.system.files import write_aside

SUMMARY_JSON, SUMMARY_CSV = PROTEOME_FILES = ("proteome_summary.json", "proteome_summary.csv")

# One table for all topics; what does not apply to a topic is empty.
PROTEOME_COLUMNS = ("topic", "name", "proteins", "residues", "domains", "helix", "strand", "coil")

# Templates that are listed: those of most domains.
TOP_TEMPLATES = 100

_STATES = {"helix": "H", "strand": "E", "coil": "C"}


@dataclass(slots=True)
class Proteome:
    """Collects a few numbers of each protein and of each domain, so that a proteome fits in memory."""

    proteins: list = field(default_factory=list)  # (query_id, length, class, domains, residues in domains, in hits)
    domains: list = field(default_factory=list)  # (template, place of the protein, residues)
    classes: list = field(default_factory=list)  # (superfamily or why there is none, place of the protein)
    dark: list = field(default_factory=list)  # the Members without any domain

    def add(self, member, judged, superfamilies=()):
        """Add a protein, a Member, what is Judged of it, and the superfamily of each domain where that is known."""
        place, count = len(self.proteins), len(judged.domains)
        residues = judged.domain_residues, judged.confident_residues
        self.proteins.append((member.query_id, member.length, judged.coverage_class, count, *residues))
        self.domains += [(template, place, end - start + 1) for start, end, template, *_ in judged.domains]
        self.classes += [(superfamily, place) for superfamily in superfamilies]
        if judged.coverage_class == DARK:
            self.dark.append(member)

    def write(self, run):
        """Write both files into the folder of a run."""
        found = self.described(run)
        write_aside(run.folder.path / SUMMARY_JSON, json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        write_aside(run.folder.path / SUMMARY_CSV, _table(found).to_csv(index=False, lineterminator="\n"))

    def described(self, run):
        """What proteome_summary.json holds."""
        import pandas as pd  # here: it takes half a second, and many commands read this module's package

        columns = ["query_id", "length", "coverage_class", "domains", "domain_residues", "confident_residues"]
        proteins = pd.DataFrame(self.proteins, columns=columns)
        domains = pd.DataFrame(self.domains, columns=["template", "protein", "residues"])
        classes = proteins.groupby("coverage_class")["length"].agg(["size", "sum"])
        classes = classes.reindex(COVERAGE_CLASSES, fill_value=0)
        counts = proteins["domains"].value_counts().sort_index()
        of_template = domains.groupby("template").agg(
            proteins=("protein", "nunique"), domains=("protein", "size"), residues=("residues", "sum")
        )
        top = of_template.reset_index().sort_values(["domains", "template"], ascending=[False, True])[:TOP_TEMPLATES]
        return {
            "proteins": len(proteins),
            "residues": int(proteins["length"].sum()),
            "domains": len(domains),
            "templates": len(of_template),
            "residues_in_domains": int(proteins["domain_residues"].sum()),
            "residues_in_confident_hits": int(proteins["confident_residues"].sum()),
            "thresholds": asdict(run.thresholds),
            "coverage_classes": {
                name: {"proteins": int(row["size"]), "residues": int(row["sum"])} for name, row in classes.iterrows()
            },
            "domains_per_protein": {str(count): int(number) for count, number in counts.items()},
            "top_templates": [
                {
                    "template": row.template,
                    "proteins": int(row.proteins),
                    "domains": int(row.domains),
                    "residues": int(row.residues),
                }
                for row in top.itertuples()
            ],
            **self._described_classes(run.classification),
            "dark_proteins": list(self._dark_proteins(run)),
        }

    def _described_classes(self, classification):
        """What proteome_summary.json says of superfamilies and folds; ``classification`` is None without one."""
        if not classification:
            return {"classification": None, "superfamilies": [], "folds": []}
        counts = Counter(superfamily for superfamily, _ in self.classes)
        known = [(code, place) for code, place in self.classes if code not in (NOT_IN_CATH, NOT_MAPPED)]
        folds = [(fold_of(code), place) for code, place in known]
        return {
            "classification": {
                "version": classification.version,
                "superfamilies": len({code for code, _ in known}),
                "folds": len({code for code, _ in folds}),
                "domains_classified": len(known),
                "domains_not_in_cath": counts[NOT_IN_CATH],
                "domains_not_mapped": counts[NOT_MAPPED],
            },
            "superfamilies": list(_counted_nodes("superfamily", known, classification)),
            "folds": list(_counted_nodes("fold", folds, classification)),
        }

    def _dark_proteins(self, run):
        """Id, length and predicted secondary structure (parts of the residues, 0 to 1) of the dark proteins."""
        contents, of_batches = {}, defaultdict(list)
        for member in self.dark:
            of_batches[member.batch].append(member.md5)
        for batch, wanted in of_batches.items():  # by batch, so that each file is read once
            predictions = read_batch_predictions(run, batch)
            contents |= {md5: _content(predictions[md5].states) for md5 in wanted if md5 in predictions}
        for member in self.dark:
            content = contents.get(member.md5, dict.fromkeys(_STATES))
            yield {"query_id": member.query_id, "length": member.length} | content


def _counted_nodes(kind, found, classification):
    """Code, name, proteins and domains of each node of CATH, those of most domains first."""
    proteins, domains = defaultdict(set), Counter()
    for code, place in found:
        proteins[code].add(place)
        domains[code] += 1
    for code, count in sorted(domains.items(), key=lambda item: (-item[1], item[0])):
        yield {kind: code, "name": classification.name_of(code), "proteins": len(proteins[code]), "domains": count}


def _content(states):
    return {name: round(states.count(state) / len(states), 3) for name, state in _STATES.items()}


def _table(found):
    """What proteome_summary.csv holds, as a DataFrame."""
    import pandas as pd

    rows = [{"topic": "coverage_class", "name": name} | row for name, row in found["coverage_classes"].items()]
    rows += [
        {"topic": "domains_per_protein", "name": count, "proteins": number}
        for count, number in found["domains_per_protein"].items()
    ]
    rows += [{"topic": "template", "name": row["template"]} | row for row in found["top_templates"]]
    for topic, nodes in (("superfamily", found["superfamilies"]), ("fold", found["folds"])):
        rows += [{"topic": topic} | node | {"name": node[topic]} for node in nodes]
    rows += [
        {"topic": "dark_protein", "name": row["query_id"], "residues": row["length"], "proteins": 1} | row
        for row in found["dark_proteins"]
    ]
    table = pd.DataFrame(rows, columns=PROTEOME_COLUMNS)
    return table.astype(dict.fromkeys(("proteins", "residues", "domains"), "Int64"))


def read_classification(folder):
    """How many domains of a run, by its folder, have a superfamily, as proteome_summary.json has it; None without."""
    try:
        return json.loads((RunFolder(folder).path / SUMMARY_JSON).read_text(encoding="utf-8"))["classification"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_coverage_classes(folder):
    """How many proteins of a run, by its folder, are in each coverage class; None where that is not known."""
    try:
        classes = json.loads((RunFolder(folder).path / SUMMARY_JSON).read_text(encoding="utf-8"))["coverage_classes"]
        return {name: classes[name]["proteins"] for name in COVERAGE_CLASSES}
    except (OSError, ValueError, KeyError, TypeError):
        return None
