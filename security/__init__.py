"""What the bus trusts and why: XML intake, keys, certificates, signatures, identity, the hash chain.

Pure: no network, no logging, no import from the rest of the bus, so that it can be audited alone.
"""
