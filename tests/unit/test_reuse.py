"""Taking results of other runs: what is taken, that its files are those of a computation, and what a kill leaves."""

import hashlib
import os
import shutil
import sqlite3
import zlib

import pytest

from proteofold import hits, takeover
from proteofold.fasta import protein_stem
from proteofold.inputs import Query
from proteofold.merge import merge_run, whole_result
from proteofold.planning import assign_batches
from proteofold.process import Usage, usage_tsv
from proteofold.psipred import Prediction, format_horiz
from proteofold.reuse import find_sources
from proteofold.runs import Run, RunFolder, read_members, write_plan
from proteofold.store import import_run, open_store
from proteofold.store.schema import MIGRATIONS
from proteofold.takeover import outdated, take_over, taken_before

SETTINGS = {
    "key": "feedfeed",
    "mode": "lean",
    "keep": [],
    "library": {"prefix": "few", "templates": 3, "columns": 90, "longest": 30, "key": "feed"},
    "weights_digest": "beef",
    "versions": {"proteofold": "0.1.0", "hhsuite": "3.3.0"},
}
COMPUTED_AT = 1_790_000_000
PROTEINS = {"sp|P1|A_HUMAN": "MKVLA", "sp|P2|B_HUMAN": "MKVLAWW", "c, d": "MKV"}
NEW = {"new": "MWWWWWWWW"}


class Killed(BaseException):
    """Stands for kill -9: nothing after it happens."""


def found_hits(sequence):
    """Hits that only the sequence decides; odd text where a careless copy would break."""
    descriptions = ('of "quotes", commas', "of two\u2028lines", "")
    return [
        hits.Hit(rank, f"{rank}ABC_A", text, 99.5, 1e-9 * len(sequence), 1e-14, 80.25 - rank, 5.0, 3, 1, 3, 2, 4, 30)
        for rank, text in enumerate(descriptions, 1)
    ]


class Bench:
    """A folder of runs, which are planned, taken over and finished as a head and its jobs do it."""

    def __init__(self, path):
        self.results = path / "results"
        self.store = self.results / "proteofold.db"

    def plan(self, run_id, proteins, reused=True, **settings):
        """The plan of a run; ``run.told`` is why nothing was looked up."""
        folder, settings = RunFolder(self.results / run_id), SETTINGS | {"run": run_id} | settings
        queries = [
            Query(name, protein_stem(name), sequence, hashlib.md5(sequence.encode()).hexdigest())
            for name, sequence in proteins.items()
        ]
        history, sources, self.told = read_members(folder.manifest), {}, ""
        if reused:
            known = {member.protein for member in history}
            sources, self.told = find_sources([q for q in queries if q.protein not in known], settings, self.results)
        members, batches = assign_batches(queries, history, history, sources)
        return Run(folder, members, settings, batches, history, sources)

    def start(self, run_id, proteins, **options):
        """Plan a run, take what other runs have, and write the plan; returns (run, Taken)."""
        run = self.plan(run_id, proteins, **options)
        taken = take_over(run)
        write_plan(run)
        return run, taken

    def finish(self, run, proteins):
        """Do the jobs of a run; returns the proteins predicted and those searched."""
        sequences = {protein_stem(name): sequence for name, sequence in proteins.items()}
        predicted, searched = [], []
        batches = {}
        for member in run.members.values():
            batches.setdefault(member.batch, []).append(member)
        for batch, members in batches.items():
            if not run.folder.horiz(batch).exists():
                members = sorted(members, key=lambda member: -member.length)
                predicted += [member.protein for member in members]
                blocks = (Prediction(sequences[m.protein], "HEC" * m.length, "901" * m.length) for m in members)
                text = "".join(
                    format_horiz(Prediction(b.sequence, b.states[: len(b.sequence)], b.confidence[: len(b.sequence)]))
                    for b in blocks
                )
                write(run.folder.horiz(batch), text.encode())
        for protein, member in run.members.items():
            if not run.folder.out(protein).exists():
                searched.append(protein)
                self.search(run, member, sequences[protein])
        return predicted, searched

    @staticmethod
    def search(run, member, sequence):
        found, folder = found_hits(sequence), run.folder
        write(folder.hits(member.protein), hits.hits_csv_gz(member.query_id, found))
        write(folder.out(member.protein), hits.format_summary(hits.summarise(member.query_id, found)).encode())
        alignments = zlib.compress(f"alignments of {sequence}".encode() * 9, wbits=31)
        write(folder.alignments(member.protein), alignments)
        usage = Usage(20.0, 19.5, 300.0, f"node of {run.settings['run']}", run.result_key(member))
        write(folder.usage("search_templates", member.protein), usage_tsv(usage).encode())

    def computed(self, run_id, proteins, **options):
        """A run whose proteins were all computed, in the store."""
        run, _ = self.start(run_id, proteins, reused=False, **options)
        self.finish(run, proteins)
        self.put_into_store(run_id)
        return run

    def put_into_store(self, run_id):
        conn = open_store(self.store)
        import_run(conn, self.results / run_id)
        conn.close()

    def stored(self, query):
        conn = sqlite3.connect(self.store)
        try:
            return conn.execute(query).fetchall()
        finally:
            conn.close()


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (COMPUTED_AT, COMPUTED_AT))


