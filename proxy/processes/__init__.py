"""What the three roles share: sockets that outlive their owners, lifelines, channels, tables in slices."""
