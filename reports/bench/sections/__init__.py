"""The parts of the bench report."""
