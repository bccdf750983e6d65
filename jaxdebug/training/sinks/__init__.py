"""Where else a run is written to: TensorBoard, W&B, JSON Lines, or anything alike."""

from jaxdebug.training.sinks.json_lines import JsonLines as JsonLines
from jaxdebug.training.sinks.sink import Sink as Sink
from jaxdebug.training.sinks.tensorboard import TensorBoard as TensorBoard
from jaxdebug.training.sinks.wandb_run import WandB as WandB
