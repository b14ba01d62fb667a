"""What changed from one contract to the next, element by element, and whom it breaks. Called by `esb adapters diff`.

Direction decides: what narrows a request breaks the bus, which sends it; what widens a reply breaks those who read it.
"""

from adapters.differences.changes import Change, Direction, Effect
from adapters.differences.comparing import compare
from adapters.differences.sides import Side, side_of

__all__ = ["Change", "Direction", "Effect", "Side", "compare", "side_of"]
