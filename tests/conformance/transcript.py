"""What was heard, made comparable: what a server invents gets a name, what differs each time a star."""

import difflib
import json
import re
from typing import Any

from .player import Player

Transcript = dict[str, Any]


VOLATILE_KEYS = {
    "pid",
    "up since",
    "now",
    "up time",
    "contactid",
    "contact-id",
    "last modified",
    "last-modified",
    "contact_id",
    "key",
    "timestamp",
    "core:timestamp",
    "date",
}


def tidy_mi(text: str, shape: bool) -> Any:
    if not text:
        return "(no answer)"
    try:
        data = json.loads(text)
    except ValueError:
        return text

    def walk(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {k: walk(v, k) for k, v in value.items()}
        if isinstance(value, list):
            items = [walk(v, key) for v in value]
            return [v for i, v in enumerate(items) if not shape or v not in items[:i]]
        if key.lower() in VOLATILE_KEYS:
            return "*"
        if isinstance(value, str) and "SIP/2.0/" in value:
            for pattern, new in FIXED:
                value = pattern.sub(new, value)
            return re.sub(r"(;branch=|\*?To: [^\r\n]*;tag=|Call-ID: )[^;,>\s]+", r"\1*", value)
        return type(value).__name__ if shape else value

    if shape and "result" in data:
        return {"result": walk(data["result"])}
    return walk(data)


TOKEN = re.compile(r"((?:;|\s)tag=|;branch=|^Call-ID: |^i: )([^;,>\s]+)", re.M | re.I)
FIXED = [
    (re.compile(r"^(Date: )[^\r\n]*", re.M), r"\1*"),
    (re.compile(r"^((?:Server|User-Agent): )(?:OpenSIPS|PySIPS)[^\r\n]*", re.M | re.I), r"\1*"),
    (re.compile(r'(\b(?:nonce|opaque|cnonce)=")[^"]*', re.I), r"\1*"),
    (re.compile(r"(;did=)[^;>,\s]+"), r"\1*"),
    (re.compile(r"^(Via: [^\r\n]*?;branch=[^;\s,]+);i=[0-9a-f]+", re.M), r"\1"),  # a mark for its own TCP connections
    (re.compile(r"^(Warning: 392)[^\r\n]*", re.M), r"\1 *"),
    (re.compile(r"(;temp-gruu=|;pub-gruu=)\"[^\"]*"), r'\1"*'),
    (re.compile(r"(\bgr=|tgruu\.)[A-Za-z0-9_.%~-]{16,}"), r"\1*"),
]


def transcript(player: Player, alive: bool) -> Transcript:
    """What each endpoint heard, with server-made values replaced by names."""
    made: dict[str, str] = {}
    heard: dict[str, list[list[str]]] = {}
    said_upto = [""]
    for text in player.said:
        said_upto.append(said_upto[-1] + "\n" + text)
    ports = {p: e.name for e in player.endpoints.values() for p in getattr(e, "client_ports", [])}
    server_made: set[str] = set()
    for end in player.endpoints.values():
        for item in end.heard:
            for _, value in TOKEN.findall(item.data.decode("utf-8", "backslashreplace")):
                if value not in said_upto[item.said_before]:
                    server_made.add(value)
    for name, end in sorted(player.endpoints.items()):
        counters: dict[str, int] = {}

        def rename(match: re.Match[str], name: str = name, counters: dict[str, int] = counters) -> str:
            lead, value = match[1], match[2]
            if value not in server_made:
                return match[0]
            if value not in made:
                what = re.sub(r"[^a-z]", "", lead.lower())
                counters[what] = counters.get(what, 0) + 1
                made[value] = f"<{what} {name}{counters[what]}>"
            return lead + made[value]

        seen: set[bytes] = set()
        rows = []
        for item in end.heard:
            if item.data in seen and not player.case.keep_retransmissions and len(item.data) > 4:
                continue
            seen.add(item.data)
            text = item.data.decode("utf-8", "backslashreplace")
            for pattern, new in FIXED:
                text = pattern.sub(new, text)
            text = TOKEN.sub(rename, text)
            for port, owner in ports.items():
                text = re.sub(rf"(?<=[:=]){port}(?!\d)", f"<port {owner}>", text)
            rows.append(text.split("\r\n"))
        if name in player.case.unordered:
            rows.sort(key=lambda row: [re.sub(r"<(branch|tag)[^>]*>", "", x) for x in row])
        heard[name] = rows
    marks = [clean_mark(m, ports) for m in player.server.marks()]
    if player.case.unique_log:
        marks = list(dict.fromkeys(marks))
    result: Transcript = {"heard": heard}
    if marks:
        result["log"] = marks
    if player.mi:
        text = json.dumps([{"asked": asked, "answer": tidy_mi(answer, shape)} for asked, answer, shape in player.mi])
        for port, owner in ports.items():
            text = re.sub(rf"(?<=[:=]){port}(?!\d)", f"<port {owner}>", text)
        result["mi"] = json.loads(text)
    if player.missing:
        result["missing"] = player.missing
    if not alive:
        result["server"] = "gone"
    return result


def clean_mark(text: str, ports: dict[int, str]) -> str:
    for port, owner in ports.items():
        text = re.sub(rf"\b{port}\b", f"<port {owner}>", text)
    return text


def flat(data: Transcript) -> list[str]:
    """The transcript as lines a person can read and difflib can compare."""
    lines = []
    for name, rows in data.get("heard", {}).items():
        for row in rows:
            lines += [f"{name} << {line}" for line in row]
            lines.append(f"{name} --")
    lines += [f"log: {line}" for line in data.get("log", [])]
    for entry in data.get("mi", []):
        lines.append(f"mi: {entry['asked']}")
        lines += [f"mi| {line}" for line in json.dumps(entry["answer"], indent=1, sort_keys=True).splitlines()]
    lines += [f"missing: {m}" for m in data.get("missing", [])]
    if "server" in data:
        lines.append("the server is gone")
    return lines


NEAR = re.compile(r"((?:expires=|Expires\"?: |Expires=))(\d+)", re.I)


def near(one: str, two: str) -> bool:
    """Equal, or equal but for an expiry that differs by one second."""
    if one == two:
        return True
    if NEAR.sub(r"\1", one) != NEAR.sub(r"\1", two):
        return False
    return all(abs(int(a[1]) - int(b[1])) <= 1 for a, b in zip(NEAR.findall(one), NEAR.findall(two), strict=True))


def loosen(data: Transcript) -> Transcript:
    """Header order inside a message no longer counts; order of equal headers still does."""
    out = dict(data)
    out["heard"] = {}
    for name, rows in data.get("heard", {}).items():
        new = []
        for row in rows:
            cut = row.index("") if "" in row else len(row)
            new.append(row[:1] + sorted(row[1:cut], key=lambda h: h.partition(":")[0].lower()) + row[cut:])
        out["heard"][name] = new
    return out


def difference(want: Transcript, got: Transcript, loose: bool) -> list[str]:
    if loose:
        want, got = loosen(want), loosen(got)
    one, two = flat(want), flat(got)
    if len(one) == len(two):
        two = [a if near(a, b) else b for a, b in zip(one, two, strict=True)]
    if one == two:
        return []
    return list(difflib.unified_diff(one, two, "expected", "got", lineterm="", n=4))
