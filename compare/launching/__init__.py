"""Every process that this package starts: its session, its connection, its output, its end, and what interrupts it."""
