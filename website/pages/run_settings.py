"""What a run was searched with, as its page says it."""

from pathlib import PurePath

from proteofold.report.pages import MODES, predicted_on
from proteofold.science.domains import DomainThresholds
from proteofold.system.words import counted


def settings_facts(settings):
    """(name, value) of what a run was searched with; whatever its settings lack is left out."""
    settings = _table(settings)
    library, mode = _table(settings.get("library")), settings.get("mode")
    facts = [("Search mode", f"{mode}: {MODES[mode]}" if isinstance(mode, str) and mode in MODES else mode)]
    if library.get("prefix"):
        size = library.get("templates")
        parts = [PurePath(str(library["prefix"])).name]
        parts += [counted(size, "template")] if isinstance(size, int) else []
        parts += [f"checksum {library['key']}"] if library.get("key") else []
        facts.append(("Template library", ", ".join(parts)))
    facts.append(("S4PRED weights", settings.get("weights")))
    facts.append(("S4PRED ran on", settings.get("device") and predicted_on(settings)))
    facts += [(f"Version of {name}", version) for name, version in _table(settings.get("versions")).items()]
    facts.append(("Shares results as", settings.get("search")))
    return [(name, str(value)) for name, value in facts if value]


def thresholds_of(settings):
    """The DomainThresholds of a run by its settings; the defaults where it had no choice."""
    return DomainThresholds(**_table(_table(settings).get("domains")))


def _table(value):
    return value if isinstance(value, dict) else {}
