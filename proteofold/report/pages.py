"""The HTML pages of the report: each function takes the run's data and returns a page that needs no other file."""

import math
from collections import Counter
from html import escape
from pathlib import Path

from proteofold.report.html_parts import facts, page, parts_bar, plain_table, table
from proteofold.system.words import counted, duration, whole_percent, without_folders

# A link is the address and what group 1 of the pattern finds; Python and JavaScript read these patterns alike.
# The first is UniProt's own for accessions (https://www.uniprot.org/help/accession_numbers).
UNIPROT = {
    "pattern": r"^(?:(?:sp|tr)\|)?([OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2})"
    r"(?:-[0-9]+)?(?:\||$)",
    "address": "https://www.uniprot.org/uniprotkb/",
}
RCSB = {"pattern": "^([0-9][A-Za-z0-9]{3})_[A-Za-z0-9]+$", "address": "https://www.rcsb.org/structure/"}

_BEST_HITS = (
    {"name": "Protein", "kind": "text", "link": UNIPROT},
    {"name": "Length", "kind": "integer"},
    {"name": "Best hit", "kind": "text", "link": RCSB},
    {"name": "E-value", "kind": "evalue"},
    {"name": "Probability (%)", "kind": "tenths", "falling": True},
    {"name": "Score", "kind": "tenths", "falling": True},
    {"name": "Domains", "kind": "integer", "falling": True},
    {"name": "Covered (%)", "kind": "integer", "falling": True},
    {"name": "Verdict", "kind": "text"},
)
_DARK = (
    {"name": "Protein", "kind": "text", "link": UNIPROT},
    {"name": "Length", "kind": "integer", "falling": True},
    *({"name": f"{name} (%)", "kind": "integer", "falling": True} for name in ("Helix", "Strand", "Coil")),
    {"name": "Verdict", "kind": "text"},
)
_DOMAINS = (
    {"name": "Domains", "kind": "text"},
    {"name": "Proteins", "kind": "integer"},
)
_TEMPLATES = (
    {"name": "Template", "kind": "text", "link": RCSB},
    {"name": "What it is", "kind": "text"},
    {"name": "Domains", "kind": "integer"},
    {"name": "Proteins", "kind": "integer"},
    {"name": "Residues", "kind": "integer"},
)
_TEMPLATES_SHOWN = 25
FAILED = (
    {"name": "Protein", "kind": "text", "link": UNIPROT},
    {"name": "Step", "kind": "text"},
    {"name": "Reason", "kind": "text"},
    {"name": "Log", "kind": "text"},
)

# coverage class -> what tiles say
CLASS_WORDS = {
    "covered": "covered by known structures",
    "partly": "partly covered",
    "dark": "dark: no known structure",
}

MODES = {
    "reference": "hhsearch as the researchers ran it",
    "lean": "hhsearch without realignment: the same reported values, less work",
    "fast": "hhblits, only templates that pass its prefilter",
    "hybrid": "hhblits with its prefilter; hhsearch without realignment where that found nothing with E < 1e-3",
}


def overview(data):
    """Counts that add up, what the proteins were searched with, and what that took."""
    return page(f"Run {data.settings['run']}", _counts(data) + settings(data) + resources(data) + _files(data))


def proteome(data):
    """The proteome at a glance: coverage classes, domains per protein, top templates, and the dark proteins."""
    found = data.proteome
    domains = [[count, proteins] for count, proteins in found["domains_per_protein"].items()]
    body = _coverage(found) + "<h2>Domains per protein</h2>" + plain_table(_DOMAINS, domains) + template_table(data)
    if not found["dark_proteins"]:
        return page("Proteome", body + "<h2>Dark proteins</h2><p>Every protein has a domain.</p>")
    verdicts = {result.query_id: result.verdict for result in data.results}
    dark = [
        [row["query_id"], row["length"]]
        + [None if row[state] is None else round(100 * row[state]) for state in ("helix", "strand", "coil")]
        + [verdicts.get(row["query_id"], "")]
        for row in sorted(found["dark_proteins"], key=lambda row: -row["length"])
    ]
    body += (
        "<h2>Dark proteins</h2><p>No confident hit explains any part of them. Helix, strand and coil are parts of "
        "their predicted secondary structure.</p>"
    )
    whole = "All are in proteome_summary.csv and verdicts.csv of the run."
    return page("Proteome", body + table(_DARK, dark, [], sorted_by=None, whole=whole), script=True)


def template_table(data):
    """The templates of most domains, with what they are; nothing where there is no domain."""
    rows = [
        [row["template"], data.templates.get(row["template"], ""), row["domains"], row["proteins"], row["residues"]]
        for row in data.proteome["top_templates"][:_TEMPLATES_SHOWN]
    ]
    if not rows:
        return ""
    more = len(data.proteome["top_templates"]) > len(rows)
    return (
        "<h2>Templates of most domains</h2>"
        + plain_table(_TEMPLATES, rows)
        + ('<p class="soft">More of them are in proteome_summary.csv.</p>' if more else "")
    )


