"""The checks before a run: each kind of bad input is reported with file, line, id and what to do, all at once."""

import gzip
import hashlib
import shutil
import tracemalloc

import pytest
import yaml

from proteofold.run import inputs
from proteofold.run.inputs import check_inputs, check_records
from proteofold.science.weights import WEIGHT_FILES
from proteofold.system.errors import UserError
from proteofold.system.paths import DEFAULT_CONFIG


@pytest.fixture
def check(tmp_path, make_library):
    """Function that checks FASTA texts (and a list of ids) with everything else in order."""
    library = make_library(tmp_path / "library" / "db", {"A": 10, "B": 30})
    weights = tmp_path / "weights"
    weights.mkdir()
    for name in WEIGHT_FILES:
        (weights / name).write_bytes(b"")

    def run(*fastas, listed=None, **changes):
        paths = []
        for number, content in enumerate(fastas, 1):
            paths.append(tmp_path / f"{number}.fasta")
            paths[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
        if listed is not None:
            (tmp_path / "ids.txt").write_bytes(listed if isinstance(listed, bytes) else listed.encode())
        config = yaml.safe_load(DEFAULT_CONFIG.read_text()) | {
            "run": "test",
            "proteins": [str(path) for path in paths],
            "ids": None if listed is None else str(tmp_path / "ids.txt"),
            "templates": library,
        }
        config["s4pred"] |= {"weights": str(weights), "device": "cpu"}
        return check_inputs(config | changes)

    return run


@pytest.fixture(autouse=True)
def programs(monkeypatch):
    """HH-suite is taken to be there."""
    monkeypatch.setattr(inputs.shutil, "which", lambda name: f"/usr/bin/{name}")


def test_good_input_passes_without_a_message(check):
    checked = check(">sp|P69905|HBA_HUMAN x\nMKV\nLA\n>b\nMMM\n")
    assert (checked.errors, checked.notes) == ([], [])
    assert [(query.query_id, query.protein, query.sequence) for query in checked.queries] == [
        ("sp|P69905|HBA_HUMAN", "P69905", "MKVLA"),
        ("b", "b", "MMM"),
    ]
    assert checked.queries[0].md5 == hashlib.md5(b"MKVLA", usedforsecurity=False).hexdigest()
    assert checked.templates.library.templates == 2


@pytest.mark.parametrize(
    ("content", "what"),
    [
        pytest.param("", "1.fasta is empty. Give a FASTA file with at least one protein", id="empty"),
        pytest.param(gzip.compress(b""), "holds no FASTA record", id="empty gzip"),
        pytest.param("\n\n", "holds no FASTA record", id="only blank lines"),
        pytest.param("MKV\n", "1.fasta, line 1: not FASTA", id="not FASTA"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0", "1.fasta, line 1: not FASTA", id="an image"),
        pytest.param(">\nMKV\n", "line 1: a header without an id", id="no id"),
        pytest.param(">a\nMKV\n>b\n>c\nMKV\n", "line 3: b: no sequence. Add it or remove", id="no sequence"),
        pytest.param(">a\n*\n", "line 1: a: no sequence", id="only a stop"),
        pytest.param(">a\nMK1V\n", "line 1: a: '1' at position 3 of 4 is not an amino acid", id="digit"),
        pytest.param(">a\nMK-V\n", "This looks like an alignment: give the sequence without gaps", id="gap"),
        pytest.param(">a\nMK.V\n", "This looks like an alignment", id="dot"),
        pytest.param(">a\nM*KV\n", "A stop inside a sequence: cut the translation there", id="inner stop"),
        pytest.param(">a\nMKV**\n", "A stop inside a sequence", id="two stops"),
        pytest.param(">a\nMK\u00dfV\n", "'\u00df' at position 3 of 4", id="sharp s, two letters in upper case"),
        pytest.param(">a\nMK\u017fV\n", "'\u017f' at position 3 of 4", id="long s, an S in upper case"),
        pytest.param(">a\nMK\u0131V\n", "'\u0131' at position 3 of 4", id="dotless i, an I in upper case"),
        pytest.param(">a\nmk1\n", "'1' at position 3 of 3", id="digit in lower case"),
        pytest.param(b">a\nMK\xffV\n", "'\ufffd' at position 3 of 4", id="undecodable residue"),
        pytest.param(b">a\nMK\0V\n", "'\\x00' at position 3 of 4", id="zero byte"),
        pytest.param(b">caf\xe9\nMKV\n", "an id must be printable UTF-8 of at most 500 characters", id="Latin-1 id"),
        pytest.param(">a\x1b[31m\nMKV\n", "line 1: a\\x1b[31m: an id must be printable", id="control character"),
        pytest.param(">a\u200bb\nMKV\n", "line 1: a\\u200bb: an id must be printable", id="invisible character"),
        pytest.param(f">{'a' * 501}\nMKV\n", "aaa...: an id must be printable", id="very long id"),
        pytest.param(">ss_1\nMKV\n", "line 1: ss_1: HH-suite takes ids that begin with ss_, sa_ or aa_", id="ss_ id"),
        pytest.param(">x_consensus\nMKV\n", "or hold _consensus for annotation. Rename it", id="_consensus id"),
        pytest.param(">a\nMKV\n>a\nMKL\n", "line 3: a: this id has another sequence at", id="two sequences"),
        pytest.param(
            ">sp|P1|A\nMKV\n>tr|P1|B\nMKL\n",
            "line 3: tr|P1|B: would share the files 'P1' with sp|P1|A",
            id="one accession",
        ),
        pytest.param(">P1\nMKV\n>sp|P1|B\nMKV\n", "would share the files 'P1' with P1", id="accession alone"),
    ],
)
def test_problem_is_reported_with_its_place_and_a_way_out(check, content, what):
    (error,) = check(content).errors
    assert what in error
    assert "1.fasta" in error
    assert error.endswith(".")


def test_records_without_an_id_hide_no_other_problem(check):
    errors = check(">\nMKV\n>a\nMK1\n> \nMKV\n").errors
    assert [error.partition(", ")[2][:6] for error in errors] == ["line 1", "line 3", "line 5"]


@pytest.mark.parametrize(
    ("content", "sequence", "note"),
    [
        (">a\nMKV*\n", "MKV", "1 record with a '*' at the end, which was dropped: a (line 1)"),
        (">a\nmkV\n", "MKV", "with lower-case residues, taken as upper case: a (line 1)"),
        (">a\nMUX\n", "MUX", "with residues of B, J, O, U, X, Z, which S4PRED takes as unknown"),
        (">a\nMKV\n>a\nmkv\n", "MKV", "given again with the same sequence, taken once"),
        (f">a\n{'ACGT' * 8}\n", "ACGT" * 8, "of nucleotide letters only; if this is DNA or RNA"),
        (b">a\r\nMK\r\nV\r\n", "MKV", None),
        (gzip.compress(b">a\nMKV\n"), "MKV", None),
        (f">{'a' * 500}\nMKV\n", "MKV", None),
        (">a\nBJOUXZ\n", "BJOUXZ", "which S4PRED takes as unknown"),
    ],
)
def test_what_can_be_corrected_is_corrected_and_reported(check, content, sequence, note):
    checked = check(content)
    assert checked.errors == []
    assert [query.sequence for query in checked.queries] == [sequence]
    assert [text for text in checked.notes if note and note in text] or not note


def test_notes_count_and_show_five(check):
    (note,) = check("".join(f">p{number}\nMKV*\n" for number in range(8))).notes
    assert note.endswith(
        "8 records with a '*' at the end, which was dropped: "
        + ", ".join(f"p{number} (line {2 * number + 1})" for number in range(5))
        + " and 3 more."
    )


def test_same_file_twice_is_taken_once(check):
    checked = check(">a\nMKV\n>b\nMKL\n", ">b\nMKL\n>a\nMKV\n>c\nM\n")
    assert checked.errors == []
    assert [query.query_id for query in checked.queries] == ["a", "b", "c"]
    assert "2.fasta: 2 records given again" in checked.notes[0]


def test_problems_of_all_inputs_are_reported_at_once(check, tmp_path):
    checked = check("MKV\n", ">a\nMK1\n>b\n\n>c\nMKV\n", listed="zzz\n", templates="nowhere")
    assert ["not FASTA" in checked.errors[0], "'1' at position 3" in checked.errors[1]] == [True, True]
    assert "no sequence" in checked.errors[2]
    assert checked.errors[-1].startswith("template library nowhere: missing nowhere_hhm.ffdata")
    with pytest.raises(UserError, match=r"^\d problems in the inputs; nothing was run:\n  - "):
        checked.raise_errors()


def test_missing_file_folder_and_damaged_gzip_are_reported(check, tmp_path):
    (tmp_path / "cut.gz").write_bytes(gzip.compress(b">a\nMKV\n" * 50)[:-10])
    names = ["none.fasta", "library", "cut.gz"]
    checked = check(proteins=[str(tmp_path / name) for name in names])
    for name, error in zip(names, checked.errors, strict=True):
        assert f"{name}" in error and "cannot be read" in error


def test_hostile_ids_get_harmless_files(check):
    ids = [
        "sp|../../etc/x|y",
        "a;rm",
        "$(id)",
        "`id`",
        "-rf",
        "..",
        "日本",
        "x" * 500,
        '"q"',
        "'q'",
        "a,b",
        "{x}",
        "%s",
    ]
    checked = check("".join(f">{query_id}\nMKV\n" for query_id in ids))
    assert checked.errors == []
    assert [query.query_id for query in checked.queries] == ids
    assert all(query.protein.replace("-", "").replace("_", "").isalnum() for query in checked.queries)
    assert len({query.protein for query in checked.queries}) == len(ids)


FASTA = ">sp|P1|A\nMKV\n>b\nMKL\n>sp|P3|C\nMKI\n"


@pytest.mark.parametrize(
    "ids",
    [
        "sp|P3|C\nsp|P1|A\n",
        "P3\nP1\n",
        "P1\r\nP3\r\n",
        "P1\rP3\r",
        "\ufeff\n P1 \n\nP3\nP1\nsp|P1|A",
        gzip.compress(b"P1\nP3\n"),
    ],
)
def test_listed_ids_are_taken_in_the_order_of_the_fasta(check, ids):
    checked = check(FASTA, listed=ids)
    assert checked.errors == []
    assert [query.query_id for query in checked.queries] == ["sp|P1|A", "sp|P3|C"]


def test_listed_id_that_is_in_no_fasta_is_reported(check, tmp_path):
    checked = check(FASTA, listed="P1\n\nP9\n>b\n")
    assert checked.errors == [
        f"{tmp_path}/ids.txt, line {line}: {name} is in none of the FASTA files of 'proteins'. Add its record there or "
        "take it off the list."
        for line, name in [(3, "P9"), (4, ">b")]
    ]


def test_listed_id_of_a_bad_record_is_not_reported_twice(check):
    (error,) = check(">sp|P1|A\nMK1\n>b\nMKL\n", listed="P1\nb\n").errors
    assert "'1' at position 3" in error


def test_list_is_not_blamed_for_a_fasta_that_cannot_be_read(check):
    (error,) = check("", listed="P1\nP2\n").errors
    assert "is empty" in error


def test_empty_list_leaves_nothing_to_run(check):
    assert check(FASTA, listed="\n").errors == [
        "no protein is left to run: see 'proteins' and 'ids' in the configuration."
    ]


@pytest.mark.parametrize(
    "content",
    [gzip.compress(b"P1\n" * 9999)[:-10], gzip.compress(bytes(range(256)) * 99)[:60] + b"\xff" * 99],
    ids=["cut gzip", "damaged gzip"],
)
def test_damaged_list_is_reported(check, content):
    errors = check(FASTA, listed=content).errors
    assert "ids.txt: cannot be read (" in errors[-1] and "See 'ids'" in errors[-1]


@pytest.mark.parametrize("codec", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_called_that(check, tmp_path, codec):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "t.a3m").write_bytes(">t\nMKV\n".encode(codec))
    errors = check(FASTA.encode(codec), templates={"build": str(tmp_path / "src")}).errors
    errors += check(FASTA, listed=gzip.compress("P1\n".encode(codec))).errors
    for name, error in zip(("1.fasta", "t.a3m", "ids.txt"), [errors[0], errors[1], errors[2]], strict=True):
        assert name in error and "UTF-16" in error


def test_files_of_a_build_folder_that_are_not_read_are_reported(check, tmp_path):
    source = tmp_path / "src"
    (source / "more").mkdir(parents=True)
    for name in ("a.fa", "b.a2m", "c.pep", "d.a3m.zip", ".hidden"):
        (source / name).write_text(">a\nMKV\n")
    checked = check(FASTA, templates={"build": str(source)})
    assert checked.errors == []
    (note,) = checked.notes
    assert "not read as templates: b.a2m, c.pep, d.a3m.zip, more/." in note
    (source / "a.fa").unlink()
    (error,) = check(FASTA, templates={"build": str(source)}).errors
    assert "It holds b.a2m, c.pep, d.a3m.zip, more/." in error


def test_template_id_that_is_not_utf_8_is_refused(check, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "t.fa").write_bytes(b">good\nMKV\n>tm\xe9\nMKV\n")
    (error,) = check(FASTA, templates={"build": str(tmp_path / "src")}).errors
    assert "t.fa, line 3: " in error and "must be printable UTF-8" in error


def test_missing_list_and_folder_are_reported(check, tmp_path):
    for name in ("none.txt", "library"):
        errors = check(FASTA, ids=str(tmp_path / name)).errors
        assert f"{name}: cannot be read (" in errors[0]


def test_missing_weights_are_reported(check, tmp_path):
    (tmp_path / "weights" / "weights_3.pt").unlink()
    (error,) = check(FASTA).errors
    assert "weights lacks weights_3.pt" in error


def test_missing_weights_of_templates_and_queries_are_reported_once(check, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.fasta").write_text(FASTA)
    templates = {"build": str(tmp_path / "mine"), "predict": "none"}
    s4pred = yaml.safe_load(DEFAULT_CONFIG.read_text())["s4pred"] | {"weights": "none"}
    errors = check(FASTA, templates=templates, s4pred=s4pred).errors
    assert len(errors) == 1 and "none lacks weights_1.pt" in errors[0]


def test_library_that_cannot_be_opened_is_reported(check, monkeypatch):
    def refuse(config):
        raise PermissionError(13, "Permission denied", "db_hhm.ffindex")

    monkeypatch.setattr(inputs, "template_choice", refuse)
    assert check(FASTA).errors == ["db_hhm.ffindex: cannot be read (Permission denied)."]


def test_every_bad_template_is_one_problem(check, tmp_path):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "a.fa").write_text("")
    (tmp_path / "src" / "b.a3m").write_text("x")
    errors = check(FASTA, templates={"build": str(tmp_path / "src")}).errors
    assert [str(tmp_path / "src" / name) in error for name, error in zip(("a.fa", "b.a3m"), errors, strict=True)]


def test_braces_in_paths_that_snakemake_is_given_are_reported(check, tmp_path, make_library):
    library = make_library(tmp_path / "a {x}" / "db", {"A": 10})
    weights = shutil.copytree(tmp_path / "weights", tmp_path / "{y}")
    errors = check(
        FASTA,
        templates=library,
        s4pred={"weights": str(weights), "device": "cpu", "precision": "fp32", "memory_mb": 1400},
    ).errors
    assert [error.split(": ")[0:2] for error in errors] == [
        ["configuration, templates", library],
        ["configuration, s4pred", "weights"],
    ]
    assert all("braces in a path are wildcards to Snakemake" in error for error in errors)


def test_configuration_is_checked_first(check):
    assert len(check(FASTA, keep="hhr").errors) == 1


def test_missing_hhsearch_is_reported(check, monkeypatch):
    monkeypatch.setattr(inputs.shutil, "which", lambda name: None)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(inputs.hhsuite, "DEBIAN_BINARIES", "/nowhere")
    (error,) = check(FASTA).errors
    assert "hhsearch is not installed: run bin/setup" in error
    assert check(FASTA, container="/images/proteofold.sif").errors == []


@pytest.mark.parametrize("image", ["/img/a$(touch${IFS}x).sif", "/img(1)/p.sif", "a b.sif", "x.sif;id"])
def test_image_whose_name_means_something_to_a_shell_is_refused(check, image):
    (error,) = check(FASTA, container=image).errors
    assert "container" in error


def test_nothing_is_written(check, tmp_path):
    check(FASTA, listed="P1\n")
    before = sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.name != "1.fasta")
    check(FASTA, ids=str(tmp_path / "ids.txt"))
    assert before == sorted((path, path.stat().st_mtime_ns) for path in tmp_path.rglob("*") if path.name != "1.fasta")


def test_unpacking_does_not_hold_what_is_refused(check, tmp_path):
    """A small gzip file that unpacks to much is refused at its first line, in little memory."""
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb", compresslevel=1) as handle:
        for _ in range(32):
            handle.write(b"A" * 2**20)
    tracemalloc.start()
    checked = check(proteins=[str(path)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "not FASTA" in checked.errors[0]
    assert peak < 16 * 2**20


def test_folder_in_which_snakemake_cannot_keep_its_records_is_reported(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_records()
    monkeypatch.setattr(inputs.os, "access", lambda path, mode: False)
    with pytest.raises(UserError, match=".snakemake: cannot be written. Change the rights of") as error:
        check_records()
    assert error.value.topic == "inputs"
    (tmp_path / ".snakemake").mkdir()
    check_records()  # what is there may serve to read
