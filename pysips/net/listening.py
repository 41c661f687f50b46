"""Listening sockets of one process: taking the connections that come, for SIP's streams and for nodes alike."""

import asyncio
import errno
import socket
from collections.abc import Callable
from typing import Final

from pysips.core.log import log
from pysips.core.services import Socket, Timer, Timers

AT_ONCE: Final = 32
PAUSE: Final = 0.2  # when the system has no descriptors left

Taken = Callable[[socket.socket, Socket, str, int], None]  # a connection, our socket, the peer's host and port


class Listening:
    """name: of whoever listens, for the log; taken: takes each connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timers: Timers, name: str, taken: Taken) -> None:
        self.loop = loop
        self.timers = timers
        self.name = name
        self.taken = taken
        self.sockets: list[socket.socket] = []

    def listen(self, sock: socket.socket, where: Socket) -> None:
        """Take the connections of a listening socket from now on."""
        self.sockets.append(sock)
        self.loop.add_reader(sock.fileno(), self.accept, sock, where)

    def deafen(self) -> None:
        """Take no new connections."""
        for sock in self.sockets:
            self.loop.remove_reader(sock.fileno())
        self.sockets = []

    def accept(self, sock: socket.socket, where: Socket) -> None:
        for _ in range(AT_ONCE):
            try:
                made, peer = sock.accept()
            except BlockingIOError:
                return
            except OSError as problem:
                self.accept_failed(sock, where, problem)
                return
            self.taken(made, where, peer[0], peer[1])

    def accept_failed(self, sock: socket.socket, where: Socket, problem: OSError) -> None:
        """A peer that left again is nothing; without descriptors we look again a little later."""
        if problem.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
            return
        if log.limited(f"{self.name}:accept", 60.0):
            log.error(self.name, f"cannot take connections on {where.name}: {problem.strerror}")
        self.loop.remove_reader(sock.fileno())
        self.timers.add(Again(self, sock, where), PAUSE)


class Again(Timer):
    """Look again whether connections can be taken."""

    def __init__(self, listening: Listening, sock: socket.socket, where: Socket) -> None:
        super().__init__()
        self.listening, self.sock, self.where = listening, sock, where

    def fire(self) -> None:
        if self.sock in self.listening.sockets:
            self.listening.loop.add_reader(self.sock.fileno(), self.listening.accept, self.sock, self.where)
