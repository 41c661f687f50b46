"""What processes and the machine used: CPU time, memory, lost datagrams, out of /proc."""

import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass

TICK_US = 1_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Process:
    """What /proc/PID/stat says: parent, session, user and system ticks."""

    parent: int
    session: int
    user: int
    system: int


def process(pid: int) -> Process:
    """Raises OSError when there is no such process."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
        fields = file.read().rpartition(")")[2].split()
    return Process(int(fields[1]), int(fields[3]), int(fields[11]), int(fields[12]))


def family(leader: int) -> list[int]:
    """The leader, its session and all their descendants."""
    every: dict[int, Process] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                every[int(name)] = process(int(name))
            except (OSError, IndexError):
                continue  # it ended meanwhile
    found = {pid for pid, one in every.items() if leader in (pid, one.session)}
    while more := {pid for pid, one in every.items() if one.parent in found} - found:
        found |= more
    return sorted(found)


def cpu_us(pids: Iterable[int]) -> tuple[int, int]:
    """User and system microseconds. A process that has gone takes its time along (`cpu_lost_pids` in a result)."""
    user = system = 0
    for pid in pids:
        try:
            one = process(pid)
        except OSError:
            continue
        user += one.user
        system += one.system
    return user * TICK_US, system * TICK_US


def scheduled_us(pids: Iterable[int]) -> float:
    """CPU microseconds of every thread by the scheduler's nanosecond counters, where stat has ticks of 10 ms."""
    total = 0
    for pid in pids:
        try:
            for task in os.listdir(f"/proc/{pid}/task"):
                with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as file:
                    total += int(file.read().split()[0])
        except (OSError, ValueError, IndexError):
            continue
    return total / 1000


def memory_kb(pids: Iterable[int]) -> tuple[int, int]:
    """Sums of Rss and Pss."""
    sums = {"Rss:": 0, "Pss:": 0}
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                for line in file:
                    words = line.split()
                    if words[0] in sums:
                        sums[words[0]] += int(words[1])
        except OSError:
            continue
    return sums["Rss:"], sums["Pss:"]


def datagrams_lost() -> int:
    """Datagrams that found a full receive buffer, on the whole machine so far."""
    with open("/proc/net/snmp", encoding="ascii") as file:
        names, values = (line.split()[1:] for line in file if line.startswith("Udp:"))
    return int(dict(zip(names, values, strict=True))["RcvbufErrors"])


@dataclass(frozen=True)
class Machine:
    """Ticks of all cores since it started."""

    total: int
    idle: int
    stolen: int


def machine() -> Machine:
    with open("/proc/stat", encoding="ascii") as file:
        values = [int(word) for word in file.readline().split()[1:9]]
    return Machine(sum(values), values[3] + values[4], values[7])


def udp_bound(port: int, address: str = "127.0.0.1") -> bool:
    """Is there a UDP socket on this port of an IPv4 address, or of every address?"""
    number = socket.inet_aton(address)[::-1].hex().upper()
    hosts = (number, "00000000", "0" * 32, f"0000000000000000FFFF0000{number}")
    wanted = {f"{host}:{port:04X}" for host in hosts}
    for table in ("/proc/net/udp", "/proc/net/udp6"):
        try:
            with open(table, encoding="ascii") as file:
                if any(line.split()[1] in wanted for line in list(file)[1:]):
                    return True
        except OSError:
            continue  # no IPv6 here
    return False
