"""What must survive: real processes killed by SIGKILL after every effect, and both stores cut off by the power."""
