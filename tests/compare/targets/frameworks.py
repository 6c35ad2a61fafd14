"""Right functions in frameworks that are tried where they are installed; each imports its own."""


def of_tensorflow():
    import tensorflow as tf

    def loss(x, x_logit, z_mean, z_log_var):
        cross_entropy = tf.nn.sigmoid_cross_entropy_with_logits(logits=x_logit, labels=x)
        kl = -0.5 * tf.reduce_sum(1 + z_log_var - z_mean**2 - tf.exp(z_log_var), axis=1)
        return tf.reduce_mean(tf.reduce_sum(cross_entropy, axis=1) + kl)

    def stopped(z_mean, z_log_var):
        return -0.5 * tf.reduce_sum(1 + z_log_var - tf.stop_gradient(z_mean) ** 2 - tf.exp(z_log_var), axis=1)

    return loss, stopped


def of_keras():
    import keras
    from keras import ops

    class KLLayer(keras.layers.Layer):
        def call(self, inputs):
            z_mean, z_log_var = inputs
            return -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=-1)

    def loss(data, reconstruction, z_mean, z_log_var):
        pixels = keras.losses.binary_crossentropy(data, reconstruction)
        kl = -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=1)
        return ops.mean(ops.sum(pixels, axis=(1, 2))) + ops.mean(kl)

    return KLLayer(), loss


def of_flax():
    import flax.linen as nn
    import jax.numpy as jnp

    class WeightedKL(nn.Module):
        beta: float = 1.0

        def __call__(self, mu, logvar):
            return self.beta * 0.5 * jnp.sum(mu**2 + jnp.exp(logvar) - 1 - logvar, -1)

    return WeightedKL(), WeightedKL(beta=4.0)


def of_equinox():
    import equinox
    import jax.numpy as jnp

    class KL(equinox.Module):
        def __call__(self, mu, logvar):
            return 0.5 * jnp.sum(mu**2 + jnp.exp(logvar) - 1 - logvar, -1)

    return KL(), equinox.filter_jit(lambda mu, logvar: 0.4 * jnp.sum(mu**2 + jnp.exp(logvar) - 1 - logvar, -1))
