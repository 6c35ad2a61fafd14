"""TensorFlow Probability on JAX, through its public variational losses and divergences."""
