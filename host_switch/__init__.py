"""The acquirer's host: transactions, channels to issuers, ledger, settlement, reconciliation."""
