"""A real server in a process of its own: started, stopped, frozen, killed and started again on the same port."""

import contextlib
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from tests.live import until

PORTS = [port for port in range(20001, 32000) if not 21001 <= port <= 21999]
"""Below the ports that the kernel gives to clients: one that calls a dead server there may reach itself."""


def free_port() -> int:
    """A port on which nobody listens."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


class Program:
    """One server. `with X.start() as server:` gives it a free port and a temporary folder, and takes both back."""

    patience = 30.0  # seconds for a start or a stop
    host = "127.0.0.1"
    usual_port = 0  # 0: any that is free

    def __init__(self) -> None:
        self.port = self.usual_port or free_port()
        self.folder = Path(tempfile.mkdtemp(prefix=f"pysips-{type(self).__name__.lower()}-"))
        self.process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls) -> Self:
        server = cls()
        try:
            server.prepare()
            server.run()
        except BaseException:
            server.close()
            raise
        return server

    def prepare(self) -> None:
        """Write what the server wants to find in its folder."""

    def do(self, *command: str) -> None:
        """Run a program to its end; what it says goes into the log."""
        with (self.folder / "log").open("ab") as log:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        assert done.returncode == 0, f"{command[0]} ended with {done.returncode}:\n{self.log()[-3000:]}"

    def give_to(self, user: str) -> None:
        """The folder with all in it becomes another user's."""
        for path in (self.folder, *self.folder.rglob("*")):
            shutil.chown(path, user, user)

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        """It takes connections."""
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
            return True
        return False

    def run(self) -> None:
        """Start the process and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder
            )

        def ready() -> bool:
            assert process.poll() is None, f"it ended with {process.returncode}:\n{self.log()[-3000:]}"
            return self.answers()

        until(ready, self.patience, f"the start of {type(self).__name__}")

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def stop(self) -> None:
        """End it as an operator would."""
        self.end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals) -> None:
        process, self.process = self.process, None
        if process is None:
            return
        process.send_signal(signal.SIGCONT)
        process.send_signal(how)
        try:
            process.wait(self.patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def freeze(self) -> None:
        """It is there, takes connections (the kernel does), and never answers."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        tasks = Path(f"/proc/{self.process.pid}/task")

        def stands() -> bool:
            """None of its threads runs any more: a signal takes a moment to reach them all."""
            return all(one.read_text("latin-1").rpartition(")")[2].split()[0] == "T" for one in tasks.glob("*/stat"))

        until(stands, self.patience, f"the stop of {type(self).__name__}")

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """Stop it if it runs, and start it on the same port with the same data."""
        self.stop()
        self.run()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()
