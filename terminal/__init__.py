"""The counter: devices, the EMV kernel, the payment machine, the journal and the cashier's page."""
