"""The pages and plots of the HTML report, drawn from the files of a run (``proteofold report``).

``snakemake --report`` packs them. They are in results/<run>/report/, and each opens in a browser by itself.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from proteofold.system.files import write_aside

# Raised when a page shows something else for the same results.
REPORT_VERSION = 5


@dataclass(frozen=True, slots=True)
class ReportFile:
    """A page or plot: its file, and where and by which name the report lists it (both are sorted by name)."""

    name: str
    category: str
    title: str

    @property
    def caption(self):
        """File name of its caption in workflow/report."""
        return self.name.rpartition(".")[0] + ".rst"

    @property
    def labels(self):
        """What the report's table of results shows."""
        return {"result": self.title}


# All of the report in one file
WHOLE_REPORT = "report.html"

REPORT_FILES = (
    ReportFile("overview.html", "1 Overview", "1 Overview"),
    ReportFile("proteome.html", "1 Overview", "2 Proteome"),
    ReportFile(WHOLE_REPORT, "1 Overview", "3 All in one file"),
    ReportFile("best_hits.html", "2 Hits", "1 Best hits (table)"),
    ReportFile("evalues.svg", "2 Hits", "2 E-values"),
    ReportFile("probabilities.svg", "2 Hits", "3 Probabilities"),
    ReportFile("score_against_length.svg", "2 Hits", "4 Score and length"),
    ReportFile("coverage.svg", "2 Hits", "5 Coverage"),
    ReportFile("failed.html", "3 Failed proteins", "Failed proteins"),
    ReportFile("resources_per_rule.svg", "4 Time and memory", "1 Per step"),
    ReportFile("resources_against_length.svg", "4 Time and memory", "2 Against length"),
)


def cut_files(run_folder):
    """The files of a run's report that lack their end, as a power failure leaves them: [(name, time), …]."""
    paths = [Path(run_folder, "report", file.name) for file in REPORT_FILES]
    return [(path.name, path.stat().st_mtime_ns) for path in paths if path.is_file() and not _has_its_end(path)]


def _has_its_end(path):
    end = f"</{path.suffix[1:]}>\n".encode()
    with open(path, "rb") as handle:
        handle.seek(max(0, os.path.getsize(path) - len(end)))
        return handle.read() == end


def draw_report(run_folder):
    """Write all of REPORT_FILES into the run's folder ``report``; needs the merged tables, not a complete run."""
    # imported here because Snakemake reads this module, without drawing anything, in every job
    from proteofold.report import one_file, pages, plots
    from proteofold.report.data import read_report_data

    data = read_report_data(run_folder)
    folder = data.folder / "report"
    for file in REPORT_FILES:
        stem, _, kind = file.name.rpartition(".")
        module = plots if kind == "svg" else one_file if file.name == WHOLE_REPORT else pages
        write_aside(folder / file.name, getattr(module, stem)(data))
