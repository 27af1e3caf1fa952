"""The table of routes: from it Datasette's routes, the OpenAPI description and the tests' walk are made."""

from proteofold.run.merge import MERGED
from proteofold.service.models import FORMATS
from proteofold.store.run_files import PROTEIN_FILES
from website.actions import (
    account,
    api_basics,
    cluster,
    downloads,
    lists,
    models,
    new_run,
    run_actions,
    run_json,
    search,
    sign_in,
    tokens,
    upload,
)
from website.pages import compare_page, listing, run_data, run_pages
from website.requests import schemas
from website.requests.guard import guarded
from website.requests.openapi import describe
from website.requests.route import (
    ANYONE,
    API,
    FILE,
    LIST,
    READER,
    RUNNER,
    SIGNED_IN,
    UPLOADER,
    Query,
    Route,
    addresses,
)


def _plain(view):
    """A page that only reads, as a handler."""

    async def handler(visit):
        return await view(visit.datasette, visit.request)

    return handler


RUN, RUN_API = "/-/runs/{run_id}", f"{API}/runs/{{run_id}}"
PAGE = Query("page", schemas.PAGE, "Which page of the list")
LOGS = (
    Query("protein", schemas.TEXT, "A protein of the run; without it the log of the run itself"),
    Query("job", schemas.TEXT, "A job of the run, by the name of its files"),
    Query("step", schemas.TEXT, "The step of this job: search, alignment or secondary_structure"),
)

PAGES = (
    Route("GET", "/-/runs", READER, lists.runs_page, "All runs"),
    Route("GET", RUN, READER, run_actions.run_page, "A run"),
    Route("GET", f"{RUN}/progress", READER, _plain(run_pages.run_progress), "The numbers that its page refreshes"),
    Route("GET", f"{RUN}/proteins", READER, _plain(run_pages.run_proteins), "The list that its page refreshes"),
    Route("GET", f"{RUN}/proteins.{{format}}", READER, downloads.proteins_file, "The proteins of that list as a file"),
    Route("GET", "/-/compare", READER, _plain(compare_page.compare_page), "Two runs side by side"),
    Route("GET", f"{RUN}/download.zip", READER, downloads.zipped, "Its results"),
    Route("GET", f"{RUN}/report", READER, downloads.report_page, "What its report has"),
    Route("GET", f"{RUN}/report/{{file}}", READER, downloads.report_file, "A page or plot of its report"),
    Route("GET", f"{RUN}/log", READER, downloads.log_page, "The last lines of a log"),
    Route("POST", f"{RUN}/stop", RUNNER, run_actions.stop_form, "Stop it", body="form"),
    Route("POST", f"{RUN}/retry", RUNNER, run_actions.retry_form, "Compute proteins that did not succeed", body="form"),
    Route("POST", f"{RUN}/repeat", RUNNER, run_actions.repeat_form, "Order the same run again", body="form"),
    Route("GET", f"{RUN}/delete", RUNNER, run_actions.delete_page, "Asks before it is deleted"),
    Route("POST", f"{RUN}/delete", RUNNER, run_actions.delete_form, "Delete it", body="form"),
    Route("GET", "/-/protein/{query_id}", READER, lists.protein, "A protein"),
    Route("GET", "/-/protein/{query_id}/fasta", READER, downloads.protein_fasta, "The sequence of a protein"),
    # addresses of before
    Route("GET", "/-/protein", READER, lists.protein, "A protein, by ?id="),
    Route("GET", "/-/structures/{code}", READER, lists.structure, "Coordinates of a template, for the viewer"),
    Route("GET", "/-/search", READER, search.search_page, "Find proteins"),
    Route("GET", "/-/upload", UPLOADER, upload.upload_page, "The form of uploading"),
    Route("POST", "/-/upload", UPLOADER, upload.upload_form, "Upload proteins", body="upload", most=FILE),
    Route("GET", "/-/upload/{key}", UPLOADER, upload.upload_done, "Result of an upload"),
    Route("GET", "/-/new-run", RUNNER, new_run.new_run_page, "The form of a new run"),
    Route("POST", "/-/new-run", RUNNER, new_run.new_run_form, "Check or start a new run", body="list", most=LIST),
    Route("GET", "/-/cluster", READER, cluster.cluster_page, "Nodes, jobs, queue"),
    Route("GET", "/-/sign-in", ANYONE, sign_in.sign_in_page, "The form of signing in"),
    Route("POST", "/-/sign-in", ANYONE, sign_in.sign_in_form, "Sign in", body="form"),
    Route("POST", "/-/sign-out", SIGNED_IN, sign_in.sign_out_form, "Sign out", body="form"),
    Route("GET", "/-/account", SIGNED_IN, account.account_page, "Password and sessions"),
    Route("POST", "/-/account/password", SIGNED_IN, account.password_form, "Change the password", body="form"),
    Route(
        "POST",
        "/-/account/sessions/{session_id}/end",
        SIGNED_IN,
        account.session_end_form,
        "End a session",
        body="form",
    ),
    Route("GET", "/-/tokens", SIGNED_IN, tokens.tokens_page, "Tokens of the API"),
    Route("POST", "/-/tokens", SIGNED_IN, tokens.tokens_form, "Create a token", body="form"),
    Route("POST", "/-/tokens/{token_id}/revoke", SIGNED_IN, tokens.token_revoke_form, "Revoke a token", body="form"),
)

