"""The commands proteofold fetch: what they print, their exit codes, and where addresses come from."""

import hashlib

import pytest
import yaml
from click.testing import CliRunner
from fetch_server import breaks_after, library_content, tar_gz
from runfolders import FolderOfRuns, span_hit
from structures import chain_rows, cif, components

from proteofold.cli.main import cli
from proteofold.fetch.sources import SOURCES, read_source
from proteofold.run.merge import merge_run
from proteofold.system.errors import UserError


@pytest.fixture
def call(tmp_path, monkeypatch):
    """Function that runs the command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*words, **variables):
        outcome = CliRunner().invoke(cli, ["fetch", *map(str, words)], env=variables)
        assert outcome.exception is None or isinstance(outcome.exception, SystemExit), outcome.exception
        return outcome

    return run


@pytest.fixture
def content(tmp_path, make_library):
    """Names and contents of an archive of PDB70."""
    return library_content(make_library(tmp_path / "made" / "x", {"1ABC_A": 1000, "2DEF_B": 30}))


def test_pdb70_is_fetched_once_and_then_reported_as_present(call, server, content):
    server.files["/pdb70_from_mmcif_220313.tar.gz"] = packed = tar_gz(content)
    server.faults = [breaks_after(1000)]
    words = ("pdb70", "--parts", "hhm,cs219", "--url", server.url("/pdb70_from_mmcif_220313.tar.gz"))
    checksum = f"sha256:{hashlib.sha256(packed).hexdigest().upper()}"
    outcome = call(*words, "--checksum", checksum)
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stdout.splitlines() == [
        "fetched resources/templates/pdb70-220313-hhm-cs219: 2 templates, 0.0 GB",
        "checked: 4 files by the archive's list, every index entry, the names of all parts",
        "in use: resources/templates/pdb70/pdb70",
    ]
    outcome = call(*words)
    assert outcome.stdout.startswith("already present: resources/templates/pdb70-220313-hhm-cs219: 2 templates")
    copied = call("local-copy", "resources/templates/pdb70/pdb70", "local/pdb70")
    assert copied.stdout.splitlines()[-1] == "in use: local/pdb70/pdb70"
    assert call("warm", "local/pdb70/pdb70").stdout.startswith("read 0.00 GB in ")


def test_proteome_is_fetched_from_the_address_in_the_environment(call, server):
    server.files["/UP000005640"] = b">A\nMKV\n>B\nMK\n"
    outcome = call("proteome", "up000005640", PROTEOFOLD_PROTEOME_URL=server.url("/{id}"))
    assert outcome.stdout == "fetched UP000005640.fasta.gz: 2 proteins, 5 residues\n"
    outcome = call("proteome", "UP000005640", PROTEOFOLD_PROTEOME_URL=server.url("/{id}"))
    assert outcome.stdout == "already present: UP000005640.fasta.gz: 2 proteins, 5 residues\n"


def test_official_checksum_of_the_weights_is_asked_for(call, server):
    server.files["/w.tar.gz"] = tar_gz({"weights/weights_1.pt": b"1"})
    outcome = call("weights", "--url", server.url("/w.tar.gz"))
    assert outcome.exit_code == 1
    assert "expected e04ad7d10b61551f7e07a86b65bb88dc" in outcome.stderr
    outcome = call("weights", "--url", server.url("/w.tar.gz"), "--checksum", "none")
    assert "lacks weights_2.pt" in outcome.stderr


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("pdb70", "--parts", "hhm"), "expected hhm,cs219 or a3m,hhm,cs219"),
        (("pdb70", "--parts", "hhm,cs219,x"), "expected hhm,cs219"),
        (("pdb70", "--url", "ftp://h/x.tar.gz"), "expected http://"),
        (("pdb70", "--url", "file:///etc/passwd"), "expected http://"),
        (("pdb70", "--url", "https://me:secret@h/x"), "would appear in logs"),
        (("pdb70", "--url", "http://[::1/x"), "expected http://"),
        (("pdb70", "--url", "http://h/a b"), "blanks and the like as %20"),
        (("pdb70", "--url", "http://h/a\nb"), "expected http://"),
        (("weights", "--checksum", "e04ad7"), "expected md5:<32 hex digits>"),
        (("proteome", "9606"), "not the id of a proteome"),
        (("local-copy", "nothing/pdb70", "local"), "nothing/pdb70_hhm.ffdata"),
    ],
)
def test_wrong_words_are_reported_without_asking_anybody(call, words, what):
    outcome = call(*words)
    assert outcome.exit_code == 1
    assert what in outcome.stderr
    assert "secret" not in outcome.stderr


def test_file_of_sources_names_good_ones():
    for name in yaml.safe_load(SOURCES.read_text()):
        assert read_source(name).url.startswith("http")
    assert read_source("weights").checksum == "md5:e04ad7d10b61551f7e07a86b65bb88dc"
    assert read_source("weights", checksum="none").checksum is None
    with pytest.raises(UserError, match="checksum 'sha1:aa'"):
        read_source("weights", checksum="sha1:aa")
    assert "{id}" in read_source("proteome").url


@pytest.fixture
def merged(tmp_path):
    """A merged run of one protein with two domains."""
    runs = FolderOfRuns(tmp_path)
    run = runs.plan(proteins={"P1": "MKVLI" * 40})
    runs.finish(run, "P1", [span_hit(1, 80, "1ABC_A"), span_hit(101, 180, "2DEF_B", rank=2)])
    merge_run(run.folder.path)


def test_structures_of_the_domains_of_a_run_are_fetched(call, server, merged, tmp_path):
    server.files["/1abc"] = cif(chain_rows("MKV"), components("MKV"), "1ABC").encode()
    server.files["/2def"] = cif(chain_rows("MKV"), components("MKV"), "2DEF").encode()
    address = {"PROTEOFOLD_STRUCTURES_URL": server.url("/{id}")}
    outcome = call("structures", "demo", **address)
    assert outcome.stdout == "fetched 2 structures to resources/structures; 0 already present\n"
    assert {path.name for path in (tmp_path / "resources/structures").iterdir()} == {"1abc.cif.gz", "2def.cif.gz"}
    outcome = call("structures", "demo", "--template", "1ABC_A", "--template", "MINE", **address)
    assert "fetched 0 structures" in outcome.stdout and "1 already present" in outcome.stdout
    assert "MINE" in outcome.stdout


def test_structures_that_are_not_available_are_reported(call, server, merged):
    server.files["/1abc"] = cif(chain_rows("MKV"), components("MKV"), "1ABC").encode()
    outcome = call("structures", "demo", "--url", server.url("/{id}"))
    assert outcome.exit_code == 1
    assert "fetched 1 structure " in outcome.stdout
    assert "/2def: the server answered 404" in outcome.stderr


def test_structures_need_a_run(call):
    outcome = call("structures", "nothing")
    assert outcome.exit_code == 1 and "no folder nothing" in outcome.output


def test_classification_is_fetched_from_the_addresses_in_the_environment(call, server):
    server.files["/all"] = b"1abcA00 v4_4_0 1.10.8.10 1-100:A\n"
    server.files["/names"] = b"1.10.8.10 DNA helicase\n"
    addresses = {
        "PROTEOFOLD_CLASSIFICATION_URL": server.url("/all"),
        "PROTEOFOLD_CLASSIFICATION_NAMES_URL": server.url("/names"),
    }
    reported = "resources/classification/cath-20220313: 1 domains in 1 superfamilies, CATH v4_4_0\n"
    assert call("classification", **addresses).stdout == f"fetched {reported}"
    assert call("classification", **addresses).stdout == f"already present: {reported}"
