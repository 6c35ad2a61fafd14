"""`compare bench`: training forms, draws and costs under one clock, in interleaved rounds. Described, never judged."""
