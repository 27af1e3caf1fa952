"""Models of the proteins of a run: which alignment, which structure, and the command that writes them."""

import gzip
import json

import pytest
from Bio.PDB import PDBParser
from click.testing import CliRunner
from runfolders import FolderOfRuns, span_hit
from structures import atoms, cif, components

from proteofold.cli.main import cli
from proteofold.formats.packed_hhr import ALIGNED_HITS, read_alignments
from proteofold.run.merge import merge_run
from proteofold.run.models import model_of, templates_of_domains
from proteofold.run.results import read_packed_hhr
from proteofold.system.errors import UserError

HBA = "sp|P69905|HBA_HUMAN"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """A working folder."""
    monkeypatch.chdir(tmp_path)
    return FolderOfRuns(tmp_path)


@pytest.fixture
def run(runs, data):
    """A merged run of haemoglobin, whose hits are those of a real search, and of a protein without hits."""
    run = runs.plan(proteins={HBA: "M" * 142, "lonely": "MKV"})
    runs.finish(run, "P69905", hhr=data / "hhsearch3.hhr")
    runs.finish(run, "lonely", [])
    merge_run(run.folder.path)
    return run


@pytest.fixture
def structures(tmp_path, run):
    """A folder with a structure of 4HHB: chain A lacks the first two residues and is numbered from 101."""
    packed = read_packed_hhr(run.search, run.members["P69905"].entry)
    sequence = read_alignments(packed)[0].template_sequence
    rows = [row for at, name in enumerate(components(sequence), 1) if at > 2 for row in atoms(name, at, at + 100)]
    folder = tmp_path / "resources" / "structures"
    folder.mkdir(parents=True)
    (folder / "4hhb.cif.gz").write_bytes(gzip.compress(cif(rows, components(sequence), "4HHB").encode()))
    return folder


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
