"""What a bench worker times: one clock per page, each with `start`, `turn` and `finish`."""
