"""Fine-tuning: LoRA, frozen parts, and a learning rate for each layer."""

from keras_cabvit.finetuning.decay import layerwise_rates
from keras_cabvit.finetuning.freezing import freeze
from keras_cabvit.finetuning.lora import enable_lora
from keras_cabvit.finetuning.optimizer import LayerwiseOptimizer

__all__ = ["LayerwiseOptimizer", "enable_lora", "freeze", "layerwise_rates"]
