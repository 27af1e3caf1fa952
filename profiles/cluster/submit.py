"""Start of the submit command: see proteofold/slurm/submit.py.

Started by its path as ``python -I -S`` and ended at once, because each job pays for it: site-packages and Python's
tidying up take 10 CPU-ms. So it has to find the package itself.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from proteofold.slurm.submit import main

code = main()
sys.stdout.flush()
os._exit(code)
