#!/usr/bin/env python3
"""The least a Python process can do for an OPTIONS: blocking socket, no parsing to
speak of. A floor to hold PySIPS against, not a SIP server.

    scripts/bench --servers floor options
"""

import socket

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 5060))
while True:
    data, peer = s.recvfrom(65536)
    head = data.split(b"\r\n\r\n", 1)[0].split(b"\r\n")
    keep = [h for h in head[1:] if h[:4] in (b"Via:", b"From", b"Call", b"CSeq") or h[:3] == b"To:"]
    s.sendto(b"SIP/2.0 200 OK\r\n" + b"\r\n".join(keep) + b"\r\nContent-Length: 0\r\n\r\n", peer)
