"""Models on request, made as ``proteofold model`` makes them, in a process of its own.

Reading coordinates takes seconds of CPU and, of a large complex, gigabytes, which the web process must not spend.
"""

import contextlib
import csv
import io
import json
import os
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from proteofold.run.manifest import load_run
from proteofold.run.models import find_structure, model_name, model_of, models_of_domains, templates_of_domains
from proteofold.science.model import Model
from proteofold.science.model_text import SENTENCE, model_text
from proteofold.service.downloads import open_zip, zip_entry
from proteofold.store.queries import NotFoundError
from proteofold.store.run_files import find_member
from proteofold.system import paths
from proteofold.system.errors import UserError
from proteofold.system.process import die_with
from proteofold.system.words import without_folders

FORMATS = ("cif", "pdb")

# Of one model: most take a second, and a tenth of the memory.
MODEL_S = 60
MEMORY = 512 << 20

_NICE = 10
_PIECE = 1 << 18
_LOOK_MS = 1000
_NO_MODEL = 3  # exit status where the last line of standard error says why; 1 is that of a bug
_NOT_MADE = ("query_id", "domain", "template", "reason")


def send_model(folder, structures, stream, query_id, ending, domain=None, rank=None):
    """Write the file of a model of a protein of a run to a stream; ``ending`` is one of FORMATS.

    ``folder`` is the run's, ``structures`` that of the mmCIF files; domain and rank as for models.model_of.
    NotFoundError says why there is none. BrokenPipeError when ``gone``, where the stream has that, becomes true.
    """
    asked = {"query_id": query_id, "ending": ending, "domain": domain, "rank": rank}
    _send(asked | {"folder": str(folder), "structures": str(structures)}, stream)


def send_models(folder, structures, stream):
    """Write what write_models writes to a stream. NotFoundError as there, BrokenPipeError as of send_model."""
    _send({"folder": str(folder), "structures": str(structures)}, stream)


def write_models(folder, structures, stream):
    """Write a zip file with the models of all domains of a run, as mmCIF; only ``stream.write`` is called.

    ``models.csv`` in it lists them, ``without_model.csv`` the domains that have none, and why. For the main thread of a
    process. NotFoundError, before anything is written, if no structure of a template is there.
    """
    run = load_run(folder)
    if not any(find_structure(template, structures) for template in templates_of_domains(run.folder)):
        raise NotFoundError(
            f"There are no structures for the domains of run {run.name!r}: 'proteofold fetch structures {run.name}' "
            "fetches them."
        )
    top, made, columns, not_made = f"{run.name}-models", [], (), []
    models = models_of_domains(run, structures)
    with open_zip(stream) as archive:
        archive.writestr(zip_entry(f"{top}/README.txt", time.time()), _README.format(run=run.name, sentence=SENTENCE))
        while True:
            with _within(MODEL_S):
                found = next(models, None)
            if found is None:
                break
            member, number, template, model = found
            if isinstance(model, Model):
                name, described = model_name(member, f"domain{number}", model), model.described()
                archive.writestr(zip_entry(f"{top}/{name}", time.time()), model_text(model, ".cif"))
                made.append((name, number, *described.values()))
                columns = ("file", "domain", *described)
            else:
                not_made.append((member.query_id, number, template, _why(model)))
        archive.writestr(zip_entry(f"{top}/models.csv", time.time()), _table(columns, made))
        archive.writestr(zip_entry(f"{top}/without_model.csv", time.time()), _table(_NOT_MADE, not_made))


def _table(columns, rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([columns, *rows] if rows else [])
    return text.getvalue()


_README = """Models of the domains of the proteofold run {run}, as mmCIF.

{sentence} The B factor is the confidence of the alignment, 0 to 100.

models.csv: what each file is
without_model.csv: domains without a model, and why; empty if all have one

More: docs/structures.md of proteofold.
"""


def _why(error):
    """Why there is no model, in a sentence without folders of this machine."""
    if isinstance(error, MemoryError):
        return f"Its structure takes more than {MEMORY >> 20:,} MB of memory."
    return without_folders(str(error))


@contextlib.contextmanager
def _within(seconds):
    """Raise a UserError in the block if it takes longer; in the main thread of a process."""

    def stop(*_):
        raise UserError(f"It takes more than {seconds} s. 'proteofold model' makes it without this limit.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _send(asked, stream):
    """Write what a process of its own prints for what it is asked to a stream."""
    command = [*paths.PYTHON, "-m", "proteofold.service.models"]
    with tempfile.TemporaryFile(prefix="proteofold-models-") as errors:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            # a thread of its own for each core would take address space, of which there is a limit
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
        )
        with child:
            try:
                child.stdin.write(json.dumps(asked | {"limits": [os.getpid(), MODEL_S, MEMORY]}).encode())
                child.stdin.close()
                while piece := _next_piece(child.stdout, stream):
                    stream.write(piece)
            except BaseException:  # the reader is gone
                child.kill()
                raise
        errors.seek(0)
        printed = errors.read().decode(errors="replace").strip()
    if child.returncode == _NO_MODEL:
        raise NotFoundError(printed.splitlines()[-1])
    if child.returncode < 0:
        raise NotFoundError("There is no model: it takes too much time or memory.")
    if child.returncode:
        print(printed, file=sys.stderr)
        raise RuntimeError("a model could not be made")


def _next_piece(output, stream):
    """What a child prints next, b"" at its end; BrokenPipeError when the reader of the stream is gone before."""
    printed = select.poll()
    printed.register(output, select.POLLIN)
    while not printed.poll(_LOOK_MS):
        if getattr(stream, "gone", False):
            raise BrokenPipeError("the reader is gone")
    return output.read1(_PIECE)


def main():
    """Print what standard input asks for: a model, or the zip of all of a run. Errors are a line of standard error."""
    asked = json.load(sys.stdin)
    parent, seconds, memory = asked.pop("limits")
    die_with(parent)
    _stand_back()
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        if "query_id" in asked:
            with _within(seconds):
                sys.stdout.write(_model(**asked))
        else:
            write_models(Path(asked["folder"]), Path(asked["structures"]), sys.stdout.buffer)
    except (UserError, OSError, MemoryError) as error:
        print(_why(error), file=sys.stderr)
        sys.exit(_NO_MODEL)


def _stand_back():
    """Let others have the cores first and the memory longer, as far as the service that this runs in allows it."""
    with contextlib.suppress(OSError):
        os.nice(_NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _model(folder, structures, query_id, ending, domain, rank):
    run, member = find_member(Path(folder), query_id)
    return model_text(model_of(run, member, domain, rank, Path(structures)), f".{ending}")


if __name__ == "__main__":
    main()
