"""Uploading proteins: the page, what it shows afterwards, and the same as JSON."""

import secrets
from collections import OrderedDict
from dataclasses import dataclass

from proteofold.service.choices import limits
from proteofold.service.places import working_folder
from proteofold.service.uploads import MOST_REPORTED, Upload, add_upload
from proteofold.store import open_store
from proteofold.system.errors import UserError
from website.actions import same
from website.pages.paths import protein_path
from website.requests.bodies import keep, receive, scratch_file
from website.requests.databases import ask_platform, store_path
from website.requests.threads import at_length

KEPT = 50
OUTCOMES = {"failed": "bad", "added": "good", "present": "quiet"}
OUTCOME_WORDS = {"failed": "failed", "added": "added", "present": "already there"}


@dataclass(frozen=True, slots=True)
class Done:
    """An upload that was stored, for the page that shows it: by whom, and how they call the file."""

    user: str
    name: str
    upload: Upload


class Uploads:
    """The uploads of late, in memory, by a key that cannot be guessed; and how far those under way are."""

    def __init__(self):
        self._done, self._parts = OrderedDict(), OrderedDict()

    def put(self, done):
        """Keep an upload; returns its key."""
        key = secrets.token_urlsafe(12)
        self._done[key] = done
        while len(self._done) > KEPT:
            self._done.popitem(last=False)
        return key

    def get(self, key, user):
        """A user's upload; UserError if it is not (or no longer) known."""
        done = self._done.get(key)
        if not done or done.user != user:
            raise UserError(
                "The result of this upload is no longer known. Its proteins are in the store; to see it again,"
                " upload the file again: what is there is not added twice."
            )
        return done

    def progress_of(self, key):
        """A function that notes how far the upload is that a browser calls ``key``."""
        key = key[:64]

        def report(part, records):
            if key:
                self._parts[key] = {"part": round(part, 3), "records": records}
                self._parts.move_to_end(key)
                while len(self._parts) > KEPT:
                    self._parts.popitem(last=False)

        return report

    def part(self, key):
        """How far an upload is: ``part`` from 0 to 1, and records read."""
        return self._parts.get(key, {"part": 0, "records": 0})


uploads = Uploads()


async def upload_page(visit):
    """The form."""
    return await _form(visit)


async def _form(visit, error=None, status=200, text=""):
    context = {"error": error, "text": text, "same": same.upload(visit)}
    return await visit.page("upload.html", context, status)


async def upload_form(visit):
    """Take the file, or the text, of the form; then the page that shows its result."""
    file, text = visit.body.get("fasta"), visit.field("text")
    has_file = hasattr(file, "filename") and file.filename
    if not has_file and not text.strip():
        return await _form(visit, "Choose a FASTA file, or paste proteins in FASTA.", 400)
    with scratch_file() as path:
        if has_file:
            await keep(file, path)
            name = file.filename
        else:
            await at_length(path.write_text, text, "utf-8")
            name = "pasted text"
        try:
            done = await _store(visit, path, name)
        except UserError as error:
            return await _form(visit, str(error), 400, "" if has_file else text)
    return visit.go(visit.path(f"/-/upload/{uploads.put(done)}"))


async def _store(visit, path, name):
    store, user = store_path(visit.datasette), visit.user
    report = uploads.progress_of(visit.argument("progress"))
    most = await ask_platform(visit.datasette, lambda platform: limits(working_folder(platform))["proteins"])

    def add():
        return Done(
            user.name, name, add_upload(lambda: open_store(store, create=False), path, name, user, report, most)
        )

    return await at_length(add)


async def upload_done(visit):
    """Result of each id of an upload."""
    key = visit.named("key")
    done = uploads.get(key, visit.actor.name)
    rows = {name: [row for row in done.upload.rows if row.outcome == name] for name in OUTCOMES}
    context = {
        "done": done,
        "upload": done.upload,
        "rows": rows,
        "outcomes": OUTCOMES,
        "outcome_words": OUTCOME_WORDS,
        "most": MOST_REPORTED,
        "protein_path": lambda query_id: protein_path(visit.datasette, query_id),
        "new_run": visit.path(f"/-/new-run?upload={key}") if done.upload.ids and "run" in visit.actor.rights else None,
        "same": same.upload(visit),
    }
    return await visit.page("uploaded.html", context)


# --- As JSON ----------------------------------------------------------------------------------------


async def upload_part(visit):
    """How far an upload is."""
    return visit.json(uploads.part(visit.named("key")))


async def proteins_add(visit):
    """Take a FASTA file that is sent as it is; ``?name=`` is what it is called."""
    with scratch_file() as path:
        await receive(visit.request, path, visit.route.most)
        upload = (await _store(visit, path, visit.argument("name") or "upload.fasta")).upload
    counts = {name: getattr(upload, name) for name in ("source", "added", "present", "failed", "described")}
    return visit.json(counts | {"rows": [row._asdict() for row in upload.rows]})
