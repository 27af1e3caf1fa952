"""The results store: one SQLite file with proteins, runs, results and hits, written while a run is running.

Files are the truth: whatever the store says of a run is made again from the run's folder by ``import_run``.
"""

from proteofold.run.states import Event
from proteofold.store.database import open_store, transaction
from proteofold.store.exporting import export_run
from proteofold.store.importing import import_order, import_run
from proteofold.store.proteins import add_fasta
from proteofold.store.writing import finish_run, interrupt_dead_runs, mark_interrupted, record_events, start_run

__all__ = [
    "Event",
    "add_fasta",
    "export_run",
    "finish_run",
    "import_order",
    "import_run",
    "interrupt_dead_runs",
    "mark_interrupted",
    "open_store",
    "record_events",
    "start_run",
    "transaction",
]
