"""Where the parts of a checkout of proteofold lie, and where official data are kept."""

from pathlib import Path

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
