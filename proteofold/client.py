"""Doing from Python what the pages of a proteofold site do: upload, search, start runs, follow them, fetch results.

>>> from proteofold.client import Client
>>> client = Client("https://proteofold.example.org", token="pft_...")
>>> client.add_fasta("my.fasta")["added"]
20
>>> client.start_run("my-run", ["P69905", "P02144"])["proteins"]
2
>>> client.wait("my-run")["status"]
'SUCCESS'
>>> client.download("my-run", "results.zip")
PosixPath('results.zip')
"""

import os
import time
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

import httpx2

from proteofold.system.errors import UserError

API = "/-/api/v1"
URL_VARIABLE = "PROTEOFOLD_URL"
TOKEN_VARIABLE = "PROTEOFOLD_TOKEN"
ACTIVE = ("QUEUED", "RUNNING")

# a file of a gigabyte is read by the server before it answers, and a proteome is planned before it is estimated
_TIMEOUT = httpx2.Timeout(30, read=300, write=300)
_PIECE = 1 << 20
_UNAUTHORISED = 401


class ClientError(UserError):
    """The site refused a request, or does not answer; ``status`` is that of HTTP, None without an answer."""

    topic = "platform"

    def __init__(self, message: str, status: int | None = None):
        super().__init__(message)
        self.status = status


class Upload(TypedDict):
    """Result of a FASTA file; ``rows`` are dicts of id, outcome (added, present, failed) and reason."""

    source: str
    added: int
    present: int
    failed: int
    described: int
    rows: list[dict[str, str]]


class Found(TypedDict):
    """Proteins that were found, and whether there are more."""

    proteins: list[dict[str, Any]]
    more: bool


class Matched(TypedDict):
    """Ids of the store that names stand for; ``absent`` are dicts of id and reason."""

    found: list[str]
    absent: list[dict[str, str]]


class Estimate(TypedDict):
    """What a run would take; ``expected_s`` are seconds once it starts, ``ahead`` the runs before it."""

    total: int
    already_predicted: int
    new: int
    residues: int
    longest: dict[str, Any]
    cpu_hours: float | None
    expected_s: float | None
    not_fitting: list[dict[str, Any]]
    not_fitting_count: int
    machine: str
    ahead: int
    notes: list[str]
    absent: list[dict[str, str]]


class Order(TypedDict):
    """A run that was ordered, and how many proteins it has."""

    run_id: str
    proteins: int


class Progress(TypedDict):
    """How far a run is: ``counts`` has the proteins of each part; ``seconds_left`` is None where it is unknown."""

    status: str
    state: str
    kind: str
    finished: int
    total: int
    percent: int
    duration: str
    seconds_left: float | None
    left: str
    started: str
    ended: str
    counts: dict[str, int]


class Run(TypedDict):
    """A run as a row of the store, and how far it is."""

    run: dict[str, Any]
    progress: Progress


class RunProtein(TypedDict):
    """A protein of a run: its row of the store, its result there, the verdict with its domains, and its first hits.

    ``verdict`` has class, sentence, coverage (0 to 1) and domains; None where the site has not the files of the run.
    """

    protein: dict[str, Any]
    result: dict[str, Any]
    verdict: dict[str, Any] | None
    hits: list[dict[str, Any]]


