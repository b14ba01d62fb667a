"""The doors by which requests come in, and the one codec they share."""
