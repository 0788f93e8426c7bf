"""The command line, the local stack and the simulated venues."""
