"""The cluster at work, and damaged at it."""

import json
import subprocess

import pytest
from testbed import CLIENT, call, exposure, http_status, on, patience, ssh, wait_for

# Results of the run of the demo, and accounts.
COUNT_RESULTS = """python3 - <<'END'
import sqlite3
for path, query in (
    ("proteofold/proteofold", "select count(*) from protein_results where run_id = 'cluster-test' and phase = 'done'"),
    ("proteofold-platform/platform", "select count(*) from users"),
):
    print(sqlite3.connect(f"/var/lib/{path}.db").execute(query).fetchone()[0])
END
"""


def test_run_from_the_platform_ends_though_a_worker_loses_power(testbed):
    script = (testbed.ansible / "testbed/order_demo.py").read_text()
    on("client", f"cat > /tmp/order_demo.py <<'END_OF_SCRIPT'\n{script}\nEND_OF_SCRIPT\n")
    password = (testbed.secrets / "admin.password").read_text()
    order = subprocess.Popen(
        [*ssh("client"), "SSL_CERT_FILE=/etc/proteofold/tls/certificate.pem"]
        + [f"/opt/proteofold/.venv/bin/python /tmp/order_demo.py https://{CLIENT} cluster-test {testbed.proteins}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    order.stdin.write(f"admin\n{password}\n")
    order.stdin.close()
    at_work = "squeue -h -t running -w worker1 -o %j | head -n 1"
    wait_for("job on worker1", lambda: order.poll() is not None or on("client", at_work), 240)
    assert order.poll() is None, "the run ended before worker1 had a job of it"
    testbed.down("worker1")
    said, errors = order.stdout.read(), order.stderr.read()
    assert order.wait(timeout=600 * patience()) == 0, errors[-2000:]
    assert json.loads(said)["status"] == "SUCCESS"


def test_worker_that_lost_power_is_idle_when_it_is_back(testbed):
    testbed.up()
    testbed.wait_until_idle()


def test_results_equal_those_of_one_machine_without_slurm(testbed):
    # a processor in software builds the library for half an hour
    library = "cp -r /shared/resources ." if testbed.vm else ""
    on(
        "client",
        f"""set -e; rm -rf ~/local; mkdir ~/local; cd ~/local; export PROTEOFOLD_STORE=~/local/store.db
        there=/opt/proteofold; cp -r $there/config .
        awk '/^>/ {{ n++ }} n <= {testbed.proteins}' $there/config/demo/proteins.fasta >config/demo/proteins.fasta
        {library}
        snakemake --snakefile $there/workflow/Snakefile --workflow-profile $there/profiles/default \
            --configfile config/demo/config.yaml --cores 2 --quiet >/dev/null 2>&1""",
        user="proteofold",
    )
    for table in ("merge_results.csv", "best_hits.csv", "failed.csv"):
        cluster, local = (
            sorted(on("client", f"cat {folder}/{table}", user="proteofold").splitlines())
            for folder in ("/shared/results/cluster-test", "local/results/demo")
        )
        assert cluster == local, table
        assert table != "merge_results.csv" or len(local) == testbed.proteins + 1


# in a folder of NFS all the time: what a worker writes there, and what it finds
SEARCH_ON_WORKER = """set -e; folder=/shared/results/.on-worker; rm -rf $folder; mkdir $folder; cd $folder
awk '/^>/ { n++ } n == 1' /opt/proteofold/config/demo/proteins.fasta >one.fasta
library=$(ls -d /shared/resources/templates/demo-*)/demo
printf 'run: one\nproteins: [one.fasta]\ntemplates: %s\ns4pred: {weights: demo}\n' "$library" >config.yaml
sbatch --quiet --wait --nodelist=worker1 --mem=1500 --output=log --wrap 'export PROTEOFOLD_STORE=$(mktemp -d)/store.db
    hostname >node; snakemake --snakefile /opt/proteofold/workflow/Snakefile --configfile config.yaml --cores 1 \
        --workflow-profile /opt/proteofold/profiles/default' || { tail log >&2; exit 1; }
cat node; sed 1d results/one/merge_results.csv
"""


@pytest.mark.vm
def test_worker_finds_by_nfs_what_the_run_found(testbed):
    node, found = on("client", SEARCH_ON_WORKER, user="proteofold").splitlines()
    assert node == "worker1"
    assert found in on("client", "cat /shared/results/cluster-test/merge_results.csv", user="proteofold").splitlines()


@pytest.mark.containers
def test_platform_answers_in_half_a_second_while_every_slot_is_busy(record_property):
    on(
        "client",
        "for node in client worker1 worker1 worker2 worker2; do sbatch --quiet -w $node --mem=100 --time=3 "
        "-o /dev/null --chdir=/tmp --wrap 'timeout 60 sh -c \"while :; do :; done\"'; done",
        user="proteofold",
    )
    wait_for("busy slots", lambda: len(on("client", "squeue -h -t running -o %A").split()) >= 5, 60)
    ask = f"curl --silent --insecure --output /dev/null --write-out '%{{time_total}} ' https://{CLIENT}/-/sign-in"
    times = sorted(map(float, on("client", f"for n in $(seq 20); do {ask}; sleep 0.2; done").split()))
    on("client", "scancel --user proteofold")
    record_property("note", f"median {times[10] * 1000:.0f} ms, slowest {times[-1] * 1000:.0f} ms")
    assert times[10] < 0.5


@pytest.mark.containers
def test_services_that_are_killed_come_back(testbed):
    for node, names in (
        ("client", ("munge", "slurmctld", "slurmd", "nginx", "proteofold-site", "proteofold-runner")),
        ("worker1", ("munge", "slurmd")),
    ):
        for name in names:
            pid = f"systemctl show --property=MainPID --value {name}"
            old = on(node, pid)
            on(node, f"kill -KILL {old}")
            wait_for(f"{name} on {node}", lambda: on(node, pid) not in ("0\n", old), 60)  # noqa: B023
    testbed.wait_until_idle()
    wait_for("page of the site", lambda: http_status() == "200", 60)


# In a mode in which nothing was searched yet. Then the runner is killed and comes back, and the run is stopped.
STOPPED = """import subprocess, sys, time
from order_demo import DEMO, Client, new_token, read_fasta

def jobs():
    return subprocess.run(["squeue", "-h", "-o", "%u %k"], capture_output=True, text=True).stdout.count("stopped-test")

def wait(is_so):
    deadline = time.monotonic() + 120
    while not is_so():
        assert time.monotonic() < deadline, (client.run("stopped-test"), jobs())
        time.sleep(1)

url, name, password = sys.argv[1], *sys.stdin.read().split()
with Client(url, new_token(url, name, password)) as client:
    ids = [record.id for record in read_fasta(DEMO / "proteins.fasta")][:3]
    client.start_run("stopped-test", ids, templates="demo", weights="demo", mode="reference")
    wait(jobs)
    subprocess.run(["systemctl", "kill", "--signal=KILL", "proteofold-runner"], check=True)
    time.sleep(5)
    client.stop("stopped-test")
    wait(lambda: client.run("stopped-test")["progress"]["status"] == "INTERRUPTED" and not jobs())
    client.delete("stopped-test")
"""


@pytest.mark.containers
def test_run_is_stopped_by_a_runner_that_did_not_start_it_and_leaves_no_job(testbed):
    on(
        "client",
        f"cat > /tmp/stop_demo.py <<'END'\n{STOPPED}\nEND\nscontrol update nodename=ALL state=drain reason=test",
    )
    password = (testbed.secrets / "admin.password").read_text()
    try:
        call(
            *ssh("client"),
            "SSL_CERT_FILE=/etc/proteofold/tls/certificate.pem PYTHONPATH=/tmp sudo --preserve-env"
            f" /opt/proteofold/.venv/bin/python /tmp/stop_demo.py https://{CLIENT}",
            stdin=f"admin\n{password}\n",
        )
        on("client", "test ! -e /shared/results/stopped-test")
        wait_for(
            "end of the service",
            lambda: not on("client", "systemctl list-units -q --no-legend 'proteofold-head@*'"),
            60,
        )
    finally:
        on("client", "scontrol update nodename=ALL state=resume")
    testbed.wait_until_idle()


def test_services_are_little_exposed(testbed, record_property):
    rated = {}
    for name, most in (("site", 1), ("runner", 0.4), ("head@1", 1), ("backup", 1.4), ("nginx", 2.5)):
        rated[name] = exposure("client", name if name == "nginx" else f"proteofold-{name}")
        assert rated[name] <= most, name
    record_property("note", ", ".join(f"{name} {figure}" for name, figure in rated.items()))


@pytest.mark.containers
def test_lost_store_is_restored_by_the_commands_of_the_readme(testbed):
    on("client", "systemctl start proteofold-backup")
    newest = on("client", "ls /var/backups/proteofold").split()[-1]
    before = on("client", COUNT_RESULTS)
    assert before.split() == ["20", "1"]
    on("client", "rm /var/lib/proteofold/*.db /var/lib/proteofold-platform/*.db")
    readme = (testbed.ansible / "README.md").read_text()
    block = readme.split("**Restore**")[1].split("```console\n")[1].split("```")[0]
    commands = [line.removeprefix("$ ").replace("<time>", newest) for line in block.splitlines()]
    on("client", "set -e\n" + "\n".join(commands))
    assert on("client", COUNT_RESULTS) == before
    wait_for("page of the site", lambda: http_status() == "200", 60)
    said = json.dumps({"name": "admin", "password": (testbed.secrets / "admin.password").read_text().strip()})
    as_json = ("--header", "content-type: application/json", "--data", "@-")
    assert http_status("/-/api/v1/session", *as_json, stdin=said).startswith("2"), (
        "the account of before cannot sign in"
    )
