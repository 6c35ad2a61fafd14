"""What is done with a cell's session: (task) -> measurements, exactly the rows that `Quantity` documents."""
