"""The deployment: playbooks and templates as Ansible reads them, and the programs it installs. No machine is needed."""

import gzip
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ANSIBLE = ROOT / "ansible"
ROLES = ANSIBLE / "roles"
TESTBED = ANSIBLE / "testbed"
PLAYBOOKS = ("site.yml", "validate.yml", "verify.yml")
TASKS = sorted(ROLES.glob("*/tasks/*.yml"))


def program(name):
    """A program of Ansible: of ansible/setup, or on the PATH; skips the test where there is none."""
    own = ANSIBLE / ".venv/bin" / name
    found = str(own) if own.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"no {name} here (ansible/setup installs Ansible)")
    return found


needs_rsync = pytest.mark.skipif(not shutil.which("rsync"), reason="rsync is not installed")


def run(*command, **options):
    options = {"capture_output": True, "text": True, "timeout": 120} | options
    return subprocess.run([str(word) for word in command], **options)


def settings():
    return yaml.safe_load((ROLES / "settings/defaults/main.yml").read_text())


# --- playbooks and roles --------------------------------------------------------------------------


def test_playbooks_are_understood():
    done = run(program("ansible-playbook"), "--syntax-check", "-i", "inventory.example.yml", *PLAYBOOKS, cwd=ANSIBLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stderr


@pytest.mark.slow
def test_playbooks_satisfy_the_linter():
    lint = program("ansible-lint")
    environment = os.environ | {"PATH": f"{Path(lint).parent}:{os.environ['PATH']}"}
    done = run(lint, *PLAYBOOKS, cwd=ANSIBLE, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_only_modules_that_come_with_ansible_are_used():
    modules = {key for path in TASKS for task in yaml.safe_load(path.read_text()) for key in task if "." in key}
    assert modules
    assert not [module for module in modules if not module.startswith("ansible.builtin.")]


def test_tasks_that_handle_secrets_are_not_logged():
    secrets = ("slurm_munge_key", "platform_secret", "platform_admin_password", "platform_tls_key")
    for path in TASKS:
        for task in yaml.safe_load(path.read_text()):
            if any(name in yaml.safe_dump(task) for name in secrets):
                assert task.get("no_log") is True, f"{path.name}: {task['name']}"


def test_each_setting_is_used():
    text = "".join(path.read_text() for path in ANSIBLE.rglob("*.y*ml") if ".venv" not in path.parts)
    text += "".join(path.read_text() for path in ROLES.rglob("*.j2"))
    for name in settings():
        assert text.count(name) > 1, f"{name} is not used"


def test_settings_of_the_readme_exist():
    readme = (ANSIBLE / "README.md").read_text()
    prefixes = ("common_", "storage_", "slurm_", "templates_", "platform_", "firewall_", "backup_")
    named = {word for word in readme.replace("`", " ").split() if word.startswith(prefixes) and word.isidentifier()}
    assert named
    assert named <= set(settings())


# --- templates ------------------------------------------------------------------------------------

_PLAY = """
- hosts: controller:workers
  gather_facts: false
  pre_tasks:
    - ansible.builtin.set_fact: {cacheable: true, %s}
  roles: [settings]
  tasks:
    - ansible.builtin.copy:
        content: "{{ lookup('ansible.builtin.template', *templates, wantlist=True) | to_json }}"
        dest: "{{ out }}/{{ inventory_hostname }}.json"
        mode: "0600"
"""
# cacheable: they are facts then, as if they had been gathered
_FACTS = {
    "distribution": "Debian",
    "memtotal_mb": 8000,
    "processor_vcpus": 4,
    "ssh_host_key_ed25519_public_keytype": "ssh-ed25519",
    "ssh_host_key_ed25519_public": "AAAA",
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """All templates as each host gets them: (host, template) -> text."""
    playbook = program("ansible-playbook")
    folder = tmp_path_factory.mktemp("rendered")
    (folder / "out").mkdir()
    templates = [str(path) for path in sorted(ROLES.glob("*/templates/*.j2"))]

    def host(name, number, **more):
        facts = _FACTS | {"hostname": name, "fqdn": name, "default_ipv4": {"address": f"10.0.0.{number}"}} | more
        return {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "facts": facts}

    inventory = {
        "controller": {"hosts": {"client": host("client", 10, memtotal_mb=16000)}},
        "workers": {"hosts": {"worker1": host("worker1", 11), "worker2": host("worker2", 12, processor_vcpus=1)}},
    }
    (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"children": inventory}}))
    names = [*_FACTS, "hostname", "fqdn", "default_ipv4"]
    (folder / "play.yml").write_text(_PLAY % ", ".join(f'{name}: "{{{{ facts.{name} }}}}"' for name in names))
    (folder / "more.yml").write_text(yaml.safe_dump({"templates": templates, "out": str(folder / "out")}))
    environment = os.environ | {"ANSIBLE_ROLES_PATH": str(ROLES), "ANSIBLE_LOCALHOST_WARNING": "0"}
    command = [playbook, "-i", folder / "inventory.yml", "-e", f"@{folder / 'more.yml'}", folder / "play.yml"]
    done = run(*command, env=environment, cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return {
        (path.stem, Path(template).stem): text
        for path in (folder / "out").iterdir()
        for template, text in zip(templates, json.loads(path.read_text()), strict=True)
    }


def test_slurm_conf_is_the_same_everywhere_and_keeps_memory_back(rendered):
    texts = {rendered[host, "slurm.conf"] for host in ("client", "worker1", "worker2")}
    assert len(texts) == 1
    lines = [line for line in texts.pop().splitlines() if line.startswith("NodeName=")]
    assert lines == [
        "NodeName=client NodeHostname=client NodeAddr=10.0.0.10 CPUs=3 RealMemory=12928 Weight=100",
        "NodeName=worker1 NodeHostname=worker1 NodeAddr=10.0.0.11 CPUs=4 RealMemory=7488",
        "NodeName=worker2 NodeHostname=worker2 NodeAddr=10.0.0.12 CPUs=1 RealMemory=7488",
    ]


def test_memory_limits_are_enforced(rendered):
    assert "ConstrainRAMSpace=yes" in rendered["worker1", "cgroup.conf"].splitlines()
    assert "ConstrainSwapSpace=yes" in rendered["worker1", "cgroup.conf"].splitlines()


def test_the_firewall_opens_ssh_and_https_of_the_client_only(rendered):
    client, worker = rendered["client", "firewall.nft"], rendered["worker1", "firewall.nft"]
    assert "policy drop" in client and "policy drop" in worker
    assert "dport 22 " in client and "dport 443 " in client and "dport 80" not in client
    assert "dport" not in worker
    assert "ip saddr { 10.0.0.10, 10.0.0.11, 10.0.0.12 } accept" in worker


def test_units_have_one_setting_a_line(rendered):
    for (_, name), text in rendered.items():
        if name.endswith((".service", ".slice", ".timer")):
            for line in text.replace("\\\n", "").splitlines():
                assert not line or line[0] in "#[" or "=" in line.split()[0], f"{name}: {line}"
            assert text.count("UMask=") <= 1 and "UMask=0077P" not in text


def test_the_site_is_closed_to_strangers_by_default(rendered):
    assert "--setting allow.id *" in rendered["client", "proteofold-site.service"]


# --- programs that are installed ------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "check out"
    for name, text in {
        "bin/setup": '#!/bin/sh\ncd "$(dirname "$0")/.."\n[ ! -e fail ] || exit 1\n'
        "mkdir -p .venv/bin; printf '#!/bin/sh\\n' >.venv/bin/python; chmod +x .venv/bin/python\n",
        "proteofold/a b.py": "x = 1\n",
        "tests/test_a.py": "",
        "ansible/site.yml": "",
        "results/run/big": "",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "bin/setup").chmod(0o755)
    (folder / ".gitignore").write_text("/results/\n")
    return folder


def pack(checkout, archive):
    done = run(ROLES / "proteofold/files/pack-source", checkout, archive)
    assert done.returncode == 0, done.stderr
    return archive.read_bytes()


@pytest.mark.parametrize("is_git", [True, False])
def test_packing_takes_what_runs_and_is_repeatable(checkout, tmp_path, is_git):
    if is_git:
        run("git", "init", "--quiet", checkout)
    first = pack(checkout, tmp_path / "one/source.tar")
    assert first == pack(checkout, tmp_path / "two.tar")
    names = run("tar", "--list", "--file", tmp_path / "two.tar").stdout.splitlines()
    assert sorted(names) == [".gitignore", "bin/setup", "proteofold/a b.py"]


def test_packing_survives_a_file_deleted_but_not_committed(checkout, tmp_path):
    run("git", "init", "--quiet", checkout)
    run("git", "-C", checkout, "add", ".")
    (checkout / "proteofold/a b.py").unlink()
    pack(checkout, tmp_path / "source.tar")
    assert "a b.py" not in run("tar", "--list", "--file", tmp_path / "source.tar").stdout


def install(archive, folder):
    return run(ROLES / "proteofold/files/install-source", archive, folder)


@needs_rsync
def test_installing_again_does_nothing_and_a_new_version_leaves_nothing_old(checkout, tmp_path):
    archive, folder = tmp_path / "source.tar", tmp_path / "installed"
    folder.mkdir()
    pack(checkout, archive)
    assert install(archive, folder).stdout == "installed\n"
    assert install(archive, folder).stdout == ""
    (checkout / "proteofold/a b.py").rename(checkout / "proteofold/c.py")
    pack(checkout, archive)
    assert install(archive, folder).stdout == "installed\n"
    assert [path.name for path in (folder / "proteofold").iterdir()] == ["c.py"]
    assert (folder / ".venv/bin/python").exists()


@needs_rsync
def test_an_install_that_failed_is_done_again(checkout, tmp_path):
    archive, folder = tmp_path / "source.tar", tmp_path / "installed"
    folder.mkdir()
    (checkout / "fail").touch()
    pack(checkout, archive)
    assert install(archive, folder).returncode != 0
    (folder / "fail").unlink()
    assert install(archive, folder).returncode != 0  # the archive still has it
    (checkout / "fail").unlink()
    pack(checkout, archive)
    assert install(archive, folder).stdout == "installed\n"


def back_up(store, folder, keep=2):
    return run(ROLES / "backup/files/backup", store, folder, keep)


def test_a_backup_holds_what_was_committed_while_others_write(tmp_path):
    store = tmp_path / "data/proteofold.db"
    store.parent.mkdir()
    with sqlite3.connect(store) as conn:
        conn.execute("pragma journal_mode = wal")
        conn.execute("create table t (n)")
        conn.executemany("insert into t values (?)", [(n,) for n in range(1000)])
        conn.commit()
        conn.execute("insert into t values (-1)")  # not committed
        done = back_up(store, tmp_path / "backup")
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "backup").iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700
    restored = tmp_path / "restored.db"
    restored.write_bytes(gzip.decompress((folder / "proteofold.db.gz").read_bytes()))
    assert sqlite3.connect(restored).execute("select count(*), min(n) from t").fetchone() == (1000, 0)


