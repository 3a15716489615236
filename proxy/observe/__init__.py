"""What the proxy knows about itself: statistics, metrics, access log."""
