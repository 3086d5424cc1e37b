"""Where matrices, records and messages live: AWS, the HTTP API, or memory."""
