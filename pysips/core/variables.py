"""Every variable that needs no module: $ru, $avp(x), $hdr(x), $(x[i]) and their kin (OpenSIPS: pvar.c)."""

from pysips.script.catalogue import VariableSpec

from .services import Services
from .variables_auth import auth_variables
from .variables_body import body_variables
from .variables_branches import branch_variables
from .variables_flags import flag_variables
from .variables_headers import header_variables
from .variables_message import message_variables
from .variables_route import route_variables
from .variables_script import script_variables
from .variables_sdp import sdp_variables
from .variables_time import time_variables
from .variables_transport import transport_variables
from .variables_uri import uri_variables


def variables(services: Services) -> list[VariableSpec]:
    """All of them; `services` has the names of the flags."""
    return [
        *uri_variables(),
        *message_variables(),
        *header_variables(),
        *auth_variables(),
        *body_variables(),
        *sdp_variables(),
        *script_variables(),
        *route_variables(),
        *branch_variables(services.branch_flags),
        *flag_variables(services.message_flags, services.branch_flags),
        *transport_variables(),
        *time_variables(),
    ]
