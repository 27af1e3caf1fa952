"""A search in shards gives what one search gives, or fails with the reason; how many shards a search needs."""

import shlex
import shutil
import sys
from pathlib import Path

import pytest

from proteofold.formats.a3m import format_a3m
from proteofold.formats.psipred import Prediction
from proteofold.science import hhsuite, shards
from proteofold.science.hhsuite import Library, fewest_shards, search_command, search_mem_mb
from proteofold.science.shards import search_in_shards
from proteofold.system.errors import UserError
from proteofold.system.process import run_tool

GLOBIN = (
    "VLSPADKTNVKAAWGKVGAHAGEYGAEALERMFLSFPTTKTYFPHFDLSHGSAQVKGHGKKVADALTNAVAHVDDMPNALSALSDLHAHKLRVDPVNFKLLSHCLLVT"
    "LAAHLPAEFTPAVHASLDKFLASVSTVLTSKYR"
)
THIOREDOXIN = (
    "MVKQIESKTAFQEALDAAGDKLVVVDFSATWCGPCKMIKPFFHSLSEKYSNVIFLEVDVDDCQDVASECEVKCMPTFQFFKKGQKVGEFSGANKEKLEATINELV"
)
PDB70 = Library("pdb70", 92_111, 23_000_000, 5_000, "")
STEP_MB = 40


def repeated(library, prefix, times):
    """A library in which each template of another one stands so often, under names of its own; no data is copied."""
    for part in hhsuite.PARTS:
        lines = Path(f"{library}_{part}.ffindex").read_text().splitlines()
        named = sorted(line.replace("\t", f".{time:03d}x\t", 1) for line in lines for time in range(times))
        Path(f"{prefix}_{part}.ffindex").write_text("".join(f"{line}\n" for line in named))
        Path(f"{prefix}_{part}.ffdata").symlink_to(f"{library}_{part}.ffdata")
    return str(prefix)


@pytest.fixture
def search(tmp_path):
    """Function that searches for a sequence, at once (count 1) or in shards; returns the lines of the ``.hhr``.

    Those about the time and the command of the search are left out.
    """

    def run(sequence, library, mode="lean", count=1):
        query, written = tmp_path / "q.a3m", tmp_path / "q.hhr"
        query.write_text(format_a3m("q", sequence, Prediction(sequence, "C" * len(sequence), "5" * len(sequence))))
        options = {"query_length": len(sequence), "maxres": 1000}
        if count > 1:
            folder = tmp_path / f"{count} shards"
            search_in_shards(mode, query, written, library, folder, count=count, **options)
            shutil.rmtree(folder)
        else:
            run_tool(search_command(mode, query, library, written, **options))
        return [line for line in written.read_bytes().splitlines() if not line.startswith((b"Date ", b"Command "))]

    return run


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", ["lean", "reference"])
@pytest.mark.parametrize("sequence", [THIOREDOXIN, GLOBIN, "X" * 40, "M"])
def test_shards_give_line_for_line_what_one_search_gives(search, small_library, mode, sequence):
    # 1ERU_A and 2TRX_A, the two relatives of thioredoxin, are in one shard of two and in two of three
    whole = search(sequence, small_library, mode)
    assert b"Searched_HMMs 6" in whole
    for count in (2, 3, 6, 9):
        assert search(sequence, small_library, mode, count) == whole


@pytest.mark.hhsuite
@pytest.mark.parametrize("mode", ["lean", "reference"])
def test_cut_after_500_hits_falls_where_it_falls_in_one_search(search, small_library, tmp_path, mode):
    library = repeated(small_library, tmp_path / "many", 270)
    whole = search(GLOBIN, library, mode)
    assert whole.count(b"No 500") == 1 and b"No 501" not in whole
    assert search(GLOBIN, library, mode, 4) == whole


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Function that puts Python lines in the place of hhsearch and of hhblits."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def put(program, *lines):
        script = ["import sys", "options = dict(zip(sys.argv, sys.argv[1:]))", *lines]
        path = tmp_path / program
        path.write_text(f'#!/bin/sh\nexec {sys.executable} -c {shlex.quote(chr(10).join(script))} "$@"\n')
        path.chmod(0o755)

    return put


