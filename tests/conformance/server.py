"""The server under test: started with a case's script, asked over its FIFO, ended."""

import os
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from .case import SERVERS


class Server:
    def __init__(self, command: str, config: str, folder: Path, sockets: list[str]) -> None:
        self.folder = folder
        self.lines: list[str] = []
        cfg = folder / "server.cfg"
        cfg.write_text(config, "utf-8")
        words = [w.replace("{cfg}", str(cfg)) for w in shlex.split(command)]
        words[0] = os.path.abspath(shutil.which(words[0]) or words[0])  # it runs in another folder than we do
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=folder,
            start_new_session=True,
        )
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.udp = any(s.startswith("udp:") for s in sockets)
        self.serial = 0

    def read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.decode("utf-8", "backslashreplace").rstrip("\n"))

    def wait_ready(self, limit: float) -> bool:
        """Listening (the kernel's table says so) and answering on the fifo; without one, 2 s after listening."""
        end, heard_at = time.monotonic() + limit, 0.0
        while time.monotonic() < end:
            if self.process.poll() is not None:
                return False
            if listening("udp" if self.udp else "tcp", SERVERS["S"]):
                heard_at = heard_at or time.monotonic()
                if (self.folder / "mi").exists() and self.mi_raw('{"jsonrpc":"2.0","id":1,"method":"version"}', 0.5):
                    return True
                if time.monotonic() - heard_at > 2:
                    return True
            time.sleep(0.02)
        return False

    def mi_raw(self, text: str, limit: float = 3.0, pump: Callable[[float], object] = time.sleep) -> str:
        self.serial += 1
        name = f"answer{self.serial}"
        reply = self.folder / name
        os.mkfifo(reply)
        reader = os.open(reply, os.O_RDONLY | os.O_NONBLOCK)
        try:
            writer = os.open(self.folder / "mi", os.O_WRONLY | os.O_NONBLOCK)
            os.write(writer, f":{name}:{text}\n".encode())
            os.close(writer)
            answer, end = b"", time.monotonic() + limit
            while time.monotonic() < end:
                try:
                    chunk = os.read(reader, 65536)
                except BlockingIOError:
                    chunk = None
                if chunk:
                    answer += chunk
                elif chunk == b"" and answer:
                    break
                else:
                    pump(0.005)
            return answer.decode("utf-8", "replace")
        except OSError:
            return ""
        finally:
            os.close(reader)
            reply.unlink()

    def marks(self) -> list[str]:
        return [line.partition("@@ ")[2] for line in self.lines if "@@ " in line]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
        try:  # what is left of the session that we started
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass
        self.reader.join(1)
        assert self.process.stdout is not None
        self.process.stdout.close()


def listening(proto: str, port: int) -> bool:
    wanted = f":{port:04X} "
    for table in (f"/proc/net/{proto}", f"/proc/net/{proto}6"):
        try:
            rows = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for row in rows:
            words = row.split()
            if words[1].endswith(wanted.strip()) and (proto == "udp" or words[3] == "0A"):
                return True
    return False
