"""Feature flags: one function decides for the route, the header and the application."""
