"""The machines of a run: from a file, from Slurm or of this machine, and errors that name place and problem."""

import os
import time

import pytest

from proteofold.plan.nodes import NodeKind, read_nodes, this_machine
from proteofold.slurm import nodes
from proteofold.slurm.nodes import slurm_nodes
from proteofold.system.errors import UserError


@pytest.fixture
def read(tmp_path):
    """Function that reads this text as a nodes file."""

    def from_text(text):
        path = tmp_path / "my nodes.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_nodes(path)

    return from_text


def test_kinds_are_read_in_their_order(read):
    text = "# ours\n- {name: worker, count: 4, cores: 2, mem_mb: 3500}\n- name: client\n  count: '1'\n  cores: 4\n"
    assert read(text + "  mem_mb: 7400\n") == [NodeKind("worker", 4, 2, 3500), NodeKind("client", 1, 4, 7400)]


def test_a_node_holds_as_many_jobs_as_cores_and_memory_allow():
    kind = NodeKind("worker", 4, 2, 3500)
    assert [kind.at_once(mem_mb) for mem_mb in (100, 1750, 1751, 3500, 3501)] == [2, 2, 1, 1, 0]


GOOD = "- {name: a, count: 1, cores: 1, mem_mb: 1000}\n"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "expected a list of node kinds"),
        ("[]", "expected a list of node kinds"),
        ("nodes: 4", "expected a list of node kinds"),
        ("- a: [", "not YAML"),
        ("[" * 100_000, "not YAML"),
        (b"\xff\xfe\xfa", "not YAML"),
        ("- worker\n", "line 1: expected the keys name, count, cores, mem_mb"),
        (GOOD + "- {name: b, count: 1, cores: 1}\n", "line 2: missing mem_mb"),
        (GOOD + "- {name: b, count: 1, cores: 1, mem: 5}\n", "line 2: unknown key 'mem': did you mean 'mem_mb'?"),
        (GOOD + "- {name: b, count: 1, cores: 1, mem_mb: 5, gpu: 1}\n", "unknown key 'gpu': known keys: name, count"),
        ("- name: a\n  count: 0\n  cores: 1\n  mem_mb: 9\n", "line 2, count: '0' is invalid: expected a whole"),
        ("- {name: a, count: 1, cores: 1, mem_mb: 3.5}\n", "line 1, mem_mb: '3.5' is invalid"),
        ("- {name: a, count: 1, cores: 1, mem_mb: 3500MB}\n", "line 1, mem_mb: '3500MB' is invalid"),
        ("- {name: a, count: 1, cores: -2, mem_mb: 9}\n", "line 1, cores: '-2' is invalid"),
        ("- {name: a, count: [1], cores: 2, mem_mb: 9}\n", "line 1, count: a list or mapping is invalid"),
        ("- {name: a, count: 1000000000000, cores: 2, mem_mb: 9}\n", "count: '1000000000000' is invalid"),
        ("- {name: '', count: 1, cores: 2, mem_mb: 9}\n", "line 1, name: expected a name"),
        ("- {name: [a], count: 1, cores: 2, mem_mb: 9}\n", "line 1, name: expected a name"),
        ("- {name: a, count: 1, count: 2, cores: 2, mem_mb: 9}\n", "line 1, count: is there twice"),
        (GOOD + GOOD, "line 2: the name 'a' is there twice"),
    ],
)
def test_what_is_invalid_is_reported_with_file_line_and_key(read, text, what):
    with pytest.raises(UserError) as caught:
        read(text)
    assert "my nodes.yaml" in str(caught.value) and what in str(caught.value)


def test_every_problem_is_reported_at_once(read):
    with pytest.raises(UserError) as caught:
        read("- {name: a, count: 0, cores: x, mem_mb: 9}\n- {nam: b, count: 1, cores: 1, mem_mb: 1}\n")
    assert len(str(caught.value).splitlines()) == 3


def test_file_that_is_not_there_is_reported(tmp_path):
    with pytest.raises(UserError, match="none.yaml: cannot be read"):
        read_nodes(tmp_path / "none.yaml")


def node_line(short):
    """A line of sinfo for 'name|cores|memory|state'."""
    if short.count("|") != 3:
        return short + "\n"
    name, cores, mem_mb, state = short.split("|")
    return f"{name}|{state}|0/{cores}/0/{cores}|{mem_mb}|0|0.01|(null)|\n"