PROGRAMS = (
    Route("GET", f"{API}/health", READER, api_basics.health, "Health of the services", answer=schemas.HEALTH),
    Route(
        "GET",
        f"{API}/session",
        ANYONE,
        sign_in.session,
        "The user of the request, and their rights",
        answer=schemas.SESSION,
    ),
    Route(
        "POST",
        f"{API}/session",
        ANYONE,
        sign_in.session_begin,
        "Sign in; the answer sets a cookie",
        body=schemas.SIGN_IN,
        answer=schemas.SESSION,
    ),
    Route("DELETE", f"{API}/session", SIGNED_IN, sign_in.session_end, "Sign out", answer=schemas.DONE),
    Route("GET", f"{API}/tokens", SIGNED_IN, tokens.tokens, "Your tokens", answer=schemas.TOKENS),
    Route(
        "POST",
        f"{API}/tokens",
        SIGNED_IN,
        tokens.token_create,
        "Create a token; its secret is shown only once",
        body=schemas.NEW_TOKEN,
        answer=schemas.CREATED_TOKEN,
        status=201,
    ),
    Route(
        "DELETE", f"{API}/tokens/{{token_id}}", SIGNED_IN, tokens.token_revoke, "Revoke a token", answer=schemas.DONE
    ),
    Route(
        "GET",
        f"{API}/search",
        READER,
        search.search,
        "Proteins by id, accession, entry name, gene, a part of one, words of the description, or template",
        answer=schemas.FOUND,
        query=(Query("q", schemas.TEXT, "The name or words", required=True),),
    ),
    Route(
        "POST",
        f"{API}/proteins",
        UPLOADER,
        upload.proteins_add,
        "Add the proteins of a FASTA file, plain or gzip; invalid records are skipped and listed",
        body="fasta",
        most=FILE,
        answer=schemas.UPLOADED,
        query=(Query("name", schemas.TEXT, "What the file is called"),),
    ),
    Route(
        "GET",
        f"{API}/uploads/{{key}}",
        UPLOADER,
        upload.upload_part,
        "Progress of an upload",
        answer=schemas.UPLOAD_PART,
    ),
    Route(
        "GET",
        f"{API}/proteins/{{query_id}}",
        READER,
        search.protein,
        "A protein by id, accession, entry name or gene, with all its runs",
        answer=schemas.PROTEINS,
    ),
    Route(
        "GET",
        f"{API}/choices",
        READER,
        new_run.choices_offered,
        "Libraries, modes and weights on offer",
        answer=schemas.CHOICES,
    ),
    Route(
        "POST",
        f"{API}/ids",
        READER,
        new_run.ids_match,
        "Proteins that a list of ids, accessions, entry names or genes names",
        body=schemas.MATCH,
        most=LIST,
        answer=schemas.MATCHED,
    ),
    Route(
        "POST",
        f"{API}/estimate",
        RUNNER,
        new_run.run_estimate,
        "Estimated time and memory of a run",
        body=schemas.ESTIMATE,
        most=LIST,
        answer=schemas.ESTIMATED,
    ),
    Route(
        "GET",
        f"{API}/runs",
        READER,
        run_json.runs,
        "Runs, running ones first",
        answer=schemas.RUNS,
        query=(
            Query("show", {"enum": list(run_data.RUNS_SHOWN)}, "Only these"),
            Query("author", schemas.TEXT, "Only those that this user started"),
            PAGE,
        ),
    ),
    Route(
        "POST",
        f"{API}/runs",
        RUNNER,
        new_run.run_create,
        "Order a run",
        body=schemas.NEW_RUN,
        most=LIST,
        answer=schemas.ORDERED,
        status=201,
    ),
    Route("GET", RUN_API, READER, run_json.run, "A run and its progress", answer=schemas.RUN),
    Route("DELETE", RUN_API, RUNNER, run_actions.delete, "Delete a run", answer=schemas.DONE),
    Route(
        "GET",
        f"{RUN_API}/proteins",
        READER,
        run_json.run_proteins,
        "Proteins of a run",
        answer=schemas.RUN_PROTEINS,
        query=(
            Query("show", {"enum": list(run_data.SHOWN)}, "Only these"),
            Query("sort", {"enum": list(run_data.SORTS)}, "In which order"),
            Query("template", schemas.TEXT, "Only those with a domain of this template"),
            Query("cath", schemas.TEXT, "Only those with a domain of this superfamily or fold, by its code of CATH"),
            Query("q", schemas.TEXT, "Only those with this text in a name, the description or the best hit"),
            Query("rows", {"type": "integer", "enum": list(listing.PAGE_SIZES)}, "Proteins per page"),
            PAGE,
        ),
    ),
    Route(
        "GET",
        f"{RUN_API}/proteins/{{query_id}}",
        READER,
        run_json.run_protein,
        "A protein of a run: its result, domains and verdict, its hits",
        answer=schemas.RUN_PROTEIN,
    ),
    # before the files: its name would be taken for one of theirs
    Route(
        "GET",
        f"{RUN_API}/proteins/{{query_id}}/model.{{format}}",
        READER,
        models.model,
        "A model of a protein: its residues on the coordinates of the template of a domain (else the first) or hit",
        answer="*/*",
        query=(
            Query("domain", schemas.COUNT, "Number of the domain"),
            Query("hit", schemas.COUNT, "Rank of the hit, instead of a domain"),
        ),
        names={"format": FORMATS},
    ),
    Route(
        "GET",
        f"{RUN_API}/models.zip",
        READER,
        models.models_zip,
        "Models of all domains of a run whose templates have a structure here, as mmCIF",
        answer="application/zip",
    ),
    Route(
        "GET",
        f"{RUN_API}/proteins/{{query_id}}/{{file}}",
        READER,
        downloads.protein_file,
        "A file of a protein: alignments, what was searched with, sequence, hits, domains",
        answer="*/*",
        names={"file": PROTEIN_FILES},
    ),
    Route(
        "GET",
        f"{RUN_API}/tables/{{file}}",
        READER,
        downloads.table_file,
        "A table of a run",
        answer="*/*",
        names={"file": MERGED},
    ),
    Route("POST", f"{RUN_API}/stop", RUNNER, run_actions.stop, "Stop a run", answer=schemas.DONE),
    Route(
        "POST",
        f"{RUN_API}/retry",
        RUNNER,
        run_actions.retry,
        "Compute the proteins that did not succeed",
        answer=schemas.DONE,
    ),
    Route(
        "POST",
        f"{RUN_API}/repeat",
        RUNNER,
        run_actions.repeat,
        "Order the same run under another name",
        body=schemas.REPEAT,
        answer=schemas.ORDERED,
        status=201,
    ),
    Route("GET", f"{RUN_API}/download.zip", READER, downloads.zipped, "Results of a run", answer="application/zip"),
    Route(
        "GET",
        f"{RUN_API}/log",
        READER,
        downloads.log,
        "The last lines of a log",
        answer=schemas.LOG,
        query=LOGS,
    ),
    Route("GET", f"{API}/cluster", READER, cluster.cluster_json, "Nodes, jobs, queue", answer=schemas.CLUSTER),
)


async def _openapi(visit):
    """The description of all this."""
    return visit.bare_json(describe(PROGRAMS, visit.site))


ROUTES = (
    *PAGES,
    *PROGRAMS,
    Route("GET", f"{API}/openapi.json", ANYONE, _openapi, "The OpenAPI description"),
)


def datasette_routes():
    """The table as Datasette's router takes it: (pattern, view)."""
    return [(pattern, guarded(routes)) for pattern, routes in addresses(ROUTES).items()]
