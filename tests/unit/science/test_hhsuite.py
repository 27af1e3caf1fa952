"""Template libraries are checked before use, and what a search needs in memory is as measured."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proteofold.formats.a3m import format_a3m
from proteofold.formats.hhr import read_hhr
from proteofold.formats.psipred import Prediction
from proteofold.science import hhsuite
from proteofold.science.hhsuite import Library, library_files, read_library, search_command, search_mem_mb
from proteofold.system import paths
from proteofold.system.errors import UserError


@pytest.fixture
def library(tmp_path, make_library):
    """Prefix of a sound library of two templates, in a folder with an odd name."""
    return make_library(tmp_path / "my 'lib" / "db", {"1ABC_A": 10, "2DEF_B": 30})


def problem_with(prefix):
    with pytest.raises(UserError) as caught:
        read_library(prefix)
    assert str(caught.value).startswith(f"template library {prefix}: ")
    return str(caught.value)


def test_library_is_described_from_its_index(library):
    described = read_library(library)
    assert described == Library(library, 2, 40, 30, described.key)


def test_key_is_that_of_the_content_not_of_the_place(library, tmp_path, make_library):
    key = read_library(library).key
    assert read_library(make_library(tmp_path / "other", {"1ABC_A": 10, "2DEF_B": 30})).key == key
    assert read_library(make_library(tmp_path / "other", {"1ABC_A": 10, "2DEF_B": 31})).key != key


def test_missing_files_are_named(library):
    for name in (f"{library}_cs219.ffdata", f"{library}_hhm.ffindex"):
        Path(name).unlink()
    problem = problem_with(library)
    assert f"missing {library}_hhm.ffindex, {library}_cs219.ffdata" in problem


def test_folder_instead_of_a_prefix_is_answered_with_the_prefix(library):
    folder = str(Path(library).parent)
    assert f"Is the prefix {library}?" in problem_with(f"{folder}/")
    assert f"Is the prefix {library}?" in problem_with(f"{folder}/d")


def test_prefix_that_is_right_is_not_suggested_again(tmp_path, make_library):
    library = make_library(tmp_path / "db", {"A": 10})
    make_library(tmp_path / "db2", {"A": 10})
    (tmp_path / "db_cs219.ffdata").unlink()
    assert "missing" in problem_with(library) and "Is the prefix" not in problem_with(library)


@pytest.mark.parametrize(
    ("part", "text", "what"),
    [
        ("hhm", "", "db_hhm.ffindex is empty"),
        ("a3m", "", "db_a3m.ffindex is empty"),
        ("cs219", "1ABC_A\t0\t11\n2DEF_B\t11\n", "db_cs219.ffindex, line 2 is not name, offset, length"),
        ("hhm", "1ABC_A 0 11\n", "db_hhm.ffindex, line 1 is not name, offset, length"),
        ("hhm", "1ABC_A\t0\t-11\n", "db_hhm.ffindex, line 1 is not name, offset, length"),
        ("hhm", "1ABC_A\t0\t\u00b2\n", "db_hhm.ffindex, line 1 is not name, offset, length"),
        ("hhm", "\x7fELF\0\xff", "db_hhm.ffindex, line 1 is not name, offset, length"),
        ("hhm", "1ABC_A\t0\t11\n2DEF_B\t11\t999\n", "line 2: 2DEF_B ends beyond its data file (cut short?)"),
        ("cs219", "1ABC_A\t0\t11\n", "1 templates are not in both _cs219 and _hhm, e.g. 2DEF_B"),
        ("a3m", "1ABC_A\t0\t11\n3GHI_C\t11\t31\n", "2 templates are not in both _a3m and _hhm, e.g. 2DEF_B, 3GHI_C"),
    ],
)
def test_index_that_does_not_agree_is_reported(library, part, text, what):
    Path(f"{library}_{part}.ffindex").write_text(text)
    problem = problem_with(library)
    assert what in problem
    assert problem.endswith("Fetch or build it again.")


def test_data_file_that_was_cut_short_is_reported(library):
    data = Path(f"{library}_a3m.ffdata")
    data.write_bytes(data.read_bytes()[:-1])
    assert "db_a3m.ffindex, line 2: 2DEF_B ends beyond its data file" in problem_with(library)


def test_all_problems_of_a_library_are_reported_at_once(library):
    Path(f"{library}_hhm.ffindex").write_text("x")
    Path(f"{library}_cs219.ffindex").write_text("")
    problem = problem_with(library)
    assert "line 1 is not name" in problem and "_cs219.ffindex is empty" in problem


def test_folder_in_the_place_of_a_file_counts_as_missing(library):
    os.unlink(f"{library}_hhm.ffdata")
    os.mkdir(f"{library}_hhm.ffdata")
    assert "missing" in problem_with(library)


# Private memory of hhsearch 3.3.0: query length (as read), longest template, templates, mode, -maxres, MB measured.
MEASURED = [
    (400, 400, 60, "lean", 20001, 116),
    (400, 400, 60, "lean", 6000, 46),
    (2000, 5000, 61, "lean", 20001, 199),
    (2000, 5000, 61, "reference", 20001, 258),
    (5000, 400, 60, "lean", 20001, 194),
    (5000, 400, 60, "reference", 20001, 289),
    (5000, 1500, 61, "lean", 20001, 194),
    (5000, 1500, 61, "reference", 20001, 333),
    (5000, 5000, 61, "lean", 20001, 404),
    (5000, 5000, 61, "reference", 20001, 562),
    (14507, 400, 60, "lean", 20001, 489),
    (14507, 400, 60, "reference", 20001, 619),
    (14507, 1500, 61, "reference", 20001, 825),
    (14507, 5000, 61, "lean", 20001, 962),
    (14507, 5000, 61, "reference", 20001, 1407),
    (19999, 400, 60, "lean", 20001, 659),
    (34350, 3000, 61, "lean", 40000, 1433),
    (62, 5000, 91501, "reference", 20001, 737),
    (62, 5000, 91501, "lean", 20001, 726),
    (300, 5000, 91501, "reference", 20001, 847),
    (601, 5000, 91501, "lean", 6000, 926),
    (1057, 5000, 91501, "lean", 6000, 1130),
    (1000, 1491, 8340, "lean", 20001, 243),
    (2000, 1491, 8340, "lean", 20001, 272),
    (5000, 1491, 8340, "lean", 20001, 396),
    (14507, 1491, 8340, "lean", 20001, 693),
]


@pytest.mark.parametrize(("length", "longest", "templates", "mode", "maxres", "measured"), MEASURED)
def test_memory_model_is_near_what_was_measured(monkeypatch, length, longest, templates, mode, maxres, measured):
    monkeypatch.setattr(hhsuite, "maxres", lambda *_: maxres)
    asked = search_mem_mb(length, Library("db", templates, 0, longest, ""), mode)
    assert 0.96 <= asked / 1.1 / measured <= 1.26
    assert asked >= measured  # the margin of a tenth covers what the model lacks


def test_memory_grows_with_query_library_and_threads():
    small = Library("db", 1000, 0, 500, "")
    asked = search_mem_mb(400, small, "lean")
    assert asked < search_mem_mb(4000, small, "lean") < search_mem_mb(4000, small, "reference")
    assert asked < search_mem_mb(400, Library("db", 90_000, 0, 500, ""), "lean")
    assert search_mem_mb(5000, small, "lean", threads=4) > search_mem_mb(5000, small, "lean")


def test_search_cuts_neither_query_nor_template():
    assert hhsuite.maxres(34_350, 500) - 2 >= 34_350
    assert hhsuite.maxres(50, 5_000) - 2 >= 5_000


@pytest.mark.hhsuite
@pytest.mark.parametrize("search", hhsuite.SEARCHES)
def test_longest_protein_is_searched_to_its_end(small_library, tmp_path, search):
    """Titin's 34,350 residues: the only relative of a template are its last. HH-suite's own limit is 19,999."""
    chain = (paths.DEMO / "templates" / "4HHB_A.a3m").read_text().splitlines()[1]
    sequence = ("GS" * 17_175)[: 34_350 - len(chain)] + chain
    query, written = tmp_path / "q.a3m", tmp_path / "q.hhr"
    query.write_text(format_a3m("titin", sequence, Prediction(sequence, "C" * 34_350, "5" * 34_350)))
    longest = read_library(small_library).longest
    columns = hhsuite.maxres(len(sequence), longest)
    command = search_command(search, query, small_library, written, query_length=len(sequence), maxres=columns)
    # without the pseudocounts, which take half a minute and no part in reading the query
    subprocess.run([*command, "-nocontxt"], check=True, capture_output=True)
    found = read_hhr(written)
    assert found.query_length == 34_350
    (hit,) = (hit for hit in found.hits if hit.template == "4HHB_A" and hit.evalue < 1e-5)
    assert hit.query_end > 34_340


FAST = ["-n", "1", "-alphaa", "0", "-alphab", "0", "-premerge", "0", "-norealign", "-min_prefilter_hits", "2000"]


@pytest.mark.parametrize(
    ("search", "length", "program", "options"),
    [
        ("reference", 400, "hhsearch", []),
        ("lean", 400, "hhsearch", ["-e", "-1", "-norealign"]),
        ("fast", 400, "hhblits", FAST),
        ("fast", 14_507, "hhblits", [*FAST, "-maxfilt", "4000"]),
    ],
)
def test_command_of_a_search(monkeypatch, search, length, program, options):
    monkeypatch.setattr(hhsuite, "find_program", lambda name: name)
    query = Path("my q.a3m")
    command = search_command(search, query, "/my lib/db", "o.hhr", query_length=length, maxres=600, threads=2)
    assert command == [
        *(program, "-i", "my q.a3m", "-d", "/my lib/db", "-o", "o.hhr", "-cpu", "2", "-maxres", "600"),
        *options,
    ]


# length, measured private memory in MB of `fast` at 91,501 templates, the longest of 5,000 residues
@pytest.mark.parametrize(("length", "measured"), [(62, 129), (300, 134), (601, 137), (1057, 178), (5000, 252)])
def test_memory_of_a_fast_search_is_near_what_was_measured_and_never_below(monkeypatch, length, measured):
    monkeypatch.setattr(hhsuite, "maxres", lambda *_: 20_001)
    assert measured <= search_mem_mb(length, Library("db", 91_501, 0, 5000, ""), "fast") <= 1.4 * measured


def test_hybrid_asks_for_the_memory_of_its_largest_search():
    library = Library("db", 91_501, 0, 5000, "")
    assert search_mem_mb(300, library, "hybrid") == search_mem_mb(300, library, "lean")


def test_files_of_a_library_are_six():
    assert library_files("a/db") == [f"a/db_{part}.ff{kind}" for part in hhsuite.PARTS for kind in ("data", "index")]


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Folder on PATH that is empty, and one in the place of Debian's builds; function that puts programs there."""
    on_path, debian = tmp_path / "bin", tmp_path / "debian"
    on_path.mkdir(), debian.mkdir()
    monkeypatch.setenv("PATH", str(on_path))
    monkeypatch.setattr(hhsuite, "DEBIAN_BINARIES", str(debian))
    monkeypatch.setattr(hhsuite, "_processor_flags", lambda: {"avx", "sse4_1", "avx2"})

    def put(*names):
        for name in names:
            path = debian / name if "-" in name else on_path / name
            path.write_text("#!/bin/sh\n")
            path.chmod(0o755)

    return put


