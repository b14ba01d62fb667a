"""Agency systems connected to the bus: manifests, contracts, SOAP and REST dialects, the simulator."""
