"""The searches that users would run instead: what each costs, and what it finds at an equal number of false hits."""

import random
import shutil
from collections import Counter, defaultdict

from made_library import predicted
from made_runs import demo_library
from measure import RESIDUES, ROOT, LeftOutError, measure, table
from section_chain import naive_script

from proteofold.formats.a3m import format_a3m, read_relatives
from proteofold.formats.hhr import read_hhr
from proteofold.science import hhsuite

IDENTITIES = (60, 50, 40, 30, 20)  # percent
SEED = 11
NAIVE_QUERIES = 5
MOST_EVALUE = 10_000  # what all programs are asked to report
FALSE_PER_QUERY = 0.02  # false hits that are allowed, per shuffled query
# An insertion or a deletion begins at so many residues, and is as long as a geometric distribution of this mean says.
INDELS, INDEL_MEAN = 0.02, 3
LEAST_KEPT = 0.6  # of a template, the rest is cut off at its ends
FLANK = 30  # residues of no relation, before and after

# Templates of the demo that are related. Each is a query whose own template does not count.
FAMILIES = (
    ("4HHB_A", "4HHB_B", "1FDH_G", "1IBE_A", "1YMB_A", "1MBN_A", "1OJ6_A", "1ECA_A", "2LH7_A", "1BIN_A", "1MBA_A"),
    ("1HRC_A", "1YCC_A", "1CCR_A", "5CYT_R", "451C_A"),
    ("1LZ1_A", "1AKI_A", "1HML_A"),
    ("1CLL_A", "4TNC_A", "3ICB_A", "5CPV_A"),
    ("1ATP_E", "1HCK_A", "1ERK_A", "1M17_A", "2SRC_A"),
    ("2SOD_O", "1SDY_A", "2C9V_A"),
    ("1TRE_A", "1YPI_A", "1HTI_A"),
    ("2TRX_A", "1ERU_A", "1EGO_A"),
    ("1UBQ_A", "1NDD_A", "1A5R_A"),
    ("1CA2_A", "2CAB_A"),
    ("1FKB_A", "1YAT_A"),
    ("5P21_A", "1A2B_A", "1C1Y_A"),
    ("4INS_B", "1IMX_A", "2KQP_A"),
)


def run(folder, options):
    """Planted relatives, real families and shuffled queries against the templates of the demo, one core."""
    if absent := [name for name in ("mmseqs", "phmmer", "jackhmmer") if not shutil.which(name)]:
        raise LeftOutError(f"{', '.join(absent)} not found; they are in the Debian packages mmseqs2 and hmmer.")
    dice = random.Random(SEED)
    library = hhsuite.read_library(demo_library(folder))
    chains = _chains()
    queries, wanted = _queries(dice, chains, options.alternatives_queries)
    bench = _Bench(folder, library, chains, predicted(folder, "queries", queries))
    rows = []
    searches = [
        ("proteofold, mode `lean`", bench.hh),
        ("MMseqs2, -s 7.5", lambda: bench.mmseqs(1)),
        ("MMseqs2, -s 7.5, 3 iterations", lambda: bench.mmseqs(3)),
        ("phmmer", lambda: bench.hmmer("phmmer")),
        ("jackhmmer, 3 iterations", lambda: bench.hmmer("jackhmmer", "-N", 3)),
    ]
    if not options.without_aligned:
        searches.append(("HH-suite with query alignment", lambda: bench.hh(aligned=True)))
    for name, search in searches:
        hits, cpu_s, rss_mb = search()
        print(f"{name}: {cpu_s:.1f} CPU s", flush=True)
        rows.append([name, f"{cpu_s / len(queries):.3f}", f"{rss_mb:.0f}", *_found(hits, wanted)])
    head = ["search", "CPU s a query", "peak memory, MB", *(f"{percent} %" for percent in IDENTITIES), "real families"]
    of_kind = Counter(kind for kind, _ in wanted.values())
    allowed = _allowed(of_kind["shuffled"])
    text = (
        f"Percent found: of {of_kind[IDENTITIES[0]]} relatives planted at each identity, and of {of_kind['family']}"
        f" members of real families with their own template left out, at the E-value that {allowed} of"
        f" {of_kind['shuffled']} shuffled queries reach. {library.templates} templates; queries as in"
        f" `section_alternatives.py`, seed {SEED}. The naive script around the same hhsearch as in proteofold takes"
        f" {bench.naive_s(NAIVE_QUERIES):.2f} CPU s a query, prediction included; the rows of HH-suite"
        f" do not count predictions: section s4pred."
    )
    return f"{table(head, rows)}\n\n{text}"


def _chains():
    """The templates of the demo: name -> sequence."""
    found = {}
    for path in sorted((ROOT / "config" / "demo" / "templates").glob("*.a3m")):
        _, *lines = path.read_text().split(">")[1].splitlines()
        found[path.stem] = "".join(lines).replace("-", "").upper()
    return found


def _queries(dice, chains, count):
    """(id, sequence) of the queries, and by id (kind, the templates that are right)."""
    queries, wanted = [], {}

    def add(sequence, kind, right):
        query_id = f"Q{len(queries):04d}"
        queries.append((query_id, sequence))
        wanted[query_id] = (kind, right)

    family_of = {name: set(family) for family in FAMILIES for name in family}
    names = dice.sample(sorted(name for name in chains if len(chains[name]) >= 60), count)
    for percent in IDENTITIES:
        for name in names:
            add(planted(dice, chains[name], percent), percent, {name} | family_of.get(name, set()))
    for name, family in family_of.items():
        add(chains[name], "family", family - {name})
    for _, sequence in list(queries):
        add("".join(dice.sample(sequence, len(sequence))), "shuffled", set(chains))
    return queries, wanted


