"""Start of the rule search_templates: one protein's search.

A file started by its path as ``python -I -S``, because each protein pays for the start: ``python -m`` and
site-packages take 8 CPU-ms (docs/decisions.md). So it has to find the package itself.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from proteofold.process import end_with_run
from proteofold.search_step import main

end_with_run()
os._exit(main(sys.argv[1:]))  # at once: all files are closed, and Python would tidy up for 5 CPU-ms
