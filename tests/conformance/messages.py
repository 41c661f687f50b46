"""SIP messages as the conversations need them: read loosely, written exactly."""

import re

Headers = list[tuple[str, str]]


def split_message(data: bytes) -> tuple[str, Headers, str]:
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "replace").split("\r\n")
    headers: Headers = []
    for line in lines[1:]:
        name, _, value = line.partition(":")
        headers.append((name.strip(), value.strip()))
    return lines[0], headers, body.decode("utf-8", "replace")


def values_of(headers: Headers, *names: str) -> list[str]:
    return [v for n, v in headers if n.lower() in names]


def first(headers: Headers, *names: str) -> str:
    return next(iter(values_of(headers, *names)), "")


def split_list(value: str) -> list[str]:
    """Comma list outside of <> and quotes."""
    return [p.strip() for p in re.findall(r'(?:"(?:\\.|[^"\\])*"|<[^>]*>|[^,])+', value)]


def kind(data: bytes) -> tuple[str, str]:
    """(status or method, method)."""
    start, headers, _ = split_message(data)
    method = first(headers, "cseq").partition(" ")[2]
    words = start.split(" ")
    if start.startswith("SIP/"):
        return (words[1] if len(words) > 1 else "?"), method
    return words[0], words[0]


def target(contact: str) -> str:
    match = re.search(r"<([^>]+)>", contact)
    return match[1] if match else contact.split(";")[0].strip()


def build(start: str, defaults: Headers, extra: list[str], method: str) -> bytes:
    """Start line, defaults as the case's own lines change them, body from its | lines, Content-Length."""
    headers, replaced, body = list(defaults), set[str](), list[str]()
    length_given = False
    for line in extra:
        if line.startswith("|"):
            body.append(line[1:] + "\r\n")
            continue
        name, _, value = line.partition(":")
        name, value = name.strip(), value.strip()
        if name.lower() == "cseq" and value.isdigit():
            value += " " + method
        length_given |= name.lower() == "content-length"
        same = [i for i, (n, _) in enumerate(headers) if n.lower() == name.lower()]
        if value == "(none)":
            headers = [h for h in headers if h[0].lower() != name.lower()]
        elif same and name.lower() not in replaced:
            headers[same[0]] = (name, value)
            for i in same[:0:-1]:
                del headers[i]
        elif same:
            headers.insert(same[-1] + 1, (name, value))
        else:
            headers.append((name, value))
        replaced.add(name.lower())
    text = "".join(body).encode()
    if not length_given:
        headers.append(("Content-Length", str(len(text))))
    lines = [start] + [f"{n}: {v}" for n, v in headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + text
