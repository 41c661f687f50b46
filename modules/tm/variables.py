"""The variables of tm: $T_…, $bavp, $tm.branch.…, and the message contexts <request> and <reply>."""

from collections.abc import Callable
from typing import Any, Final

from pysips.core.context import BRANCH, FAILURE, REPLY, REQUEST, Context
from pysips.core.exports import Getter, Index, Inner, Setter, Value, VariableSpec, number_of
from pysips.core.services import Services
from pysips.errors import BadName

from .table import Client, Transaction, plan_of

Q_UNSET: Final = -1


def transaction_of(ctx: Context) -> Transaction | None:
    """The transaction of a run, if it has one."""
    transaction: Transaction | None = ctx.transaction
    return transaction


def client_of(ctx: Context) -> Client | None:
    """The branch that a run is about: in branch, reply and failure routes; None in others."""
    transaction = transaction_of(ctx)
    if transaction is None:
        return None
    if ctx.kind == BRANCH:
        return transaction.building
    if ctx.kind in (REPLY, FAILURE) and 0 <= ctx.branch_index < len(transaction.clients):
        return transaction.clients[ctx.branch_index]
    return None


def request_context(ctx: Context) -> Context | None:
    """`$(<request>…)`: the request that a reply answers; a request itself elsewhere."""
    if ctx.message.status == 0:
        return ctx
    transaction = transaction_of(ctx)
    return transaction.ctx if transaction is not None else None


def reply_context(ctx: Context) -> Context | None:
    """`$(<reply>…)`: the reply at hand, or in failure_route the one that was picked; None for one made here."""
    if ctx.message.status:
        return ctx
    if ctx.kind != FAILURE:
        return None
    client = client_of(ctx)
    return client.reply if client is not None else None


def reply_code(ctx: Context) -> int:
    """$T_reply_code: the reply at hand, the picked one in failure_route, else the last one sent; 0: none."""
    if ctx.message.status:
        return ctx.message.status
    transaction = transaction_of(ctx)
    if transaction is None:
        return 0
    if ctx.kind == FAILURE:
        client = client_of(ctx)
        return client.status if client is not None else 0
    return transaction.status


def branch_number(ctx: Context) -> Value:
    """$T_branch_idx: NULL outside of branch, reply and failure routes."""
    client = client_of(ctx)
    return client.index if client is not None else None


def timeout_of(ctx: Context, invite: bool) -> float:
    """The seconds set for this request; -1 for none."""
    transaction = transaction_of(ctx)
    if transaction is not None:
        return transaction.fr_inv_timeout if invite else transaction.fr_timeout
    plan = plan_of(ctx)
    return plan.fr_inv_timeout if invite else plan.fr_timeout


def set_timeout(ctx: Context, value: Value, invite: bool) -> int:
    """Set it; NULL goes back to the parameter. -1 for a value that is no number of seconds."""
    seconds = -1.0
    if value is not None:
        number = number_of(value)
        if number is None or number < 0:
            return -1
        seconds = float(number)
    transaction = transaction_of(ctx)
    holder = transaction if transaction is not None else plan_of(ctx)
    if invite:
        holder.fr_inv_timeout = seconds
    else:
        holder.fr_timeout = seconds
    return 1


def chosen(ctx: Context, index: Index) -> Client | None:
    """The branch that an index means: absolute, or "N/active" within the newest set, negative from the end."""
    transaction = transaction_of(ctx)
    value = index(ctx) if callable(index) else index
    if value is None:
        return client_of(ctx)
    if transaction is None:
        return None
    text, _, scope = str(value).partition("/")
    clients = transaction.clients[transaction.first :] if scope == "active" else transaction.clients
    try:
        return clients[int(text)]
    except (ValueError, IndexError):
        return None


Read = Callable[[Context, Client], Value]


def per_branch(name: str, read: Read, services: Services, help: str) -> VariableSpec:
    """A read-only `$(tm.branch.x[i])`."""

    def bind(inner: Inner, index: Index) -> Getter:
        check_index(name, index)

        def get(ctx: Context) -> Value:
            client = chosen(ctx, index)
            return read(ctx, client) if client is not None else None

        return get

    return VariableSpec(name, "tm", bind, None, "no", index=True, help=help)


def check_index(name: str, index: Index) -> None:
    if index in ("*", "append"):
        raise BadName(f"${name} has no index [{index}]")


def q_text(client: Client) -> Value:
    q = client.branch.q
    if q == Q_UNSET:
        return None
    return "1" if q >= 1000 else "0." + (str(q + 1000)[1:].rstrip("0") or "0")


def flag_variable(services: Services) -> VariableSpec:
    """`$(tm.branch.flag(name)[i])`."""

    def bind(inner: Inner, index: Index) -> Getter:
        mask = services.branch_flags.mask(str(inner))

        def get(ctx: Context) -> Value:
            client = chosen(ctx, index)
            return None if client is None else int(client.branch.flags & mask != 0)

        return get

    def bind_write(inner: Inner, index: Index) -> Setter:
        mask = services.branch_flags.mask(str(inner))

        def put(ctx: Context, value: Value, op: str) -> int:
            client = chosen(ctx, index)
            if client is None:
                return -1
            if number_of(value):
                client.branch.flags |= mask
            else:
                client.branch.flags &= ~mask
            if client is client_of(ctx):
                ctx.bflags = client.branch.flags
            return 1

        return put

    return VariableSpec(
        "tm.branch.flag", "tm", bind, bind_write, "required", index=True, help="One branch flag by name."
    )


