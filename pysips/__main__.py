"""python -m pysips"""

import sys

from pysips.cli import main

sys.exit(main())
