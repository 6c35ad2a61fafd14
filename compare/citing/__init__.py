"""What is already measured, by ID or between two runs: `cite`, `diff`."""
