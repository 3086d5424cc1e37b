"""The embedded stack: AWS on a laptop, with an event-source runner that keeps SQS's rules."""
