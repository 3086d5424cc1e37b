"""What a job is: its message, its input, its record, and which input owns its id."""
