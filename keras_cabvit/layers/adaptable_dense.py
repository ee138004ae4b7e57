"""A dense layer whose LoRA factors and quantised kernel are stored as they are."""

import keras


@keras.saving.register_keras_serializable(package="keras_cabvit")
class AdaptableDense(keras.layers.Dense):
    """`keras.layers.Dense` inside another layer, which stores LoRA factors beside its kernel.

    Keras stores one kernel with the factors merged, and loads zeros for both factors. Their
    gradients then stay zero, and a quantised kernel is rounded again.

    Args:
        *args, **kwargs: arguments of `keras.layers.Dense`.
    """

    def enable_lora(self, rank, lora_alpha=None, **kwargs):
        """Freezes the kernel and adds the product of two trainable factors to it.

        Args:
            rank: integer, the rank of the product.
            lora_alpha: float, the product is multiplied by `lora_alpha / rank`; None is `rank`.
            **kwargs: initializers of the factors, as `keras.layers.Dense.enable_lora` takes them.

        Raises:
            ValueError: the layer has LoRA already, or is quantised in a mode that Keras does not
                combine with it.
        """
        if self.quantization_mode not in (None, "int8", "int4"):
            raise ValueError(
                f"Layer '{self.name}' is quantised to {self.quantization_mode}, which Keras does "
                "not combine with LoRA. Quantise to int8 or int4, or enable LoRA without "
                "quantising."
            )
        super().enable_lora(rank, lora_alpha=lora_alpha, **kwargs)

    def quantize(self, mode=None, type_check=True, config=None):
        """Quantises the kernel, as `keras.layers.Dense.quantize` does; LoRA factors stay.

        Raises:
            NotImplementedError: the layer has LoRA, which Keras does not combine with this mode.
                `model.quantize` then warns and leaves the layer as it is.
        """
        if self.lora_enabled and mode not in ("int8", "int4"):
            raise NotImplementedError(
                f"Layer '{self.name}' has LoRA, which Keras combines with int8 and int4 only. It "
                f"is not quantised to {mode}."
            )
        super().quantize(mode, type_check=False, config=config)

    def save_own_variables(self, store):
        """Stores the kernel, the bias and the kernel's scale, and the LoRA factors if any."""
        lora, self.lora_enabled = self.lora_enabled, False
        try:
            super().save_own_variables(store)
        finally:
            self.lora_enabled = lora
        for name, factor in self._factors().items():
            store[name] = factor

    def load_own_variables(self, store):
        """Loads what `save_own_variables` stored.

        A layer with LoRA also loads the weights of one without. Its factors then start again.

        Raises:
            ValueError: the weights contain LoRA factors and the layer has none.
        """
        factors = self._factors()
        stored = set(store.keys())
        if "lora_kernel_a" in stored and not factors:
            raise ValueError(
                f"The weights of layer '{self.path}' contain LoRA factors, and the layer has none. "
                "Load the whole .keras model, or call keras_cabvit.finetuning.enable_lora with the "
                "same layers and rank before the weights are loaded."
            )
        super().load_own_variables(store)  # sets the factors to zero
        if not factors:
            return
        if "lora_kernel_a" in stored:
            for name, factor in factors.items():
                factor.assign(store[name])
        else:
            start = keras.initializers.HeUniform()
            self.lora_kernel_a.assign(start(self.lora_kernel_a.shape, "float32"))

    def _factors(self):
        names = ("lora_kernel_a", "lora_kernel_b") if self.lora_enabled else ()
        return {name: getattr(self, name) for name in names}
