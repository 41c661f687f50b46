"""The jars of servers that are written in Java: fetched once by Maven, kept under ~/.cache/pysips.

`python -m tests.servers.jars` fetches them all, as scripts/test does; a test never reaches for the network.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from tests.packages import missing, need

from ..fetching import fetch_with

HERE: Final = Path(__file__).parent
SETS: Final = ("cassandra", "mongodb")  # NAME.xml is the list, in Maven's words
MAIN: Final = "Mongo.java"  # the little program that starts mongo-java-server, compiled beside its jars


def cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "pysips"


def place(name: str) -> Path:
    """The folder of a set; its name changes with what goes into it."""
    parts = [HERE / f"{name}.xml", *([HERE / MAIN] if name == "mongodb" else [])]
    key = hashlib.sha256(b"".join(part.read_bytes() for part in parts)).hexdigest()[:16]
    return cache() / f"{name}-{key}"


def jars(name: str) -> Path:
    """The folder of a set; the test is skipped where Java or the set is missing."""
    need("java")
    folder = place(name)
    if not folder.exists():
        missing(f"the jars of {name} are missing: apt-get install maven; {sys.executable} -m tests.servers.jars")
    return folder


def fetch(name: str) -> None:
    """Let Maven copy a set. Raises SubprocessError or OSError."""
    folder = place(name)
    if folder.exists():
        return
    with tempfile.TemporaryDirectory(dir=cache()) as temporary:
        shutil.copy(HERE / f"{name}.xml", Path(temporary) / "pom.xml")
        made = Path(temporary) / "jars"
        options = ["-DincludeScope=runtime", f"-DoutputDirectory={made}", f"-Dmaven.repo.local={cache() / 'maven'}"]
        # -U: what could not be had a moment ago is asked for again.
        fetch_with(["mvn", "-q", "-B", "-U", *options, "dependency:copy-dependencies"], Path(temporary))
        if name == "mongodb":
            compile_main(made)
        made.rename(folder)


def compile_main(folder: Path) -> None:
    """A JRE has no compiler, but Cassandra's jars have one. Raises CalledProcessError."""
    compiler = next(place("cassandra").glob("ecj-*.jar"))
    classes = ":".join(str(one) for one in sorted(folder.glob("*.jar")))
    subprocess.run(
        ["java", "-jar", str(compiler), "-17", "-cp", classes, "-d", str(folder), str(HERE / MAIN)], check=True
    )


def main() -> None:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "jars.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in SETS:
            fetch(name)
