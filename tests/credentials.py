"""What a phone answers to a challenge, written apart from the server's own digest (RFC 7616 section 3.4)."""

import hashlib
import re

HASHES = {"md5": "md5", "sha-256": "sha256", "sha-512-256": "sha512_256"}


def facts_of(challenge: str) -> dict[str, str]:
    """The parameters of a challenge, without quotes."""
    return {name: quoted or plain for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', challenge)}


def credentials(
    challenge: str, user: str, password: str, method: str, uri: str, count: int = 1, qop: str = "", body: bytes = b"",
    **replaced: str,
) -> str:  # fmt: skip
    """The value of an Authorization; qop: the one chosen, else the first offered; replaced: other parameters."""
    said = facts_of(challenge)
    name = said.get("algorithm", "MD5")

    def h(*parts: str | bytes) -> str:
        joined = b":".join(part.encode() if isinstance(part, str) else part for part in parts)
        return hashlib.new(HASHES[name.lower().removesuffix("-sess")], joined).hexdigest()

    qop = qop or said.get("qop", "").split(",")[0]
    secret = h(user, said["realm"], password)
    if name.lower().endswith("-sess"):
        secret = h(secret, said["nonce"], "c0ffee")
    asked = h(method, uri, h(body)) if qop == "auth-int" else h(method, uri)
    given = {"username": user, "realm": said["realm"], "nonce": said["nonce"], "uri": uri}
    plain = {"algorithm": name} if "algorithm" in said else {}
    if qop:
        plain |= {"qop": qop, "nc": f"{count:08x}"}
        given |= {"cnonce": "c0ffee", "response": h(secret, said["nonce"], plain["nc"], "c0ffee", qop, asked)}
    else:
        given |= {"response": h(secret, said["nonce"], asked)}
        if name.lower().endswith("-sess"):
            given["cnonce"] = "c0ffee"
    given |= replaced
    return "Digest " + ", ".join(
        [f'{key}="{value}"' for key, value in given.items()] + [f"{k}={v}" for k, v in plain.items()]
    )
