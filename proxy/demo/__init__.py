"""`shunt demo`: all of Shunt in one terminal, with nothing to set up."""
