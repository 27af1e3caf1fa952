"""However a tool ends, the step that runs it reports why; and nothing outlives what started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proteofold.system.errors import UserError
from proteofold.system.process import Usage, format_usage, own_usage, read_usage, run_tool, usage_of_tools


def python(*lines):
    return (sys.executable, "-c", "\n".join(lines))


@pytest.fixture
def run(capfd):
    """Function that runs a tool; returns why it failed ('' if it did not), and the lines on standard error."""

    def tool(*command, problem_in=None):
        reason = ""
        try:
            run_tool(command, problem_in)
        except UserError as error:
            reason = str(error)
        printed = capfd.readouterr()
        assert printed.out == ""
        return reason, printed.err.splitlines()

    return tool


def test_output_of_a_tool_goes_to_standard_error_behind_its_command(run):
    script = "import sys; print('to stdout', flush=True); print('to stderr', file=sys.stderr)"
    reason, lines = run(*python(script))
    assert reason == ""
    assert lines == [f"$ {sys.executable} -c {script}", "to stdout", "to stderr"]


def test_use_of_tools_is_measured():
    """In a process of its own, which has started nothing else."""
    script = python(
        "import sys, time",
        "from proteofold.system.process import format_usage, run_tool, usage_of_tools",
        "started = time.monotonic()",
        "tool = 'import time; block = bytearray(80_000_000); end = time.process_time() + 0.2\\n'",
        "tool += 'while time.process_time() < end: pass\\ntime.sleep(0.2)'",
        "run_tool([sys.executable, '-c', tool])",
        "print(format_usage(usage_of_tools(started, 'my run', '3.3.0')), end='')",
    )
    table = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    header, row = (line.split("\t") for line in table.splitlines())
    usage = dict(zip(header, row, strict=True))
    assert 0.2 <= float(usage["cpu_s"]) <= float(usage["wall_s"])
    assert float(usage["wall_s"]) >= 0.4
    assert 80 < float(usage["max_rss_mb"]) < 400
    assert usage["node"] and (usage["run"], usage["hhsuite"]) == ("my run", "3.3.0")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "{} was killed (SIGKILL): most likely out of"),
        (
            "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
            "{} was stopped from outside (SIGTERM): out of time",
        ),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "{} crashed (SIGSEGV)"),
        ("import os; os.abort()", "{} crashed (SIGABRT)"),
        ("import os; os.kill(os.getpid(), 40)", "{} crashed (signal 40)"),
        ("raise SystemExit(3)", "{} ended with exit code 3: no message"),
        ("print('one'); print(); print('  two '); raise SystemExit(3)", "{} ended with exit code 3: two"),
        ("print('- 12:00 ERROR: no file'); print('bye'); raise SystemExit(1)", "exit code 1: - 12:00 ERROR: no file"),
        # as a shell around the tool says it
        ("raise SystemExit(137)", "{} was killed (SIGKILL): most likely out of memory"),
        ("raise SystemExit(143)", "{} was stopped from outside (SIGTERM): out of time, or the run was ended"),
        ("raise SystemExit(139)", "{} crashed (SIGSEGV)"),
        ("raise SystemExit(255)", "{} ended with exit code 255: no message"),
    ],
)
def test_failure_of_a_tool_has_its_reason(run, script, reason):
    found, _ = run(*python(script))
    assert reason.format(Path(sys.executable).name.partition("-")[0]) in found


def test_tool_that_cannot_be_started_is_named(run, tmp_path):
    assert run("no-such-tool", "-i", "x")[0] == "no-such-tool cannot be started: No such file or directory"
    (tmp_path / "tool").write_text("not a program")
    assert "tool cannot be started: Permission denied" in run(tmp_path / "tool")[0]
    (tmp_path / "tool").chmod(0o755)
    assert "tool cannot be started: Exec format error" in run(tmp_path / "tool")[0]


@pytest.mark.parametrize("code", [0, 3])
def test_problem_in_the_output_is_the_reason_whatever_the_exit_code(run, code):
    def problem_in(output):
        return "line two" if output == "one\ntwo\n" else f"not {output!r}"

    reason, _ = run(*python(f"print('one'); print('two'); raise SystemExit({code})"), problem_in=problem_in)
    assert reason.endswith(": line two")


def test_output_without_a_problem_is_no_failure(run):
    assert run(*python("print('ERROR')"), problem_in=lambda output: "")[0] == ""


def test_crash_is_reported_beside_the_problem(run):
    reason, _ = run(*python("import os; os.abort()"), problem_in=lambda output: "why")
    assert reason.endswith("crashed (SIGABRT): why")


def test_words_reach_a_tool_as_they_are(run):
    words = ["a b", "'", '"', "$(id)", ";", "*", "\\"]
    assert run(*python("import sys; print(sys.argv[1:])"), *words)[1][-1] == str(words)


def test_tool_reads_nothing_from_the_terminal(run):
    assert run(*python("import sys; print(repr(sys.stdin.read()))"))[1][-1] == "''"


def test_tool_begins_with_default_signals_and_none_of_our_files(run, tmp_path):
    """Python ignores two signals, and keeps files open. What else is ignored the tool inherits, as with nohup."""
    with open(tmp_path / "of ours", "w"):
        lines = run("sh", "-c", "ls -l /proc/self/fd; grep SigIgn /proc/self/status")[1]
    assert "of ours" not in "".join(lines)
    ignored = int(lines[-1].removeprefix("SigIgn:"), 16)
    assert not any(ignored & 1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))


def test_tools_that_cannot_be_started_leave_no_process_and_no_open_file(run):
    def left():
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text(), len(os.listdir("/proc/self/fd"))

    before = left()
    run("no-such-tool")
    assert left() == before


def test_output_that_is_no_text_does_no_harm(run):
    reason, _ = run(*python("import sys; sys.stdout.buffer.write(b'\\xff\\xfe'); raise SystemExit(2)"))
    assert "ended with exit code 2" in reason


def test_lines_are_passed_on_while_the_tool_runs():
    tool = python("import time; print('begun', flush=True); time.sleep(60)")
    script = f"from proteofold.system.process import run_tool; run_tool({tool!r})"
    with subprocess.Popen(python(script), stderr=subprocess.PIPE, text=True) as step:
        assert any(line == "begun\n" for line in step.stderr)
        step.kill()


def test_usage_is_written_and_read(tmp_path):
    path = tmp_path / "usage.tsv"
    usage = Usage(1.235, 0.5, 100.0, "node-1", "my run", "3.3.0")
    path.write_text(format_usage(usage))
    assert (
        path.read_text() == "wall_s\tcpu_s\tmax_rss_mb\tnode\trun\thhsuite\n1.235\t0.5\t100.0\tnode-1\tmy run\t3.3.0\n"
    )
    assert read_usage(path) == usage


def test_usage_of_this_process_is_read_again(tmp_path):
    path = tmp_path / "usage.tsv"
    usage = own_usage(time.monotonic(), "my run")
    path.write_text(format_usage(usage))
    assert read_usage(path) == usage
    assert usage.max_rss_mb > 1 and usage_of_tools(time.monotonic(), "", "").node == usage.node


@pytest.mark.parametrize(
    "content",
    [b"", b"wall_s\n", b"a\tb\n1\t2\n", b"\xff\xfe\0\n1\n", bytes(300)],
    ids=["empty", "header", "other", "no text", "zeros"],
)
def test_damaged_usage_is_an_error_of_value(tmp_path, content):
    (tmp_path / "usage.tsv").write_bytes(content)
    with pytest.raises(ValueError):
        read_usage(tmp_path / "usage.tsv")


def test_usage_that_is_cut_anywhere_is_an_error_of_value(tmp_path):
    usage = Usage(1.235, 0.5, 100.0, "node-1", "my run", "3.3.0")
    text = format_usage(usage)
    for length in range(len(text)):
        (tmp_path / "usage.tsv").write_text(text[:length])
        with pytest.raises(ValueError):
            read_usage(tmp_path / "usage.tsv")


def is_alive(process):
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def ends(process):
    """Whether a process ends within some seconds; it is killed if it does not."""
    deadline = time.monotonic() + 20
    while is_alive(process):
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            return False
        time.sleep(0.05)
    return True


SLEEPER = "import os, time; print('pid', os.getpid(), flush=True); time.sleep(60)"


def pid_in(lines):
    for line in lines:
        if line.startswith("pid "):
            return int(line.split()[1])
    raise AssertionError("no process id was printed")


def test_tool_dies_with_its_step():
    script = (
        f"import sys; from proteofold.system.process import run_tool; run_tool([sys.executable, '-c', {SLEEPER!r}])"
    )
    with subprocess.Popen(python(script), stderr=subprocess.PIPE, text=True) as step:
        tool = pid_in(step.stderr)
        step.kill()
    assert ends(tool)


# A shell stands for Snakemake, which starts steps from shells that it starts: PARENT is set to the id of its process.
STEP = f"from proteofold.system.process import end_with_run; end_with_run(); {SLEEPER}"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_step_dies_with_its_snakemake(number):
    script = 'bash -c \'export PROTEOFOLD_PARENT=$PPID; exec "$0" -c "$1"\' "$0" "$1"; true'
    command = ["bash", "-c", script, sys.executable, STEP]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as snakemake:
        step = pid_in(snakemake.stdout)
        snakemake.send_signal(number)
        assert ends(step)


@pytest.mark.parametrize("waited_for", [True, False], ids=["gone", "zombie"])
def test_step_whose_snakemake_is_dead_already_does_not_begin(waited_for):
    """Nothing would end it later."""
    script = STEP.replace("time.sleep(60)", "time.sleep(0)")
    with subprocess.Popen(["sleep", "60"]) as snakemake:
        snakemake.kill()
        if waited_for:
            snakemake.wait()
        environment = os.environ | {"PROTEOFOLD_PARENT": str(snakemake.pid)}
        outcome = subprocess.run(python(script), env=environment, capture_output=True, text=True, check=False)
    assert outcome.returncode != 0 and "pid" not in outcome.stdout


def test_step_that_a_person_starts_outlives_nothing(monkeypatch):
    monkeypatch.delenv("PROTEOFOLD_PARENT", raising=False)
    script = "from proteofold.system.process import end_with_run; end_with_run(); print('done')"
    assert subprocess.run(python(script), capture_output=True, text=True, check=True).stdout == "done\n"


def step_after_ctrl_c(handler):
    """A step started with this handler of SIGINT, to which SIGINT was sent."""
    environment = os.environ | {"PROTEOFOLD_PARENT": str(os.getpid())}
    step = subprocess.Popen(
        python(STEP),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, handler),
    )
    pid_in(step.stdout)
    step.send_signal(signal.SIGINT)
    return step


def test_ctrl_c_ends_a_step_without_a_traceback():
    with step_after_ctrl_c(signal.SIG_DFL) as step:
        assert step.wait(20) == -signal.SIGINT
        assert step.stderr.read() == ""


def test_step_of_a_run_that_ignores_ctrl_c_ignores_it_too():
    with step_after_ctrl_c(signal.SIG_IGN) as step:
        time.sleep(0.5)
        alive = step.poll() is None
        step.kill()
        assert alive
