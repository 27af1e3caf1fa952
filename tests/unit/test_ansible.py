"""The deployment: playbooks and templates as Ansible reads them, and the programs it installs. No machine is needed."""

import base64
import gzip
import hashlib
import json
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2
import pytest
import yaml

from proteofold.service.accounts import add_user, find_user
from proteofold.service.database import platform_of
from proteofold.service.tokens import create_token
from proteofold.store import open_store

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


def test_the_data_disk_may_be_the_shared_folder():
    """Two roles that gave it to two owners would change it at each run."""
    for task in yaml.safe_load((ROLES / "common/tasks/disk.yml").read_text()):
        assert "common_data_mount" not in task.get("ansible.builtin.file", {}).get("path", ""), task["name"]


def test_each_setting_is_used():
    text = "".join(path.read_text() for path in ANSIBLE.rglob("*.y*ml") if ".venv" not in path.parts)
    text += "".join(path.read_text() for path in ROLES.rglob("*.j2"))
    for name in settings():
        assert text.count(name) > 1, f"{name} is not used"


def test_each_role_has_a_readme_and_a_line_in_the_overview():
    overview = (ANSIBLE / "README.md").read_text()
    for role in sorted(path.name for path in ROLES.iterdir()):
        assert (ROLES / role / "README.md").read_text().startswith(f"# {role}\n")
        assert f"| `{role}` |" in overview


def test_settings_of_the_readme_exist():
    readme = (ANSIBLE / "README.md").read_text()
    prefixes = ("common_", "storage_", "slurm_", "templates_", "platform_", "firewall_", "hardening_", "backup_")
    named = {word for word in readme.replace("`", " ").split() if word.startswith(prefixes) and word.isidentifier()}
    assert named
    assert named <= set(settings())


# --- validate.yml ---------------------------------------------------------------------------------


def validate(folder, client=(), workers=None, options=(), within=(), address="198.51.100.1"):
    """Exit code and words of validate.yml, for hosts with given settings that are all this machine."""
    workers = {"worker1": {}} if workers is None else workers
    common = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False}
    common |= {
        "storage_shared_fs": "preexisting",
        "slurm_memory_mb": 1024,
        "firewall_workers_ssh_from": ["192.0.2.0/24"],
    }
    common |= {"cluster_host_key": "ssh-ed25519 AAAA"} | ({"cluster_address": address} if address else {})
    groups = {"controller": {"hosts": {"client": dict(client)}}, "workers": {"hosts": workers}}
    (folder / "inventory.yml").write_text(yaml.safe_dump({"all": {"vars": common, "children": groups}}))
    environment = os.environ | {"SSH_CONNECTION": "192.0.2.1 50000 192.0.2.2 22", "ANSIBLE_DISPLAY_FAILED_STDERR": "0"}
    command = [*within, program("ansible-playbook"), "-i", folder / "inventory.yml", *options, "validate.yml"]
    done = run(*command, cwd=ANSIBLE, env=environment)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"workers": {}}, "at least one in the group `workers`"),
        ({"workers": {"Worker_1": {}}}, "Worker_1 cannot be the name of a node: small letters"),
        ({"workers": {"worker1": {}}, "options": ["--limit", "client"]}, "Start it without --limit"),
    ],
)
def test_an_inventory_that_cannot_work_is_refused_with_what_to_repair(tmp_path, settings, words):
    code, said = validate(tmp_path, **settings)
    assert code != 0 and words in said


def test_a_node_without_an_address_is_reported_with_what_to_repair(tmp_path):
    """Also where Ansible finds none because `ip` is missing."""
    alone = ["unshare", "--net", *(["--map-root-user"] if os.geteuid() else [])]
    if run(*alone, "true").returncode:
        pytest.skip("this system gives no network of its own to a process")
    code, said = validate(tmp_path, {"cluster_address": "198.51.100.1"}, within=alone, address=None)
    assert code != 0
    assert "The address of worker1 is not known" in said and "apt-get install iproute2" in said
    assert "The address of client" not in said


KNOWN_SYSTEM = shutil.which("apt-get") and os.access("/usr/bin/python3", os.X_OK)


