"""The soak: thousands of mixed jobs, workers killed at random, and an account of every one."""
