"""The parameters of tm as the work needs them, and its counters."""

from typing import Final, final

from pysips.core.stats import Counter, Statistics

GROUP: Final = "tm"
# Counted by anycast replication only, which is not here yet: they are there for those who ask for the whole group.
CLUSTER: Final = (
    "cluster_reply_sent", "cluster_request_sent", "cluster_cancel_sent", "cluster_reply_recv", "cluster_request_recv",
    "cluster_cancel_recv",
)  # fmt: skip


@final
class Settings:
    """The module's parameters as the work needs them: times in seconds, the flags as truths."""

    __slots__ = (
        "auto_100", "block_6xx", "fr_inv_timeout", "fr_timeout", "linger", "minor_flag", "reply_avps", "restart_fr",
        "ruri_matching", "t1", "t2", "tell_provisional", "via1_matching",
    )  # fmt: skip

    def __init__(self) -> None:
        self.fr_timeout: float = 30.0
        self.fr_inv_timeout: float = 120.0
        self.t1: float = 0.5
        self.t2: float = 4.0
        self.linger: float = 5.0
        self.auto_100: bool = True
        self.restart_fr: bool = True
        self.reply_avps: bool = False
        self.block_6xx: bool = True
        self.minor_flag: int = 0
        self.tell_provisional: bool = False
        self.ruri_matching: bool = True
        self.via1_matching: bool = True


@final
class Stats:
    """The module's counters, by OpenSIPS' names."""

    __slots__ = (
        "by_class",
        "fr_inv_timeouts",
        "fr_timeouts",
        "inuse",
        "local_replies",
        "received_replies",
        "relayed_replies",
        "reply_retransmissions",
        "request_retransmissions",
        "uac",
        "uas",
    )  # fmt: skip

    def __init__(self, statistics: Statistics) -> None:
        self.received_replies: Counter = statistics.counter(GROUP, "received_replies")
        self.relayed_replies: Counter = statistics.counter(GROUP, "relayed_replies")
        self.local_replies: Counter = statistics.counter(GROUP, "local_replies")
        self.uas: Counter = statistics.counter(GROUP, "UAS_transactions")
        self.uac: Counter = statistics.counter(GROUP, "UAC_transactions")
        self.by_class: list[Counter] = [
            statistics.counter(GROUP, str(digit) + "xx_transactions") for digit in range(2, 7)
        ]
        self.inuse: Counter = statistics.counter(GROUP, "inuse_transactions", True)
        self.request_retransmissions: list[Counter] = [
            statistics.counter(GROUP, "retransmission_req_" + name) for name in ("T1_1", "T1_2", "T1_3", "T2")
        ]
        for name in CLUSTER:
            statistics.counter(GROUP, name)
        self.reply_retransmissions: Counter = statistics.counter(GROUP, "retransmission_rpl_T2")
        self.fr_timeouts: Counter = statistics.counter(GROUP, "timeout_finalresponse")
        self.fr_inv_timeouts: Counter = statistics.counter(GROUP, "timeout_finalresponse_inv")

    def completed(self, status: int) -> None:
        """A transaction got its final reply; it counts in its class, once."""
        if 200 <= status < 700:
            self.by_class[status // 100 - 2].inc()