@pytest.mark.skipif(not KNOWN_SYSTEM, reason="validate.yml knows Debian and Ubuntu only")
def test_each_node_is_reported_with_what_to_repair(tmp_path):
    bad = {
        "memory": ({"slurm_memory_mb": 100}, "and would give 100 MB to jobs"),
        "number": ({"proteofold_uid": 0}, "the number 0 or the name proteofold belongs to somebody else"),
        "disk": ({"common_data_disk": "/dev/null"}, "common_data_disk is /dev/null, which is no disk of disk"),
        "locked": (
            {"firewall_workers_ssh_from": []},
            "locked was reached from 192.0.2.1, which the firewall would refuse",
        ),
    }
    code, said = validate(tmp_path, workers={name: settings for name, (settings, _) in bad.items()} | {"good": {}})
    assert code != 0
    for name, (_, words) in bad.items():
        assert words in said, said
        assert f"{name} : ok=" in said
    assert "failed=0" in said.split("good : ")[1]


@pytest.mark.skipif(not KNOWN_SYSTEM, reason="validate.yml knows Debian and Ubuntu only")
@pytest.mark.parametrize(
    ("client", "words"),
    [
        ({"templates_mode": "turbo"}, "templates_mode is turbo; it can be lean, fast, hybrid, reference."),
        ({"platform_store": "/shared/store.db"}, "SQLite is not safe on a network"),
        ({"backup_dir": "/shared/backup"}, "Backups hold hashes of passwords"),
        ({"ansible_password": "secret"}, "logs in to client by a password, and hardening_ssh has sshd take keys only"),
        ({"platform_tls": "files", "platform_tls_key": "/absent"}, "`files` needs platform_tls_certificate and"),
        (
            {
                "platform_tls": "acme",
                "platform_acme_email": "a@b.example",
                "platform_name": "b.example",
                "platform_acme_ca": "/absent",
            },
            "platform_acme_ca, if it is set, to be a path on this machine",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_refused_with_what_to_repair(tmp_path, client, words):
    code, said = validate(tmp_path, client)
    assert code != 0 and words in said


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
    more = {"templates": templates, "out": str(folder / "out"), "slurm_service": {"name": "slurmctld"}}
    more["slurm_version"] = {"stdout": "slurm-wlm 23.11.4"}
    more["proteofold_key"] = {"content": base64.b64encode(b"ssh-ed25519 AAAA client\n").decode()}
    (folder / "more.yml").write_text(yaml.safe_dump(more))
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
        "NodeName=client NodeHostname=client NodeAddr=10.0.0.10 CPUs=3 RealMemory=11904 Weight=100",
        "NodeName=worker1 NodeHostname=worker1 NodeAddr=10.0.0.11 CPUs=4 RealMemory=7488",
        "NodeName=worker2 NodeHostname=worker2 NodeAddr=10.0.0.12 CPUs=1 RealMemory=7488",
    ]


def test_a_slurm_that_starts_jobs_by_backfill_only_looks_every_second(rendered):
    (line,) = (line for line in rendered["client", "slurm.conf"].splitlines() if line.startswith("SchedulerParameters"))
    assert "bf_interval=1" in line.split("=", 1)[1].split(",")


def test_slurm_waits_for_the_network_at_boot(rendered):
    lines = rendered["client", "restart.conf"].splitlines()
    assert "Wants=network-online.target" in lines and "After=network-online.target" in lines


def test_memory_limits_are_enforced(rendered):
    assert "ConstrainRAMSpace=yes" in rendered["worker1", "cgroup.conf"].splitlines()
    assert "ConstrainSwapSpace=yes" in rendered["worker1", "cgroup.conf"].splitlines()


def test_the_firewall_opens_ssh_and_https_of_the_client_only(rendered):
    client, worker = rendered["client", "firewall.nft"], rendered["worker1", "firewall.nft"]
    assert "policy drop" in client and "policy drop" in worker
    for port in (22, 443):
        for rule in (
            f"ip saddr {{ 0.0.0.0/0 }} tcp dport {port} accept",
            f"ip6 saddr {{ ::/0 }} tcp dport {port} accept",
        ):
            assert rule in client
    assert "udp dport 546 accept" in client
    nodes = "ip saddr { 10.0.0.10, 10.0.0.11, 10.0.0.12 } tcp dport"
    among_nodes = f"{nodes} {{ 6818, 60001-61000, 8730 }} accept"
    assert opened(client)[:2] == [among_nodes, f"{nodes} {{ 6817, 2049 }} accept"] and len(opened(client)) == 6
    assert opened(worker) == [among_nodes, "ip saddr 10.0.0.10 tcp dport 22 accept"]


def opened(rules):
    """The rules that open a port of TCP."""
    return [line.strip() for line in rules.splitlines() if "tcp dport" in line]


def test_srun_waits_for_its_tasks_where_the_firewall_lets_them_in(rendered):
    assert "SrunPortRange=60001-61000" in rendered["client", "slurm.conf"].splitlines()


def test_accounts_are_for_site_and_runner_only(rendered):
    site, runner = (rendered["client", f"proteofold-{name}.service"].splitlines() for name in ("site", "runner"))
    users = [next(line for line in unit if line.startswith("User=")) for unit in (site, runner)]
    assert users == ["User=proteofold-site", "User=proteofold-runner"]
    for unit in (site, runner):
        assert any("PROTEOFOLD_PLATFORM=/var/lib/proteofold-platform" in line for line in unit)
    assert not any("CAP_" in line for line in (*site, *runner))


def test_runs_are_started_by_a_service_of_their_user_that_only_the_runner_reaches(rendered):
    runner, socket, head = (
        rendered["client", f"proteofold-{name}"].splitlines()
        for name in ("runner.service", "head.socket", "head@.service")
    )
    assert any("--socket /run/proteofold-head.socket" in line for line in runner)
    assert {"SocketUser=proteofold-runner", "SocketMode=0600"} <= set(socket)
    assert "User=proteofold" in head and not any("proteofold-platform" in line for line in head)


def test_backups_are_written_by_root_and_hold_store_and_accounts(rendered):
    lines = rendered["client", "proteofold-backup.service"].splitlines()
    assert not any(line.startswith("User=") for line in lines)
    databases = "/var/lib/proteofold/proteofold.db /var/lib/proteofold-platform/platform.db"
    assert f"ExecStart=/usr/local/bin/proteofold-backup /var/backups/proteofold 7 {databases}" in lines


def test_the_shared_folder_is_exported_to_workers_only(rendered):
    exported = [line for line in rendered["client", "exports"].splitlines() if not line.startswith("#")]
    options = "(rw,sync,no_subtree_check,root_squash)"
    assert [line for line in exported if line] == [f"/shared 10.0.0.11{options} 10.0.0.12{options}"]


def test_the_template_library_is_handed_on_to_nodes_only(rendered):
    lines = rendered["worker1", "rsyncd.conf"].splitlines()
    for line in ("address = 10.0.0.11", "hosts allow = 10.0.0.10 10.0.0.11 10.0.0.12", "read only = yes"):
        assert line in lines


def test_fetched_data_may_be_read_by_other_users_whatever_the_umask_is(tmp_path):
    command = yaml.safe_load((ROLES / "templates/vars/main.yml").read_text())["templates_fetch"]
    program = command.index("/usr/local/bin/proteofold")
    done = run(*command[:program], "touch", tmp_path / "file", umask=0o077)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


@needs_rsync
def test_a_service_that_is_not_root_hands_the_template_library_on(rendered):
    """With every rsync of the supported systems: some open the module's path once more as the user they changed to."""
    # not below the folder of the tests, which only its owner may enter
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        templates, settings = Path(folder, "templates"), Path(folder, "rsyncd.conf")
        templates.mkdir(mode=0o755)
        (templates / "pdb70_hhm.ffdata").write_text("HHsearch")
        text = (
            rendered["worker1", "rsyncd.conf"]
            .replace("10.0.0.11", "127.0.0.1")
            .replace("port = 8730", f"port = {port}")
        )
        settings.write_text(
            text.replace("/var/lib/proteofold-templates", str(templates)).replace("/run/", f"{folder}/")
        )
        for path in (folder, templates, templates / "pdb70_hhm.ffdata", settings):
            os.chmod(path, 0o755)
        Path(folder, "proteofold-share").mkdir()
        os.chmod(Path(folder, "proteofold-share"), 0o777)
        other = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        daemon = subprocess.Popen(["rsync", "--daemon", "--no-detach", f"--config={settings}"], **other)
        try:
            source = f"rsync://127.0.0.1:{port}/templates/pdb70_hhm.ffdata"
            deadline = time.monotonic() + 20
            while (done := run("rsync", source, f"{folder}/copy")).returncode == 10 and time.monotonic() < deadline:
                time.sleep(0.05)
        finally:
            daemon.terminate()
            daemon.wait()
        assert done.returncode == 0, done.stderr
        assert Path(folder, "copy").read_text() == "HHsearch"


_PEERS_PLAY = """
- hosts: all
  gather_facts: false
  vars_files: [%s, %s]
  tasks:
    - ansible.builtin.set_fact: {settings_node: {address: "{{ cluster_address }}"}}
    - ansible.builtin.copy:
        content: "{{ templates_peers | to_json }}"
        dest: "{{ playbook_dir }}/{{ inventory_hostname }}"
"""


def test_a_worker_asks_all_other_nodes_for_the_template_library(tmp_path):
    (tmp_path / "play.yml").write_text(
        _PEERS_PLAY % tuple(ROLES / name / "vars/main.yml" for name in ("settings", "templates"))
    )
    addresses = {"client": "10.0.0.10", "worker1": "10.0.0.11", "worker2": "fd00::12"}
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    hosts = {name: {"cluster_address": address} | local for name, address in addresses.items()}
    workers = {name: settings for name, settings in hosts.items() if name != "client"}
    groups = {"controller": {"hosts": {"client": hosts["client"]}}, "workers": {"hosts": workers}}
    (tmp_path / "inventory.yml").write_text(yaml.safe_dump({"all": {"children": groups}}))
    done = run(
        program("ansible-playbook"), "-i", tmp_path / "inventory.yml", "-e", "templates_share_port=8730",
        tmp_path / "play.yml",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "worker1").read_text()) == [
        "--from=rsync://10.0.0.10:8730/templates",
        "--from=rsync://[fd00::12]:8730/templates",
    ]


def test_units_have_one_setting_a_line(rendered):
    for (_, name), text in rendered.items():
        if name.endswith((".service", ".slice", ".timer", "restart.conf", "hardening.conf")):
            for line in text.replace("\\\n", "").splitlines():
                assert not line or line[0] in "#[" or "=" in line.split()[0], f"{name}: {line}"
            assert text.count("UMask=") <= 1 and "UMask=0077P" not in text


def test_services_import_nothing_from_the_folder_of_runs(rendered):
    for name in ("proteofold-site.service", "proteofold-runner.service"):
        assert re.search("^Environment=.*PYTHONSAFEPATH=1", rendered["client", name], re.MULTILINE), name


@pytest.fixture(scope="module")
def site_unit(rendered):
    """Settings of the site's unit that is rendered: name -> values."""
    unit = {}
    for line in rendered["client", "proteofold-site.service"].splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            unit.setdefault(name, []).append(value)
    return unit


def test_memory_of_the_site_is_limited(site_unit):
    (most,) = site_unit["MemoryMax"]
    assert re.fullmatch(r"[1-9]\d*M", most) and int(most[:-1]) < 4096  # what Slurm leaves to the client's services
    assert site_unit["OOMPolicy"] == ["continue"]


def test_the_site_that_is_deployed_shows_nothing_without_the_right_to_read(site_unit, tmp_path):
    """Started by the unit's own command and variables, on files of this checkout."""
    store, socket = tmp_path / "store.db", tmp_path / "socket"
    open_store(store).close()
    with platform_of(store) as conn:
        add_user(conn, "ann", "correct horse battery")
        user = find_user(conn, "ann")
        tokens = {right: create_token(conn, user, "for a test", (right,)) for right in ("read", "upload")}
    (command,) = site_unit["ExecStart"]
    paths = {"/opt/proteofold": ROOT, "/var/lib/proteofold/proteofold.db": store, "/run/proteofold-site/socket": socket}
    for path, here in paths.items():
        assert path in command
        command = command.replace(path, str(here))
    variables = dict(word.split("=", 1) for line in site_unit["Environment"] for word in line.split())
    variables["PROTEOFOLD_PLATFORM"] = str(tmp_path)
    names = variables["PROTEOFOLD_HOSTS"].split(",")
    with (tmp_path / "log").open("wb") as log:
        server = subprocess.Popen(command.split(), env=os.environ | variables, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 50
        while not socket.exists():
            assert server.poll() is None and time.monotonic() < deadline, (tmp_path / "log").read_text()
            time.sleep(0.1)
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(socket)), base_url=f"http://{names[0]}") as client:
            for token, statuses in ((None, (401, 403)), ("upload", (403,)), ("read", (200,))):
                headers = {"Authorization": f"Bearer {tokens[token]}"} if token else {}
                for path in ("/proteofold/runs.json", "/-/api/v1/runs", "/proteofold/-/query.json?sql=select+1"):
                    assert client.get(path, headers=headers).status_code in statuses, (token, path)
            assert client.get("/-/sign-in", headers={"Host": "another.example"}).status_code == 400
    finally:
        server.terminate()
        server.wait()


