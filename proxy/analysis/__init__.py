"""Is the candidate worse? Evidence from counters that may be looked at after every single request."""