def test_program_on_the_path_is_taken(programs, tmp_path):
    programs("hhsearch", "hhsearch-avx2")
    assert hhsuite.find_program("hhsearch") == str(tmp_path / "bin" / "hhsearch")


def test_build_for_this_processor_is_taken_where_debian_hides_it(programs, tmp_path, monkeypatch):
    programs("cstranslate-plain", "cstranslate-sse4.1")
    assert hhsuite.find_program("cstranslate") == str(tmp_path / "debian" / "cstranslate-sse4.1")
    monkeypatch.setattr(hhsuite, "_processor_flags", set)
    assert hhsuite.find_program("cstranslate") == str(tmp_path / "debian" / "cstranslate-plain")


def test_build_itself_is_taken_where_the_path_has_only_debians_script(programs, tmp_path):
    programs("simd-dispatch", "hhsearch-avx2")
    (tmp_path / "bin" / "hhsearch").symlink_to(tmp_path / "debian" / "simd-dispatch")
    assert hhsuite.find_program("hhsearch") == str(tmp_path / "debian" / "hhsearch-avx2")


def test_script_is_better_than_nothing(programs, tmp_path):
    programs("simd-dispatch")
    (tmp_path / "bin" / "hhsearch").symlink_to(tmp_path / "debian" / "simd-dispatch")
    assert hhsuite.find_program("hhsearch") == str(tmp_path / "bin" / "hhsearch")


