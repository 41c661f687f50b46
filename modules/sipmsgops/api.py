"""What other modules may use of sipmsgops."""

from .request_uri import add_param, delete_param, has_param, is_e164, tel_to_sip

__all__ = ["add_param", "delete_param", "has_param", "is_e164", "tel_to_sip"]
