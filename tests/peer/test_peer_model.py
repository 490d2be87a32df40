import unittest

import pytest
import transformers_suite
from tiny import TINY_AUDIO, TINY_TEXT

from kobza import KobzaConfig, KobzaModel

pytestmark = pytest.mark.slow
configuration = transformers_suite.load("test_configuration_common")
modeling = transformers_suite.load("test_modeling_common")


class KobzaModelTester:
    """What the suite asks for: a tiny configuration, and inputs that fit it."""

    batch_size, seq_length, max_length, num_mel_bins = 4, 7, 64, 32
    hidden_size, num_hidden_layers, is_training = 32, 2, True

    def __init__(self, parent):
        self.parent = parent

    def get_config(self) -> KobzaConfig:
        audio = {**TINY_AUDIO, "max_length": self.max_length, "num_mel_bins": self.num_mel_bins}
        audio |= {"patch_size": 16, "frequency_stride": 16, "time_stride": 16}
        return KobzaConfig(text_config=dict(TINY_TEXT), audio_config=audio, projection_dim=16)

    def prepare_config_and_inputs(self):
        ids = modeling.ids_tensor([self.batch_size, self.seq_length], TINY_TEXT["vocab_size"])
        windows = modeling.floats_tensor([self.batch_size, self.max_length, self.num_mel_bins])
        return self.get_config(), ids, modeling.random_attention_mask(ids.shape), windows

    def prepare_config_and_inputs_for_common(self):
        config, ids, mask, windows = self.prepare_config_and_inputs()
        return config, {"input_ids": ids, "attention_mask": mask, "input_values": windows, "return_loss": True}


# The model has two towers, as CLAP and CLIP have, whose own tests leave out the first three for the same reason
TWO_TOWERS = "hidden states and attentions are in text_model_output and audio_model_output, not at the top"


@transformers_suite.excluding(
    {
        "test_attention_outputs": f"{TWO_TOWERS}: tests/model/test_modeling.py has its own",
        "test_hidden_states_output": f"{TWO_TOWERS}: tests/model/test_modeling.py has its own",
        "test_retain_grad_hidden_states_attentions": f"{TWO_TOWERS}: tests/model/test_modeling.py has its own",
        "test_reverse_loading_mapping": "save_pretrained writes the names that Trainer resumes with, not the old ones",
    }
)
class KobzaModelTest(modeling.ModelTesterMixin, unittest.TestCase):
    all_model_classes = (KobzaModel,)
    test_resize_embeddings = True
    _is_composite = True
    additional_model_inputs = ("input_values",)  # for eager against sdpa: both towers

    def setUp(self):
        self.model_tester = KobzaModelTester(self)
        self.config_tester = configuration.ConfigTester(
            self,
            config_class=KobzaConfig,
            has_text_modality=False,
            projection_dim=16,
            text_pooling="mean",
            temperature_learned=True,
            common_properties=["projection_dim", "temperature"],
        )

    def test_config(self):
        self.config_tester.run_common_tests()
