"""The report's sections, one module each: frames in, a `Section` out."""
