"""The admin API: one table of operations that drives the routing and is the OpenAPI document."""
