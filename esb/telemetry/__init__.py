"""What the bus tells about itself: log lines, numbers, traces. Never a payload, never an unmasked identifier."""
