"""Where the parts of proteofold lie, and where official data are kept."""

import sys
from pathlib import Path

# How another Python is started. -P: nothing is imported from the working folder, which belongs to users; a json.py
# there is a file of theirs. SAFE_PATH has the same done by what starts Python itself, as Snakemake does for its jobs.
PYTHON = (sys.executable, "-P")
SAFE_PATH = {"PYTHONSAFEPATH": "1"}

CHECKOUT = Path(__file__).resolve().parents[2]

# What the package needs also where it was installed without a checkout. In a checkout these are links to the folders
# that users know, config/ and workflow/schemas/; an installed package has copies.
_DATA = Path(__file__).resolve().parents[1] / "data"
CONFIG = (_DATA / "config").resolve()
DEFAULT_CONFIG = CONFIG / "config.yaml"
SOURCES = CONFIG / "sources.yaml"
DEMO = CONFIG / "demo"
CONFIG_SCHEMA = (_DATA / "schemas").resolve() / "config.schema.yaml"

# Relative to the working directory: large files that are fetched or built once and serve many runs.
RESOURCES = Path("resources")

# The results store stands beside the run folders, unless this variable names another place: on clusters `results` is
# a shared folder, and a store needs a local disk.
STORE_NAME = "proteofold.db"
STORE_VARIABLE = "PROTEOFOLD_STORE"

# The folder of the platform's accounts and orders, where that is not the store's: on a deployed machine jobs write into
# the store, and may not read passwords.
PLATFORM_VARIABLE = "PROTEOFOLD_PLATFORM"

# Who started a run, where that is not the user of the machine: the platform's runner starts those of all its users.
AUTHOR_VARIABLE = "PROTEOFOLD_AUTHOR"
