"""Everything outside the counter and the host: cards, scanners, printers, banks, networks; and the seeded world."""
