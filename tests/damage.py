"""Template libraries that are damaged in one place, each as a disk, an editor or a killed program leaves them."""

import random
from pathlib import Path

from proteofold.science import hhsuite

DAMAGED = "1ERU_A"  # the template that most damages are done to; the best hit of thioredoxin


def copy_of(library, prefix):
    """The prefix of a copy of a library."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    for source, target in zip(hhsuite.library_files(library), hhsuite.library_files(prefix), strict=True):
        Path(target).write_bytes(Path(source).read_bytes())
    return str(prefix)


def index(prefix, part):
    return Path(f"{prefix}_{part}.ffindex")


def data(prefix, part):
    return Path(f"{prefix}_{part}.ffdata")


def change_lines(prefix, part, change):
    """Replace the lines of an index by those that ``change`` makes of them."""
    lines = index(prefix, part).read_bytes().splitlines(keepends=True)
    index(prefix, part).write_bytes(b"".join(change(lines)))


def change_line(prefix, part, change):
    """Replace name, offset and length of the damaged template by what ``change`` makes of them."""

    def changed(lines):
        for line in lines:
            name, offset, length = line.decode().split("\t")
            if name == DAMAGED:
                line = "{}\t{}\t{}\n".format(*change(name, int(offset), int(length))).encode()
            yield line

    change_lines(prefix, part, changed)


def change_content(prefix, part, change):
    """Replace the bytes of the damaged template by as many others."""
    for line in index(prefix, part).read_text().splitlines():
        name, offset, length = line.split("\t")
        if name == DAMAGED:
            place = slice(int(offset), int(offset) + int(length))
            content = bytearray(data(prefix, part).read_bytes())
            changed = change(bytes(content[place]))
            assert len(changed) == int(length)
            content[place] = changed
            data(prefix, part).write_bytes(content)


def shuffled(lines):
    lines = list(lines)
    random.Random(1).shuffle(lines)
    return lines


# Of an index: what is done to its lines.
LINES = {
    "shuffled": shuffled,
    "reversed": lambda lines: lines[::-1],
    "CR LF": lambda lines: [line.replace(b"\n", b"\r\n") for line in lines],
    "CR": lambda lines: [line.replace(b"\n", b"\r") for line in lines],
    "no last line end": lambda lines: [*lines[:-1], lines[-1].rstrip(b"\n")],
    "last line cut": lambda lines: [*lines[:-1], lines[-1][:-4]],
    "line twice": lambda lines: [lines[0], *lines],
    "line missing": lambda lines: lines[1:],
    "empty line": lambda lines: [lines[0], b"\n", *lines[1:]],
    "blanks for tabs": lambda lines: [line.replace(b"\t", b" ") for line in lines],
    "fourth column": lambda lines: [line.replace(b"\n", b"\tx\n") for line in lines],
    "name too long": lambda lines: [lines[0].replace(b"\t", b"x" * 32 + b"\t", 1), *lines[1:]],
    "BOM": lambda lines: [b"\xef\xbb\xbf" + lines[0], *lines[1:]],
    "empty": lambda lines: [],
}

# Of the line of one template: name, offset and length.
LINE = {
    "length 0": lambda name, offset, length: (name, offset, 0),
    "length 1": lambda name, offset, length: (name, offset + length - 1, 1),
    "too short": lambda name, offset, length: (name, offset, length // 2),
    "too long": lambda name, offset, length: (name, offset, length + 7),
    "beyond the file": lambda name, offset, length: (name, offset + 10**9, length),
    "begins late": lambda name, offset, length: (name, offset + 3, length - 3),
    "place of another": lambda name, offset, length: (name, 0, length),
}

# Of the bytes of one template.
CONTENT = {
    "zeros": lambda content: bytes(len(content)),
    "zeros at the beginning": lambda content: bytes(64) + content[64:],
    "zeros from the middle": lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
    "something else": lambda content: b"x" * len(content),
}

# Of the bytes of a profile, where only reading all of it shows them.
INSIDE_PROFILE = {
    "zeros inside": lambda content: _inside(content, bytes(300)),
    "letters inside": lambda content: _inside(content, b"x" * 300),
    "line feeds inside": lambda content: _inside(content, b"\n" * 300),
    "fewer columns stated": lambda content: content.replace(b"LENG  105", b"LENG   15"),
}


def _inside(content, other):
    middle = len(content) // 2
    return content[:middle] + other + content[middle + len(other) :]
