"""What the judge must show: seeded simulations through the production code, beside what others do."""