@pytest.mark.parametrize("arguments", [[], ["store.db"], ["store.db", "--host", "0.0.0.0"], ["store.db", "--port"]])
def test_the_site_is_started_with_a_store_and_a_place_only(arguments):
    refused = run(ROOT / "website/serve", *arguments)
    assert refused.returncode == 1 and "usage" in refused.stderr


@pytest.mark.parametrize("variable", ["PROTEOFOLD_PUBLIC", "PROTEOFOLD_HTTPS"])
def test_a_setting_of_the_site_that_is_neither_0_nor_1_is_refused(variable):
    refused = run(ROOT / "website/serve", "store.db", "--port", "1", env=os.environ | {variable: "no"})
    assert refused.returncode == 1 and variable in refused.stderr


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


@pytest.fixture
def worker(tmp_path, rendered):
    """Function that runs a command for which ssh leads to a worker (a folder) that lets the client in as deployed."""
    if not os.path.exists("/usr/bin/rrsync"):
        pytest.skip("rrsync is not installed")
    root, path = tmp_path / "worker", tmp_path / "path"
    path.mkdir()
    forced = re.search('command="([^"]+) /opt/proteofold" ', rendered["worker1", "deploy_keys"])[1]
    # what sshd does with it
    (path / "ssh").write_text(
        '#!/bin/sh\nwhile [ "$1" != 10.0.0.11 ]; do shift; done; shift\n'
        f'SSH_ORIGINAL_COMMAND="$*" exec {forced} {root}\n'
    )
    (path / "ssh").chmod(0o755)
    environment = os.environ | {"PATH": f"{path}:{os.environ['PATH']}", "HOME": str(tmp_path)}
    root.mkdir()
    return lambda *command: run(*command, env=environment)


