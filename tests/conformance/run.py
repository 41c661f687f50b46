"""Play recorded SIP conversations against a server and compare what it says.

    python -m tests.conformance.run --server 'pysips -f {cfg}' --prelude strict_parsing=no 'tm/*'

A case (`cases/GROUP/NAME.case`) holds a routing script and a conversation. `golden/GROUP/NAME.json` keeps what every
endpoint heard when a real OpenSIPS 4.0.1 played it. README.md has the format.
"""

import argparse
import contextlib
import fnmatch
import json
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .case import HOST, PORTS, Case, config_text, read_case
from .differences import differences
from .player import Player
from .server import Server
from .transcript import Transcript, difference, flat, transcript

SUITE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Options:
    """How cases are played: the server's command with `{cfg}`, a first line for its scripts, patience."""

    server: str
    prelude: str = ""
    slow: float = 1.0
    start_limit: float = 10.0
    keep: bool = False


def play_case(case: Case, options: Options, golden: Transcript | None = None) -> tuple[Transcript, list[str]]:
    """Start the server with the case's script, play the conversation; what was heard, and the server's output.

    golden: what should be heard, if that is known: a busy machine then gets the time that it needs.
    """
    folder = Path(tempfile.mkdtemp(prefix="conformance-"))
    values = {name: f"{HOST}:{port}" for name, port in PORTS.items()}
    values |= {f"{name}.port": str(port) for name, port in PORTS.items()} | {"dir": str(folder)}
    config = config_text(case, options.prelude, folder, values)
    with contextlib.ExitStack() as ends:
        ends.callback(keep if options.keep else shutil.rmtree, folder)
        server = Server(options.server, config, folder, case.sockets or ["udp:"])
        ends.callback(server.stop)
        player = Player(case, server, values, options.slow)
        ends.callback(player.close)
        if not server.wait_ready(options.start_limit):
            return {"heard": {}, "missing": ["the server did not start"]}, server.lines
        player.run({name: len(heard) for name, heard in golden["heard"].items()} if golden else {})
        alive = server.process.poll() is None
        player.close()
        server.stop()
        return transcript(player, alive), server.lines


def keep(folder: Path) -> None:
    print(f"    kept {folder}")


def cases(suite: Path = SUITE) -> list[Case]:
    """Every case of a suite, in the order of their names."""
    return [read_case(path, suite) for path in sorted((suite / "cases").rglob("*.case"))]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", required=True, help="command that runs in the foreground, {cfg} is the script")
    parser.add_argument("--prelude", default="", help='first line of every script, such as mpath="/usr/lib/..."')
    parser.add_argument("--suite", type=Path, default=SUITE, help="folder with cases/ and golden/")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--record", action="store_true", help="write the goldens")
    mode.add_argument("--compare", action="store_true", help="compare with the goldens (default)")
    mode.add_argument("--show", action="store_true", help="only print what was heard")
    parser.add_argument("--version-note", default="", help="with --record: the version to note in each golden")
    parser.add_argument("--loose", action="store_true", help="do not compare the order of header fields")
    parser.add_argument("--slow", type=float, default=1.0, help="multiply every time limit")
    parser.add_argument("--start-limit", type=float, default=10.0, help="seconds for the server to start")
    parser.add_argument("--keep", action="store_true", help="keep each case's working folder")
    parser.add_argument("--log", action="store_true", help="print the server's output for cases that fail")
    parser.add_argument("patterns", nargs="*", help="only cases that match, such as 'tm/*'")
    options = parser.parse_args()
    how = Options(options.server, options.prelude, options.slow, options.start_limit, options.keep)

    passed = failed = 0
    failures: list[str] = []
    passes: list[str] = []
    for case in cases(options.suite):
        if options.patterns and not any(fnmatch.fnmatch(case.name, p) or p == case.name for p in options.patterns):
            continue
        golden = options.suite / "golden" / f"{case.name}.json"
        got, lines = play_case(case, how)
        problem: list[str] = []
        if options.show:
            print(f"== {case.name}: {case.title}", *flat(got), sep="\n")
        elif options.record:
            problem = got.get("missing", [])
            if "server" in got:
                problem = [*problem, "the server died"]
            golden.parent.mkdir(parents=True, exist_ok=True)
            data = {"case": case.name, "title": case.title, "recorded_from": options.version_note, **got}
            golden.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", "utf-8")
        elif not golden.exists():
            problem = ["no golden for this case"]
        else:
            problem = difference(json.loads(golden.read_text("utf-8")), got, options.loose)
        if problem:
            failed += 1
            failures.append(case.name)
            print(f"FAIL {case.name}: {case.title}", *("    " + line for line in problem), sep="\n")
            if options.log:
                print(*("    server: " + line for line in lines), sep="\n")
        else:
            passed += 1
            passes.append(case.name)
            if not options.show:
                print(f"ok   {case.name}")
        sys.stdout.flush()
    if failures:
        print("failed:", *failures)
    if options.suite == SUITE and not options.show and not options.record:
        listed = set(differences())
        print("fail and are not listed in docs/differences.md:", *sorted(set(failures) - listed))
        print("pass and are listed there:", *sorted(listed & set(passes)))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
