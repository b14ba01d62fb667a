"""What keeps one agency's trouble from becoming everybody's: deadline, breaker, throttle, retry, idempotency."""