def on_worker(tmp_path, name):
    return tmp_path / "worker" / name


@pytest.fixture
def deployed(tmp_path):
    folder = tmp_path / "opt"
    folder.mkdir()
    (folder / "program").write_text("version 1")
    (folder / "old").write_text("")
    (folder / ".deployed").write_text("1")
    return folder


def test_a_worker_is_made_the_same_and_then_left_alone(worker, deployed, tmp_path):
    push = [ROLES / "proteofold/files/push", deployed, "10.0.0.11", ".deployed"]
    done = worker(*push)
    assert done.stdout == "pushed\n", done.stderr
    assert on_worker(tmp_path, "program").read_text() == "version 1"
    assert worker(*push).stdout == ""
    (deployed / "program").write_text("version 2.0")
    (deployed / "old").unlink()
    (deployed / ".deployed").write_text("2")
    assert worker(*push).stdout == "pushed\n"
    assert on_worker(tmp_path, "program").read_text() == "version 2.0"
    assert not on_worker(tmp_path, "old").exists()


def test_a_copy_that_was_killed_is_finished(worker, deployed, tmp_path):
    push = [ROLES / "proteofold/files/push", deployed, "10.0.0.11", ".deployed"]
    worker(*push)
    (deployed / ".deployed").write_text("2")
    (deployed / "program").write_text("version 2.0")
    # all but the mark came
    on_worker(tmp_path, "program").write_text("vers")
    assert worker(*push).stdout == "pushed\n"
    assert on_worker(tmp_path, "program").read_text() == "version 2.0"
    assert on_worker(tmp_path, ".deployed").read_text() == "2"


