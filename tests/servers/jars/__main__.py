"""Fetch the jars of all sets."""

import subprocess
import sys

from . import main

try:
    main()
except (OSError, subprocess.SubprocessError) as problem:
    sys.exit(f"The jars of Java servers could not be fetched: {problem}")
