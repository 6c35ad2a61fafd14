"""What the backends share: the model's form, arrays in and out, device, dtype, synchronisation. No maths."""
