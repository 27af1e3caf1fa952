"""The error that is the user's to mend."""


class UserError(Exception):
    """Something that the user can put right; the message says what, where and how. Shown without a traceback."""


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
