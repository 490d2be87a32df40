"""Giving a checkpoint away: the Hub (`push`, `card`) and ONNX files (`onnx`, `onnx_runtime`)."""
