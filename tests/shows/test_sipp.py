"""What is read out of SIPp's files."""

from pathlib import Path

from tests.bench.sipp import errors

ABORTED = "Aborting call on unexpected message for Call-Id '{call}-7@127.0.0.1': while expecting "
ENTRIES = (
    "Dead call 3160-7@127.0.0.1 (successful), received 'BYE sip:b@c SIP/2.0\nCall-ID: 3160-7@127.0.0.1\n\n'",
    ABORTED.format(call=3161)
    + "'ACK' (index 4), received 'INVITE sip:relay@127.0.0.1:5060 SIP/2.0\nCSeq: 1 INVITE\n\n'",
    ABORTED.format(call=3162)
    + "'ACK' (index 4), received 'INVITE sip:relay@127.0.0.1:5060 SIP/2.0\nCSeq: 1 INVITE\n\n'",
    ABORTED.format(call=3163) + "'100' (index 8), received 'SIP/2.0 408 Request Timeout\nCSeq: 2 BYE\n\n'",
    "Aborting call on an unexpected CANCEL for call: 3164-7@127.0.0.1",
    "Call-Id: 3165-7@127.0.0.1, receive timeout on message gives up:4, jumping to label 5",
)


def test_kinds_of_errors_are_counted_over_all_calls(tmp_path: Path) -> None:
    entries = "".join(f"2026-11-24\t22:24:18.401\t1795559058.401: {entry}" for entry in ENTRIES)
    (tmp_path / "uas_1_errors.log").write_text("The following events occurred:\n" + entries)
    assert errors(tmp_path) == [
        ("INVITE while expecting ACK (step 4)", 2),
        ("408 while expecting 100 (step 8)", 1),
        ("Aborting call on an unexpected CANCEL for call: ID", 1),
    ]
