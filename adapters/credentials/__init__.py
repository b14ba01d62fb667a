"""What an agency's gateway wants to see of the bus with every call: Basic, API key, OAuth2 token, the bus's own JWT.

Compiled at load from the manifest's block `credentials`; used by `Endpoint.send`, so that every kind of adapter has it.
Nothing here is part of what a message signature covers, and nothing of it is in the call that the pipeline carries.
"""

from __future__ import annotations

from adapters.credentials.compilation import compile_credentials
from adapters.credentials.presenting import Credentials

__all__ = ["Credentials", "compile_credentials"]
