"""Checks of a template library's files: what HH-suite takes for granted.

An ffindex has a line ``name<TAB>offset<TAB>length`` for each entry of its data file; an entry ends with a zero byte.
HH-suite goes through _cs219 and finds each template in _hhm and _a3m by bisection. What it does not find in _hhm it
takes from _a3m or leaves out; what else is wrong ends in crashes, endless loops or results of half a template.
docs/decisions.md has what was seen.

Of each entry only the first and last bytes are read, so that a library of gigabytes is checked in seconds.
"""

import os
import re
from typing import NamedTuple

# HH-suite's ffindex has 32 bytes for a name and the zero byte behind it
LONGEST_NAME = 31

_LINE = re.compile(rb"([^\t\0]+)\t([0-9]+)\t([0-9]+)")
_HEAD, _TAIL = 1024, 16
_COLUMNS = re.compile(rb"\nLENG +([0-9]+)")
_SHOWN = 3  # problems of one file


class Entry(NamedTuple):
    """An entry of a data file; ``line`` is where the index has it, counted from 1. The name is bytes."""

    name: bytes
    offset: int
    length: int
    line: int


def read_index(prefix, part, problems):
    """The entries of a part of a library in the order of its index; what is wrong with it is added to problems.

    The entries are none where the index cannot be used.
    """
    path, entries = f"{prefix}_{part}.ffindex", []
    with open(path, "rb") as handle:
        lines = handle.read().split(b"\n")
    if lines == [b""]:
        problems.append(f"{path} is empty")
        return []
    whole = not lines[-1]
    for number, line in enumerate(lines[:-1] if whole else lines, 1):
        if line.endswith(b"\r"):
            problems.append(f"{path}, line {number}: ends with CR LF, but HH-suite reads LF only")
            return []
        fields = _LINE.fullmatch(line)
        if not fields:
            problems.append(f"{path}, line {number} is not name, offset, length")
            return []
        if len(fields[1]) > LONGEST_NAME:
            problems.append(f"{path}, line {number}: {shown(fields[1])} is longer than {LONGEST_NAME} bytes")
            return []
        entries.append(Entry(fields[1], int(fields[2]), int(fields[3]), number))
    if not whole:
        problems.append(f"{path}, line {len(lines)}: no line end (cut short?)")
        return []
    return entries


def check_part(prefix, part, entries, problems, states=None):
    """Add to problems what is wrong with the entries of a part, and with their first and last bytes in the data file.

    ``states`` are the entries of _cs219, to compare with where there are any.
    """
    index, data = f"{prefix}_{part}.ffindex", f"{prefix}_{part}.ffdata"
    found = list(_index_problems(entries, os.path.getsize(data))) or list(_shared_place_problems(entries, states))
    if not found:
        columns = {entry.name: entry.length - 1 for entry in states or ()}
        found = list(_content_problems(part, data, entries, columns))
    problems += [f"{index}, line {entry.line}: {shown(entry.name)} {what}" for entry, what in found[:_SHOWN]]
    if len(found) > _SHOWN:
        problems.append(f"{len(found) - _SHOWN} more of the kind in {index}")


def shown(name):
    """A name of an index as text for messages."""
    return name.decode(errors="backslashreplace")


def _index_problems(entries, data_size):
    """Pairs of entry and what is wrong with it, from the index alone."""
    names = {}
    for before, entry in zip([None, *entries], entries, strict=False):
        if entry.name in names:
            yield entry, f"is also in line {names[entry.name]}"
        elif before and before.name > entry.name:
            yield (
                entry,
                (
                    f"follows {shown(before.name)}, but HH-suite finds names in byte order only, which is that of "
                    "'LC_ALL=C sort'"
                ),
            )
        if entry.length < 2:
            yield entry, "is empty"
        elif entry.offset + entry.length > data_size:
            yield entry, "ends beyond its data file (cut short?)"
        names[entry.name] = entry.line
    by_place = sorted(entries, key=lambda entry: entry[1:3])
    for before, entry in zip(by_place, by_place[1:], strict=False):
        if entry.offset < before.offset + before.length and entry[1:3] != before[1:3]:
            yield entry, f"overlaps with {shown(before.name)}"


def _shared_place_problems(entries, states):
    """Pairs of entry and what is wrong with it: templates that share a profile must share their letters, too."""
    here, there = _first_at_place(entries), _first_at_place(states or entries)
    for entry in entries:
        if here[entry.name] != there.get(entry.name, here[entry.name]):
            other = max(here[entry.name], there[entry.name], key=lambda name: name != entry.name)
            yield entry, f"is at the place of {shown(other)} in one part of the library but not in all"


def _first_at_place(entries):
    """The name of each entry -> the first name at its place."""
    firsts = {}
    return {entry.name: firsts.setdefault(entry[1:3], entry.name) for entry in entries}


def _content_problems(part, data, entries, columns):
    """Pairs of entry and what is wrong with it, from its first and last bytes."""
    looks_wrong = {"hhm": _profile_problem, "a3m": _alignment_problem, "cs219": _states_problem}[part]
    with open(data, "rb", buffering=0) as handle:
        descriptor = handle.fileno()
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_RANDOM)  # or the whole file would be read ahead
        # in the order of the file, which is the fastest on any disk
        for entry in sorted(entries, key=lambda entry: entry.offset):
            head = os.pread(descriptor, min(_HEAD, entry.length), entry.offset)
            tail = os.pread(descriptor, min(_TAIL, entry.length), entry.offset + max(entry.length - _TAIL, 0))
            if part == "hhm" and head.startswith(b"HH") and not _COLUMNS.search(head):
                head = os.pread(descriptor, entry.length, entry.offset)  # a long description
            if what := looks_wrong(head, tail, columns.get(entry.name)):
                yield entry, what


def _profile_problem(head, tail, columns):
    """HH-suite reads its own profiles, those of HMMER, and alignments in the place of profiles."""
    if head.startswith((b">", b"#")):
        return ""
    if not head.startswith((b"HH", b"HMMER")):
        return "does not begin as a profile"
    if not tail.rstrip(b"\0\r\n").endswith(b"//"):
        return "does not end as a profile does, with '//' (cut short?)"
    if head.startswith(b"HH"):
        stated = _COLUMNS.search(head)
        if not stated:
            return "has no line LENG"
        if columns is not None and int(stated[1]) > columns:
            return f"has {int(stated[1])} columns, but {columns} in _cs219"
    return ""


def _alignment_problem(head, tail, columns):
    if not head.lstrip().startswith((b">", b"#")):
        return "does not begin as an alignment"
    return "" if tail.endswith(b"\0") else "has no zero byte at its end (cut short?)"


def _states_problem(head, tail, columns):
    return "" if tail.endswith(b"\0") else "has no zero byte at its end (cut short?)"