def _coverage(found):
    """Proteins and residues of each coverage class, as a bar and in numbers."""
    least = f"{found['thresholds']['min_covered']:g}%"
    parts = [
        ("covered", "covered", f"covered: at least {least} of the residues are in domains"),
        ("partly", "partly", "partly covered: fewer are"),
        ("dark", "dark", "dark: no domain"),
    ]
    classes = found["coverage_classes"]
    counts = [(kind, classes[name]["proteins"], classes[name]["residues"], words) for kind, name, words in parts]
    bar = parts_bar([(kind, count) for kind, count, *_ in counts])
    legend = "".join(
        f'<li><span class="swatch {kind}"></span><b>{count:,}</b> {escape(words)} ({counted(residues, "residue")})</li>'
        for kind, count, residues, words in counts
    )
    rows = [
        ("Proteins with a result", f"{found['proteins']:,} with {counted(found['residues'], 'residue')}"),
        ("Domains", f"{found['domains']:,} of {counted(found['templates'], 'template')}"),
        ("Residues in domains", _of(found["residues_in_domains"], found["residues"])),
        ("Residues in confident hits", _of(found["residues_in_confident_hits"], found["residues"])),
    ]
    return f'{bar}<ul class="legend">{legend}</ul>{facts(rows)}'


def best_hits(data):
    """The table of the best hit of each finished protein, most certain first."""
    if not data.results:
        return page(
            "Best hits", "<p>No protein of this run is finished. See the page Failed proteins for the reasons.</p>"
        )
    rows = [
        [
            result.query_id,
            result.length,
            result.best_hit if result.domains else "",
            number(result.best_evalue),
            number(result.probability) if result.domains else None,
            number(result.best_score) if result.domains else None,
            result.domains,
            coverage_percent(result),
            result.verdict,
        ]
        for result in sorted(data.results, key=certainty)
    ]
    found = sum(1 for result in data.results if result.domains)
    intro = (
        f"<p>The best hit of a protein is the known structure whose alignment scores highest. A link leads from a "
        f"protein to UniProt and from a hit to its structure in the PDB. {counted(found)} "
        f"{'has' if found == 1 else 'have'} a domain of known structure, {len(rows) - found:,} "
        f"{'has' if len(rows) - found == 1 else 'have'} none: their best hits are noise and not shown.</p>"
    )
    choices = [
        {"name": "all proteins", "column": 6, "least": 0, "most": None},
        {"name": "with a domain", "column": 6, "least": 1, "most": None},
        {"name": "without a domain", "column": 6, "least": 0, "most": 0},
    ]
    whole = "The whole table is in best_hits.csv and merge_results.csv of the run."
    return page("Best hits", intro + table(_BEST_HITS, rows, choices, sorted_by=3, whole=whole), script=True)


def failed(data):
    """The table of the proteins without a result: step, reason and log."""
    if not data.failed:
        return page("Failed proteins", f"<p>No protein failed: {counted(len(data.results))} finished.</p>")
    intro = (
        f"<p>{counted(len(data.failed))} of {data.proteins:,} {'has' if len(data.failed) == 1 else 'have'} no result. "
        "Rerun the same snakemake command to retry only those. The log of a job has all its messages.</p>"
        f"<h2>Reasons</h2>{reasons(data)}"
    )
    rows = [[row[column] for column in ("query_id", "step", "reason", "log")] for row in data.failed]
    whole = "The whole table is in failed.csv of the run."
    return page("Failed proteins", intro + table(FAILED, rows, [], sorted_by=None, whole=whole), script=True)


def reasons(data):
    """How often which step failed for which reason, as a list."""
    found = Counter((row["step"], row["reason"]) for row in data.failed)
    items = [f"<li>{count:,} × {escape(step)}: {escape(why)}</li>" for (step, why), count in found.most_common(10)]
    if len(found) > len(items):
        items.append(f"<li>and {len(found) - len(items):,} other reasons</li>")
    return f"<ul>{''.join(items)}</ul>"


def certainty(result):
    """What results are sorted by: the most certain first, those without a hit last."""
    missing = math.isnan(result.best_evalue)
    return (missing, 0 if missing else result.best_evalue, 0 if missing else -result.best_score)


def coverage_percent(result):
    """Part of the residues in domains in whole percent; 0 is for proteins without any domain."""
    return max(whole_percent(result.coverage), 1 if result.domains else 0)


def number(value):
    """A number as JSON can hold it: nan becomes null."""
    return value if math.isfinite(value) else None


