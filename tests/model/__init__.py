"""A model of the queue: thousands of schedules of faults, and what must hold in each of them."""