def files(run):
    """Contents of a run's result files by kind and name."""
    return {
        (kind, path.name): path.read_bytes()
        for kind in ("out", "hits", "alignments", "horiz", "fas")
        for path in (run.folder.path / kind).glob("*")
    }


def usage_row(run, protein):
    names, values = run.folder.usage("search_templates", protein).read_text().splitlines()
    return dict(zip(names.split("\t"), values.split("\t"), strict=True))


@pytest.fixture
def bench(tmp_path, monkeypatch):
    monkeypatch.delenv("PROTEOFOLD_STORE", raising=False)
    bench = Bench(tmp_path)
    bench.computed("one", PROTEINS)
    return bench


def test_overlap_is_taken_and_only_the_rest_is_left_to_jobs(bench):
    run, taken = bench.start("two", PROTEINS | NEW)
    assert taken.now == taken.ever == dict.fromkeys(["P1", "P2", protein_stem("c, d")], "one")
    assert bench.finish(run, PROTEINS | NEW) == (["new"], ["new"])


def test_files_are_those_of_a_computation(bench, tmp_path):
    taken, _ = bench.start("two", PROTEINS)
    other = Bench(tmp_path / "elsewhere")
    computed = other.computed("two", PROTEINS)
    assert files(taken) == files(computed)
    merge_run(taken.folder.path), merge_run(computed.folder.path)
    for name in ("merge_results.csv", "hits.csv.gz", "failed.csv"):
        assert (taken.folder.path / name).read_bytes() == (computed.folder.path / name).read_bytes()


@pytest.mark.parametrize("name", ["sp|Q9|OTHER", 'odd "id", of\u2003yours', "sp|P1|RENAMED"])
def test_same_sequence_under_another_id_has_the_files_of_that_id(bench, tmp_path, name):
    proteins = {name: PROTEINS["sp|P1|A_HUMAN"]}
    taken, _ = bench.start("two", proteins)
    assert bench.finish(taken, proteins) == ([], [])
    assert files(taken) == files(Bench(tmp_path / "elsewhere").computed("two", proteins))
    row = usage_row(taken, protein_stem(name))
    assert row["result_key"] == taken.result_key(taken.members[protein_stem(name)])


def test_usage_tells_the_original_search_and_whence(bench):
    run, _ = bench.start("two", PROTEINS)
    row = usage_row(run, "P1")
    assert (row["cpu_s"], row["max_rss_mb"], row["node"]) == ("19.500", "300.0", "node of one")
    assert row["reused_from"] == "one"
    log = run.folder.log("search_templates", "P1").read_text()
    assert "sp|P1|A_HUMAN was taken from run one" in log
    assert log.splitlines()[-1] == "DONE"
    bench.put_into_store("two")
    columns = "status, attempts, reused_from, cpu_s, node, finished_at"
    assert bench.stored(f"select distinct {columns} from protein_results where run_id = 'two'") == [
        ("SUCCESS", 0, "one", 19.5, "node of one", "2026-09-21T14:13:20.000Z")
    ]
    assert bench.stored("select run_id, reused from runs order by run_id") == [("one", 0), ("two", 3)]


def test_prediction_is_not_newer_than_any_result(bench):
    run, _ = bench.start("two", PROTEINS)
    (horiz,) = (run.folder.path / "horiz").iterdir()
    outputs = [path for kind in ("out", "hits", "benchmarks") for path in (run.folder.path / kind).rglob("*.*")]
    assert len(outputs) == 9
    assert all(path.stat().st_mtime_ns >= horiz.stat().st_mtime_ns for path in outputs)


