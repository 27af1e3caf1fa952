"""Where the parts of a checkout of proteofold lie, and where official data are kept."""

import sys
from pathlib import Path

# How another Python is started. -P: nothing is imported from the working folder, which belongs to users; a json.py
# there is a file of theirs. SAFE_PATH has the same done by what starts Python itself, as Snakemake does for its jobs.
PYTHON = (sys.executable, "-P")
SAFE_PATH = {"PYTHONSAFEPATH": "1"}

CHECKOUT = Path(__file__).resolve().parents[1]
DEFAULT_CONFIG = CHECKOUT / "config" / "config.yaml"
CONFIG_SCHEMA = CHECKOUT / "workflow" / "schemas" / "config.schema.yaml"
DEMO = CHECKOUT / "config" / "demo"

# Relative to the working directory: large files that are fetched or built once and serve many runs.
RESOURCES = Path("resources")

# The results store stands beside the run folders, unless this variable names another place: on clusters `results` is
# a shared folder, and a store needs a local disk.
STORE_NAME = "proteofold.db"
STORE_VARIABLE = "PROTEOFOLD_STORE"

# Who started a run, where that is not the user of the machine: the platform's runner starts those of all its users.
AUTHOR_VARIABLE = "PROTEOFOLD_AUTHOR"
