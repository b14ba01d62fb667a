from tests.support.http_door import bus, http_door, portal

__all__ = ["bus", "http_door", "portal"]
