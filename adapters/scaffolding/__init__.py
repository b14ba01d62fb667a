"""From a contract to an adapter's whole folder, with every guess marked for the person who knows. Read as `scaffold`.

Called by `esb adapters scaffold` alone; what it writes is read by the loaders that the bus uses.
"""

from adapters.scaffolding.scaffold import Order, Scaffolded, scaffold
from adapters.scaffolding.source import Source, from_openapi, from_wsdl, from_xsd

__all__ = ["Order", "Scaffolded", "Source", "from_openapi", "from_wsdl", "from_xsd", "scaffold"]