def test_a_worker_that_cannot_be_reached_is_not_taken_for_one_that_has_all(worker, deployed, tmp_path):
    (tmp_path / "path/ssh").write_text("#!/bin/sh\nexit 255\n")
    assert worker(ROLES / "proteofold/files/push", deployed, "10.0.0.11", ".deployed").returncode != 0


def test_the_key_of_the_client_reads_nothing_of_a_worker(worker, deployed, tmp_path):
    on_worker(tmp_path, "secret").write_text("secret")
    read = worker("rsync", "10.0.0.11:secret", tmp_path / "stolen")
    assert read.returncode != 0 and "write-only" in read.stderr
    shell = worker("ssh", "10.0.0.11", f"cp {on_worker(tmp_path, 'secret')} {tmp_path}/stolen")
    assert shell.returncode != 0
    assert not (tmp_path / "stolen").exists()


@pytest.mark.parametrize("place", ["{0}/.ssh", "../home/.ssh", "./../home/.ssh", "x/../../home/.ssh", "link"])
def test_the_key_of_the_client_writes_nothing_beside_the_program(worker, deployed, tmp_path, place):
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (deployed / "link").symlink_to(home / ".ssh")
    worker("rsync", "--recursive", "--links", f"{deployed}/", "10.0.0.11:.")
    assert on_worker(tmp_path, "link").is_symlink()
    keys = tmp_path / "authorized_keys"
    keys.write_text("ssh-ed25519 BBBB mine\n")
    worker("rsync", keys, f"10.0.0.11:{place.format(home)}/")
    assert list((home / ".ssh").iterdir()) == []