def _counts(data):
    classes = Counter(result.coverage_class for result in data.results)
    no_hit = sum(math.isnan(result.best_evalue) for result in data.results)
    parts = [
        *((name, classes[name], words) for name, words in CLASS_WORDS.items()),
        ("bad", len(data.failed), "failed"),
    ]
    if data.unmerged:
        parts.append(("open", data.unmerged, "not merged yet: run the workflow again"))
    legend = "".join(
        f'<li><span class="swatch {kind}"></span><b>{count:,}</b> {escape(words)}</li>' for kind, count, words in parts
    )
    bar = parts_bar([(kind, count) for kind, count, _ in parts])
    found = data.proteome
    rows = [
        ("Proteins", f"{data.proteins:,} with {counted(data.residues, 'residue')}"),
        ("Finished", _of(len(data.results), data.proteins)),
        ("Without any hit", _of(no_hit, len(data.results), "of the finished")),
        ("Residues in domains", _of(found["residues_in_domains"], found["residues"], "of those of finished proteins")),
    ]
    if data.shared:
        rows.insert(2, ("Of these computed in other runs", f"{data.shared:,}"))
    notice = ""
    if data.failed:
        notice = (
            f'<p class="notice">{counted(len(data.failed))} failed; the page Failed proteins lists the reasons. '
            "Rerun the same snakemake command to compute only those.</p>"
        )
    return (
        f'<p class="sum"><b>{counted(data.proteins)}</b> = {" + ".join(f"{count:,}" for _, count, _ in parts)}</p>'
        f'{bar}<ul class="legend">{legend}</ul>{notice}{facts(rows)}'
    )


def settings(data):
    """What the proteins were searched with."""
    chosen, library = data.settings, data.settings["library"]
    mode = chosen["mode"]
    rows = [
        ("Search", f"{mode}: {MODES[mode]}" if mode in MODES else mode),
        (
            "Template library",
            f"{Path(library['prefix']).name}: {counted(library['templates'], 'template')}, "
            f"{library['columns']:,} positions (checksum {library['key']})",
        ),
        (
            "S4PRED weights",
            f"{without_folders(chosen['weights'])} (checksum {chosen['depends_on']['predictions']['weights'][:16]})",
        ),
        ("S4PRED runs on", predicted_on(chosen)),
        *((f"Version of {name}", version or "unknown") for name, version in chosen["versions"].items()),
    ]
    return f"<h2>Searched with</h2>{facts(rows)}"


def predicted_on(settings):
    """The device of the predictions, and the precision where it is not S4PRED's own."""
    precision = settings.get("precision", "fp32")
    note = "" if precision == "fp32" else f" in {precision}: not identical to S4PRED's own predictions"
    return f"{settings['device']}{note}"


def resources(data):
    """What the jobs of the run took."""
    jobs = [job for rule_jobs in data.jobs.values() for job in rule_jobs]
    if not jobs:
        return "<h2>Time and memory</h2><p>No finished job has left a record.</p>"
    rows = [("CPU time in all", duration(sum(job.cpu_s for job in jobs)))]
    for rule, rule_jobs in data.jobs.items():
        if rule_jobs:
            longest = duration(max(job.wall_s for job in rule_jobs))
            memory = max(job.max_rss_mb for job in rule_jobs)
            cpu = duration(sum(job.cpu_s for job in rule_jobs))
            words = f"{counted(len(rule_jobs), 'job')}, {cpu} of CPU, longest {longest}, at most {memory:,.0f} MB"
            rows.append((rule.replace("_", " ").capitalize(), words))
    nodes = Counter()
    for job in jobs:
        nodes[job.node] += job.cpu_s
    shown = ", ".join(f"{name} ({duration(cpu)})" for name, cpu in nodes.most_common(20))
    more = f" and {len(nodes) - 20:,} more" if len(nodes) > 20 else ""
    rows.append((f"CPU time on {counted(len(nodes), 'machine')}", shown + more))
    if data.efficiency:
        rows.append(("Efficiency", _efficiency(data.efficiency)))
    return f"<h2>Time and memory</h2>{facts(rows)}"


def _efficiency(found):
    """How near the starts of the run came to what its machines could do."""
    cores = sum(kind.count * kind.cores for kind in found.kinds)
    return (
        f"{100 * found.part:.0f}%: no schedule of these {counted(found.jobs, 'job')} on {counted(cores, 'core')} takes "
        f"less than {duration(found.bound_s)}; they took {duration(found.wall_s)}"
    )


def _files(data):
    rows = [
        ("merge_results.csv", "best hit and scores of each finished protein"),
        ("best_hits.csv", "protein and best hit, nothing else"),
        ("hits.csv.gz", "every hit of every protein, with positions"),
        ("profile_output.csv", "means of the scores' spread and geometric mean over all proteins"),
        ("domains.csv", "regions of each protein with a known fold, and their templates; domains.gff3 for browsers"),
        ("verdicts.csv", "coverage class and verdict of each protein"),
        ("proteome_summary.json", "the run at a glance: coverage classes, top templates, dark proteins; also as .csv"),
        ("failed.csv", "proteins without a result, and why"),
    ]
    # readers of a mailed or served page need no path of the machine
    return f"<h2>Files in {escape(str(Path(*data.folder.parts[-2:])))}</h2>{facts(rows)}"


def _of(count, whole, words=""):
    share = f" ({100 * count / whole:.1f}%{' ' + words if words else ''})" if whole else ""
    return f"{count:,}{share}"
