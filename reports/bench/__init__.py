"""The bench report: steps, draws and costs under the clock, drawn from frames alone."""
