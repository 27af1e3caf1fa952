"""What every page of ours does: ask whether the reader may see the store, read it, and answer."""

from datasette import Forbidden, Response
from datasette.resources import DatabaseResource

from website.requests.databases import DATABASE


async def may_read(datasette, request):
    """Whether the one who asks may see the store, and there is one; Datasette draws some errors without a request."""
    return DATABASE in datasette.databases and await datasette.allowed(
        action="view-database", resource=DatabaseResource(database=DATABASE), actor=request and request.actor
    )


async def ask(datasette, request, read, *values):
    """What ``read(connection, *values)`` returns; Forbidden for those who may not see the store."""
    if not await may_read(datasette, request):
        raise Forbidden("You may not see this store.")
    return await datasette.get_database(DATABASE).execute_fn(lambda conn: read(conn, *values))


async def page(datasette, request, template, context, status=200):
    """A page, drawn by a template."""
    text = await datasette.render_template(template, context, request=request)
    return Response.html(text, status=status)
