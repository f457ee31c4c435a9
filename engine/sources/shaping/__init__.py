"""What one value of a column becomes: compiled once for each column, the same for every format."""
