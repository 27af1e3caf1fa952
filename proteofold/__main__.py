"""``python -m proteofold`` is the command ``proteofold``."""

from proteofold.cli.main import main

main()
