"""One file per source of gradients: values, bounds, what was noticed."""