class Client:
    """A client of one site. Each method raises ClientError with the message of the site if it refuses.

    ``url`` and ``token`` default to the variables PROTEOFOLD_URL and PROTEOFOLD_TOKEN. Without a token only the
    public parts of the site are available. May be used in ``with``, which closes its connections.
    """

    def __init__(self, url: str | None = None, token: str | None = None, transport: httpx2.BaseTransport | None = None):
        url = url or os.environ.get(URL_VARIABLE)
        token = token or os.environ.get(TOKEN_VARIABLE)
        if not url:
            raise UserError(f"no site is named: set {URL_VARIABLE}=https://..., or give its address.", topic="platform")
        if not url.startswith(("http://", "https://")):
            raise UserError(
                f"{url!r} is not the address of a site: it must begin with https:// or http://.", topic="platform"
            )
        headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            self._http = httpx2.Client(
                base_url=url.rstrip("/") + API, headers=headers, timeout=_TIMEOUT, transport=transport
            )
        except (httpx2.InvalidURL, ValueError, UnicodeEncodeError) as error:
            raise UserError(f"{url!r}, or the token, is invalid: {error}", topic="platform") from None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *error) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, method: str, path: str, **options) -> Any:
        try:
            answer = self._http.request(method, path, **options)
        except httpx2.HTTPError as error:
            raise _silent(self._http.base_url, error) from None
        return _content_of(answer)

    # --- Proteins -----------------------------------------------------------------------------------

    def add_fasta(self, path: str | os.PathLike, on_progress=None) -> Upload:
        """Add the proteins of a FASTA file, plain or gzip: all valid ones, or none if the file is not FASTA.

        ``on_progress(sent, size)`` is called with bytes while it is sent.
        """
        path = Path(path)
        try:
            size, file = path.stat().st_size, path.open("rb")
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}", topic="platform") from None

        def pieces():
            sent = 0
            while piece := file.read(_PIECE):
                yield piece
                sent += len(piece)
                if on_progress:
                    on_progress(sent, size)

        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        with file:
            return self._ask("POST", "/proteins", params={"name": path.name}, content=pieces(), headers=headers)

    def search(self, text: str) -> Found:
        """Proteins that have a text in id, accession, gene or description; 50 at most."""
        return self._ask("GET", "/search", params={"q": text})

    def protein(self, name: str) -> list[dict[str, Any]]:
        """The proteins of an id or accession (mostly one), with sequences, results (``runs``), newest ``verdict``."""
        return self._ask("GET", f"/proteins/{_quoted(name)}")["proteins"]

    def match_ids(self, ids: list[str]) -> Matched:
        """The proteins that ids, accessions and entry names stand for."""
        return self._ask("POST", "/ids", json={"ids": list(ids)})

    # --- Runs ---------------------------------------------------------------------------------------

    def choices(self) -> dict[str, list[dict[str, str]]]:
        """Choices of a run: ``templates``, ``mode``, ``weights``, with name and words; the first is the default."""
        found = self._ask("GET", "/choices")
        return {kind: found[kind] for kind in ("templates", "mode", "weights")}

    def estimate(
        self, ids: list[str], templates: str | None = None, mode: str | None = None, weights: str | None = None
    ) -> Estimate:
        """Estimate of a run with these proteins; names that stand for no protein are in ``absent``."""
        return self._ask("POST", "/estimate", json={"ids": list(ids)} | _chosen(templates, mode, weights))

    def start_run(
        self,
        run_id: str,
        ids: list[str],
        templates: str | None = None,
        mode: str | None = None,
        weights: str | None = None,
        without_absent: bool = False,
    ) -> Order:
        """Order a run; it starts when its turn comes. Absent ids are an error, unless ``without_absent``."""
        order = {"run_id": run_id, "ids": list(ids), "without_absent": without_absent}
        return self._ask("POST", "/runs", json=order | _chosen(templates, mode, weights))

    def runs(self, show: str = "all", author: str | None = None, page: int = 1) -> dict[str, Any]:
        """A page of the list of runs: ``runs``, ``total``, ``page``, ``pages``. ``show``: all, running, waiting,
        finished, failed or interrupted."""
        return self._ask("GET", "/runs", params={"show": show, "page": page} | ({"author": author} if author else {}))

    def run(self, run_id: str) -> Run:
        """A run and its progress."""
        return self._ask("GET", f"/runs/{_quoted(run_id)}")

    def proteins(
        self,
        run_id: str,
        show: str = "all",
        sort: str = "evalue",
        page: int = 1,
        template: str | None = None,
        cath: str | None = None,
        text: str | None = None,
    ) -> dict[str, Any]:
        """A page of the proteins of a run with their best hits: ``proteins``, ``total``, ``page``, ``pages``.

        Only those with a domain of a ``template``, or of a superfamily or fold (``cath``, such as 1.10.490.10), or with
        a ``text`` in a name.
        """
        chosen = {"template": template, "cath": cath, "q": text}
        params = {"show": show, "sort": sort, "page": page} | {name: value for name, value in chosen.items() if value}
        return self._ask("GET", f"/runs/{_quoted(run_id)}/proteins", params=params)

    def run_protein(self, run_id: str, query_id: str) -> RunProtein:
        """A protein of a run, by its id: its result, domains and verdict, and its hits."""
        return self._ask("GET", f"/runs/{_quoted(run_id)}/proteins/{_quoted(query_id)}")

    def protein_file(self, run_id: str, query_id: str, name: str, path: str | os.PathLike) -> Path:
        """Write a file of a protein of a run to ``path``; returns the path.

        ``name`` is hhr (alignments), a3m (what was searched with), fasta, hits.csv, hits.json, domains.csv or
        domains.json.
        """
        return self._save(f"/runs/{_quoted(run_id)}/proteins/{_quoted(query_id)}/{_quoted(name)}", path)

    def model(
        self, run_id: str, query_id: str, path: str | os.PathLike, domain: int | None = None, hit: int | None = None
    ) -> Path:
        """Write a model of a protein of a run on the template of a domain or hit; returns the path.

        Without a number it is that of the first domain. ``path`` ends in .cif (mmCIF) or .pdb.
        """
        path = Path(path)
        chosen = {"domain": domain, "hit": hit}
        return self._save(
            f"/runs/{_quoted(run_id)}/proteins/{_quoted(query_id)}/model.{_quoted(path.suffix.lower()[1:])}",
            path,
            {name: number for name, number in chosen.items() if number is not None},
        )

    def models(self, run_id: str, path: str | os.PathLike) -> Path:
        """Write a zip of the models of all domains of a run to ``path``, whole or not at all; returns the path."""
        return self._save(f"/runs/{_quoted(run_id)}/models.zip", path)

    def table(self, run_id: str, name: str, path: str | os.PathLike) -> Path:
        """Write a table of a run, such as domains.gff3 or hits.csv.gz, to ``path``; returns the path."""
        return self._save(f"/runs/{_quoted(run_id)}/tables/{_quoted(name)}", path)

    def wait(self, run_id: str, on_progress=None, every_s: float = 5, silence_s: float = 300) -> Progress:
        """Wait until a run has ended; its Progress. ``on_progress(progress)`` is called after each query.

        A site that does not answer is tried again for ``silence_s`` seconds.
        """
        heard = time.monotonic()
        while True:
            try:
                progress, heard = self.run(run_id)["progress"], time.monotonic()
            except ClientError as error:
                if error.status not in (None, 500, 502, 503, 504) or time.monotonic() - heard > silence_s:
                    raise
            else:
                if on_progress:
                    on_progress(progress)
                if progress["status"] not in ACTIVE:
                    return progress
            time.sleep(every_s)

    def stop(self, run_id: str) -> None:
        """Stop a queued or running run."""
        self._ask("POST", f"/runs/{_quoted(run_id)}/stop")

    def retry(self, run_id: str) -> None:
        """Compute the proteins of a run that did not succeed."""
        self._ask("POST", f"/runs/{_quoted(run_id)}/retry")

    def repeat(self, run_id: str, name: str) -> Order:
        """Order the same proteins with the same choices as a run of another name."""
        return self._ask("POST", f"/runs/{_quoted(run_id)}/repeat", json={"run_id": name})

    def delete(self, run_id: str) -> None:
        """Delete a run and its results."""
        self._ask("DELETE", f"/runs/{_quoted(run_id)}")

    def download(self, run_id: str, path: str | os.PathLike) -> Path:
        """Write the zip of a run's results to ``path``, whole or not at all; returns the path.

        It holds the tables, the report, and alignments and prediction of each protein.
        """
        return self._save(f"/runs/{_quoted(run_id)}/download.zip", path)

    def _save(self, address: str, path: str | os.PathLike, params: dict[str, int] | None = None) -> Path:
        """Write what the site sends to ``path``, whole or not at all; returns the path."""
        path = Path(path)
        part = path.with_name(f"{path.name}.part")
        try:
            with self._http.stream("GET", address, params=params) as answer:
                if answer.status_code != 200:
                    answer.read()
                    _content_of(answer)
                with part.open("wb") as file:
                    for piece in answer.iter_bytes(_PIECE):
                        file.write(piece)
            part.replace(path)
        except httpx2.HTTPError as error:
            raise _silent(self._http.base_url, error) from None
        except OSError as error:
            raise UserError(f"{path}: {error.strerror}", topic="platform") from None
        finally:
            part.unlink(missing_ok=True)
        return path

    def log(self, run_id: str, protein: str | None = None) -> str:
        """The last lines of the log of a protein's job, or of the run itself."""
        params = {"protein": protein} if protein else {}
        return self._ask("GET", f"/runs/{_quoted(run_id)}/log", params=params)["text"]

    # --- The site -----------------------------------------------------------------------------------

    def cluster(self) -> dict[str, Any]:
        """The machines: ``nodes`` with their jobs, ``queue``, ``finished`` runs with CPU hours and efficiency."""
        return self._ask("GET", "/cluster")

    def health(self) -> dict[str, Any]:
        """The health of the ``services``, how many ``workers`` are live, and the ``state`` of all: good, quiet or bad.

        It is quiet if only the runner is off, so that new runs wait.
        """
        return self._ask("GET", "/health")

    def who_am_i(self) -> dict[str, Any]:
        """The user that the token belongs to, and its ``rights``."""
        return self._ask("GET", "/session")


def _quoted(name: str) -> str:
    # a name that a path would read as a folder, quoted or not, cannot exist
    if name in ("", ".", ".."):
        raise UserError(f"There is no {name!r}.", topic="platform")
    return quote(name, safe="")


def _chosen(templates, mode, weights):
    chosen = {"templates": templates, "mode": mode, "weights": weights}
    return {kind: name for kind, name in chosen.items() if name is not None}


def _silent(url, error):
    return ClientError(
        f"{url}: no answer ({error or type(error).__name__}). Check the address, and that the site is running."
    )


def _content_of(answer):
    """What an answer holds; ClientError where it is a refusal, or none of this API."""
    try:
        content = answer.json()
    except ValueError:
        content = None
    if not isinstance(content, dict) or not answer.is_success or not content.get("ok"):
        words = content.get("error") if isinstance(content, dict) else None
        if answer.status_code == _UNAUTHORISED and "Authorization" not in answer.request.headers:
            words = (
                f"{answer.url.host} needs a token for this. Sign in there, make one on the page Tokens, and set "
                f"{TOKEN_VARIABLE}=pft_..."
            )
        raise ClientError(
            words or f"{answer.url}: answer {answer.status_code} of no proteofold site.", answer.status_code
        )
    return content