def test_results_are_gathered_from_several_runs(bench):
    bench.computed("other", {"x": "MYYYYY", "y": "MY"})
    run, taken = bench.start("two", {"x": "MYYYYY", "a": PROTEINS["sp|P1|A_HUMAN"]})
    assert taken.now == {"x": "other", "a": "one"}
    assert len(run.new_batches) == 1


def test_taken_result_is_taken_on_and_names_the_run_that_computed_it(bench):
    run, _ = bench.start("two", PROTEINS)
    bench.put_into_store("two")
    shutil.rmtree(bench.results / "one")
    third, taken = bench.start("three", PROTEINS)
    assert set(taken.now.values()) == {"one"}
    shutil.rmtree(run.folder.path)
    assert bench.finish(third, PROTEINS) == ([], [])
    assert merge_run(third.folder.path)["failed"] == 0


@pytest.mark.parametrize(
    "settings",
    [{"key": "other mode"}, {"versions": {"hhsuite": "3.4.0"}}, {"run": "one"}],
    ids=["other settings", "other version of HH-suite", "itself"],
)
def test_other_settings_take_nothing(bench, settings):
    assert bench.plan("two", PROTEINS, **settings).sources == {}


def test_sequence_that_nobody_has_is_not_taken(bench):
    assert bench.plan("two", {"sp|P1|A_HUMAN": "MKVLAI"}).sources == {}


def test_protein_that_is_known_to_the_run_is_not_taken(bench):
    bench.start("two", PROTEINS, reused=False)
    assert bench.plan("two", PROTEINS).sources == {}


def test_without_a_store_nothing_is_taken_and_none_is_made(tmp_path):
    bench = Bench(tmp_path)
    assert bench.plan("two", PROTEINS).sources == {}
    assert bench.told == ""
    assert not bench.results.exists()


def test_looking_leaves_no_file_behind(bench):
    before = sorted(path.name for path in bench.results.iterdir())
    assert bench.plan("two", PROTEINS).sources
    assert sorted(path.name for path in bench.results.iterdir()) == before


def test_store_in_use_is_read(bench):
    conn = open_store(bench.store)
    conn.execute("begin immediate")
    conn.execute("update runs set author = 'somebody'")
    assert len(bench.plan("two", PROTEINS).sources) == 3
    conn.close()


def lock(path):
    conn = sqlite3.connect(path, isolation_level=None)
    conn.execute("pragma locking_mode = exclusive")
    conn.execute("begin exclusive")
    conn.execute("update runs set author = 'somebody'")
    return conn


def version(number):
    def change(path):
        conn = sqlite3.connect(path)
        conn.execute(f"pragma user_version = {number}")
        conn.close()

    return change


STORES = {
    "locked": (lock, "locked"),
    "no store": (lambda path: path.write_text("no store"), "not a database"),
    "empty": (lambda path: path.write_bytes(b""), "version 0"),
    "cut": (lambda path: os.truncate(path, 6000), ""),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "unable to open"),
    "older": (version(0), "version 0"),
    "newer": (version(len(MIGRATIONS) + 1), f"version {len(MIGRATIONS) + 1}"),
}


@pytest.mark.parametrize(("harm", "told"), STORES.values(), ids=STORES)
def test_store_that_cannot_be_read_is_told_and_stops_nothing(bench, monkeypatch, harm, told):
    monkeypatch.setattr("proteofold.store.database.READING_TIMEOUT_S", 0.1)
    held = harm(bench.store)
    run, _ = bench.start("two", PROTEINS)
    assert run.sources == {}
    assert told in bench.told and "proteofold.db" in bench.told
    del held


def test_names_from_the_store_lead_nowhere_else(bench, tmp_path):
    (bench.results / "one").rename(tmp_path / "one")
    conn = sqlite3.connect(bench.store)
    for table in ("runs", "protein_results"):
        conn.execute(f"update {table} set run_id = '../one'")
    conn.commit()
    conn.close()
    assert bench.plan("two", PROTEINS).sources == {}


