"""The parameters of a reader's SQL, which the editor asks for; Datasette refuses it in words of its own code."""

from datasette import Forbidden, NotFound, Response
from datasette.resources import DatabaseResource
from datasette.utils import named_parameters

PARAMETERS = r"^/(?P<database>[^/.]+)/-/query/parameters$"


async def parameters(datasette, request):
    """The names of the parameters of ``?sql=`` as JSON."""
    name = request.url_vars["database"]
    if name not in datasette.databases:
        raise NotFound("There is no such database.")
    database = DatabaseResource(database=name)
    if not await datasette.allowed(action="execute-sql", resource=database, actor=request.actor):
        raise Forbidden("execute-sql")
    return Response.json({"ok": True, "parameters": named_parameters(request.args.get("sql") or "")})
