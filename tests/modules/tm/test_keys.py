"""What names a transaction: the same for a request, its repetition, its CANCEL and the ACK of its failure."""

from pysips.modules.tm.keys import complete, dialog_key, request_key
from pysips.modules.tm.settings import Settings
from pysips.testing.messages import ack, answer, cancel, invite, parsed, request

SETTINGS = Settings()


def test_an_invite_its_cancel_and_its_ack_have_one_key() -> None:
    asked = invite()
    keys = {request_key(parsed(text), SETTINGS) for text in (asked, cancel(asked), ack(asked, answer(asked, 486)))}
    assert len(keys) == 1


def test_branch_and_sent_by_tell_requests_apart() -> None:
    texts = [
        request("MESSAGE"), request("MESSAGE", branch="z9hG4bK-2"), request("MESSAGE", via="10.0.0.1:5070"),
        request("MESSAGE", via="10.0.0.1"),
    ]  # fmt: skip
    assert len({request_key(parsed(text), SETTINGS) for text in texts}) == 4


def test_spelling_of_the_via_makes_no_difference() -> None:
    plain = request("MESSAGE")
    odd = plain.replace(
        "Via: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK-1", "v: SIP/2.0/UDP\r\n 10.0.0.1:5060 ;rport;branch=z9hG4bK-1"
    )
    assert request_key(parsed(plain), SETTINGS) == request_key(parsed(odd), SETTINGS)


def test_clients_of_rfc_2543_are_told_apart_by_the_rest() -> None:
    first = request("MESSAGE", branch="1")
    for other in (
        request("MESSAGE", branch="1", call_id="other"),
        request("MESSAGE", branch="1", cseq=2),
        request("MESSAGE", "sip:else@example.com", branch="1"),
        request("MESSAGE", branch="2"),
    ):
        assert request_key(parsed(first), SETTINGS) != request_key(parsed(other), SETTINGS)


def test_uri_and_via_of_rfc_2543_clients_count_as_the_parameters_say() -> None:
    loose = Settings()
    loose.ruri_matching = loose.via1_matching = False
    first = request("MESSAGE", branch="1")
    second = request("MESSAGE", "sip:else@example.com", branch="2")
    assert request_key(parsed(first), loose) == request_key(parsed(second), loose)


def test_a_dialog_is_named_by_call_id_and_number() -> None:
    assert dialog_key(parsed(invite())) == dialog_key(parsed(request("ACK", branch="z9hG4bK-2")))


def test_a_request_without_its_headers_makes_no_transaction() -> None:
    whole = request("MESSAGE")
    assert complete(parsed(whole))
    for line in ("From: ", "To: ", "Call-ID: ", "CSeq: "):
        cut = "".join(part for part in whole.splitlines(keepends=True) if not part.startswith(line))
        assert not complete(parsed(cut))
    assert not complete(parsed(whole.replace("CSeq: 1", "CSeq: one")))
