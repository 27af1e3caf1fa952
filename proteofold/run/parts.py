"""A large run in parts: ordinary runs over slices of its proteins, which share results with the whole.

The whole only merges. Snakemake's graph grows with the proteins it plans: parts keep each start within the time and
memory of a proteome.
"""

import csv
import re

import yaml

from proteofold.run.config import config_problems
from proteofold.run.failures import FAILURE_COLUMNS
from proteofold.run.inputs import check_inputs
from proteofold.run.layout import RunFolder
from proteofold.run.manifest import read_settings
from proteofold.system.errors import UserError
from proteofold.system.files import existing_names, write_aside

_PART = r"\.part\d+"


def write_parts(config, size, folder):
    """Write configurations of runs over slices of at most ``size`` proteins into a folder; returns their paths.

    Slices are in the order of the input. Each configuration names a file of ids beside it. Files of an earlier call
    that are not written again are removed. Raises UserError for any problem of the inputs.
    """
    checked = check_inputs(config)
    checked.raise_errors()
    ids = [query.query_id for query in checked.queries]
    slices = [ids[start : start + size] for start in range(0, len(ids), size)]
    digits = len(str(len(slices)))
    problems = config_problems(config | {"run": f"{config['run']}.part{len(slices):0{digits}}"})
    if problems:
        raise UserError(f"{config['run']}: the parts of a run have longer names, which would be refused: {problems[0]}")
    paths = []
    for number, members in enumerate(slices, 1):
        name = f"{config['run']}.part{number:0{digits}}"
        of_ids, path = folder / f"{name}.ids", folder / f"{name}.yaml"
        write_aside(of_ids, "".join(f"{query_id}\n" for query_id in members))
        part = config | {"run": name, "ids": str(of_ids)}
        write_aside(path, yaml.safe_dump(part, sort_keys=False, allow_unicode=True))
        paths.append(path)
    written = {path.with_suffix(ending).name for path in paths for ending in (".ids", ".yaml")}
    ours = re.compile(rf"{re.escape(config['run'])}{_PART}\.(ids|yaml)")
    for name in existing_names(folder) - written:
        if ours.fullmatch(name):
            (folder / name).unlink()
    return paths


def failures_of_parts(run):
    """The rows of failed.csv of a run's parts that searched with the same settings: query_id -> row.

    Logs of steps that are not shared lie in the folder of the part.
    """
    failed, name = {}, re.compile(re.escape(run.name) + _PART)
    results = run.folder.path.parent
    for part in sorted(path for path in results.iterdir() if name.fullmatch(path.name)):
        try:
            if read_settings(RunFolder(part))["search"] != run.settings["search"]:
                continue
            with open(part / "failed.csv", encoding="utf-8", newline="") as handle:
                rows = list(csv.reader(handle))[1:]
        except (UserError, OSError, ValueError, csv.Error):
            continue  # not started, not merged yet, damaged, or of somebody else
        failed |= {row[0]: tuple(row) for row in rows if len(row) == len(FAILURE_COLUMNS)}
    return failed
