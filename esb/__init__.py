"""The bus: one door in, one straight pipeline, one journal."""
