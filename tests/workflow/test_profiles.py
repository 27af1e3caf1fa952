"""The profiles for clusters, as far as they can be tried without one."""

import os
import shutil
import subprocess
import sys

from runbench import ROOT


def test_profile_in_the_users_folder_works_in_any_folder(fresh, tmp_path_factory):
    """As docs/deployment.md says, and as Ansible does for all users of a machine."""
    fresh.write_inputs()
    home = tmp_path_factory.mktemp("home")
    installed = home / "snakemake" / "cluster"
    shutil.copytree(ROOT / "profiles" / "cluster", installed)
    with open(installed / "config.yaml", "a") as handle:
        handle.write(f"snakefile: {ROOT}/workflow/Snakefile\n")
    command = [sys.executable, "-m", "snakemake", "--profile", "cluster", "--configfile", "my.yaml", "--dry-run"]
    done = subprocess.run(
        command, cwd=fresh.path, env=os.environ | {"XDG_CONFIG_HOME": str(home)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "search_templates" in done.stdout + done.stderr


def test_batch_asks_for_a_gpu_under_the_name_that_slurm_plugins_read(fresh):
    fresh.config["s4pred"]["device"] = "gpu"
    assert "gpu=1" in fresh.snakemake("--dry-run", "--until", "predict_secondary_structure")


def test_run_on_a_machine_that_belongs_to_no_cluster_is_refused_before_its_first_job(fresh):
    squeue = fresh.spy / "squeue"
    squeue.write_text("#!/bin/sh\necho 'fatal: Could not establish a configuration source' >&2\nexit 1\n")
    squeue.chmod(0o755)
    printed = fresh.snakemake("--profile", ROOT / "profiles" / "cluster", expect=1)
    assert printed.count("belongs to no Slurm cluster") == printed.count("login node") == 1, printed
    assert "Help: docs/errors.md#slurm" in printed
    assert not list(fresh.path.glob("results/shared/predictions/*/logs/*"))
