"""Errors that the user can fix."""


class UserError(Exception):
    """An error that the user can fix: the message names what is wrong, where, and what to do. No traceback is shown.

    ``topic`` is the section of docs/errors.md that explains it; empty where the message is enough.
    """

    topic = ""

    def __init__(self, message: object = "", topic: str = ""):
        super().__init__(message)
        if topic:
            self.topic = topic


def replaced(what: str) -> UserError:
    """The error of a step whose run began with another library, other weights, or another alignment."""
    return UserError(f"{what} replaced since the run started. Rerun the same command.")


def help_line(topic: str) -> str:
    """The line that names a section of docs/errors.md."""
    return f"Help: docs/errors.md#{topic}"


def with_help(error: UserError) -> str:
    """The message of an error, and a line that names its section of the documentation."""
    return f"{error}\n{help_line(error.topic)}" if error.topic else str(error)


# Modules that the bare package does not install -> the extra of pyproject.toml that does.
_EXTRAS = {
    **dict.fromkeys(("snakemake", "snakemake_interface_logger_plugins", "torch", "numpy"), "pipeline"),
    **dict.fromkeys(("Bio", "jsonschema", "matplotlib", "pulp", "yaml"), "pipeline"),
    **dict.fromkeys(("datasette", "markupsafe"), "platform"),
}


def missing_extra(error: BaseException) -> str | None:
    """Which extra to install for a module that was not found; None for any other error, also of our own modules."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    extra = _EXTRAS.get((error.name or "").split(".")[0])
    return f"This command needs the {extra}: pip install 'proteofold[{extra}]'" if extra else None
