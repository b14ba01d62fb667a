"""Contracts: from an agency's XSD or OpenAPI to validators, encoders, decoders, JSON Schemas and samples.

Compiled once at load by the adapters; the compiled parts run on every message. Nothing here reads the network, and
nothing but `catalogue` reads files.
"""