def test_program_that_is_nowhere_is_reported(programs):
    with pytest.raises(UserError, match="HH-suite's cstranslate is not installed: run bin/setup"):
        hhsuite.find_program("cstranslate")


def test_context_data_are_found_by_hhlib(programs, tmp_path, monkeypatch):
    programs("hhmake")
    monkeypatch.setattr(hhsuite, "DEBIAN_DATA", str(tmp_path / "none"))
    monkeypatch.setenv("HHLIB", str(tmp_path / "hh"))
    with pytest.raises(UserError, match="cs219.lib is not found: install hhsuite-data, or set HHLIB"):
        hhsuite.context_data("cs219.lib")
    (tmp_path / "hh" / "data").mkdir(parents=True)
    (tmp_path / "hh" / "data" / "cs219.lib").write_text("")
    assert hhsuite.context_data("cs219.lib") == str(tmp_path / "hh" / "data" / "cs219.lib")


def test_version_is_empty_where_hhsearch_is_absent(programs):
    assert hhsuite.hhsuite_version() == ""


@pytest.mark.hhsuite
def test_version_of_the_installed_hhsearch():
    assert hhsuite.hhsuite_version().split(".")[0] == "3"


@pytest.mark.hhsuite
def test_killed_job_takes_the_real_hhsearch_with_it(tmp_path, small_library):
    """What is started is hhsearch, not a script around it, which would die alone."""
    os.mkfifo(tmp_path / "never.a3m")  # hhsearch waits for its query for ever
    script = (
        "import sys; from proteofold.science import hhsuite; from proteofold.system.process import run_tool\n"
        "run_tool(hhsuite.search_command('lean', *sys.argv[1:], query_length=9, maxres=900))\n"
    )
    never = str(tmp_path / "never.a3m")
    words = [never, small_library, str(tmp_path / "o.hhr")]
    job = subprocess.Popen([sys.executable, "-c", script, *words])
    try:
        wait_for(lambda: searches_for(never))
        job.send_signal(signal.SIGKILL)
        job.wait()
        wait_for(lambda: not searches_for(never))
    finally:
        for process in searches_for(never):
            os.kill(process, signal.SIGKILL)


def wait_for(condition):
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.05)


def searches_for(query):
    """Ids of the living hhsearch processes (not of scripts around them) for a query."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if query.encode() in (folder / "cmdline").read_bytes().split(b"\0"):
                found += [int(folder.name)] if "hhsearch" in os.readlink(folder / "exe") else []
        except OSError:
            continue
    return found
