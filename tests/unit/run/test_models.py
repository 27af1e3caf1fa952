"""Models of the proteins of a run: which alignment, which structure, and the command that writes them."""

import csv
import gzip
import io
import json
import os
import sys
import time
import zipfile
from pathlib import Path

import pytest
from Bio.PDB import PDBParser
from click.testing import CliRunner
from runfolders import FolderOfRuns, span_hit
from structures import HBA, modelled_run

from proteofold.cli.main import cli
from proteofold.formats.packed_hhr import ALIGNED_HITS
from proteofold.run.merge import merge_run
from proteofold.run.models import model_of, models_of_domains, templates_of_domains
from proteofold.science.model_text import model_text
from proteofold.service.models import send_model, send_models, write_models
from proteofold.store.queries import NotFoundError
from proteofold.system.errors import UserError


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A working folder."""
    monkeypatch.chdir(tmp_path)
    return FolderOfRuns(tmp_path)


@pytest.fixture
def run(runs, tmp_path):
    """The run of structures.modelled_run."""
    return modelled_run(tmp_path)


@pytest.fixture
def structures(tmp_path, run):
    """The folder with the structure of its first template."""
    return tmp_path / "resources" / "structures"


def test_model_of_a_domain_is_that_of_its_hit(run, structures):
    member = run.members["P69905"]
    model = model_of(run, member, domain=1, structures=structures)
    assert (model.query_id, model.template, model.rank) == (HBA, "4HHB_A", 1)
    assert (model.evalue, model.identity, model.coverage) == (4.7e-84, 100, 139 / 142)
    # the alignment begins at residue 2 of the protein and 1 of the template
    assert [residue.number for residue in model.residues] == list(range(4, 143))
    assert model.residues[0].template.number == "103"
    assert {residue.confidence for residue in model.residues} == {75, 95}
    assert model_of(run, member, structures=structures) == model == model_of(run, member, rank=1, structures=structures)


def test_structure_without_the_chain_of_the_template_is_an_error(run, structures):
    # hits 1 and 3 are chains of one entry
    with pytest.raises(UserError, match="4hhb.cif.gz: no protein chain B"):
        model_of(run, run.members["P69905"], rank=3, structures=structures)


@pytest.mark.parametrize(
    ("choice", "what"),
    [({"domain": 2}, "no domain 2 .* 1 domains"), ({"rank": 13}, "no hit 13 .* 10 hits")],
)
def test_domains_and_hits_that_are_not_there_are_errors(run, structures, choice, what):
    with pytest.raises(UserError, match=what):
        model_of(run, run.members["P69905"], structures=structures, **choice)


def test_protein_without_a_domain_has_no_model(run, structures):
    with pytest.raises(UserError, match="lonely has no domain 1"):
        model_of(run, run.members["lonely"], structures=structures)


def test_protein_without_a_result_has_no_model(runs, structures):
    run = runs.plan("other", ["P1"])
    with pytest.raises(UserError, match="P1 has no result in the run other"):
        model_of(run, run.members["P1"], structures=structures)


def test_missing_structure_is_an_error_that_names_the_command(run, structures):
    with pytest.raises(UserError, match="1ibe.cif.gz is missing: 'proteofold fetch structures demo --template 1IBE_A'"):
        model_of(run, run.members["P69905"], rank=2, structures=structures)


@pytest.mark.parametrize("name", ["4hhb.cif", "hh/4hhb.cif.gz", "hh/4hhb.cif"])
def test_structure_may_lie_as_in_a_copy_of_the_pdb(run, structures, name):
    (structures / "hh").mkdir()
    packed = (structures / "4hhb.cif.gz").read_bytes()
    (structures / "4hhb.cif.gz").unlink()
    (structures / name).write_bytes(packed if name.endswith(".gz") else gzip.decompress(packed))
    assert len(model_of(run, run.members["P69905"], structures=structures).residues) == 139


def test_hit_whose_alignment_is_not_kept_has_no_model(runs, structures):
    run = runs.plan("many", ["P1"])
    noise = [span_hit(1, 3, "4HHB_A", evalue=5.0, probability=2.0, rank=rank) for rank in range(1, ALIGNED_HITS + 2)]
    runs.finish(run, "P1", noise)
    with pytest.raises(UserError, match=f"hit {ALIGNED_HITS + 1}, 4HHB_A: .*without the confidence"):
        model_of(run, run.members["P1"], rank=ALIGNED_HITS + 1, structures=structures)


def test_templates_of_a_run_are_those_of_its_domains(run, runs):
    assert templates_of_domains(run.folder) == ["4HHB_A"]
    with pytest.raises(UserError, match="not merged yet"):
        templates_of_domains(runs.plan("other", ["P1"]).folder)
    (run.folder.path / "domains.csv").write_text("nothing,of\nthe,kind\n")
    with pytest.raises(UserError, match="damaged"):
        templates_of_domains(run.folder)


@pytest.fixture
def call(run, structures):
    """Function that runs ``proteofold <words>`` where the run is in the store."""
    assert CliRunner().invoke(cli, ["store", "import", str(run.folder.path)]).exit_code == 0
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])


def test_command_writes_the_model_of_the_first_domain(call, tmp_path):
    outcome = call("model", "P69905", "--json")
    assert outcome.exit_code == 0, outcome.output
    facts = json.loads(outcome.output)
    assert (facts["file"], facts["residues"]) == ("P69905-domain1-4HHB_A.cif", 139)
    assert (tmp_path / facts["file"]).read_text().startswith("data_model\n")


def test_command_writes_pdb_for_that_file_ending(call, tmp_path):
    outcome = call("model", HBA, "--run", "demo", "--hit", 1, "--to", "new/model.pdb")
    assert outcome.exit_code == 0 and "4.7e-84" in outcome.output
    (chain,) = PDBParser(QUIET=True).get_structure("m", tmp_path / "new" / "model.pdb")[0]
    assert (len(chain), next(iter(chain)).id[1]) == (139, 4)


@pytest.mark.parametrize(
    ("words", "code", "what"),
    [
        (["nobody"], 3, "no protein 'nobody'"),
        (["P69905", "--run", "other"], 3, "other"),
        (["P69905", "--domain", "1", "--hit", "1"], 1, "give one of them"),
        (["P69905", "--to", "model.xyz"], 1, "expected .cif or .pdb"),
        (["lonely"], 1, "no domain 1"),
    ],
)
def test_command_reports_what_is_wrong_and_writes_nothing(call, tmp_path, words, code, what):
    before = sorted(tmp_path.iterdir())
    outcome = call("model", *words)
    assert (outcome.exit_code, what in outcome.output) == (code, True), outcome.output
    assert sorted(tmp_path.iterdir()) == before


# All models of a run


def test_zip_has_the_model_of_each_domain(run, structures, tmp_path):
    (tmp_path / "models.zip").write_bytes(zipped(run, structures))
    with zipfile.ZipFile(tmp_path / "models.zip") as archive:
        assert archive.testzip() is None
        texts = {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}
    assert set(texts) == {"README.txt", "P69905-domain1-4HHB_A.cif", "models.csv", "without_model.csv"}
    model = model_of(run, run.members["P69905"], structures=structures)
    assert texts["P69905-domain1-4HHB_A.cif"] == model_text(model, ".cif")
    (row,) = csv.DictReader(io.StringIO(texts["models.csv"]))
    assert (row["file"], row["query_id"], row["evalue"]) == ("P69905-domain1-4HHB_A.cif", HBA, "4.7e-84")
    assert texts["without_model.csv"] == ""


def zipped(run, structures):
    stream = io.BytesIO()
    write_models(run.folder.path, structures, stream)
    return stream.getvalue()


@pytest.fixture
def two_templates(runs, tmp_path, structures):
    """A run with a domain on a template with a structure, and one on a template without."""
    run = runs.plan("two", {"A": "A" * 100})
    runs.finish(run, "A", [span_hit(1, 40, "4HHB_A"), span_hit(51, 90, "9ZZZ_A", rank=2)])
    merge_run(run.folder.path)
    return run


def not_made(text):
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        return list(csv.DictReader(io.StringIO(archive.read("two-models/without_model.csv").decode())))


def test_domains_without_a_model_are_listed_with_the_reason(two_templates, structures, tmp_path):
    rows = not_made(zipped(two_templates, structures))
    assert [(row["query_id"], row["domain"], row["template"]) for row in rows][-1] == ("A", "2", "9ZZZ_A")
    assert "9zzz.cif.gz is missing" in rows[-1]["reason"] and str(tmp_path) not in str(rows)


@pytest.mark.parametrize(
    ("reading", "reason"),
    [(lambda *_: time.sleep(30), "takes more than 1 s"), (lambda *_: bytearray(1 << 62), "MB of memory")],
)
def test_structure_that_takes_too_much_has_no_model_and_stops_no_other(
    two_templates, structures, monkeypatch, reading, reason
):
    monkeypatch.setattr("proteofold.service.models.MODEL_S", 1)
    monkeypatch.setattr("proteofold.run.models.read_chain", reading)
    rows = not_made(zipped(two_templates, structures))
    assert [reason in row["reason"] for row in rows] == [True, False] and len(rows) == 2


def test_hits_on_templates_without_a_structure_are_not_read(two_templates, structures, monkeypatch):
    def read(search, entry, out):
        raise AssertionError("read")

    monkeypatch.setattr("proteofold.run.models.read_packed_hhr", read)
    (structures / "4hhb.cif.gz").unlink()
    assert ["is missing" in str(made) for *_, made in models_of_domains(two_templates, structures)] == [True, True]


def test_zip_without_any_structure_is_an_error_that_names_the_command(run, structures, tmp_path):
    with pytest.raises(NotFoundError, match="proteofold fetch structures demo"):
        zipped(run, tmp_path / "none")


def test_zip_is_exported(call, tmp_path):
    outcome = call("export", "demo", "--format", "models", "--to", "here")
    assert outcome.exit_code == 0, outcome.output
    assert len(zipfile.ZipFile(tmp_path / "here" / "models.zip").namelist()) == 4
    assert call("export", "nobody", "--format", "models").exit_code == 3


def test_model_in_a_process_of_its_own_is_the_same(run, structures):
    stream = io.BytesIO()
    send_model(run.folder.path, structures, stream, HBA, "pdb", rank=1)
    model = model_of(run, run.members["P69905"], rank=1, structures=structures)
    assert stream.getvalue().decode() == model_text(model, ".pdb")
    with pytest.raises(NotFoundError, match="has no hit 99"):
        send_model(run.folder.path, structures, stream, HBA, "pdb", rank=99)


def test_process_ends_when_its_reader_is_gone(run, structures):
    class Gone:
        def write(self, data):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        send_models(run.folder.path, structures, Gone())
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    assert not [pid for pid in children if "proteofold.service.models" in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.fixture
def child(monkeypatch, tmp_path):
    """Function that replaces the process that makes models with a line of Python."""

    def run(line):
        (tmp_path / "child").write_text(f"#!{sys.executable}\n{line}\n")
        (tmp_path / "child").chmod(0o755)
        monkeypatch.setattr("proteofold.system.paths.PYTHON", (str(tmp_path / "child"),))

    return run


def test_process_that_prints_nothing_ends_when_its_reader_is_gone(structures, tmp_path, child):
    class Gone:
        gone = True

    child("import time; time.sleep(20)")
    with pytest.raises(BrokenPipeError):
        send_models(tmp_path, structures, Gone())


def test_bug_in_the_process_is_no_missing_model(structures, tmp_path, child, capfd):
    child("1 / 0")
    with pytest.raises(RuntimeError, match="could not be made"):
        send_models(tmp_path, structures, io.BytesIO())
    assert "ZeroDivisionError" in capfd.readouterr().err
    child("import os; os.kill(os.getpid(), 9)")
    with pytest.raises(NotFoundError, match="time or memory"):
        send_models(tmp_path, structures, io.BytesIO())


@pytest.mark.parametrize(
    ("limits", "reason"), [({"MEMORY": 300 << 20}, "MB of memory"), ({"MODEL_S": 1}, "takes more than 1 s")]
)
def test_huge_structure_is_given_up(run, structures, monkeypatch, limits, reason):
    for name, value in limits.items():
        monkeypatch.setattr(f"proteofold.service.models.{name}", value)
    text = gzip.decompress((structures / "4hhb.cif.gz").read_bytes()).decode()
    atom = next(line for line in text.splitlines() if line.startswith("ATOM"))
    with gzip.open(structures / "4hhb.cif.gz", "wt", compresslevel=1) as handle:
        handle.write(text[: text.rindex("#")])
        for _ in range(20):
            handle.write(f"{atom}\n" * 20_000)
    with pytest.raises(NotFoundError, match=reason):
        send_model(run.folder.path, structures, io.BytesIO(), HBA, "cif")
