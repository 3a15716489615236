"""Real processes on port 0: what a user has, as a user has it."""
