"""A plan in words and as JSON: the same for the terminal, the page and scripts."""

from dataclasses import asdict

from proteofold.system.words import counted, duration

_HOUR = 3600
_LONGEST_IN_JSON = 20
_NAMED = 3


def facts_of(plan):
    """The plan's main figures: name -> sentence."""
    rows = {
        "proteins": _proteins(plan),
        "search": f"{plan.mode}, {counted(plan.library.templates, 'template')}, {plan.library.columns:,} columns",
        "nodes": f"{counted(plan.cores, 'core')}: {', '.join(map(_kind, plan.kinds))}",
    }
    if plan.in_shards:
        rows["in shards"] = _in_shards(plan.in_shards)
    if plan.wall_s:
        rows["CPU time"] = f"{cpu_shown(plan.search_cpu_s)} for searches{_predictions(plan)}{_alignments(plan)}"
        rows["wall time"] = f"about {duration(plan.wall_s)}, no less than {duration(plan.bound_s)}"
    return rows | {"estimated by": _estimated_by(plan), "disk": _disk(plan.disk)}


def _proteins(plan):
    parts = [f"{len(plan.left):,} of {plan.proteins:,} to be searched", f"{plan.done:,} done"]
    if plan.unfit:
        parts.append(f"{len(plan.unfit):,} for which no node has the memory (not counted below)")
    return ", ".join(parts)


def _in_shards(proteins):
    named = ", ".join(f"{one.query_id} in {one.shards} ({one.mem_mb:,} MB)" for one in proteins[:_NAMED])
    more = f" and {len(proteins) - _NAMED:,} more" if len(proteins) > _NAMED else ""
    return (
        f"{counted(len(proteins))} for which no node has the memory to search all templates at once: they are searched "
        f"in parts, one at a time, with the same result: {named}{more}"
    )


def _kind(kind):
    return f"{kind.name} ({kind.count:,} × {counted(kind.cores, 'core')} with {kind.mem_mb:,} MB)"


def cpu_shown(seconds):
    """CPU time: in hours, however many, from one hour on."""
    return f"{seconds / _HOUR:,.1f} h" if seconds >= _HOUR else duration(seconds)


def _predictions(plan):
    if not plan.batches:
        return ""
    batches = "1 batch" if plan.batches == 1 else f"{plan.batches:,} batches"
    cpu = cpu_shown(plan.prediction_cpu_s)
    return f", {cpu} for secondary structure ({batches} of up to {plan.batch_mem_mb:,} MB)"


def _alignments(plan):
    return f", {cpu_shown(plan.alignment_cpu_s)} for query alignments" if plan.alignment_cpu_s else ""


def _estimated_by(plan):
    parts = []
    for calibration, noun in ((plan.search_calibration, "search"), (plan.prediction_calibration, "prediction")):
        if calibration.jobs:
            plural = f"{noun}es" if noun == "search" else f"{noun}s"
            parts.append(f"{calibration.jobs:,} finished {plural} ({calibration.ratio:.2f} times the cost model)")
    return ", ".join(parts) or "the cost model; finished proteins of the run will correct it"


def _disk(disk):
    library = "template library" if disk.library_is_there else "template library, to be built"
    return (
        f"{bytes_shown(disk.run_bytes)} for the run, {bytes_shown(disk.library_bytes)} {library}; "
        f"{bytes_shown(disk.free_bytes)} free here"
    )


def bytes_shown(count):
    """Bytes in the unit that matters: 12 MB, 3.4 GB."""
    if count >= 1e9:
        return f"{count / 1e9:,.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e7 else f"{max(count / 1e6, 0.1):.1f} MB"


def at_once(many):
    """How many of a class a node runs at once, as shown in a table."""
    return f"{many:,}" if many else "–"


def as_json(plan):
    """The plan as a dict for JSON: seconds, MB and bytes; the longest proteins, all that fit no node or need shards."""
    return {
        "run": plan.run,
        "mode": plan.mode,
        "proteins": plan.proteins,
        "residues": plan.residues,
        "done": plan.done,
        "left": len(plan.left),
        "nodes": [asdict(kind) for kind in plan.kinds],
        "memory_classes": [asdict(one) for one in plan.classes],
        "fit_no_node": [asdict(one) for one in plan.unfit],
        "in_shards": [asdict(one) for one in plan.in_shards],
        "batches": plan.batches,
        "search_cpu_s": plan.search_cpu_s,
        "prediction_cpu_s": plan.prediction_cpu_s,
        "alignment_cpu_s": plan.alignment_cpu_s,
        "wall_s": plan.wall_s,
        "bound_s": plan.bound_s,
        "search_calibration": asdict(plan.search_calibration),
        "prediction_calibration": asdict(plan.prediction_calibration),
        "disk": asdict(plan.disk),
        "longest": [asdict(one) for one in plan.longest[:_LONGEST_IN_JSON]],
        "notes": plan.notes,
    }
