"""A case file: a routing script and a conversation (README.md has the format)."""

import re
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
UDP_NAMES = {name: 21001 + i for i, name in enumerate("ABCDEFGH")}
TCP_NAMES = {name: 21011 + i for i, name in enumerate("TUVW")}
SERVERS = {"S": 21060, "S2": 21061, "S3": 21062}
PORTS = UDP_NAMES | TCP_NAMES | SERVERS

DEFAULT_CFG = """\
log_level=1
xlog_level=3
stderror_enabled=yes
syslog_enabled=no
udp_workers=1
tcp_workers=1
"""


@dataclass
class Case:
    name: str
    path: Path
    title: str = ""
    modules: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    unordered: list[str] = field(default_factory=list)
    keep_retransmissions: bool = False
    unique_log: bool = False
    script: str = ""
    play: list[tuple[int, str, list[str]]] = field(default_factory=list)


def read_case(path: Path, suite: Path) -> Case:
    case = Case(path.relative_to(suite / "cases").with_suffix("").as_posix(), path)
    part, script = "head", []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if line.startswith("--- "):
            part = line[4:].strip()
        elif part == "script":
            script.append(line)
        elif part == "play":
            if not line.strip() or line.startswith("#"):
                continue
            if line[0] in " \t|":
                case.play[-1][2].append(line.lstrip(" \t") if line[0] != "|" else line)
            else:
                case.play.append((number, line.rstrip(), []))
        elif line.strip():
            key, _, value = line.partition(":")
            value = value.strip()
            if key == "title":
                case.title = value
            elif key in ("modules", "sockets", "unordered"):
                setattr(case, key, value.split())
            elif key == "log":
                case.unique_log = value == "unique"
            elif key == "retransmissions":
                case.keep_retransmissions = value == "keep"
            else:
                raise SystemExit(f"{path}:{number}: unknown key {key!r}")
    case.script = "\n".join(script) + "\n"
    return case


def fill(text: str, values: dict[str, str]) -> str:
    """Replace {NAME} for the names we know, leave every other brace alone."""
    return re.sub(r"\{([A-Za-z][A-Za-z0-9_.]*)\}", lambda m: values.get(m[1], m[0]), text)


def config_text(case: Case, prelude: str, folder: Path, values: dict[str, str]) -> str:
    sockets = case.sockets or ["udp:{S}"]
    modules = ["proto_udp"] + (["proto_tcp"] if any(s.startswith("tcp:") for s in sockets) else [])
    lines = [prelude, DEFAULT_CFG]
    # `udp:{S}+as=1.2.3.4:5` writes the modifier after a blank.
    lines += ["socket=" + s.replace("+", " ").replace("=", " ") for s in sockets]
    lines += [f'loadmodule "{m}.so"' for m in [*modules, "mi_fifo"]]
    lines += [f'modparam("mi_fifo", "fifo_name", "{folder}/mi")', f'modparam("mi_fifo", "reply_dir", "{folder}/")']
    lines += [f'loadmodule "{m}.so"' for m in case.modules]
    return fill("\n".join(lines) + "\n" + case.script, values)
