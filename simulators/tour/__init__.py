"""The whole shop on one machine: set it up, keep its processes alive, and walk through it as cashier and customer.

Everything here goes the way a person would: the cashier's page over HTTP, the counter's devices with their own bytes,
and a signal where something is killed. The command in front of it is `simulators.demo`.
"""
