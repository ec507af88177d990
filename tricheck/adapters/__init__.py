"""Other habits of writing a forward and a backward pass, as models; one file per habit."""