@pytest.fixture
def sinfo(tmp_path, monkeypatch):
    """Function that puts a sinfo on PATH that answers this; returns the file of the words it was called with."""

    def answers(text, code=0, error="", seconds=0):
        program, words = tmp_path / "sinfo", tmp_path / "words"
        (tmp_path / "answer").write_text("".join(map(node_line, text.splitlines())))
        lines = ("#!/bin/sh", f'echo "$@" >> {words}', f"sleep {seconds}", f"cat {tmp_path}/answer")
        program.write_text("\n".join((*lines, f'echo "{error}" >&2', f"exit {code}", "")))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        monkeypatch.delenv("SBATCH_PARTITION", raising=False)
        return words

    return answers


def test_slurm_is_asked_once_and_alike_nodes_are_one_kind(sinfo):
    words = sinfo(
        "worker10|2|3500|idle\nworker2|2|3500|mixed\nworker1|2|3500|allocated\n"
        "client|4|7400|idle\nworker1|2|3500|allocated\n"
    )
    assert slurm_nodes() == [NodeKind("worker1 to worker10", 3, 2, 3500), NodeKind("client", 1, 4, 7400)]
    assert len(words.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "state",
    ["idle", "mixed", "allocated", "allocated+", "completing", "IDLE", "mixed-"]
    # asleep, waking up, or about to reboot or to sleep: they run what is submitted now when they are back
    + ["idle~", "idle#", "idle%", "idle!", "idle@", "idle^", "powered_down", "powering_up"],
)
def test_nodes_that_run_jobs_count(sinfo, state):
    sinfo(f"n1|2|3500|{state}\n")
    assert slurm_nodes() == [NodeKind("n1", 1, 2, 3500)]


@pytest.mark.parametrize(
    "state",
    ["down", "down*", "drained", "draining", "drained*", "idle*", "fail", "failing", "maint", "idle$", "reserved"]
    + ["unknown", "future", "error", "inval", ""],
)
def test_nodes_that_run_none_are_left_out(sinfo, state):
    sinfo(f"n1|2|3500|{state}\nn2|2|3500|idle\n")
    assert slurm_nodes() == [NodeKind("n2", 1, 2, 3500)]
    sinfo(f"n1|2|3500|{state}\n")
    with pytest.raises(UserError, match=r"Slurm has no node that runs jobs: n1 \("):
        slurm_nodes()


def test_partition_of_the_submissions_is_asked_for(sinfo, monkeypatch):
    words = sinfo("n1|2|3500|idle\n")
    monkeypatch.setenv("SBATCH_PARTITION", "long")
    slurm_nodes()
    assert "--partition=long" in words.read_text()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (("",), "Slurm has no node that runs jobs. Give the nodes in a file: --nodes nodes.yaml."),
        (("nonsense\n",), "sinfo described a node as 'nonsense'"),
        (("n1|x|3500|idle\n",), "sinfo described a node as 'n1|idle|"),
        (("", 1, "slurm_load_partitions: Unable to contact slurm controller"), "Unable to contact slurm controller"),
    ],
)
def test_what_slurm_cannot_report_is_an_error_with_its_remedy(sinfo, answer, what):
    sinfo(*answer)
    with pytest.raises(UserError) as caught:
        slurm_nodes()
    assert what in str(caught.value) and "--nodes nodes.yaml" in str(caught.value)


def test_machine_whose_slurm_was_never_configured_is_reported_in_one_line(tmp_path, monkeypatch):
    """The commands of Slurm are there, as on every machine with the package, and no cluster."""
    said = [
        "error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host",
        "error: fetch_config: DNS SRV lookup failed",
    ]
    said += ["error: _establish_config_source: failed to fetch config"]
    said += ["fatal: Could not establish a configuration source"]
    program = tmp_path / "sinfo"
    program.write_text("#!/bin/sh\n" + "".join(f"echo 'sinfo: {line}' >&2\n" for line in said) + "exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UserError, match="no Slurm cluster.*--nodes nodes.yaml") as error:
        slurm_nodes()
    assert "error:" not in str(error.value) and "\n" not in str(error.value)


def test_slurm_that_does_not_answer_is_not_waited_for(sinfo, monkeypatch):
    sinfo("n1|2|3500|idle\n", seconds=30)
    monkeypatch.setattr(nodes, "TIMEOUT_S", 0.3)
    began = time.monotonic()
    with pytest.raises(UserError, match="did not answer"):
        slurm_nodes()
    assert time.monotonic() - began < 10


def test_machine_without_slurm_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="not installed.*sinfo.*--nodes nodes.yaml"):
        slurm_nodes()


def test_this_machine_has_its_cores_and_free_memory(monkeypatch):
    monkeypatch.setattr("proteofold.plan.nodes.available_mb", lambda: 1234)
    assert this_machine() == [NodeKind("this machine", 1, os.cpu_count(), 1234)]
