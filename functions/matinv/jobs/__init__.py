"""A job: its message, its input, its record, and which input owns its id."""
