"""The step machine: what comes next, decided from a state, a clock and what was seen."""