def test_what_the_key_of_the_client_opens_is_written_where_its_account_cannot_change_it(rendered):
    (line,) = (line for line in rendered["worker1", "deploy_keys"].splitlines() if not line.startswith("#"))
    assert line.startswith('from="10.0.0.10",restrict,command="')
    assert line.endswith(' /opt/proteofold" ssh-ed25519 AAAA client')
    settings = rendered["worker1", "deploy_sshd.conf"].split()
    assert settings[settings.index("AuthorizedKeysFile") + 1] == "/etc/ssh/proteofold_deploy_keys"
    tasks = yaml.safe_load((ROLES / "proteofold/tasks/keys.yml").read_text())
    (made,) = (task["ansible.builtin.template"] for task in tasks if "ansible.builtin.template" in task)
    assert (made["owner"], made["mode"]) == ("root", "0644")


@pytest.fixture
def disk(tmp_path):
    """Function that makes a disk of a file; skips the test where that cannot be done."""
    devices = []

    def make(name="disk"):
        image = tmp_path / name
        if not image.exists():
            with open(image, "wb") as file:
                file.truncate(64 << 20)
        if os.geteuid() or not all(shutil.which(name) for name in ("losetup", "sfdisk", "partx", "mkfs.ext4")):
            pytest.skip("only root makes disks of files, with fdisk and e2fsprogs")
        made = run("losetup", "--show", "--find", "--partscan", image)
        if made.returncode:
            pytest.skip(f"no loop devices here: {made.stderr}")
        devices.append(made.stdout.strip())
        return devices[-1]

    yield make
    for device in devices:
        run("partx", "--delete", device)
        run("losetup", "--detach", device)


def prepare(disk):
    return run(ROLES / "common/files/prepare-disk", disk)


def test_an_empty_disk_is_prepared_once(disk):
    device = disk()
    first = prepare(device)
    assert first.returncode == 0 and "made" in first.stderr.splitlines(), first.stderr
    assert run("blkid", "--probe", "--match-tag", "TYPE", "--output", "value", f"{device}p1").stdout == "ext4\n"
    second = prepare(device)
    assert (second.returncode, second.stdout, second.stderr) == (0, first.stdout, "")


def test_a_disk_whose_preparation_was_killed_is_finished(disk):
    device = disk()
    run("sfdisk", "--quiet", "--label", "gpt", device, input="type=linux\n")
    done = prepare(device)
    assert done.returncode == 0 and "made" in done.stderr.splitlines(), done.stderr


