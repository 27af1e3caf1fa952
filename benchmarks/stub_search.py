"""A program in the place of hhsearch that takes time and no processor: what is left to measure is around searches."""

import os

_STUB = """#!/bin/sh
while [ $# -gt 0 ]; do
    [ "$1" = -o ] && out=$2
    [ "$1" = -i ] && query=$2
    shift
done
[ -n "$out" ] || exit 0
sleep {seconds}
id=$(grep '^>' "$query" | tail -n 1)
printf 'Query %s\\nMatch_columns 1\\n\\n No Hit Prob\\n\\n' "${{id#>}}" > "$out"
"""


def write_stub(folder, seconds=0):
    """Write ``bin/hhsearch``, which sleeps and writes an empty list of hits, in a folder; variables that have it found.

    ``seconds`` is a number, or words of a shell that may name the file "$query".
    """
    stub = folder / "bin" / "hhsearch"
    stub.parent.mkdir(exist_ok=True)
    stub.write_text(_STUB.format(seconds=seconds))
    stub.chmod(0o755)
    return {"PATH": f"{stub.parent}{os.pathsep}{os.environ['PATH']}"}