def attribute_variable() -> VariableSpec:
    """`$(tm.branch.attr(name)[i])`."""

    def bind(inner: Inner, index: Index) -> Getter:
        def get(ctx: Context) -> Value:
            attributes = attributes_of(ctx, chosen(ctx, index), False)
            return attributes.get(name_of(ctx, inner)) if attributes else None

        return get

    def bind_write(inner: Inner, index: Index) -> Setter:
        def put(ctx: Context, value: Value, op: str) -> int:
            attributes = attributes_of(ctx, chosen(ctx, index), True)
            if attributes is None:
                return -1
            if value is None:
                attributes.pop(name_of(ctx, inner), None)
            else:
                attributes[name_of(ctx, inner)] = value
            return 1

        return put

    return VariableSpec(
        "tm.branch.attr",
        "tm",
        bind,
        bind_write,
        "required",
        dynamic=True,
        index=True,
        help="One attribute of a branch.",
    )


def attributes_of(ctx: Context, client: Client | None, make: bool) -> dict[str, Value] | None:
    """The attributes of a branch; in its own branch_route they still hang on the run."""
    if client is None:
        return None
    if ctx.kind == BRANCH and client is client_of(ctx):
        if ctx.attributes is None and make:
            ctx.attributes = {}
        return ctx.attributes
    if client.branch.attributes is None and make:
        client.branch.attributes = {}
    return client.branch.attributes


def name_of(ctx: Context, inner: Inner) -> str:
    return str(inner(ctx) if callable(inner) else inner)


def bavp_variable() -> VariableSpec:
    """`$bavp(name)`: AVPs of one branch; NULL outside of branch, reply and failure routes."""

    def bind(inner: Inner, index: Index) -> Getter:
        def get(ctx: Context) -> Value:
            client = client_of(ctx)
            if client is None or client.avps is None:
                return None
            values = client.avps.get(name_of(ctx, inner), [])
            at = index(ctx) if callable(index) else index
            if at == "*":
                return ";".join([str(value) for value in reversed(values)]) if values else None
            place = number_of(at) if at is not None else 0
            if place is None or not -len(values) <= place < len(values):
                return None
            return values[-1 - place] if place >= 0 else values[-1 - (place + len(values))]

        return get

    def bind_write(inner: Inner, index: Index) -> Setter:
        def put(ctx: Context, value: Value, op: str) -> int:
            client = client_of(ctx)
            if client is None:
                return -1
            if client.avps is None:
                client.avps = {}
            name = name_of(ctx, inner)
            if value is None:
                return drop_avp(client.avps, name, op == ":=")
            if op == ":=":
                client.avps[name] = [value]
            else:
                client.avps.setdefault(name, []).append(value)
            return 1

        return put

    return VariableSpec(
        "bavp", "tm", bind, bind_write, "required", dynamic=True, index=True, help="AVPs of one branch."
    )


def drop_avp(avps: dict[str, list[Value]], name: str, all_values: bool) -> int:
    """Assigning NULL: the newest value goes, or all of them by `:=`."""
    values = avps.get(name)
    if values:
        if all_values or len(values) == 1:
            del avps[name]
        else:
            values.pop()
    return 1


def specs(services: Services) -> list[VariableSpec]:
    """The variables that take an index or an inner name."""
    one = [
        per_branch("tm.branch.uri", lambda ctx, client: client.branch.uri, services, "Request-URI of a branch."),
        per_branch("tm.branch.duri", lambda ctx, client: client.branch.dst or None, services, "Its $du."),
        per_branch("tm.branch.path", lambda ctx, client: client.branch.path or None, services, "Its Path."),
        per_branch("tm.branch.q", lambda ctx, client: q_text(client), services, "Its q."),
        per_branch(
            "tm.branch.flags",
            lambda ctx, client: " ".join(services.branch_flags.names(client.branch.flags)),
            services,
            "Its branch flags.",
        ),
        per_branch("tm.branch.socket", socket_name, services, "The socket that it was sent from."),
        per_branch("tm.branch.last_received", last_received, services, "The last status that came for it, or NULL."),
        per_branch("T_branch_last_reply_code", last_received, services, "The same."),
        per_branch(
            "tm.branch.type", lambda ctx, client: "phony" if client.phony >= 0 else "sip", services, "phony or sip."
        ),
    ]
    return [*one, flag_variable(services), attribute_variable(), bavp_variable()]


def socket_name(ctx: Context, client: Client) -> Value:
    return client.peer.socket.name if client.peer is not None else None


def last_received(ctx: Context, client: Client) -> Value:
    return client.status or None


CONTEXTS: Final[dict[str, Callable[[Any], Any]]] = {"request": request_context, "reply": reply_context}

__all__ = ["CONTEXTS", "REQUEST", "client_of", "request_context", "specs", "transaction_of"]