@pytest.mark.parametrize("partitioned", [False, True])
def test_a_disk_that_holds_something_is_not_touched(disk, tmp_path, partitioned):
    device = disk()
    if partitioned:
        run("sfdisk", "--quiet", "--label", "gpt", device, input="type=linux\n")
        run("partx", "--update", device)
    made = run("mkfs.ext4", "-q", "-F", "-L", "photographs", f"{device}p1" if partitioned else device)
    assert made.returncode == 0, made.stderr
    before = hashlib.sha256((tmp_path / "disk").read_bytes()).hexdigest()
    done = prepare(device)
    assert done.returncode == 1 and "wipe it first manually" in done.stderr
    assert hashlib.sha256((tmp_path / "disk").read_bytes()).hexdigest() == before


@needs_rsync
def test_an_install_waits_for_one_that_a_killed_deployment_left_running(checkout, tmp_path):
    archive, folder, log = tmp_path / "source.tar", tmp_path / "installed", tmp_path / "log"
    folder.mkdir()
    setup = checkout / "bin/setup"
    setup.write_text(
        setup.read_text().replace("mkdir -p", f"echo begins >>{log}; sleep 1; echo ends >>{log}; mkdir -p")
    )
    pack(checkout, archive)
    command = [ROLES / "proteofold/files/install-source", archive, folder]
    first = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not log.exists():
        assert first.poll() is None, first.communicate()
        time.sleep(0.02)
    assert install(archive, folder).stdout == ""
    assert first.communicate()[0] == b"installed\n"
    assert log.read_text().split() == ["begins", "ends"]


def certify(folder, name="client.example", address="10.0.0.10"):
    done = run(ROLES / "platform/files/self-signed", folder, name, address)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_a_certificate_is_kept_while_it_serves_and_made_anew_when_it_does_not(tmp_path):
    assert certify(tmp_path) == "made\n"
    assert certify(tmp_path) == ""
    assert certify(tmp_path, name="other.example") == "made\n"
    assert certify(tmp_path, name="other.example", address="10.0.0.11") == "made\n"
    assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    # as a run leaves it that was killed between key and certificate
    key = (tmp_path / "key.pem").read_bytes()
    assert certify(tmp_path) == "made\n"
    (tmp_path / "key.pem").write_bytes(key)
    assert certify(tmp_path) == "made\n"
    assert certify(tmp_path) == ""


@pytest.mark.parametrize(
    ("connection", "networks", "printed"),
    [
        ("192.0.2.1 50000 192.0.2.2 22", ["198.51.100.0/24", "192.0.2.0/24"], ""),
        ("192.0.2.1 50000 192.0.2.2 22", ["198.51.100.0/24", "::/0"], "192.0.2.1\n"),
        ("192.0.2.1 50000 192.0.2.2 22", [], "192.0.2.1\n"),
        ("::ffff:192.0.2.1 50000 192.0.2.2 22", ["192.0.2.1"], ""),
        ("fe80::1%eth0 50000 fe80::2%eth0 22", ["fe80::/10"], ""),
        (None, [], ""),
    ],
)
def test_users_who_would_be_locked_out_are_named(connection, networks, printed):
    environment = {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
    environment |= {"SSH_CONNECTION": connection} if connection else {}
    assert run(sys.executable, ANSIBLE / "files/locked-out", *networks, env=environment).stdout == printed


def back_up(store, folder, keep=2):
    return run(ROLES / "backup/files/backup", folder, keep, store)


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


def test_a_backup_of_nothing_is_refused_and_removes_no_other(tmp_path):
    (tmp_path / "backup/2020-01-01T000000Z").mkdir(parents=True)
    assert run(ROLES / "backup/files/backup", tmp_path / "backup", 1).returncode != 0
    assert [path.name for path in (tmp_path / "backup").iterdir()] == ["2020-01-01T000000Z"]


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


@pytest.mark.parametrize("kind", ["container", "vm"])
def test_each_kind_of_node_has_what_up_asks_it_for(kind):
    asked = "lower_folders make_lower_folders finish_disk node_settings boot"
    script = f"""set -euo pipefail
        . {TESTBED}/lib.sh; . {TESTBED}/{kind}.sh
        : "${{programs[@]}}" "${{packages_of_host[@]}}" "$answers_within_s"
        declare -F {asked} >/dev/null
        cluster_settings; {{ node_settings client; node_settings worker1; }} | sed 's/^/    /'"""
    done = run("bash", "-c", script)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)) <= set(settings())
