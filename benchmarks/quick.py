"""What `bin/bench --quick` makes small: constants of the sections, and options."""

import importlib

OPTIONS = {
    "proteins": 4,
    "device": "cpu",
    "queries": 4,
    "large_minutes": 0.5,
    "giant": 800,
    "rerun_proteins": 300,
    "parts_proteins": 600,
    "alternatives_queries": 1,
    "cluster_proteins": 60,
    "cluster_seconds": 20,
    "runs": 2,
}

CONSTANTS = {
    "made_library": {"TEMPLATES": 120, "RELATIVES": 100, "MANY": 6000},
    "section_alternatives": {"FAMILIES": (("4HHB_A", "1MBN_A"), ("1HRC_A", "1CCR_A"))},
    "section_chain": {"PROTEINS": 4},
    "section_cluster": {"PROTEOME": 500, "PROTEOME_S": 15},
    "section_copies": {"WORKERS": (1, 3), "SIZE_MB": 5},
    "section_graph": {"SIZES": (200, 400, 800)},
    "section_headline": {"PROTEINS": 2000},
    "section_memory": {"LENGTHS": (30, 300, 1000), "MANY": 300, "MANY_LENGTHS": (30, 300, 5000)},
    "section_merge": {"PROTEINS": 2000},
    "section_overhead": {"SEARCHED": 10, "FINISHED": 20, "STEPS": 3},
    "section_platform": {"PROTEINS": 1000, "READERS": 10, "LOOKS": 10},
    "section_s4pred": {"REPEATS": 2},
    "section_site": {"PROTEINS": 900, "MADE": 300, "LIVE": 200, "MANY": 100},
    "section_slots": {"SLOTS": 4, "SEARCHES": 20, "PROTEINS": 300, "STOPPED_AT": 10},
    "section_store": {"PROTEINS": 1000, "RUNS": 3, "READS": 500, "RECORDED": 200},
}


def make_small(options):
    """Set options and constants to sizes with which all sections together take about ten minutes, 600 CPU seconds."""
    for name, value in OPTIONS.items():
        setattr(options, name, value)
    for module, constants in CONSTANTS.items():
        for name, value in constants.items():
            target = importlib.import_module(module)
            getattr(target, name)  # a constant that was renamed is an error
            setattr(target, name, value)
