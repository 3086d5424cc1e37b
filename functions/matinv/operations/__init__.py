"""For those who run a stack: its health, its dead letters, and a job that shows that it works."""
