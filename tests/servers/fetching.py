"""Commands that fetch something from the network: tried a few times, never for ever."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Final

PAUSES: Final = (2.0, 10.0)  # seconds before the second and the third attempt
PATIENCE: Final = 300.0  # seconds for one attempt


def fetch_with(command: list[str], folder: Path) -> None:
    """Run a command in a folder until it works. Raises what its last attempt raised: SubprocessError or OSError."""
    for pause in PAUSES:
        try:
            subprocess.run(command, cwd=folder, check=True, timeout=PATIENCE)
            return
        except subprocess.SubprocessError as problem:
            print(f"{problem}; once more in {pause:g} s", file=sys.stderr)
            time.sleep(pause)
    subprocess.run(command, cwd=folder, check=True, timeout=PATIENCE)