def test_the_newest_backups_are_kept_and_half_ones_removed(tmp_path):
    store, folder = tmp_path / "proteofold.db", tmp_path / "backup"
    sqlite3.connect(store).execute("create table t (n)").connection.close()
    for name in ("2020-01-01T000000Z", "2021-01-01T000000Z", ".part-2022-01-01T000000Z", "of-somebody"):
        (folder / name).mkdir(parents=True)
    assert back_up(store, folder).returncode == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names[0] == "2021-01-01T000000Z" and names[2] == "of-somebody" and len(names) == 3


def test_a_damaged_store_is_not_backed_up_over_good_backups(tmp_path):
    store = tmp_path / "proteofold.db"
    store.write_bytes(b"not a database" * 1000)
    done = back_up(store, tmp_path / "backup")
    assert done.returncode != 0
    assert not [path for path in (tmp_path / "backup").iterdir() if not path.name.startswith(".part")]


@pytest.mark.parametrize(("changed_s_ago", "restarts"), [(100, False), (0, True)])
def test_a_service_is_restarted_when_a_file_is_newer(tmp_path, changed_s_ago, restarts):
    log, watched = tmp_path / "log", tmp_path / "watched"
    watched.touch()
    started = int((time.monotonic() - 50 + (100 if changed_s_ago else 0)) * 1e6)
    (tmp_path / "systemctl").write_text(
        f'#!/bin/sh\necho "$@" >>{log}\n[ "$1" != show ] || echo ExecMainStartTimestampMonotonic={started}\n'
    )
    (tmp_path / "systemctl").chmod(0o755)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    command = [ROLES / "common/files/restart-if-changed", "thing", watched, tmp_path / "absent"]
    done = run(*command, env=environment)
    assert done.stdout == ("restarted\n" if restarts else "")
    assert ("restart thing" in log.read_text()) == restarts


@pytest.mark.parametrize("name", ["up", "down", "status"])
def test_commands_of_the_testbed_explain_themselves_and_refuse_what_they_do_not_know(name):
    assert "ansible/testbed/" + name in run(TESTBED / name, "--help").stdout
    refused = run(TESTBED / name, "--nonsense")
    assert refused.returncode == 1 and "--nonsense" in refused.stderr


def test_a_node_of_the_testbed_cannot_be_a_path(tmp_path):
    environment = os.environ | {"TESTBED": str(tmp_path)}
    refused = run(TESTBED / "down", "--remove", "../../etc", env=environment)
    assert refused.returncode == 1 and "a node is called" in refused.stderr
