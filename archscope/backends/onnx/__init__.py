"""The ONNX side: files of other programs, read as designs. It needs onnx and NumPy, and no torch."""
