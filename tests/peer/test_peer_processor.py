import tempfile
import unittest
from pathlib import Path

import pytest
import transformers_suite
from tiny import make_tokenizer

from kobza import KobzaFeatureExtractor, KobzaProcessor

pytestmark = pytest.mark.slow
common = transformers_suite.load("test_processing_common")


class KobzaProcessorTest(common.ProcessorTesterMixin, unittest.TestCase):
    processor_class = KobzaProcessor

    @classmethod
    def _setup_feature_extractor(cls):
        return KobzaFeatureExtractor()

    @classmethod
    def _setup_tokenizer(cls):
        with tempfile.TemporaryDirectory() as folder:
            tokenizer = make_tokenizer(Path(folder))
        tokenizer.model_max_length = 512  # the suite pads to lengths that a tower of 64 positions has not
        return tokenizer