@pytest.mark.parametrize(
    ("scored", "searched", "reason"),
    [
        ([b"A", b"B"], 3, "hhsearch reported the scores of 2 of 3 templates: not whole"),
        ([b"A", b"B", b"D"], 3, "hhsearch reported the scores of 2 of 3 templates: not whole"),
        ([b"A", b"B", b"C"], 2, "hhblits searched 2 of 3 candidates: not whole"),
    ],
)
def test_shard_that_was_not_searched_whole_is_reported(make_library, tmp_path, stand_in, scored, searched, reason):
    library = make_library(tmp_path / "db", dict.fromkeys("ABC", 10))
    table = b"".join(b"q\t%s\t0.1\t1\t1\t1\t1\t1\t1\t1\t1.0E-3\t9.1\n" % name for name in scored)
    stand_in("hhsearch", f"open(options['-blasttab'], 'wb').write({table!r})")
    stand_in("hhblits", f"open(options['-o'], 'w').write('Query q\\nSearched_HMMs {searched}\\n\\n No Hit\\n')")
    written = tmp_path / "q.hhr"
    with pytest.raises(UserError, match=reason):
        search_in_shards("lean", "q.a3m", written, library, tmp_path / "parts", count=2, query_length=9, maxres=99)


def test_candidates_are_the_best_by_name_and_all_that_are_level_with_the_last():
    scores = {b"d": 4.0, b"c": 9.5, b"a": 4.0, b"b": 4.0, b"e": 3.9}
    assert shards._candidates(scores, scores.keys(), 1) == {b"c"}
    assert shards._candidates(scores, scores.keys(), 2) == {b"a", b"b", b"c", b"d"}
    assert shards._candidates(scores, scores.keys(), 9) == scores.keys()


def test_no_more_candidates_than_hhblits_surely_searches():
    scores = dict.fromkeys((b"%05d" % number for number in range(9000)), 0.0)
    chosen = shards._candidates(scores, scores.keys(), 500)
    assert chosen == {b"%05d" % number for number in range(2000)}


def test_query_that_fits_is_searched_at_once():
    assert fewest_shards(400, PDB70, "lean", 3500 - STEP_MB) == 1
    need = search_mem_mb(14_507, PDB70, "lean")
    assert fewest_shards(14_507, PDB70, "lean", need) == 1
    assert fewest_shards(14_507, PDB70, "lean", need - 1) == 2


@pytest.mark.parametrize("mode", ["reference", "lean", "hybrid"])
def test_muc16_is_searched_on_workers_of_3500_mb_in_as_few_shards_as_fit(mode):
    count = fewest_shards(14_507, PDB70, mode, 3500 - STEP_MB)
    assert count == 2
    assert search_mem_mb(14_507, PDB70, mode, shards=count) <= 3500 - STEP_MB < search_mem_mb(14_507, PDB70, mode)


def test_less_memory_takes_more_shards_until_more_do_not_help():
    counts = [fewest_shards(14_507, PDB70, "lean", most_mb) for most_mb in (6000, 3500, 2500, 2000, 1500)]
    assert counts == sorted(counts) and counts[0] == 1 and len(set(counts)) == 5
    assert search_mem_mb(14_507, PDB70, "lean", shards=counts[-1]) <= 1500
    # the path through the longest template alone takes 830 MB
    beyond = fewest_shards(14_507, PDB70, "lean", 1000)
    assert beyond == fewest_shards(14_507, PDB70, "lean", 10)
    least = search_mem_mb(14_507, PDB70, "lean", shards=92)
    assert 1000 < search_mem_mb(14_507, PDB70, "lean", shards=beyond) <= 1.1 * least


def test_shards_do_not_help_a_small_library_or_hhblits():
    assert fewest_shards(14_507, Library("db", 283, 50_000, 700, ""), "lean", 10) == 1
    assert fewest_shards(34_350, PDB70, "fast", 10) == 1
    assert search_mem_mb(34_350, PDB70, "fast", shards=5) == search_mem_mb(34_350, PDB70, "fast")
