"""Runs cells: a worker process for every implementation, a schedule over them, and what each cell ended with."""
