"""What matinv advises where it refuses something, and tests that follow each advice."""
