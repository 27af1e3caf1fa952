"""The platform by compose.yaml: used, killed, backed up, restored, upgraded. Each test uses what those before left."""

import json
import zipfile

import pytest
from compose import ADMIN, PASSWORD, SERVICES, Compose, wait_until
from engine import ROOT, STORAGE

PROTEINS = ROOT / "config/demo/proteins.fasta"

# what a user does on the page /-/tokens
_TOKEN = f"""
from proteofold.service.accounts import find_user
from proteofold.service.database import platform_of
from proteofold.service.tokens import create_token
with platform_of("/var/lib/proteofold/proteofold.db") as platform:
    print(create_token(platform, find_user(platform, "{ADMIN}"), "test", ["read", "upload", "run"]))
"""


def row(client, run_id):
    """The row of a run in the store."""
    return client.run(run_id)["run"]


@pytest.fixture(scope="module")
def compose(engine, platform, proxy):
    compose = Compose(engine)
    compose.down()
    compose.up()
    yield compose
    compose.down()


@pytest.fixture(scope="module")
def client(compose):
    """A client of the first user."""
    add = ["proteofold", "admin", "add-user", ADMIN, "--admin", "--password-stdin"]
    compose.exec("runner", *add, input=f"{PASSWORD}\n")
    with compose.client(compose.exec("runner", "python", "-c", _TOKEN)) as client:
        yield client


def test_strangers_read_nothing_and_other_names_are_refused(compose):
    assert compose.status("/-/runs") in (302, 303, 401, 403)
    assert compose.status("/-/sign-in", Host="evil.example") in (400, 421)


def test_nothing_runs_as_root_and_no_system_file_can_be_written(compose, engine):
    for service in SERVICES:
        assert {user for _, user in compose.processes(service)} <= {"10001"}, service
        inspected = json.loads(engine.podman("inspect", compose.name(service)))[0]
        assert inspected["HostConfig"]["ReadonlyRootfs"] and inspected["EffectiveCaps"] in ([], None)
        assert compose.exec(service, "sh", "-c", "touch /etc/x /usr/x 2>&1 || true").count("Read-only file system") == 2


def test_secret_is_in_no_image_and_no_setting(compose, engine):
    for service in SERVICES:
        assert "f" * 64 not in engine.podman("inspect", compose.name(service))


def test_proteins_are_uploaded_run_and_downloaded(client):
    assert client.add_fasta(PROTEINS)["rows"]
    client.start_run("first", ["P69905", "P02144"])
    assert client.wait("first")["status"] == "SUCCESS"
    client.download("first", STORAGE / "first.zip")
    with zipfile.ZipFile(STORAGE / "first.zip") as archive:
        (table,) = (name for name in archive.namelist() if name.endswith("merge_results.csv"))
        assert len(archive.read(table).decode().splitlines()) == 3


@pytest.mark.parametrize("service", ["site", "runner"])
def test_health_check_reports_whether_a_service_works(compose, service):
    compose.exec(service, "/opt/proteofold/containers/healthy", service)


@pytest.mark.parametrize("service", SERVICES)
def test_a_killed_container_is_started_again_and_its_run_is_finished(compose, client, service):
    ids = [row["id"] for row in client.add_fasta(PROTEINS)["rows"]][:8]
    name = f"killed-{service}"
    client.start_run(name, ids, mode="reference" if service == "runner" else "lean")
    wait_until(lambda: client.run(name)["progress"]["finished"], f"{name} works")
    compose.crash(service)
    compose.wait_for_site()
    assert client.wait(name)["status"] == "SUCCESS"
    assert row(client, name)["succeeded"] == len(ids)
    assert row(client, "first")["succeeded"] == 2


def test_a_backup_is_restored(compose, client):
    store = "/var/lib/proteofold/proteofold.db"
    compose.exec("runner", "proteofold-backup", "/backup", "7", store, store.replace("proteofold.db", "platform.db"))
    client.delete("first")
    compose("stop")
    restore = "cd /var/lib/proteofold && rm -f *.db *.db-* && cp /backup/2*/*.gz . && gunzip *.gz"
    compose("run", "--rm", "-T", "--no-deps", "runner", "sh", "-c", restore)
    compose("start")
    compose.wait_for_site()
    assert row(client, "first")["succeeded"] == 2


def test_an_upgrade_keeps_accounts_and_runs(compose, engine, client, base):
    for target in ("platform", "proxy"):
        engine.build(target, base, "--build-arg=VERSION=0.1.1", tag="0.1.1")
    compose("down")
    compose.settings["PROTEOFOLD_TAG"] = "0.1.1"
    compose.up()
    image = json.loads(engine.podman("inspect", compose.name("site")))[0]["ImageName"]
    assert image.endswith(":0.1.1")
    assert row(client, "killed-site")["status"] == "SUCCESS"
