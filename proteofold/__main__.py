"""``python -m proteofold`` is the command ``proteofold``."""

from proteofold.cli import main

main()
