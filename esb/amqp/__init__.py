"""RabbitMQ as the bus uses it: a supervised connection, a declared topology, a confirming publisher, the relay.

The only package that knows `pika` (with `esb/inbound/amqp.py`, which consumes through it).
"""