def cut(path):
    os.truncate(path, path.stat().st_size // 2)


def empty(path):
    os.truncate(path, 0)


def remove(path):
    path.unlink()


def spoil(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)


DAMAGES = [
    *(("out/P1.out", harm) for harm in (cut, empty, remove)),
    *(("hits/P1.csv.gz", harm) for harm in (cut, empty, remove, spoil)),
    *(("alignments/P1.hhr.gz", harm) for harm in (cut, empty, remove)),
    *(("benchmarks/search_templates/P1.tsv", harm) for harm in (cut, empty, remove)),
]


@pytest.mark.parametrize(("name", "harm"), DAMAGES)
@pytest.mark.parametrize("moment", ["before", "meanwhile"])
def test_damaged_result_is_computed_and_the_others_are_taken(bench, name, harm, moment):
    if moment == "before":
        harm(bench.results / "one" / name)
    run = bench.plan("two", PROTEINS)
    if moment == "meanwhile":
        harm(bench.results / "one" / name)
    taken = take_over(run)
    assert set(taken.now) == {"P2", protein_stem("c, d")}
    write_plan(run)
    predicted, searched = bench.finish(run, PROTEINS)
    assert searched == ["P1"]
    assert merge_run(run.folder.path)["failed"] == 0
    assert taken_before(bench.plan("two", PROTEINS)) == taken.now


@pytest.mark.parametrize("harm", [cut, empty, remove])
def test_damaged_prediction_is_computed_with_its_batch(bench, harm):
    (horiz,) = (bench.results / "one" / "horiz").iterdir()
    harm(horiz)
    run, taken = bench.start("two", PROTEINS)
    assert taken.now == {}
    assert bench.finish(run, PROTEINS) == (["P2", "P1", protein_stem("c, d")], list(run.members))


def test_older_result_serves_where_the_latest_is_damaged(bench):
    bench.computed("later", PROTEINS)
    empty(bench.results / "later" / "out" / "P1.out")
    _, taken = bench.start("two", PROTEINS)
    assert taken.now["P1"] == "one"


def kill_at(monkeypatch, count):
    """Let ``count`` files be written by take_over, then no more."""
    left = iter(range(count))

    def write_or_die(path, content, write=takeover.write_aside):
        if next(left, None) is None:
            raise Killed
        write(path, content)

    monkeypatch.setattr(takeover, "write_aside", write_or_die)


# reused.tsv is not counted: horiz, and of each protein hits, alignments, usage, log, out
ALL_FILES = 1 + 3 * 5


@pytest.mark.parametrize("written", range(ALL_FILES + 1))
def test_start_that_was_killed_is_made_good_by_the_next(bench, tmp_path, monkeypatch, written):
    with monkeypatch.context() as patched:
        kill_at(patched, written)
        if written < ALL_FILES:
            with pytest.raises(Killed):
                bench.start("two", PROTEINS)
        else:
            run = bench.plan("two", PROTEINS)
            take_over(run)  # and killed before the plan was written
    run, taken = bench.start("two", PROTEINS)
    assert len(taken.now) == 3
    assert bench.finish(run, PROTEINS) == ([], [])
    assert files(run) == files(Bench(tmp_path / "elsewhere").computed("two", PROTEINS))


@pytest.mark.parametrize("written", range(1, ALL_FILES + 1))
@pytest.mark.parametrize("settings", [{}, {"key": "another mode"}], ids=["the same", "another mode"])
def test_nothing_that_a_killed_start_left_is_used_when_reuse_is_switched_off(bench, monkeypatch, written, settings):
    with monkeypatch.context() as patched:
        kill_at(patched, written)
        try:
            take_over(bench.plan("two", PROTEINS))
        except Killed:
            assert written < ALL_FILES
    run, taken = bench.start("two", PROTEINS, reused=False, **settings)
    assert taken.ever == {}
    predicted, searched = bench.finish(run, PROTEINS)
    assert (len(predicted), len(searched)) == (3, 3)


@pytest.mark.parametrize("written", range(6))
def test_earlier_result_of_the_same_name_never_stands_beside_the_new_usage(bench, monkeypatch, written):
    proteins = {"sp|P1|A_HUMAN": PROTEINS["sp|P1|A_HUMAN"]}
    old = bench.computed("two", {"sp|P1|A_HUMAN": "MAAAAA"})
    old.folder.manifest.unlink()  # so the protein counts as new
    out = old.folder.out("P1").read_bytes()
    with monkeypatch.context() as patched, pytest.raises(Killed):
        kill_at(patched, written)
        take_over(bench.plan("two", proteins))
    run = bench.plan("two", proteins)
    assert whole_result(run, run.members["P1"]) is None
    assert not run.folder.out("P1").exists() or run.folder.out("P1").read_bytes() == out


def test_taken_results_of_other_settings_are_made_again_and_predictions_kept(bench):
    run, _ = bench.start("two", PROTEINS)
    bench.finish(run, PROTEINS)
    run = bench.plan("two", PROTEINS, key="another mode")
    assert outdated(run) == 3
    assert outdated(bench.plan("two", PROTEINS)) == 0
    run, taken = bench.start("two", PROTEINS, key="another mode")
    assert taken.ever == {}
    assert bench.finish(run, PROTEINS) == ([], list(run.members))
    # they are results of this run now
    run, _ = bench.start("two", PROTEINS, key="another mode")
    assert bench.finish(run, PROTEINS) == ([], [])


def test_other_weights_have_taken_predictions_made_again(bench):
    bench.start("two", PROTEINS)
    run, _ = bench.start("two", PROTEINS, key="of other weights", weights_digest="other")
    predicted, searched = bench.finish(run, PROTEINS)
    assert (len(predicted), len(searched)) == (3, 3)


def test_other_weights_after_another_mode_have_taken_predictions_made_again(bench):
    bench.start("two", PROTEINS)
    run, _ = bench.start("two", PROTEINS, key="another mode")
    bench.finish(run, PROTEINS)
    run, _ = bench.start("two", PROTEINS, key="of other weights", weights_digest="other")
    assert len(bench.finish(run, PROTEINS)[0]) == 3


def test_taken_results_without_the_files_to_keep_are_made_again(bench):
    bench.start("two", PROTEINS)
    run, _ = bench.start("two", PROTEINS, keep=["hhr"])
    assert bench.finish(run, PROTEINS) == ([], list(run.members))
    run, _ = bench.start("two", PROTEINS, keep=["hhr"])
    assert bench.finish(run, PROTEINS) == ([], [])


def test_deleted_result_is_computed_and_counts_as_taken_no_more(bench):
    run, _ = bench.start("two", PROTEINS)
    run.folder.out("P1").unlink()
    run, taken = bench.start("two", PROTEINS)
    assert set(taken.ever) == {"P2", protein_stem("c, d")}
    assert bench.finish(run, PROTEINS) == ([], ["P1"])
    assert "reused_from" not in usage_row(run, "P1")
    assert set(bench.start("two", PROTEINS)[1].ever) == {"P2", protein_stem("c, d")}


def test_protein_that_comes_back_under_other_settings_is_made_again(bench):
    bench.start("two", PROTEINS)
    rest = {name: sequence for name, sequence in PROTEINS.items() if "P1" not in name}
    bench.start("two", rest, key="another mode")
    run, _ = bench.start("two", PROTEINS, key="another mode")
    assert "P1" in bench.finish(run, PROTEINS)[1]


def test_protein_that_comes_back_is_there_still(bench):
    bench.start("two", PROTEINS)
    rest = {name: sequence for name, sequence in PROTEINS.items() if "P1" not in name}
    bench.start("two", rest)
    run, taken = bench.start("two", PROTEINS)
    assert taken.ever["P1"] == "one"
    assert bench.finish(run, PROTEINS) == ([], [])


def test_list_that_was_damaged_costs_nothing_but_its_lines(bench):
    run, _ = bench.start("two", PROTEINS)
    run.folder.reused.write_text(run.folder.reused.read_text() + "half a li")
    assert len(taken_before(bench.plan("two", PROTEINS))) == 3
    run.folder.reused.write_bytes(b"\xff")
    assert taken_before(bench.plan("two", PROTEINS)) == {}


def test_run_that_takes_nothing_has_no_list(bench):
    run, _ = bench.start("two", NEW)
    assert not run.folder.reused.exists()


def test_plan_writes_nothing(bench):
    bench.plan("two", PROTEINS)
    assert not (bench.results / "two").exists()


def test_results_that_are_taken_are_those_of_the_folder_not_of_the_store(bench):
    conn = sqlite3.connect(bench.store)
    conn.execute("update protein_results set best_hit = '9XYZ_Z', md5 = lower(md5)")
    conn.commit()
    conn.close()
    run, _ = bench.start("two", PROTEINS)
    assert "1ABC_A" in run.folder.out("P1").read_text()
