"""Answers of the API that need nothing but a look: the health of the services, the description of the API itself."""

from website.actions.header import health_of


async def health(visit):
    """The health of the services and the number of live workers."""
    return visit.json(await health_of(visit.datasette))
