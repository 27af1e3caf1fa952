"""JSON schemas of what the API takes and answers; the guard checks what is sent against them."""

from proteofold.science.verdict import COVERAGE_CLASSES
from proteofold.service.health import STATES
from proteofold.service.tokens import RIGHTS

TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}
NUMBER = {"type": "integer"}
NUMBER_OR_NULL = {"type": ["number", "null"]}
YES_NO = {"type": "boolean"}


def listed(items, **more):
    """An array."""
    return {"type": "array", "items": items, **more}


def described(properties, required=None, **more):
    """An object with these properties; all of them are there unless ``required`` names fewer."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties if required is None else required),
        **more,
    }


def sent(properties, required):
    """An object that a program sends: nothing else may be in it."""
    return described(properties, required, additionalProperties=False)


def answered(properties, required=None):
    """An object that is answered."""
    required = list(properties if required is None else required)
    return described({"ok": {"const": True}} | properties, ["ok", *required])


DONE = answered({})
ERROR = described({"ok": {"const": False}, "error": {"type": "string", "description": "What is wrong, for people"}})

# --- Signing in -------------------------------------------------------------------------------------

SESSION = answered(
    {
        "user": TEXT_OR_NULL,
        "admin": YES_NO,
        "rights": listed(TEXT),
        "by": {"enum": ["session", "token", None]},
        "form_token": {
            "type": ["string", "null"],
            "description": "With a cookie, requests that change something need this as the header X-Form-Token",
        },
    }
)
SIGN_IN = sent({"name": TEXT, "password": TEXT}, ["name", "password"])
TOKENS = answered(
    {
        "tokens": listed(
            described(
                {
                    "token_id": NUMBER,
                    "user": TEXT,
                    "label": TEXT,
                    "rights": listed({"enum": list(RIGHTS)}),
                    "created_at": TEXT,
                    "expires_at": TEXT_OR_NULL,
                    "last_used_at": TEXT_OR_NULL,
                    "expired": YES_NO,
                }
            )
        )
    }
)
NEW_TOKEN = sent(
    {
        "label": {"type": "string", "minLength": 1, "maxLength": 100},
        "rights": listed({"enum": list(RIGHTS)}, minItems=1),
        "days": {"type": ["integer", "null"], "minimum": 1, "maximum": 3650},
    },
    ["label", "rights"],
)
CREATED_TOKEN = answered({"token": {"type": "string", "description": "The secret; it cannot be asked for again"}})

# --- Proteins ---------------------------------------------------------------------------------------

PROTEIN = described(
    {
        "query_id": TEXT,
        "accession": TEXT_OR_NULL,
        "entry_name": TEXT_OR_NULL,
        "gene": TEXT_OR_NULL,
        "organism": TEXT_OR_NULL,
        "description": TEXT_OR_NULL,
        "length": NUMBER,
    }
)
FOUND = answered({"proteins": listed(PROTEIN), "more": YES_NO})
DOMAIN = described(
    {
        "number": {"type": "integer", "description": "Counted from the first residue"},
        "query_start": NUMBER,
        "query_end": NUMBER,
        "template": TEXT,
        "description": TEXT,
        "probability": NUMBER_OR_NULL,
        "evalue": NUMBER_OR_NULL,
        "score": NUMBER_OR_NULL,
        "aligned_columns": NUMBER,
        "identity": NUMBER_OR_NULL,
        "template_start": NUMBER,
        "template_end": NUMBER,
        "template_length": NUMBER,
        "superfamily": {"type": "string", "description": "Code of CATH, empty where there is none or none is known"},
        "superfamily_name": TEXT,
    }
)
VERDICT = described(
    {
        "class": {"enum": list(COVERAGE_CLASSES)},
        "sentence": {"type": "string", "description": "The verdict in plain English"},
        "length": NUMBER,
        "coverage": {"type": "number", "description": "Part of the residues that is in domains, 0 to 1"},
        "domain_residues": NUMBER,
        "confident_residues": NUMBER,
        "domains": listed(DOMAIN),
        "thresholds": {"type": "object", "description": "What counts as confident, as a domain and as covered"},
    }
)
# null where the files of the run are elsewhere or damaged
VERDICT_OR_NULL = {"anyOf": [VERDICT, {"type": "null"}]}
PROTEINS = answered(
    {
        "proteins": listed(
            described(
                PROTEIN["properties"]
                | {
                    "sequence": TEXT_OR_NULL,
                    "md5": TEXT,
                    "added_at": TEXT,
                    "source": TEXT,
                    "runs": listed({"type": "object", "description": "A row of the table protein_results"}),
                    "verdict": VERDICT_OR_NULL | {"description": "On the newest result"},
                }
            )
        )
    }
)
UPLOADED = answered(
    {
        "source": TEXT,
        "added": NUMBER,
        "present": NUMBER,
        "failed": NUMBER,
        "described": NUMBER,
        "rows": listed(
            described({"id": TEXT, "outcome": {"enum": ["added", "present", "failed"]}, "reason": TEXT}),
            description="Result of each id: the first 1,000 of each outcome",
        ),
    }
)
UPLOAD_PART = answered({"part": {"type": "number", "minimum": 0, "maximum": 1}, "records": NUMBER})

# --- Health -----------------------------------------------------------------------------------------

_HEALTH_STATE = {"enum": list(STATES), "description": "quiet: the runner is off, which stops no reader"}
HEALTH = answered(
    {
        "state": _HEALTH_STATE,
        "services": listed(described({"name": TEXT, "ok": YES_NO, "state": _HEALTH_STATE, "words": TEXT})),
        "workers": described({"live": NUMBER, "total": NUMBER, "state": _HEALTH_STATE, "words": TEXT}),
    }
)

# --- Runs -------------------------------------------------------------------------------------------

RUN_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": 64,
    "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]*$",
    "description": "letters, digits and . _ -, first a letter or digit, at most 64",
}
IDS = listed(TEXT | {"minLength": 1}, minItems=1, maxItems=1_000_000)
_CHOICES = {kind: {"type": "string", "description": "A name of /choices"} for kind in ("templates", "mode", "weights")}
ABSENT = listed(described({"id": TEXT, "reason": TEXT}))

_RUN = {
    "run_id": TEXT,
    "status": {"enum": ["QUEUED", "RUNNING", "SUCCESS", "FAILED", "INTERRUPTED"]},
    "date_started": TEXT_OR_NULL,
    "date_resumed": TEXT_OR_NULL,
    "date_finished": TEXT_OR_NULL,
    "duration_s": NUMBER_OR_NULL,
    "author": TEXT_OR_NULL,
    "mode": TEXT_OR_NULL,
    "total": NUMBER,
    "succeeded": NUMBER,
    "failed": NUMBER,
    "shared": NUMBER,
}
_PAGES = {"total": NUMBER, "page": NUMBER, "pages": NUMBER}
PROGRESS = described(
    {
        "status": _RUN["status"],
        "state": TEXT,
        "kind": TEXT,
        "finished": NUMBER,
        "total": NUMBER,
        "percent": NUMBER,
        "duration": TEXT,
        "seconds_left": NUMBER_OR_NULL,
        "left": TEXT,
        "started": TEXT,
        "ended": TEXT,
        "counts": {"type": "object", "additionalProperties": NUMBER},
    }
)
RUNS = answered({"runs": listed(described(_RUN)), **_PAGES})
RUN = answered({"run": described(_RUN), "progress": PROGRESS})
RUN_PROTEINS = answered(
    {
        "proteins": listed(
            described(
                {
                    "query_id": TEXT,
                    "length": NUMBER,
                    "phase": {"enum": ["waiting", "submitted", "running", "done", "failed"]},
                    "attempts": NUMBER,
                    "best_hit": TEXT_OR_NULL,
                    "best_evalue": NUMBER_OR_NULL,
                    "best_score": NUMBER_OR_NULL,
                    "probability": NUMBER_OR_NULL,
                    "coverage_class": {"enum": [*COVERAGE_CLASSES, None]},
                    "domains": NUMBER_OR_NULL,
                    "coverage": NUMBER_OR_NULL,
                    "spans": listed(
                        described(
                            {
                                "template": TEXT,
                                "description": TEXT_OR_NULL,
                                "query_start": NUMBER,
                                "query_end": NUMBER,
                                "superfamily": TEXT_OR_NULL
                                | {"description": "Code of CATH; empty where it has none, null if none is known"},
                                "superfamily_name": TEXT_OR_NULL,
                            }
                        ),
                        description="Its domains",
                    ),
                    "structure": {
                        "type": "object",
                        "additionalProperties": {"type": "number"},
                        "description": "Parts of helix, strand and coil in the predicted secondary structure, 0 to 1",
                    },
                    "hits": NUMBER_OR_NULL,
                    "cpu_s": NUMBER_OR_NULL,
                    "max_rss_mb": NUMBER_OR_NULL,
                    "node": TEXT_OR_NULL,
                    "step": TEXT_OR_NULL,
                    "reason": TEXT_OR_NULL,
                }
            )
        ),
        **_PAGES,
    }
)
RUN_PROTEIN = answered(
    {
        "protein": PROTEIN,
        "result": {"type": "object", "description": "The row of the table protein_results"},
        "verdict": VERDICT_OR_NULL,
        "hits": listed({"type": "object"}, description="The rows of the table hits"),
    }
)
CHOICES = answered({kind: listed(described({"name": TEXT, "words": TEXT})) for kind in _CHOICES})
MATCH = sent({"ids": IDS}, ["ids"])
MATCHED = answered({"found": listed(TEXT), "absent": ABSENT})
ESTIMATE = sent({"ids": IDS} | _CHOICES, ["ids"])
NEW_RUN = sent(
    {"run_id": RUN_NAME, "ids": IDS, "without_absent": YES_NO} | _CHOICES,
    ["run_id", "ids"],
)
ORDERED = answered({"run_id": TEXT, "proteins": NUMBER})
REPEAT = sent({"run_id": RUN_NAME}, ["run_id"])
LOG = answered({"of": TEXT, "text": TEXT})
CLUSTER = answered(
    {
        "kind": {"enum": ["slurm", "machine"]},
        "words": TEXT,
        "nodes": listed(
            described(
                {
                    "name": TEXT,
                    "state": TEXT,
                    "cores": NUMBER_OR_NULL,
                    "cores_used": NUMBER_OR_NULL,
                    "memory_mb": NUMBER_OR_NULL,
                    "memory_used_mb": NUMBER_OR_NULL,
                    "load": NUMBER_OR_NULL,
                    "jobs": listed({"type": "object", "description": "A job of a run of this site"}),
                    "other_jobs": NUMBER,
                }
            )
        ),
        "queue": listed({"type": "object"}),
        "other_queue": NUMBER,
        "finished": listed({"type": "object", "description": "A finished run: CPU hours, wall hours, efficiency"}),
    }
)
_LONG = {"query_id": TEXT, "length": NUMBER}
ESTIMATED = answered(
    {
        "total": NUMBER,
        "already_predicted": NUMBER,
        "new": NUMBER,
        "residues": NUMBER,
        "longest": described(_LONG),
        "cpu_hours": NUMBER_OR_NULL,
        "expected_s": NUMBER_OR_NULL,
        "not_fitting": listed(described(_LONG | {"mem_mb": NUMBER_OR_NULL, "advice": TEXT_OR_NULL})),
        "not_fitting_count": NUMBER,
        "machine": TEXT,
        "ahead": NUMBER,
        "notes": listed(TEXT),
        "absent": ABSENT,
    }
)

# --- Arguments of addresses -------------------------------------------------------------------------

# what cannot be shown is as if it were not given
PAGE = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000}
COUNT = {"type": "integer", "minimum": 1, "maximum": 1_000_000}
