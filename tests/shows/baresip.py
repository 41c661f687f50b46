"""baresip, a real phone without hands: it registers, calls, answers and talks, and tells what happens over TCP.

Each phone plays a tone of its own (audio/aufile) and writes down what it hears (audio filter sndfile), so that
"the media flows end to end" is a frequency in a file. Control: module ctrl_tcp, JSON in netstrings.
"""

import json
import math
import socket
import struct
import subprocess
import time
import wave
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.live import PASSWORD

RATE = 8000
MODULES = "/usr/lib/baresip/modules"
CONFIG = """\
poll_method epoll
sip_listen {host}:{port}
net_interface {address}
call_local_timeout {ring}
call_max_calls 4
audio_player aubridge,nowhere
audio_source aufile,{folder}/tone.wav
audio_alert aubridge,alert
ausrc_srate 8000
auplay_srate 8000
ausrc_channels 1
auplay_channels 1
rtp_ports {rtp}-{rtp_end}
module_path {modules}
module g711.so
module aufile.so
module aubridge.so
module sndfile.so
snd_path {folder}
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
"""


@dataclass
class Event:
    """Something that happened to a phone: REGISTER_OK, CALL_INCOMING, CALL_ESTABLISHED, CALL_CLOSED …"""

    kind: str
    peer: str
    param: str


class Baresip:
    """One phone.

    number: 0–9, gives its ports; tone: Hz of what it says; answers: takes every call by itself; server: host:port with
    IPv6 in brackets; host: its own address, if it is not the server's; ring: seconds that it lets ring; every: seconds
    after which it registers again (it does at nine tenths of them).
    """

    def __init__(
        self, folder: Path, user: str, number: int, server: str = "127.0.0.1:5060", transport: str = "udp",
        tone: int = 440, answers: bool = False, ring: int = 120, password: str = PASSWORD, host: str = "",
        every: int = 60,
    ) -> None:  # fmt: skip
        self.folder, self.user, self.tone = folder / user, user, tone
        self.folder.mkdir()
        address = host or server.rpartition(":")[0].strip("[]")
        self.control = 27000 + number
        values = {
            "host": f"[{address}]" if ":" in address else address, "address": address, "port": 25100 + 10 * number,
            "ring": ring, "folder": self.folder, "rtp": 26000 + 20 * number, "rtp_end": 26019 + 20 * number,
            "modules": MODULES, "control": self.control,
        }  # fmt: skip
        (self.folder / "config").write_text(CONFIG.format(**values))
        answer = ";answermode=auto" if answers else ""
        self.account = f"<sip:{user}@{server};transport={transport}>;regint={every};auth_pass={password}"
        self.account += f";audio_codecs=pcmu{answer}"
        (self.folder / "accounts").write_text(f"{self.account}\n")
        write_tone(self.folder / "tone.wav", tone)
        self.events: list[Event] = []
        self.pending = b""
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                ["baresip", "-f", str(self.folder)], stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        self.socket = self.connect()

    def connect(self) -> socket.socket:
        end = time.monotonic() + 10
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.control), 1)
            except OSError:
                assert time.monotonic() < end and self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)

    def command(self, name: str, params: str = "") -> None:
        """dial sip:…, accept, hangup …"""
        text = json.dumps({"command": name, "params": params, "token": "t"})
        self.socket.sendall(f"{len(text)}:{text},".encode())

    def wait(self, kind: str, seconds: float = 8) -> Event:
        """The next event of a kind; AssertionError with what happened instead."""
        end = time.monotonic() + seconds
        seen = []
        while (left := end - time.monotonic()) > 0:
            while self.events:
                event = self.events.pop(0)
                seen.append(event)
                if event.kind == kind:
                    return event
            self.read(left)
        raise AssertionError(f"{self.user}: no {kind} within {seconds:g} s, but {seen}")

    def read(self, seconds: float) -> None:
        self.socket.settimeout(seconds)
        try:
            piece = self.socket.recv(65536)
        except TimeoutError:
            return
        assert piece, f"{self.user} ended:\n{(self.folder / 'log').read_text()[-2000:]}"
        self.pending += piece
        while b":" in self.pending:
            length, _, rest = self.pending.partition(b":")
            if len(rest) <= int(length):
                return
            said: dict[str, Any] = json.loads(rest[: int(length)])
            self.pending = rest[int(length) + 1 :]
            if said.get("event"):
                self.events.append(Event(said["type"], said.get("peeruri", ""), said.get("param", "")))

    def registered(self) -> "Baresip":
        """Wait until the server has accepted it. It may have done so before we could hear it."""
        end = time.monotonic() + 8
        while "200 OK" not in (self.folder / "log").read_text(errors="replace"):
            assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
            time.sleep(0.05)
        return self

    def heard(self, tone: int) -> float:
        """The share of that tone in all it has heard so far, 0.0 to 1.0; read it after the call."""
        parts = [samples(path) for path in sorted(self.folder.glob("dump-*-dec.wav"))]
        return share_of(tone, [sample for part in parts for sample in part])

    def close(self) -> None:
        self.socket.close()
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


def write_tone(path: Path, hertz: int, seconds: int = 60) -> None:
    """A sine of a quarter of full scale."""
    second = [round(8000 * math.sin(2 * math.pi * hertz * i / RATE)) for i in range(RATE)]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(struct.pack(f"<{RATE}h", *second) * seconds)


def samples(path: Path) -> list[int]:
    """All samples of a WAV file, even of one whose header was not finished."""
    data = path.read_bytes()[44:]
    return list(struct.unpack(f"<{len(data) // 2}h", data[: len(data) // 2 * 2]))


def share_of(hertz: int, heard: list[int]) -> float:
    """How much of the signal's energy is in one frequency (a single bin of its Fourier transform)."""
    energy = sum(sample * sample for sample in heard)
    if not energy:
        return 0.0
    turn = 2 * math.pi * hertz / RATE
    real = sum(sample * math.cos(turn * i) for i, sample in enumerate(heard))
    imaginary = sum(sample * math.sin(turn * i) for i, sample in enumerate(heard))
    return 2 * (real * real + imaginary * imaginary) / (len(heard) * energy)
