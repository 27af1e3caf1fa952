"""The pipeline in its image: as a user of another number, with results on the host."""

import csv
import os
import shutil
import sys
import time

import pytest
from engine import ROOT, STORAGE

USER = 4321  # known neither here nor in the image

# What Snakemake calls for a rule with `container:`. Apptainer itself is not in Debian; this stand-in takes the options
# that Snakemake gives to `apptainer exec`, and runs the command in podman, in the same folder.
_APPTAINER = """#!{python}
import os, sys
if "--version" in sys.argv:
    print("apptainer version 1.3.0")
    sys.exit()
words = sys.argv[sys.argv.index("exec") + 1 :]
here = os.getcwd()
command = ["podman", "run", "--rm", "--volume", f"{{here}}:{{here}}", "--workdir", here, "--user=0"]
while words[0].startswith("--"):
    option, value = words[0], words[1]
    if option == "--bind":
        command += ["--volume", f"{{value}}:{{value}}"]
    words = words[2:]
image = os.path.basename(words[0]).removesuffix(".sif")
with open(os.path.join(os.path.dirname(__file__), "used"), "a") as used:
    print(words[-1], file=used)
os.execvp(command[0], [*command, f"localhost/proteofold-{{image}}:0.1.0", *words[1:]])
"""


@pytest.fixture
def folder():
    """A folder of the user."""
    path = STORAGE / "work"
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    os.chown(path, USER, USER)
    STORAGE.chmod(0o711)
    yield path
    shutil.rmtree(path)


def options(folder):
    return ["--read-only", f"--user={USER}:{USER}", f"--volume={folder}:/project"]


def rows(path):
    with open(path, newline="") as table:
        return list(csv.DictReader(table))


def test_demo_runs_as_another_user_and_leaves_its_files_to_it(engine, pipeline, folder):
    engine.podman("run", "--rm", *options(folder), pipeline)
    assert len(rows(folder / "results/demo/merge_results.csv")) == 20
    assert {(path.stat().st_uid, path.stat().st_gid) for path in folder.rglob("*")} == {(USER, USER)}


def test_a_killed_container_loses_no_result_and_the_same_command_resumes(engine, pipeline, folder):
    engine.podman("run", "--detach", "--name=killed", *options(folder), pipeline)
    deadline = time.monotonic() + 600
    while len(done := list(folder.glob("results/shared/searches/*/hhr/*/*.hhr.gz"))) < 3:
        assert time.monotonic() < deadline, engine.podman("logs", "killed")
        time.sleep(0.2)
    engine.podman("kill", "--signal=KILL", "killed")
    engine.podman("rm", "--force", "killed")
    times = {path: path.stat().st_mtime_ns for path in done}
    engine.podman("run", "--rm", *options(folder), pipeline)
    assert len(rows(folder / "results/demo/merge_results.csv")) == 20
    assert {path: path.stat().st_mtime_ns for path in done} == times


def test_proteins_of_the_user_are_run_from_their_folder(engine, pipeline, folder):
    shutil.copy(ROOT / "config/demo/proteins.fasta", folder / "my.fasta")
    (folder / "ids.txt").write_text("P69905\n")
    (folder / "my.yaml").write_text("run: my\nproteins: [my.fasta]\nids: ids.txt\n")
    command = ["snakemake", "--configfile", "my.yaml", "--cores", "2"]
    engine.podman("run", "--rm", *options(folder), pipeline, *command)
    assert [row["query_id"] for row in rows(folder / "results/my/merge_results.csv")] == ["sp|P69905|HBA_HUMAN"]


def test_rules_with_hhsuite_run_in_the_image_where_there_is_no_hhsuite(engine, pipeline, folder):
    """With a stand-in for Apptainer, and programs of this machine but for HH-suite's."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "apptainer").write_text(_APPTAINER.format(python=sys.executable))
    (programs / "apptainer").chmod(0o755)
    for place in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
        for program in os.scandir(place):
            if not program.name.startswith("hh") and not os.path.lexists(programs / program.name):
                os.symlink(program.path, programs / program.name)
    (folder / "pipeline.sif").touch()
    (folder / "my.yaml").write_text(
        f"run: my\nproteins: [{ROOT}/config/demo/proteins.fasta]\nids: ids.txt\ncontainer: {folder}/pipeline.sif\n"
    )
    (folder / "ids.txt").write_text("P69905\n")
    command = [sys.executable, "-P", "-m", "snakemake", "--snakefile", ROOT / "workflow/Snakefile", "--cores", "2"]
    command += ["--configfile", "my.yaml", "--software-deployment-method", "apptainer"]
    command += ["--apptainer-args", f"--bind {ROOT}"]
    engine.run(*command, cwd=folder, env={"PATH": str(programs)})
    assert [row["best_hit"] for row in rows(folder / "results/my/merge_results.csv")] == ["4HHB_A"]
    used = (programs / "used").read_text()
    assert "proteofold search" in used and "proteofold build-library" in used and "proteofold s4pred" not in used
