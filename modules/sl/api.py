"""What other modules may use of sl."""

from .replies import Replies as Replies
