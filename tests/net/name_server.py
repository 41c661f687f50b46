"""A small name server with a zone of its own, over UDP and TCP."""

import asyncio
from typing import Any

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

Zone = dict[tuple[str, str], tuple[int, list[str]]]  # (name with its last dot, kind) → seconds, records
TRUNCATED_AT = 512


class NameServer(asyncio.DatagramProtocol):
    """asked: all questions so far; silent: kinds that get no answer ("*": none does); slow: seconds of thought."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.asked: list[tuple[str, str]] = []
        self.silent: set[str] = set()
        self.soa = ""
        self.port = 0
        self.transport: asyncio.DatagramTransport
        self.listener: asyncio.Server

    async def begin(self, host: str = "127.0.0.1", port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self.listener = await asyncio.start_server(self.connected, host, port)
        self.port = self.listener.sockets[0].getsockname()[1]
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, self.port))

    def end(self) -> None:
        self.transport.close()
        self.listener.close()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self.answer(data)
        if answer is None:
            return
        wire = answer.to_wire(max_size=65535)
        if len(wire) > TRUNCATED_AT:
            answer.answer.clear()
            answer.flags |= dns.flags.TC
            wire = answer.to_wire()
        self.transport.sendto(wire, addr)

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = self.answer(await reader.readexactly(length))
        if answer is not None:
            wire = answer.to_wire(max_size=65535)
            writer.write(len(wire).to_bytes(2, "big") + wire)
            await writer.drain()
        writer.close()

    def answer(self, data: bytes) -> dns.message.Message | None:
        query = dns.message.from_wire(data)
        name, kind = query.question[0].name, dns.rdatatype.to_text(query.question[0].rdtype)
        self.asked.append((name.to_text(), kind))
        if kind in self.silent or "*" in self.silent:
            return None
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        held = self.zone.get((name.to_text().lower(), kind))
        if held is not None:
            answer.answer.append(dns.rrset.from_text_list(name, held[0], "IN", kind, held[1]))
            return answer
        if not any(known == name.to_text().lower() for known, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if self.soa:
            answer.authority.append(dns.rrset.from_text(name.parent(), 3600, "IN", "SOA", self.soa))
        return answer