def planted(dice, chain, percent):
    """A relative of a chain: so many percent of the residues that are kept are the same, the others substituted.

    A substitute is drawn in proportion to background frequency times 2 ** (BLOSUM62 / 2), as that matrix is defined.
    Then come insertions, deletions, a cut to at least LEAST_KEPT of the chain, and unrelated residues on both sides.
    """
    from Bio.Align import substitution_matrices

    blosum, letters = substitution_matrices.load("BLOSUM62"), sorted(set(RESIDUES))
    kept = round(len(chain) * dice.uniform(LEAST_KEPT, 1))
    start = dice.randint(0, len(chain) - kept)
    part = list(chain[start : start + kept])
    for place in dice.sample(range(kept), round(kept * (1 - percent / 100))):
        others = [letter for letter in letters if letter != part[place]]
        weights = [RESIDUES.count(letter) * 2 ** (blosum[part[place]][letter] / 2) for letter in others]
        (part[place],) = dice.choices(others, weights)
    made, place = [], 0
    while place < kept:
        if dice.random() < INDELS:
            length = 1 + int(dice.expovariate(1 / (INDEL_MEAN - 1)))
            if dice.random() < 0.5:
                made += dice.choices(RESIDUES, k=length)
            else:
                place += length
                continue
        made.append(part[place])
        place += 1
    return "".join([*dice.choices(RESIDUES, k=FLANK), *made, *dice.choices(RESIDUES, k=FLANK)])


class _Bench:
    """The searches; each returns its hits (query, template, E-value), CPU seconds, and the most memory in MB."""

    def __init__(self, folder, library, chains, queries):
        self.folder, self.library, self.queries = folder, library, queries
        self.fasta, self.targets = folder / "queries.fasta", folder / "targets.fasta"
        self.fasta.write_text("".join(f">{query_id}\n{sequence}\n" for query_id, sequence, _ in queries))
        self.targets.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in chains.items()))

    def naive_s(self, count):
        """CPU seconds a query of the script of section chain, over some queries."""
        script, used = naive_script(self.library.prefix), 0.0
        for query_id, sequence, _ in self.queries[:count]:
            (self.folder / "one.fasta").write_text(f">{query_id}\n{sequence}\n")
            used += measure(["sh", "-c", script], cwd=self.folder).cpu_s
        return used / count

    def hh(self, aligned=False):
        """A search by HH-suite per query, started as the pipeline does; with ``aligned`` after hhblits -n 2."""
        hits, used = [], []
        a3m, hhr, single = (self.folder / f"query.{kind}" for kind in ("a3m", "hhr", "fas"))
        for query_id, sequence, prediction in self.queries:
            relatives = ()
            if aligned:
                single.write_text(f">{query_id}\n{sequence}\n")
                command = [hhsuite.find_program("hhblits"), "-i", single, "-d", self.library.prefix, "-oa3m", a3m]
                used.append(measure([*command, "-n", 2, "-cpu", 1, "-v", 0, "-o", "/dev/null"]))
                relatives = read_relatives(a3m, sequence)
            a3m.write_text(format_a3m(query_id, sequence, prediction, relatives))
            columns = hhsuite.maxres(len(sequence), self.library.longest)
            options = {"query_length": len(sequence), "maxres": columns}
            used.append(measure(hhsuite.search_command("lean", a3m, self.library.prefix, hhr, **options)))
            hits += [(query_id, hit.template, hit.evalue) for hit in read_hhr(hhr).hits]
        return hits, sum(one.cpu_s for one in used), max(one.max_rss_mb for one in used)

    def mmseqs(self, iterations):
        """MMseqs2, all queries in one command, at its most sensitive."""
        found = self.folder / f"mmseqs{iterations}.tsv"
        command = ["mmseqs", "easy-search", self.fasta, self.targets, found, self.folder / f"mmseqs{iterations}"]
        command += ["-s", 7.5, "-e", MOST_EVALUE, "--threads", 1, "--format-output", "query,target,evalue"]
        used = measure([*command, *(["--num-iterations", iterations] if iterations > 1 else []), "-v", 1])
        rows = (line.split("\t") for line in found.read_text().splitlines())
        return [(query, target, float(evalue)) for query, target, evalue in rows], used.cpu_s, used.max_rss_mb

    def hmmer(self, program, *options):
        """phmmer or jackhmmer, all queries in one command."""
        found = self.folder / f"{program}.tbl"
        command = [program, *options, "--cpu", 0, "-E", MOST_EVALUE, "--noali", "--tblout", found]
        used = measure([*command, self.fasta, self.targets])
        rows = (line.split() for line in found.read_text().splitlines() if not line.startswith("#"))
        return [(row[2], row[0], float(row[4])) for row in rows], used.cpu_s, used.max_rss_mb


def _allowed(shuffled):
    """How many shuffled queries may have a hit."""
    return max(1, round(FALSE_PER_QUERY * shuffled))


def _found(hits, wanted):
    """Percent of the queries of each kind that are found at the E-value that few shuffled queries reach."""
    best = {}
    for query_id, template, evalue in hits:
        if template in wanted[query_id][1]:
            best[query_id] = min(evalue, best.get(query_id, MOST_EVALUE))
    of_kind = defaultdict(list)
    for query_id, (kind, _) in wanted.items():
        of_kind[kind].append(best.get(query_id, float("inf")))
    false = sorted(of_kind["shuffled"])
    limit = false[_allowed(len(false))]  # the first false hit that is one too many
    for kind in (*IDENTITIES, "family"):
        found = sum(evalue < limit for evalue in of_kind[kind])
        yield f"{100 * found / len(of_kind[kind]):.0f}"
