"""However a tool ends, its job's log says so in its last line; and no tool outlives its job."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from proteofold.errors import UserError
from proteofold.failures import disk_failure, last_words
from proteofold.process import DONE_MARK, JobLog, Usage, measured_run, own_usage, read_usage, usage_tsv


def run(tmp_path, *command):
    """Run a command as a job does; returns its usage (None if it failed), its exit code and the lines of its log."""
    usage = None
    with JobLog(tmp_path / "logs" / "job.log") as log:
        log.step("search")
        usage = measured_run(command, log, "key")
    return usage, log.exit_code, Path(log.path).read_text().splitlines()


def python(*lines):
    return (sys.executable, "-c", "\n".join(lines))


def test_output_of_a_tool_goes_to_the_log(tmp_path):
    script = "import sys; print('to stdout', flush=True); print('to stderr', file=sys.stderr)"
    usage, code, lines = run(tmp_path, *python(script))
    assert code == 0
    assert lines == ["STEP search", f"$ {sys.executable} -c {script}", "to stdout", "to stderr", DONE_MARK]


def test_use_of_a_tool_is_measured(tmp_path):
    usage, _, _ = run(
        tmp_path, *python("import time", "block = b'x' * 80_000_000", "end = time.process_time() + 0.2",
                          "while time.process_time() < end: pass", "time.sleep(0.2)")
    )  # fmt: skip
    assert 0.2 <= usage.cpu_s <= usage.wall_s
    assert usage.wall_s >= 0.4
    # at its fork the tool is as large as this process, which may have read PyTorch with its GPU libraries
    assert 80 < usage.max_rss_mb < 300 + own_usage(0, "key").max_rss_mb
    assert usage.node and usage.result_key == "key"


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "{} was killed (SIGKILL): most likely for want of"),
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
        ("raise SystemExit(137)", "{} was killed (SIGKILL): most likely for want of memory"),
        ("raise SystemExit(143)", "{} was stopped from outside (SIGTERM): out of time, or the run was ended"),
        ("raise SystemExit(139)", "{} crashed (SIGSEGV)"),
        ("raise SystemExit(255)", "{} ended with exit code 255: no message"),
    ],
)
def test_end_of_a_tool_is_the_last_line(tmp_path, script, reason):
    usage, code, lines = run(tmp_path, *python(script))
    assert (usage, code) == (None, 1)
    assert lines[-1].startswith("ERROR search: ")
    assert reason.format(Path(sys.executable).name) in lines[-1]


def test_tool_that_cannot_be_started_is_told(tmp_path):
    _, code, lines = run(tmp_path, "no-such-tool", "-i", "x")
    assert (code, lines[-1]) == (1, "ERROR search: no-such-tool cannot be started: No such file or directory")
    (tmp_path / "tool").write_text("not a program")
    assert "tool cannot be started: Permission denied" in run(tmp_path, tmp_path / "tool")[2][-1]


def test_words_reach_a_tool_as_they_are(tmp_path):
    words = ["a b", "'", '"', "$(id)", ";", "*", "\\"]
    _, _, lines = run(tmp_path, *python("import sys; print(sys.argv[1:])"), *words)
    assert lines[-2] == str(words)


def test_tool_reads_nothing_from_the_terminal(tmp_path):
    assert run(tmp_path, *python("import sys; print(repr(sys.stdin.read()))"))[2][-2] == "''"


def test_tool_begins_with_default_signals_and_none_of_our_files(tmp_path):
    """Python ignores two signals, and keeps files open. What else is ignored the tool inherits, as with nohup."""
    with open(tmp_path / "of ours", "w"):
        lines = run(tmp_path, "sh", "-c", "ls -l /proc/self/fd; grep SigIgn /proc/self/status")[2]
    assert str(tmp_path / "logs" / "job.log") in "".join(lines)
    assert "of ours" not in "".join(lines)
    ignored = int(lines[-2].removeprefix("SigIgn:"), 16)
    assert not any(ignored & 1 << number - 1 for number in (signal.SIGPIPE, signal.SIGXFSZ))


def test_script_without_an_interpreter_line_is_told(tmp_path):
    (tmp_path / "tool").write_text("not a program")
    (tmp_path / "tool").chmod(0o755)
    assert "tool cannot be started: Exec format error" in run(tmp_path, tmp_path / "tool")[2][-1]


def test_tools_that_cannot_be_started_leave_no_process_and_no_open_file(tmp_path):
    def left():
        return Path(f"/proc/self/task/{os.getpid()}/children").read_text(), len(os.listdir("/proc/self/fd"))

    before = left()
    run(tmp_path, "no-such-tool")
    assert left() == before


def test_output_that_is_no_text_does_no_harm(tmp_path):
    with JobLog(tmp_path / "job.log") as log:
        measured_run(python("import sys; sys.stdout.buffer.write(b'\\xff\\xfe'); raise SystemExit(2)"), log)
    assert "ended with exit code 2" in last_words(log.path, "")[1]


def test_error_of_the_user_is_one_line_without_traceback(tmp_path):
    with JobLog(tmp_path / "job.log") as log:
        log.step("a3m")
        raise UserError("two\n  lines")
    assert log.exit_code == 1
    assert Path(log.path).read_text() == "STEP a3m\nERROR a3m: two lines\n"


def test_error_of_ours_has_a_traceback_and_the_last_line(tmp_path):
    with JobLog(tmp_path / "job.log") as log:
        raise KeyError("x")
    lines = Path(log.path).read_text().splitlines()
    assert lines[0].startswith("Traceback")
    assert (log.exit_code, lines[-1]) == (1, "ERROR start: 'x'")


def test_error_without_words_is_named_by_its_kind(tmp_path):
    with JobLog(tmp_path / "job.log") as log:
        raise MemoryError
    assert Path(log.path).read_text().splitlines()[-1] == "ERROR start: MemoryError"


def test_undecodable_path_in_an_error_does_not_hide_it(tmp_path):
    with JobLog(tmp_path / "job.log") as log:
        raise UserError(f"{os.fsdecode(b'caf' + bytes([233]))}: cannot be read")
    assert Path(log.path).read_text() == "ERROR start: caf\\udce9: cannot be read\n"


def test_interrupt_is_passed_on(tmp_path):
    with pytest.raises(KeyboardInterrupt), JobLog(tmp_path / "job.log") as log:
        raise KeyboardInterrupt
    assert Path(log.path).read_text() == ""


def test_log_is_written_anew_by_each_attempt(tmp_path):
    for word in ("first", "second"):
        with JobLog(tmp_path / "job.log") as log:
            log.write(word)
    assert Path(log.path).read_text() == f"second\n{DONE_MARK}\n"


def test_lines_are_there_while_the_job_runs(tmp_path):
    with JobLog(tmp_path / "job.log") as log:
        log.step("search")
        assert Path(log.path).read_text() == "STEP search\n"


def test_usage_is_written_and_read(tmp_path):
    path = tmp_path / "usage.tsv"
    path.write_text(usage_tsv(Usage(1.23456, 0.5, 99.96, "node-1", "abc")))
    assert path.read_text() == ("wall_s\tcpu_s\tmax_rss_mb\tnode\tresult_key\n1.235\t0.500\t100.0\tnode-1\tabc\n")
    assert read_usage(path) == [
        {"wall_s": "1.235", "cpu_s": "0.500", "max_rss_mb": "100.0", "node": "node-1", "result_key": "abc"}
    ]


def test_usage_without_key_is_read(tmp_path):
    path = tmp_path / "usage.tsv"
    path.write_text(usage_tsv(own_usage(time.monotonic())))
    (row,) = read_usage(path)
    assert row["result_key"] == ""
    assert float(row["max_rss_mb"]) > 1


def test_tool_dies_with_its_job(tmp_path):
    script = (
        "import sys; from proteofold.process import JobLog, measured_run\n"
        "with JobLog(sys.argv[1]) as log:\n"
        "    log.step('search')\n"
        "    tool = 'import os, time; print(os.getpid(), flush=True); time.sleep(60)'\n"
        "    measured_run([sys.executable, '-c', tool], log)\n"
    )
    job = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "job.log")])
    for _ in range(200):
        time.sleep(0.05)
        lines = (tmp_path / "job.log").read_text().splitlines() if (tmp_path / "job.log").exists() else []
        if len(lines) > 2:
            break
    tool = int(lines[2])
    job.send_signal(signal.SIGKILL)
    job.wait()
    for _ in range(200):
        time.sleep(0.05)
        if not Path(f"/proc/{tool}/cmdline").exists() or not Path(f"/proc/{tool}/cmdline").read_bytes():
            break
    else:
        os.kill(tool, signal.SIGKILL)
        raise AssertionError("the tool outlived its job")
    assert "killed" in last_words(tmp_path / "job.log", "search")[1]


def test_full_disk_is_told_though_its_job_can_write_no_log(tmp_path):
    """/dev/full takes nothing, as a full disk."""
    (tmp_path / "job.log").symlink_to("/dev/full")
    script = "import sys; from proteofold.process import JobLog\nwith JobLog(sys.argv[1]) as log: log.step('a3m')\n"
    script += "sys.exit(log.exit_code)"
    job = subprocess.run(python(script) + (tmp_path / "job.log",), capture_output=True, text=True, check=False)
    assert job.returncode == 1
    assert "job.log cannot be written to disk: No space left on device. The disk /dev" in job.stderr
    assert "Traceback" not in job.stderr


def test_log_names_the_disk_that_took_no_result(tmp_path):
    with JobLog(tmp_path / "job.log") as log:
        log.step("summary")
        raise OSError(errno.EDQUOT, "Disk quota exceeded", "some.out")
    step, reason = last_words(log.path, "search")
    assert step == "summary"
    assert reason.startswith("some.out cannot be written to disk: Disk quota exceeded. The disk /")
    assert disk_failure(log.path) == reason
    assert "Traceback" not in Path(log.path).read_text()
